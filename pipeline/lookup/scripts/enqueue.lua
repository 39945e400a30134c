-- Puts deliveries into their queues, in one step with the positions of the topics that they come from.
-- ARGV[1], packed: positions {field, begin, end}, deliveries {id, destination, due, document, log}, notes {field, value or ''},
-- log entries {log, entry}; ARGV[2]: how many entries a log keeps; ARGV[3]: for how many seconds a delivery is kept.
-- Returns 0, having done nothing, where a position is not where it should be: somebody else was faster.
local positions, deliveries, notes, entries = unpack(cmsgpack.unpack(ARGV[1]))
for _, p in ipairs(positions) do
  local held = redis.call('HGET', 'clout:alerter', p[1])
  if held and tonumber(held) ~= p[2] then return 0 end
end
for _, p in ipairs(positions) do redis.call('HSET', 'clout:alerter', p[1], string.format('%.0f', p[3])) end
for _, n in ipairs(notes) do
  if n[2] == '' then redis.call('HDEL', 'clout:alerts', n[1]) else redis.call('HSET', 'clout:alerts', n[1], n[2]) end
end
for _, d in ipairs(deliveries) do
  local id, destination, due, document, log = unpack(d)
  -- Known by its id: a repeat is none.
  if redis.call('SET', 'clout:delivery:' .. id, document, 'NX', 'EX', ARGV[3]) then
    if due > 0 then
      redis.call('ZADD', 'clout:deliveries:queue:' .. destination, due, id)
      redis.call('ZADD', 'clout:deliveries', 'LT', due, destination)
    end
    redis.call('LPUSH', log, id)
    redis.call('LTRIM', log, 0, ARGV[2] - 1)
    redis.call('EXPIRE', log, ARGV[3])
  end
end
for _, e in ipairs(entries) do
  redis.call('LPUSH', e[1], e[2])
  redis.call('LTRIM', e[1], 0, ARGV[2] - 1)
end
return 1
