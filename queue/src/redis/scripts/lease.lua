#!lua
-- lease: gives a worker jobs that may run now. What is due is promoted first. Tenants take turns of a quantum by virtual
-- time, and so do a tenant's lanes; commands are per batch, per tenant and per lane, never per job.
-- KEYS 1 meta · ARGV 1 how many · 2 lease ms · 3 worker · 4 call · 5 the server's run id · 6 `1`: outside quotas
-- may be asked for more, else what they lent for this call: `name=sequence,…` · 7.. the worker's kinds
-- Returns next due ms, -1 nothing, -2 expired jobs have to be ended first, -3 an outside quota has to lend more: then by name, points,
-- starts, slots, points of the largest job, the server's time · else ids, 14 bytes each · for each a token and its
-- start, 16 bytes · records · pairs of place and mutable part, for those that have one
-- · what of ARGV 6 was not used: name, sequence, points, starts.
-- @include base
-- @include meta
-- @include clock
-- A queue where nothing waits costs a look, not a lease: workers look again every few seconds, whatever they heard. No reply is owed to a
-- call that was made before, and its clock is noted often enough for clock.lua.
if ARGV[6] == '1' and parked == 0 then
  local calls, places = P .. 'calls', {P .. 'ring', P .. 'due', P .. 'waiting', P .. 'exp', P .. 'suspects', P .. 'blocked'}
  guard({calls, unpack(places)})
  local last = call('HGET', calls, ARGV[3])
  if not (last and tonumber(ARGV[4]) <= unpick('>I8', last)) and call('EXISTS', unpack(places)) == 0 then
    if now > seen + ARGV[2] / 4 then look(ARGV[2]) end
    if idle < now + 15000 then change('idle', now + 30000) end
    plan_meta()
    commit()
    return {-1, '', '', {}, {}, {}}
  end
end
-- @include buckets
-- @include record
-- @include counts
-- @include signals
-- @include lanes
-- @include promote
-- @include law
-- @include admit
-- @include unpark
-- @include unblock
local RUN, LEASE, HELD, SUSRUN, CALLS, WAITS, EXP = P .. 'run', P .. 'lease', P .. 'held', P .. 'susrun', P .. 'calls', P .. 'waiting', P .. 'exp'
-- Leases that use a resource of which this queue was never told.
local function running_with(name)
  local n, all = 0, call('HVALS', LEASE)
  for i = 1, #all do
    local at = band(byte(all[i], 18), 8) > 0 and 60 or 35
    local lane = sub(all[i], at + 1 + byte(all[i], at))
    local uses = byte(all[i]) == 0 and string.match(lane, '^[^/]+/[^/]+/([^/]*)')
    if uses and string.find(',' .. uses .. ',', ',' .. name .. ',', 1, true) then n = n + 1 end
  end
  return n
end
local REPLY_MAX, IDLE_MS = 4194304, 30000
local want, lease_ms, worker, number, first_try = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[6] == '1'
guard({RUN, LEASE, HELD, SUSRUN, CALLS, WAITS, EXP, DUE, LANES, RING, DEBT, PARKED, SUSPECTS, COUNTS, BLOCKED})
-- @include picking
for i = 7, #ARGV do mine[ARGV[i]] = true end

