-- Writes details documents. Columns: user, version, document, actors, topics; the rest: actor, count.
-- A document "" is a tombstone. Returns one character per record: 1 taken, 0 not newer.
--
-- clout:influencers:{actor} is the inversion: whom an actor engages with. Only what differs from the document before is
-- written to it: most actors of a user stay, and so do many counts.
--
-- clout:topic:{slug} has a topic's users by the last score of their history, which apply_history.lua goes on to keep.
-- clout:topics:{user} are the slugs, with unit separators between.

local INFLUENCERS, INFLUENCERS_KEPT = 'clout:influencers:', 200
local TOPIC, TOPICS, SLUG = 'clout:topic:', 'clout:topics:', '[^\31]+'
local find, match, sub = string.find, string.match, string.sub

local users, versions, documents, actors, topics = column(), column(), column(), column(), column()

-- JSON escapes quotes inside strings: a plain search finds the field itself, which stands near the end.
local function version_of(document)
  local start = find(document, '"version":', math.max(1, #document - 120), true) or find(document, '"version":', 1, true)
  return start and tonumber(match(document, '^%s*(%d+)', start + 10)) or -1
end

local function time_of(document)
  return tonumber(match(document, '"time":(%d+)')) or -1
end

-- Of one version the later counts: when a user is forgotten, others' details change without an event.
local function is_newer(document, version, old)
  local held = version_of(old)
  return held < version or (held == version and time_of(old) < time_of(document))
end

local function decoded_actors(document)
  local counts = {}
  local ok, details = pcall(cjson.decode, document)
  if not ok or type(details.actors) ~= 'table' then return counts end
  for _, entry in ipairs(details.actors) do counts[entry.actor] = tostring(entry.count) end
  return counts
end

-- The count of each actor. Ids that JSON must escape are rare: only for them the document is decoded.
local function actors_of(document)
  if find(document, '"actors":[]', 1, true) then return {} end
  local start = find(document, '"actors":[', 1, true)
  local stop = start and find(document, '}],"', start, true)
  local list = stop and sub(document, start, stop)
  if not list or find(list, '\\', 1, true) then return decoded_actors(document) end
  local counts = {}
  for actor, times in string.gmatch(list, '{"actor":"([^"]*)","count":(%d+)}') do counts[actor] = times end
  return counts
end

local function engages(actor, user, times, is_new)
  local key = INFLUENCERS .. actor
  call('ZADD', key, times, user)
  if is_new and call('ZCARD', key) > INFLUENCERS_KEPT then
    call('ZREMRANGEBYRANK', key, 0, -INFLUENCERS_KEPT - 1)
  end
end

local function follow_topics(user, old, wanted)
  -- Most have none, now as before.
  if wanted == '' and (not old or find(old, '"tags":[]', 1, true)) then return end
  local key = TOPICS .. user
  local before = call('GET', key) or ''
  if before == wanted then return end
  local kept = {}
  for slug in string.gmatch(wanted, SLUG) do kept[slug] = true end
  for slug in string.gmatch(before, SLUG) do
    if not kept[slug] then call('ZREM', TOPIC .. slug, user) end
  end
  local last = call('GETRANGE', 'clout:history:' .. user, -2, -1)
  if #last == 2 then
    local score = struct.unpack('>I2', last) / 100
    for slug in pairs(kept) do call('ZADD', TOPIC .. slug, score, user) end
  end
  if wanted == '' then call('DEL', key) else call('SET', key, wanted) end
end

local function apply(i)
  local user, version, document = ARGV[users + i], ARGV[versions + i], ARGV[documents + i]
  local first = at
  at = at + 2 * tonumber(ARGV[actors + i])
  local key = 'clout:details:' .. user
  local old = call('GET', key)
  if document == '' and not old then return '0' end
  if document ~= '' and old and not is_newer(document, tonumber(version), old) then return '0' end
  local before = old and actors_of(old) or {}
  for actor = first + 1, at, 2 do
    local name, times = ARGV[actor], ARGV[actor + 1]
    if before[name] ~= times then engages(name, user, times, not before[name]) end
    before[name] = nil
  end
  for name in pairs(before) do call('ZREM', INFLUENCERS .. name, user) end
  follow_topics(user, old, ARGV[topics + i])
  if document == '' then call('DEL', key) else call('SET', key, document) end
  return '1'
end

local fates = {}
for i = 1, count do fates[i] = apply(i) end
return finish(fates)
