-- Writes one chunk of records and the offsets that it reaches: all of it, or nothing.
--
-- ARGV: quiet, changes_kept, influencers_kept, newest,
--       count, then per range:   field, position, next
--       count, then per score:   user, version, score, handle key, change, networks, (network, score)*, document
--       count, then per details: user, version, actors, (actor, count)*, document
-- A document "" is a tombstone.
--
-- Returns one character per score and details, in their order: 1 taken, 0 not newer.
-- Returns false, and writes nothing, when Redis has not all that was written before a range: it was lost.

local SINK, RANK, CHANGES = 'clout:sink', 'clout:rank', 'clout:changes'
local call, find, match = redis.call, string.find, string.match

local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end

local quiet = take() == '1'
local changes_kept = take()
local influencers_kept = tonumber(take())
local newest = tonumber(take())

-- The keys stand in quotes, and JSON escapes quotes inside strings: a plain search finds the field itself.
local function version_of(document)
  local start = find(document, '"version":', 1, true)
  return start and tonumber(match(document, '^%s*(%d+)', start + 10)) or -1
end

local function drop_networks(user, old, kept)
  local start = find(old, '"networks":{', 1, true)
  if not start then return end
  local stop = find(old, '}}', start, true) or start
  for network in string.gmatch(string.sub(old, start + 12, stop), '"([^"]+)":{') do
    if not kept[network] then call('ZREM', RANK .. ':' .. network, user) end
  end
end

local function delete_score(user, old)
  if not old then return '0' end
  drop_networks(user, old, {})
  call('DEL', 'clout:user:' .. user)
  call('ZREM', RANK, user)
  local ok, document = pcall(cjson.decode, old)
  if ok and type(document.handle) == 'string' then
    local network = match(user, '^([^:]*):') or ''
    local handle_key = 'clout:handle:' .. network .. ':' .. string.lower(document.handle)
    if call('GET', handle_key) == user then call('DEL', handle_key) end
  end
  if not quiet then call('XADD', CHANGES, 'MAXLEN', '~', changes_kept, '*', 'gone', user) end
  return '1'
end

-- What all scores of the chunk write is gathered and written by few commands: each command costs more than its work.
local strings, ranks = {}, { [RANK] = {} }

local function gather_rank(key, score, user)
  local rank = ranks[key]
  if not rank then
    rank = {}
    ranks[key] = rank
  end
  rank[#rank + 1] = score
  rank[#rank + 1] = user
end

local function read_scores(count)
  local scores, user_keys = {}, {}
  for i = 1, count do
    local score = { user = take(), version = take(), score = take(), handle_key = take(), change = take() }
    local networks = tonumber(take())
    score.first, score.last = at + 1, at + 2 * networks
    at = score.last
    score.document = take()
    scores[i], user_keys[i] = score, 'clout:user:' .. score.user
  end
  return scores, user_keys
end

local function apply_score(new, key, old)
  if new.document == '' then return delete_score(new.user, old) end
  if old and version_of(old) >= tonumber(new.version) then return '0' end
  strings[#strings + 1] = key
  strings[#strings + 1] = new.document
  strings[#strings + 1] = new.handle_key
  strings[#strings + 1] = new.user
  gather_rank(RANK, new.score, new.user)
  local kept = {}
  for i = new.first, new.last, 2 do
    kept[ARGV[i]] = true
    gather_rank(RANK .. ':' .. ARGV[i], ARGV[i + 1], new.user)
  end
  if old then drop_networks(new.user, old, kept) end
  if not quiet then call('XADD', CHANGES, 'MAXLEN', '~', changes_kept, '*', 'change', new.change) end
  return '1'
end

local function apply_scores(fates)
  local scores, user_keys = read_scores(tonumber(take()))
  if #scores == 0 then return end
  local stored = call('MGET', unpack(user_keys))
  for i, new in ipairs(scores) do
    fates[i] = apply_score(new, user_keys[i], stored[i])
  end
  if #strings == 0 then return end
  call('MSET', unpack(strings))
  for key, rank in pairs(ranks) do call('ZADD', key, unpack(rank)) end
end

-- The inversion of details is kept as well as it can be: a list of actors that does not decode drops nobody.
local function drop_actors(user, old, kept)
  local ok, details = pcall(cjson.decode, old)
  if not ok or type(details.actors) ~= 'table' then return end
  for _, entry in ipairs(details.actors) do
    if not kept[entry.actor] then call('ZREM', 'clout:influencers:' .. entry.actor, user) end
  end
end

local function apply_details()
  local user, version, actors = take(), take(), tonumber(take())
  local first = at
  at = at + 2 * actors
  local document = take()
  local key = 'clout:details:' .. user
  local old = call('GET', key)
  if document == '' then
    if old then drop_actors(user, old, {}) end
    return call('DEL', key) == 1 and '1' or '0'
  end
  if old and version_of(old) >= tonumber(version) then return '0' end
  call('SET', key, document)
  local kept = {}
  for i = first + 1, first + 2 * actors, 2 do
    local influencers = 'clout:influencers:' .. ARGV[i]
    kept[ARGV[i]] = true
    call('ZADD', influencers, ARGV[i + 1], user)
    if call('ZCARD', influencers) > influencers_kept then
      call('ZREMRANGEBYRANK', influencers, 0, -influencers_kept - 1)
    end
  end
  if old then drop_actors(user, old, kept) end
  return '1'
end

local reached = {}
for _ = 1, tonumber(take()) do
  local field, position, next_offset = take(), tonumber(take()), take()
  local stored = tonumber(call('HGET', SINK, field) or '-1')
  if stored < position then return false end
  if stored < tonumber(next_offset) then
    reached[#reached + 1] = field
    reached[#reached + 1] = next_offset
  end
end

local fates = {}
apply_scores(fates)
for _ = 1, tonumber(take()) do fates[#fates + 1] = apply_details() end

if #reached > 0 then call('HSET', SINK, unpack(reached)) end
if newest > tonumber(call('HGET', SINK, 'newest') or '0') then call('HSET', SINK, 'newest', newest) end
return table.concat(fates)