-- The same call again: the same leases, as far as they are still held.
do
local last = call('HGET', CALLS, worker)
if last and number <= unpick('>I8', last) then
  local held, ids, grants, known = {}, {}, {}, {}
  if number == unpick('>I8', last) then
    for at = 25, #last, 14 do held[#held + 1] = sub(last, at, at + 13) end
  end
  if #held == 0 then return {-1, '', '', {}, {}} end
  local base, leases = unpick('>I8', last, 17), call('HMGET', LEASE, unpack(held))
  for i = 1, #held do
    if leases[i] and unpick('>I8', leases[i]) == base + i then
      ids[#ids + 1] = held[i]
      grants[#grants + 1] = sub(leases[i], 1, 16)
    end
  end
  local order = group(ids)
  local ms = fetch(order, 'm')
  for i = 1, #ids do
    if ms[i] then
      known[#known + 1] = i
      known[#known + 1] = ms[i]
    end
  end
  return {-1, table.concat(ids), table.concat(grants), #ids > 0 and fetch(order, 'j') or {}, known}
end

-- Jobs that have expired must not start: the caller has them ended first.
local stale = call('ZRANGE', EXP, 0, 0, 'WITHSCORES')
if stale[2] and tonumber(stale[2]) <= now then return {-2} end
end
look(lease_ms)
for kind in pairs(mine) do unpark(kind) end
local head = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
if head[2] and tonumber(head[2]) <= now then
  promote(500)
  head = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
end

local q = A.queue()
local room = math.min(want, q.free)
if room > 0 then unblock(room) end

-- A suspect runs alone among its kind in a worker: at most one, so that it drags no other suspect over its limit.
local suspect
if room > 0 and call('ZCARD', SUSPECTS) > 0 and call('HEXISTS', SUSRUN, worker) == 0 then
  local ids = call('ZRANGE', SUSPECTS, 0, 63)
  local records = fetch(group(ids), 'j')
  for i = 1, #ids do
    local r = records[i] and parse(records[i])
    if not r then
      later({'ZREM', SUSPECTS, ids[i]})
    elseif not suspect and mine[r.kind] then
      local scopes, free = A.of(r.lane), 1
      if laws.t > 0 then table.insert(scopes, 1, A.get('t', r.tenant)) end
      for k = 1, #scopes do
        if not (scopes[k].asks and first_try) and scopes[k].free <= 0 then
          free = 0
          block(scopes[k])
          break
        end
      end
      if free > 0 then
        local t = {name = r.tenant, weight = 1, start = 0, charged = 0, gone = true, suspects = true}
        if laws.t > 0 then
          t.scope = table.remove(scopes, 1)
          if t.scope.rule then t.weight = t.scope.rule.weight end
          t.scope.free = t.scope.free - 1
        end
        for k = 1, #scopes do scopes[k].free = scopes[k].free - 1 end
        suspect = {name = r.lane, tenant = t, scopes = scopes, charge = charge_of(r.kind), taken = 0, uses = string.match(r.lane, '^[^/]+/[^/]+/([^/]*)'),
          suspect = true}
        suspect.id = ids[i]
        room = room - 1
      end
    end
  end
end
pick(room)

-- Records, in the order of the turns, until the reply is full; what does not fit stays where it is.
if suspect then
  pick_ids[#pick_ids + 1] = suspect.id
  pick_lanes[#pick_ids] = suspect
end
local records, ms, kept, size = {}, {}, 0, 0
for from = 1, #pick_ids, 128 do
  local some = {}
  for i = from, math.min(from + 127, #pick_ids) do some[i - from + 1] = pick_ids[i] end
  local order = group(some)
  local r, m = fetch(order, 'j'), fetch(order, 'm')
  for i = 1, #some do
    size = size + (r[i] and #r[i] or 0)
    if size > REPLY_MAX and kept > 0 then
      more = true
      break
    end
    kept = kept + 1
    records[kept], ms[kept] = r[i], m[i]
  end
  if more and size > REPLY_MAX then break end
end

-- Outside quotas are asked for what these jobs need beyond what was lent; nothing has been written so far.
if first_try then
  local needs, lacking = {}, false
  for k = 1, kept do
    for _, s in ipairs(records[k] and pick_lanes[k].scopes or NONE) do
      if s.lent and s.asks then
        local need, cost = needs[s.field], cost_of(records[k])
        if not need then
          need = {s = s, points = 0, starts = 0, largest = 0}
          needs[s.field] = need
        end
        need.points, need.starts, need.largest = need.points + cost, need.starts + 1, math.max(need.largest, cost)
      end
    end
  end
  local asks = {-3}
  for name, need in pairs(needs) do
    local l, s = need.s.lent, need.s
    local points, starts = need.points - math.max(0, l.points or 0), need.starts - math.max(0, l.starts or 0)
    if s.stale or l.points >= 0 and points > 0 or l.starts >= 0 and starts > 0 or l.slots >= 0 and s.running + need.starts > l.slots then
      lacking = true
      for _, v in ipairs({name, math.max(0, points), math.max(0, starts), (s.running or running_with(name)) + need.starts, need.largest, now}) do
        asks[#asks + 1] = type(v) == 'number' and string.format('%.0f', v) or v
      end
    end
  end
  if lacking then return asks end
end

-- What depends on a job's cost: budgets and points. Who is refused here is refused for the rest of the call.
local affords
do
affords = function(l, record)
  local t = l.tenant
  if l.refused or t.refused then return false end
  local cost
  for i = 1, #l.scopes do
    local s = l.scopes[i]
    local lent = s.lent
    if lent then
      cost = cost or cost_of(record)
      if s.stale or lent.points >= 0 and lent.points < cost or lent.starts >= 0 and lent.starts <= s.started
        or lent.slots >= 0 and (s.running + s.started >= lent.slots or lent.wanted > now) then
        s.spent, l.refused, l.held = true, true, s
        return false
      end
    end
  end
  local s = t.scope
  if s and s.used and s.rule.closes >= 0 and s.used >= s.rule.closes then
    t.refused = true
    return false
  end
  for i = 1, #l.scopes do
    local lent = l.scopes[i].lent
    if lent and lent.points >= 0 then A.consume(lent, 'points', cost) end
  end
  if s and s.used then s.used = s.used + (cost or cost_of(record)) end
  return true
end
end

-- Another server than the last time (a replica, a restored one): what the old one gave out last may not have arrived here,
-- and its clock may be ahead, so tokens go on an hour later.
local base = math.max(tok, us)
if server and server ~= ARGV[5] then base = base + 3600000000 end
local run, held = {'ZADD', RUN}, {'HSET', LEASE}
local reply, given, grants, told, known = {-1, '', '', {}, {}}, {}, {}, {}, {}
local start, call_number, own_name = pack('>I8', now), pack('>I8', number), char(#worker) .. worker
local stop, first, unexpired, n = string.format('%.0f', now + lease_ms), base, {'ZREM', EXP}, 0
local function free_until_started(id, r)
  local holder = call('HGET', P .. 'uniq', r.unique)
  if r.unique_mode == UNTIL_STARTED and holder and sub(holder, 1, 14) == id then later({'HDEL', P .. 'uniq', r.unique}) end
end
-- What the lease remembers of its charge; the same for all jobs of a lane unless their cost is reserved.
local function charged_to(l, record)
  local t = l.tenant
  local s = t.scope
  local head = pack('>I4I4', l.charge, math.max(1, floor(t.weight * 1000 + 0.5)))
  if s and s.used then return call_number .. head .. pack('>dddB', cost_of(record), -1, s.from, s.rule.period) .. own_name .. l.name end
  if not l.tail then l.tail = call_number .. head .. own_name .. l.name end
  return l.tail
end
for k = 1, kept do
  local id, l, record, m = pick_ids[k], pick_lanes[k], records[k], ms[k]
  local t = l.tenant
  if not record then
    if l.suspect then later({'ZREM', SUSPECTS, id}) elseif not l.refused and not t.refused then l.taken = l.taken + 1 end
  elseif (l.scopes == NONE and not t.scope) or affords(l, record) then
    l.taken = l.taken + 1
    local tag = t.start + t.charged
    t.charged, t.kept = t.charged + l.charge / t.weight, (t.kept or 0) + 1
    if not l.suspect and tag > vt then vt = tag end
    local flags, own = byte(record, 12), 0
    n = n + 1
    local grant = pack('>I8', base + n) .. start
    if m then
      own = 4
      known[#known + 1] = n
      known[#known + 1] = m
    end
    if l.suspect then
      own = own + 2
      later({'ZREM', SUSPECTS, id})
      later({'HSET', SUSRUN, worker, id})
    end
    local s = t.scope
    if s then
      s.started = s.started + 1
      if s.used then own = own + 8 end
    end
    for i = 1, #l.scopes do
      s = l.scopes[i]
      s.started = s.started + 1
      if s.probing then s.probe = id end
    end
    run[2 * n + 1], run[2 * n + 2] = stop, id
    held[2 * n + 1], held[2 * n + 2] = id, grant .. char(flags, own) .. charged_to(l, record)
    given[n], grants[n], told[n] = id, grant, record
    if flags > 0 then
      if band(flags, EXPIRES) > 0 then unexpired[#unexpired + 1] = id end
      if band(flags, UNIQUE) > 0 then free_until_started(id, parse(record)) end
    end
    if watch > now then tell(id, RUNNING, m and unpick('>I4', m, 11) + 1 or 1) end
  end
end
base = base + n
count('', READY, -n)

-- What was lent for this call and is not used goes back.
local unused, returning = {}, {}
if not first_try then
  for name, seq_text in string.gmatch(ARGV[6], '([^=,]+)=(%d+)') do returning[#returning + 1] = {s = A.get('r', name), seq = seq_text} end
end

-- Scopes know what was started; who is held back by one of them is parked there.
for _, s in pairs(A.scopes) do
  if s.started > 0 then
    if s.used then LAW.use(s.field, s.rule, s.used, s.from, s.told) end
    A.started(s)
  end
  if s.spent then
    local at = s.lent.opens and s.lent.opens > now and s.lent.opens or now + 500
    s.free, s.opens = 0, at
  end
end
for _, r in ipairs(returning) do
  for _, g in ipairs(r.s.lent.grants) do
    if g.seq == tonumber(r.seq) then
      for _, v in ipairs({r.s.field, r.seq, string.format('%.0f', g.points), string.format('%.0f', g.starts)}) do unused[#unused + 1] = v end
      g.points, g.starts = 0, 0
      later({'HSET', P .. 'slices', r.s.field, A.packed(r.s.lent)})
    end
  end
end
if n > 0 and q.rule and q.rule.interval > 0 then
  q.tat = math.max(q.tat, us) + n * q.rule.interval
  change('tat', string.format('%.0f', q.tat))
end
for _, t in ipairs(tenants) do
  if t.scope and t.scope.free <= 0 then park_tenant(t) end
end

do
-- Lanes and tenants go on at what they were charged; those that are empty leave, and a tenant's debt stays known.
local turn = {'ZADD', RING, 'XX'}
for _, l in ipairs(lanes) do
  if l.taken > 0 then later({'ZREMRANGEBYRANK', l.key, 0, l.taken - 1}) end
  if l.parked then
    -- It left when it was looked at.
  elseif l.short and l.taken == #l.ids then
    drop_lane(l.tenant, l.name)
  else
    l.vt = l.start + l.taken * l.charge
    if l.held and l.held.free <= 0 then
      park_lane(l.tenant, l, l.held)
    elseif l.taken > 0 and not l.tenant.single then
      local class = l.classes[l.taken + 1] or l.class
      later({'ZADD', l.tenant.key, 'XX', string.format('%.3f', class + l.vt), l.name})
    end
  end
end
local pay = {}
for _, t in ipairs(tenants) do
  if t.charged > 0 and not t.gone then
    turn[#turn + 1] = string.format('%.6f', t.start + t.charged)
    turn[#turn + 1] = t.name
  end
end
for _, t in ipairs(dropped) do
  owed[#owed + 1] = string.format('%.6f', t.start + t.charged)
  owed[#owed + 1] = t.name
end
if suspect and suspect.taken > 0 then
  local stands = call('ZSCORE', RING, suspect.tenant.name)
  if stands then pay = {'ZINCRBY', RING, suspect.charge / suspect.tenant.weight, suspect.tenant.name} end
end
if #turn > 3 then later(turn) end
if #pay > 0 then later(pay) end
if #owed > 2 then later(owed) end
if #emptied > 2 then later(emptied) end
if #ringless > 2 then later(ringless) end
if #stuck > 2 then later(stuck) end
if #later_vt > 2 then later(later_vt) end
if newly_parked > 0 then later({'HINCRBY', META, 'parked', newly_parked}) end
end
if #given > 0 then
  call('HLEN', HELD)
  later(run)
  later(held)
  if #unexpired > 2 then later(unexpired) end
  later({'HINCRBY', HELD, worker, #given})
  reply[2], reply[3], reply[4], reply[5] = table.concat(given), table.concat(grants), told, known
  later({'HSET', CALLS, worker, pack('>I8I8I8', number, now, first) .. reply[2]})
  change('tok', base)
  if server ~= ARGV[5] then change('server', ARGV[5]) end
  change('vt', vt)
end
if more then
  reply[1] = 0
else
  if #given < want and idle < now + IDLE_MS / 2 then change('idle', now + IDLE_MS) end
  local wait = call('ZRANGE', WAITS, 0, 0, 'WITHSCORES')
  local next_at = math.min(tonumber(head[2] or '') or math.huge, wait[2] and wait[2] ~= 'inf' and tonumber(wait[2]) or math.huge)
  local opens = call('ZRANGE', BLOCKED, 0, 0, 'WITHSCORES')
  if opens[2] and opens[2] ~= 'inf' and #given < want and q.free > #given then next_at = math.min(next_at, math.max(now, tonumber(opens[2]))) end
  for i = 3, #stuck, 2 do
    if stuck[i] ~= '+inf' then next_at = math.min(next_at, stuck[i]) end
  end
  if q.free <= n and q.at > 0 then next_at = math.min(next_at, q.at) end
  if q.rule and q.rule.interval > 0 and #given < want then
    local free_now, at = A.rate(q.rule.interval, q.rule.burst, q.tat)
    if free_now == 0 then next_at = math.min(next_at, at) end
  end
  if next_at < math.huge then reply[1] = math.max(0, next_at - now) end
end
reply[6] = unused
plan_counts()
plan_signals()
plan_meta()
commit()
return reply
