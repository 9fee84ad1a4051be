#!lua flags=allow-oom
-- extend: lengthens a worker's leases. Leases that it does not list and that were granted by a call up to `settled` never
-- reached it: they go back without a count.
-- KEYS 1 meta · ARGV 1 worker · 2 lease ms · 3 settled · then id and token for each lease held
-- Returns two lists of ids: lost, and asked to stop.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include mutable
-- @include counts
-- @include signals
-- @include lanes
-- @include clock
-- @include law
-- @include leaving
-- @include ending
-- @include finish
-- @include takeout
local worker, lease_ms, settled = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local ids, tokens, listed = {}, {}, {}
for i = 4, #ARGV, 2 do
  ids[#ids + 1], tokens[#tokens + 1] = ARGV[i], ARGV[i + 1]
  listed[ARGV[i]] = true
end
guard({RUN, LEASE, HELD, SUSRUN, COUNTS, SUSPECTS})
look(lease_ms)
local stop = string.format('%.0f', now + lease_ms)
call('ZCARD', RUN)
local lost, asked, misses, miss_at, held, longer, charged = {}, {}, {}, {}, 0, {'ZADD', RUN, 'XX'}, {'HSET', LEASE}
if #ids > 0 then
  local leases = call('HMGET', LEASE, unpack(ids))
  for i = 1, #ids do
    local lease = leases[i]
    if lease and sub(lease, 1, 8) == tokens[i] then
      longer[#longer + 1] = stop
      longer[#longer + 1] = ids[i]
      if band(byte(lease, 18), CANCEL_ASKED) > 0 then asked[#asked + 1] = ids[i] end
      if worker_of(lease) == worker then held = held + 1 end
      -- What runs longer than it was charged for is charged on.
      local lasts, paid = now - unpick('>I8', lease, 9), unpick('>I4', lease, 27)
      if lasts > paid and lasts < 4294967295 then
        took(gone_from(lane_of(lease)), lease, lasts)
        charged[#charged + 1] = ids[i]
        charged[#charged + 1] = sub(lease, 1, 26) .. pack('>I4', lasts) .. sub(lease, 31)
      end
    else
      misses[#misses + 1], miss_at[#miss_at + 1] = ids[i], i
    end
  end
  if #longer > 3 then later(longer) end
  if #charged > 2 then later(charged) end
end
if #misses > 0 then
  -- All are told as lost; counted as a late write is only what this worker's own ack has not ended.
  local ms, late = fetch(group(misses), 'm'), 0
  for k = 1, #misses do
    local m = mutable(ms[k])
    lost[k] = misses[k]
    if m.outcome == 0 or m.token ~= tokens[miss_at[k]] then late = late + 1 end
  end
  if late > 0 then later({'HINCRBY', META, 'lost', late}) end
end
if tonumber(call('HGET', HELD, worker) or 0) ~= held then
  local all, orphans, mine = call('HGETALL', LEASE), {}, 0
  local lease_of = {}
  for i = 1, #all, 2 do
    local lease = all[i + 1]
    if all[i] ~= '' and worker_of(lease) == worker then
      mine = mine + 1
      if not listed[all[i]] and unpick('>I8', lease, 19) <= settled and #orphans < 500 then
        orphans[#orphans + 1] = all[i]
        lease_of[all[i]] = lease
      end
    end
  end
  later({'HSET', HELD, worker, mine})
  if #orphans > 0 then
    local order = group(orphans)
    local records, ms = fetch(order, 'j'), fetch(order, 'm')
    for k = 1, #orphans do
      local id, r = orphans[k], parse(records[k])
      local lease = lease_of[id]
      leave(id, lease, worker, {unstarted = true})
      count(r.tenant, RUNNING, -1)
      local m = mutable(ms[k])
      returned(m, lease, 0)
      event(m, EVENT.released, worker)
      if band(byte(lease, 18), CANCEL_ASKED) > 0 then
        finish(id, r, m, CANCELLED, REASON.cancelled)
      else
        m.state = READY
        ready(id, r, frozen(m))
        tell(id, READY, m.runs)
      end
      put('m', id, frozen(m))
    end
    wake()
  end
end
plan_ending()
plan_leaving()
conclude()
-- @include followers
return {lost, asked}
