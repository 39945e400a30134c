-- Lets a destination be claimed again, when the first of its deliveries is due. ARGV: destination.
redis.call('DEL', 'clout:deliveries:lease:' .. ARGV[1])
local first = redis.call('ZRANGE', 'clout:deliveries:queue:' .. ARGV[1], 0, 0, 'WITHSCORES')
if first[2] then
  redis.call('ZADD', 'clout:deliveries', first[2], ARGV[1])
else
  redis.call('ZREM', 'clout:deliveries', ARGV[1])
end
return 1
