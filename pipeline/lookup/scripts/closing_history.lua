-- Returns which points a later one of another hour follows: for each, the place of its user, its version and itself.
-- ARGV: user, time, score (hundredths), user, time, score, ..: the first new point of each user.

local HOUR = 3600000
local closing = {}
for place = 1, #ARGV / 3 do
  local at = 3 * place
  local key, time, score = 'clout:history:' .. ARGV[at - 2], tonumber(ARGV[at - 1]), tonumber(ARGV[at])
  local last = redis.call('GETRANGE', key, -8, -1)
  if #last == 8 then
    local last_time, last_score = struct.unpack('>I6I2', last)
    if last_score ~= score and math.floor(last_time / HOUR) < math.floor(time / HOUR) then
      closing[#closing + 1] = place - 1
      closing[#closing + 1] = redis.call('GETRANGE', key, 0, 7)
      closing[#closing + 1] = last
    end
  end
end
return closing
