#!lua flags=no-writes
-- get: jobs as they are stored.
-- KEYS 1 meta · ARGV ids · Returns for each: 0 not there, or a list: record · mutable part · lease · due or waiting until ·
-- output · progress · replays · the job that goes on with it.
-- @include base
-- @include buckets
local ids, reply = ARGV, {}
guard({P .. 'lease', P .. 'due', P .. 'waiting'})
local order = group(ids)
local records, ms, outputs = fetch(order, 'j'), fetch(order, 'm'), fetch(order, 'o')
local leases = call('HMGET', P .. 'lease', unpack(ids))
local due, waits = call('ZMSCORE', P .. 'due', unpack(ids)), call('ZMSCORE', P .. 'waiting', unpack(ids))
for i = 1, #ids do
  local record = records[i]
  if not record or #record == 1 then
    reply[i] = 0
  else
    local progress, replays, moved = false, false, false
    if ms[i] or leases[i] then
      local key = P .. 'x:' .. hex(ids[i])
      guard({key})
      local extra = call('HMGET', key, 'p', 'r', 't')
      progress, replays, moved = extra[1], extra[2], extra[3]
    end
    reply[i] = {record, ms[i], leases[i], due[i] or waits[i], outputs[i], progress, replays, moved}
  end
end
return reply
