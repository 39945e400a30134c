-- Ends a rebuild: readers are told once, by one reset in the stream of changes.
-- ARGV: changes_kept. Returns 1 when this call ended it, 0 when no rebuild was under way.
if redis.call('HDEL', 'clout:sink', 'rebuilding') == 0 then return 0 end
redis.call('XADD', 'clout:changes', 'MAXLEN', '~', ARGV[1], '*', 'reset', 'rebuilt')
return 1
