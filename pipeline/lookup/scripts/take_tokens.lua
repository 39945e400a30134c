-- Takes tokens from a bucket that fills by itself.
-- ARGV: key, tokens per second, the most it holds, tokens wanted, the least that are of use.
-- Returns how many were taken, and in how many ms the least will be there when none were.
local key, rate, burst, wanted, least = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', key, 'tokens', 'at')
local tokens = burst
if held[1] then
  tokens = math.min(burst, held[1] + math.max(0, now - held[2]) * rate / 1000)
end
local taken = math.min(wanted, math.floor(tokens))
local wait = 0
if taken < least then
  taken, wait = 0, math.ceil((least - tokens) / rate * 1000)
end
redis.call('HSET', key, 'tokens', tostring(tokens - taken), 'at', now)
redis.call('PEXPIRE', key, math.ceil(burst / rate * 1000) + 1000)
return {taken, wait}
