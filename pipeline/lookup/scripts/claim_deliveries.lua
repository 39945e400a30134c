-- Takes deliveries that are due: of each destination a few, and the destination is nobody else's until the lease ends.
-- ARGV: now (Unix ms), how long the lease is (ms), destinations at most, deliveries of each at most.
-- Returns destination, document, destination, document, ..
local now, lease, most, each = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local out = {}
for _, destination in ipairs(redis.call('ZRANGEBYSCORE', 'clout:deliveries', '-inf', now, 'LIMIT', 0, most)) do
  local queue = 'clout:deliveries:queue:' .. destination
  local lock = 'clout:deliveries:lease:' .. destination
  local found = 0
  local is_free = redis.call('EXISTS', lock) == 0
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, is_free and each or 0)) do
    local document = redis.call('GET', 'clout:delivery:' .. id)
    if document then
      found = found + 1
      out[#out + 1] = destination
      out[#out + 1] = document
    else
      redis.call('ZREM', queue, id)
    end
  end
  local first = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
  if found > 0 then
    redis.call('SET', lock, 1, 'PX', lease)
  end
  if found > 0 or not is_free then
    -- Looked at again soon, in case the lease is left to end by itself.
    redis.call('ZADD', 'clout:deliveries', now + 1000, destination)
  elseif first[2] then
    redis.call('ZADD', 'clout:deliveries', first[2], destination)
  else
    redis.call('ZREM', 'clout:deliveries', destination)
  end
end
return out
