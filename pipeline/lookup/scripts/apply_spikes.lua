-- Appends spikes to their stream. Columns: user, began, place, record.
-- Returns one character per record: 1 taken, 0 known already.
--
-- clout:spiked knows of each user the newest record: "began place". A user has one spike at a time, and its records have
-- rising places: what is not newer comes again, after a crash of the worker.

local SPIKES, SPIKED, SPIKES_KEPT = 'clout:spikes', 'clout:spiked', 10000

local users, began, places, records = column(), column(), column(), column()

local function is_newer(i, known)
  if not known then return true end
  local old_began, old_place = string.match(known, '^(%d+) (%d+)$')
  local new_began = tonumber(ARGV[began + i])
  if new_began ~= tonumber(old_began) then return new_began > tonumber(old_began) end
  return tonumber(ARGV[places + i]) > tonumber(old_place)
end

local fates = {}
for i = 1, count do
  local user = ARGV[users + i]
  fates[i] = '0'
  if is_newer(i, call('HGET', SPIKED, user)) then
    call('HSET', SPIKED, user, ARGV[began + i] .. ' ' .. ARGV[places + i])
    if not quiet then call('XADD', SPIKES, 'MAXLEN', '~', SPIKES_KEPT, '*', 'spike', ARGV[records + i]) end
    fates[i] = '1'
  end
end
return finish(fates)
