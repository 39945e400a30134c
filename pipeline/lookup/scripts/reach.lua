-- What the scripts of all outlets share: a chunk's offsets, and its records by columns.
--
-- ARGV[1], packed: quiet, newest, count of ranges, then per range: field, position, next;
--       count of records, then each column whole, then what some records have more of.
-- Returns false, and writes nothing, when Redis has not all that was written before a range: it was lost.

local SINK = 'clout:sink'
local call = redis.call
local ARGV = cmsgpack.unpack(ARGV[1])

local quiet = ARGV[1] == '1'
local newest = tonumber(ARGV[2])
local at = 3
local reached = {}
for _ = 1, tonumber(ARGV[3]) do
  local field, position, next_offset = ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  at = at + 3
  local stored = tonumber(call('HGET', SINK, field) or '-1')
  if stored < position then return false end
  if stored < tonumber(next_offset) then
    reached[#reached + 1] = field
    reached[#reached + 1] = next_offset
  end
end
local count = tonumber(ARGV[at + 1])
at = at + 1

-- Takes the next column: where it begins, so that ARGV[begin + i] is that of record i.
local function column()
  local begin = at
  at = at + count
  return begin
end

local function finish(fates)
  if #reached > 0 then call('HSET', SINK, unpack(reached)) end
  if newest > 0 and newest > tonumber(call('HGET', SINK, 'newest') or '0') then call('HSET', SINK, 'newest', newest) end
  return table.concat(fates)
end
