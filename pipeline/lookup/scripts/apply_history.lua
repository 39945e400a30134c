-- Writes points of scores over time. Columns: user, version, time, score, Klout id, whether the log shall be told.
-- A version "" is a tombstone. Returns one character per record: 1 taken, 0 nothing new.
--
-- clout:history:{user} is 8 bytes of version, then 8 bytes a point, oldest first: the event time in ms, 48 bits, and
-- the score in hundredths, 16 bits. pipeline/lookup/history/series.py says the same in Python.
--
-- clout:history-outbox is what the log must be told: "version time score next-time user" of a point that one of a later
-- hour follows, "0 0 0 0 user" of a history that has ended.

local HISTORY, KLOUT_ID, AS_OF, OUTBOX = 'clout:history:', 'clout:kloutid:', 'clout:as-of', 'clout:history-outbox'
local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
local pack, unpack_from, sub = struct.pack, struct.unpack, string.sub

local users, versions, times, scores, numbers, told = column(), column(), column(), column(), column(), column()
local outbox = {}

-- What stands in Redis of each key, false where nothing does, and what is to be written: read and written by one command
-- each, since a command costs more than its work.
local held, written = {}, {}

local function hold(prefix)
  local names = {}
  for i = 1, count do names[i] = prefix .. ARGV[users + i] end
  local found = call('MGET', unpack(names))
  for i = 1, count do held[names[i]] = found[i] end
end

local function write(key, value)
  held[key], written[key] = value, value
end

local function write_all()
  local pairs_of = {}
  for key, value in pairs(written) do
    local size = #pairs_of
    pairs_of[size + 1], pairs_of[size + 2] = key, value
  end
  if #pairs_of > 0 then call('MSET', unpack(pairs_of)) end
end

local function point(time, score) return pack('>I6I2', time, score) end

local function point_at(series, index)
  local time, score = unpack_from('>I6I2', series, 8 * index + 1)
  return time, score
end

local function slot_of(age)
  if age < DAY then return MINUTE end
  if age < 14 * DAY then return HOUR end
  return age < 400 * DAY and DAY or math.huge
end

-- Keeps the last point of each minute of the newest 24 h, of each hour of 14 d, of each day of 400 d, and of all before.
local function thinned(series)
  local last = #series / 8 - 1
  local now = point_at(series, last)
  local kept = { sub(series, 1, 8) }
  for i = 1, last do
    local time = point_at(series, i)
    local slot, is_last = slot_of(now - time), i == last
    if not is_last then
      local next_time = point_at(series, i + 1)
      is_last = slot_of(now - next_time) ~= slot or math.floor(next_time / slot) ~= math.floor(time / slot)
    end
    if is_last then kept[#kept + 1] = sub(series, 8 * i + 1, 8 * i + 8) end
  end
  return table.concat(kept)
end

local function tell(version, time, score, next_time, user)
  outbox[#outbox + 1] = string.format('%.0f %.0f %d %.0f %s', version, time, score, next_time, user)
end

-- A point behind all others: of a minute only the last stays, and a new hour is the time to thin.
local function appended(series, time, score, i)
  local last = #series / 8 - 1
  local last_time, last_score = point_at(series, last)
  if score == last_score then return series end
  if math.floor(time / MINUTE) == math.floor(last_time / MINUTE) then series = sub(series, 1, -9) end
  series = series .. point(time, score)
  if math.floor(time / HOUR) == math.floor(last_time / HOUR) then return series end
  if ARGV[told + i] == '1' then tell(unpack_from('>I8', series), last_time, last_score, time, ARGV[users + i]) end
  return thinned(series)
end

-- A point before others: from the log of hours and days, or from scores that are read again.
local function inserted(series, time, score)
  local index = #series / 8 - 1
  while index >= 1 and point_at(series, index) > time do index = index - 1 end
  if index >= 1 and point_at(series, index) == time then return series end
  return thinned(sub(series, 1, 8 * index + 8) .. point(time, score) .. sub(series, 8 * index + 9))
end

-- Compares bytes: the comparison of strings depends on the server's locale.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- Of two users with the same number the first in the order of bytes has it, whoever came first.
local function claim(number, user)
  local holder = call('GET', KLOUT_ID .. number)
  if not holder or before(user, holder) then call('SET', KLOUT_ID .. number, user) end
end

-- The user's place among those of each topic; apply_details.lua says which. `score` in hundredths, nil: no place.
local function rank_in_topics(user, score)
  local topics = held['clout:topics:' .. user]
  for slug in string.gmatch(topics or '', '[^\31]+') do
    if score then call('ZADD', 'clout:topic:' .. slug, score / 100, user) else call('ZREM', 'clout:topic:' .. slug, user) end
  end
end

local function delete(key, i)
  local user, number = ARGV[users + i], KLOUT_ID .. ARGV[numbers + i]
  if call('GET', number) == user then call('DEL', number) end
  if not held[key] then return '0' end
  call('DEL', key)
  held[key], written[key] = false, nil
  rank_in_topics(user, nil)
  if ARGV[told + i] == '1' then tell(0, 0, 0, 0, user) end
  return '1'
end

local newest_as_of = 0

local function apply(i)
  local user, version = ARGV[users + i], tonumber(ARGV[versions + i])
  local key = HISTORY .. user
  if not version then return delete(key, i) end
  local time, score = tonumber(ARGV[times + i]), tonumber(ARGV[scores + i])
  newest_as_of = math.max(newest_as_of, time)
  local old = held[key]
  if not old then
    claim(ARGV[numbers + i], user)
    write(key, pack('>I8', version) .. point(time, score))
    rank_in_topics(user, score)
    return '1'
  end
  local old_version = unpack_from('>I8', old)
  local last_time, last_score = point_at(old, #old / 8 - 1)
  local series
  if time > last_time then
    series = appended(old, time, score, i)
  elseif time < last_time then
    series = inserted(old, time, score)
  elseif version > old_version then
    series = sub(old, 1, -9) .. point(time, score)
  else
    return '0'
  end
  if version > old_version then series = pack('>I8', version) .. sub(series, 9) end
  if series == old then return '0' end
  write(key, series)
  if time >= last_time and score ~= last_score then rank_in_topics(user, score) end
  return '1'
end

local fates = {}
if count > 0 then
  hold(HISTORY)
  hold('clout:topics:')
  for i = 1, count do fates[i] = apply(i) end
  write_all()
end
for _, entry in ipairs(outbox) do call('XADD', OUTBOX, '*', 'told', entry) end
if newest_as_of > tonumber(call('GET', AS_OF) or '0') then call('SET', AS_OF, string.format('%.0f', newest_as_of)) end
return finish(fates)
