-- Notes what came of an attempt. ARGV: destination, id, document, when to try again (Unix ms; 0: never), seconds to keep it.
-- Nobody else may have the destination before all that was claimed of it is finished: see release_destination.
local queue = 'clout:deliveries:queue:' .. ARGV[1]
redis.call('SET', 'clout:delivery:' .. ARGV[2], ARGV[3], 'EX', ARGV[5])
if ARGV[4] == '0' then
  redis.call('ZREM', queue, ARGV[2])
else
  redis.call('ZADD', queue, ARGV[4], ARGV[2])
end
return 1
