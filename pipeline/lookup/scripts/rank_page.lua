-- Returns a page of a leaderboard, best first, that starts behind a cursor.
-- A cursor is the score and the user last seen: pages neither skip nor repeat anyone whose score stays.
--
-- ARGV: key, limit, score, user (both "" for the first page)
-- Returns: rank of the first entry (from 0), then user, score, user, score, ..

-- Whether a stands before b among equal scores: sorted sets compare bytes, from the last to the first here.
local function before(a, b)
  local shared = math.min(#a, #b)
  for i = 1, shared do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end

local key, limit, score, user = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local first = 0
if score ~= '' then
  -- The entries of the cursor's score stand at ranks low .. high - 1: find the first behind the user by halving.
  local low, high = redis.call('ZCOUNT', key, '(' .. score, '+inf'), redis.call('ZCOUNT', key, score, '+inf')
  while low < high do
    local middle = math.floor((low + high) / 2)
    local other = redis.call('ZREVRANGE', key, middle, middle)[1]
    if other == user or before(other, user) then low = middle + 1 else high = middle end
  end
  first = low
end
local page = redis.call('ZREVRANGE', key, first, first + limit - 1, 'WITHSCORES')
table.insert(page, 1, first)
return page
