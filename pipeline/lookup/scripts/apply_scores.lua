-- Writes score documents. Columns: user, version, shape, score, change, document, networks; the rest: network, score.
-- A document "" is a tombstone. Returns one character per record: 1 taken, 0 not newer.
--
-- clout:heads knows of each user what must be known of the document before, so that it need not be read:
-- "version score shape". A shape is "handle, network, .." by \31; "" means the native id, and the user's own network. The
-- person that an account belongs to stands behind \30.
-- What all records write is gathered and written by few commands: each command costs more than its work.

local RANK, CHANGES, HEADS, CHANGES_KEPT = 'clout:rank', 'clout:changes', 'clout:heads', 100000
local match = string.match

local users, versions, shapes, scores = column(), column(), column(), column()
local changes, documents, networks = column(), column(), column()

-- What is written: keys and values, users and heads, scores and users; of networks by their names.
local strings, heads, rank, ranks, told = {}, {}, {}, {}, 0

local function push(list, first, second)
  local size = #list
  list[size + 1], list[size + 2] = first, second
end

local function tell(...)
  if quiet then return end
  told = told + 1
  call('XADD', CHANGES, '*', ...)
end

local function handle_key(user, shape)
  local network, native = match(user, '^([^:]*):(.*)$')
  local handle = shape == '' and string.lower(native or user) or match(shape, '^[^\31]*')
  return 'clout:handle:' .. (network or '') .. ':' .. handle
end

local function networks_of(user, shape)
  local found = {}
  if shape == '' then
    found[match(user, '^([^:]*):') or ''] = true
  else
    for network in string.gmatch(shape, '\31([^\30\31]*)') do found[network] = true end
  end
  return found
end

-- A handle may by now be somebody else's.
local function drop_handle(key, user)
  if call('GET', key) == user then call('DEL', key) end
end

local function person_of(shape)
  return shape and match(shape, '\30(.*)$')
end

-- Called only where the shape is another one than before.
local function reshape(user, old, new)
  local key = handle_key(user, new)
  push(strings, key, user)
  call('SADD', 'clout:networks', match(user, '^([^:]*):') or '')
  if person_of(new) then
    push(strings, 'clout:identity:' .. user, person_of(new))
  elseif person_of(old) then
    call('DEL', 'clout:identity:' .. user)
  end
  if not old then return end
  local before = handle_key(user, old)
  if before ~= key then drop_handle(before, user) end
  local kept = networks_of(user, new)
  for network in pairs(networks_of(user, old)) do
    if not kept[network] then call('ZREM', RANK .. ':' .. network, user) end
  end
end

local function delete(user, shape)
  if not shape then return '0' end
  for network in pairs(networks_of(user, shape)) do call('ZREM', RANK .. ':' .. network, user) end
  drop_handle(handle_key(user, shape), user)
  call('DEL', 'clout:user:' .. user, 'clout:identity:' .. user)
  call('ZREM', RANK, user)
  call('HDEL', HEADS, user)
  call('HDEL', 'clout:spiked', user)
  tell('gone', user)
  return '1'
end

local function apply(i, head)
  local user, version, document = ARGV[users + i], ARGV[versions + i], ARGV[documents + i]
  local first = at
  at = at + 2 * tonumber(ARGV[networks + i])
  local old_version, was, old_shape
  if head then old_version, was, old_shape = match(head, '^(%d+) (%S+) (.*)$') end
  if document == '' then return delete(user, old_shape) end
  if old_version and tonumber(old_version) >= tonumber(version) then return '0' end
  local shape, score = ARGV[shapes + i], ARGV[scores + i]
  push(strings, 'clout:user:' .. user, document)
  push(heads, user, version .. ' ' .. score .. ' ' .. shape)
  push(rank, score, user)
  for i = first + 1, at, 2 do
    local network = ARGV[i]
    if not ranks[network] then ranks[network] = {} end
    push(ranks[network], ARGV[i + 1], user)
  end
  if shape ~= old_shape then reshape(user, old_shape, shape) end
  if was then tell('change', ARGV[changes + i], 'was', was) else tell('change', ARGV[changes + i]) end
  return '1'
end

local fates = {}
if count > 0 then
  local known = call('HMGET', HEADS, unpack(ARGV, users + 1, users + count))
  for i = 1, count do fates[i] = apply(i, known[i]) end
  if #strings > 0 then
    call('MSET', unpack(strings))
    call('HSET', HEADS, unpack(heads))
    call('ZADD', RANK, unpack(rank))
    for network, of in pairs(ranks) do call('ZADD', RANK .. ':' .. network, unpack(of)) end
  end
  if told > 0 then call('XTRIM', CHANGES, 'MAXLEN', '~', CHANGES_KEPT) end
end
return finish(fates)
