-- Ends the rebuild of a lane: readers of its streams are told once, by one reset.
-- ARGV: lane, then its streams. Returns 1 when this call ended it, 0 when no rebuild was under way.
if redis.call('HDEL', 'clout:sink', 'rebuilding/' .. ARGV[1]) == 0 then return 0 end
for i = 2, #ARGV do redis.call('XADD', ARGV[i], '*', 'reset', 'rebuilt') end
return 1
