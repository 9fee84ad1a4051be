#!lua
-- lease: gives a worker jobs that may run now. What is due is promoted first. Tenants take turns of a quantum by virtual
-- time, and so do a tenant's lanes; commands are per batch, per tenant and per lane, never per job.
-- KEYS 1 meta · ARGV 1 how many · 2 lease ms · 3 worker · 4 call · 5 the server's run id · 6.. the worker's kinds
-- Returns next due ms, -1 nothing, -2 expired jobs have to be ended first · ids, 14 bytes each · for each a token and its
-- start, 16 bytes · records · pairs of place and mutable part, for those that have one.
-- @include base
-- @include meta
-- @include clock
-- @include buckets
-- @include record
-- @include counts
-- @include signals
-- @include lanes
-- @include promote
-- @include unpark
local RUN, LEASE, HELD, SUSRUN, CALLS, WAITS, EXP = P .. 'run', P .. 'lease', P .. 'held', P .. 'susrun', P .. 'calls', P .. 'waiting', P .. 'exp'
local QUANTUM, REPLY_MAX, IDLE_MS = 4, 4194304, 30000
local want, lease_ms, worker, number = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local mine = {}
for i = 6, #ARGV do mine[ARGV[i]] = true end
guard({RUN, LEASE, HELD, SUSRUN, CALLS, WAITS, EXP, DUE, LANES, RING, DEBT, PARKED, SUSPECTS, COUNTS})

-- The same call again: the same leases, as far as they are still held.
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
look(lease_ms)
for kind in pairs(mine) do unpark(kind) end
local head = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
if head[2] and tonumber(head[2]) <= now then
  promote(500)
  head = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
end

local paused = pause and (pause == '' or tonumber(pause) > now)
local room = want
if cap then room = math.min(room, cap - call('ZCARD', RUN) + 1) end
if paused then room = 0 end

-- A kind is mine, another live worker's, or nobody's: then its lanes are parked.
local verdicts, newly_parked = {}, 0
local function verdict(kind)
  local v = verdicts[kind]
  if not v then
    if mine[kind] then
      v = 'mine'
    else
      local alive = call('ZSCORE', P .. 'kinds', kind)
      v = alive and tonumber(alive) > now and 'others' or 'nobody'
      if v == 'nobody' and call('HEXISTS', PARKED, kind) == 0 then
        later({'HSET', PARKED, kind, 1})
        newly_parked = newly_parked + 1
      end
    end
    verdicts[kind] = v
  end
  return v
end

local pick_ids, pick_lanes, lanes, dropped, more = {}, {}, {}, {}, false
local emptied, ringless, owed = {'HDEL', LANES}, {'ZREM', RING}, {'ZADD', DEBT}
local function drop_tenant(t)
  emptied[#emptied + 1] = t.name
  ringless[#ringless + 1] = t.name
  dropped[#dropped + 1] = t
  t.gone = true
end
local function drop_lane(t, lane)
  if t.single then
    drop_tenant(t)
  else
    later({'ZREM', t.key, lane})
    t.dropped = t.dropped + 1
    if t.dropped == t.total then drop_tenant(t) end
  end
end
local rests = {}
local function usable(t, lane)
  -- Without its tenant: the same text for many lanes.
  local rest = sub(lane, #t.name + 2)
  local v = rests[rest]
  if not v then
    v = verdict(kind_of(lane))
    rests[rest] = v
  end
  if v == 'nobody' then
    later({'ZADD', P .. 'parked:kind:' .. kind_of(lane), 'NX', 0, lane})
    drop_lane(t, lane)
  end
  return v == 'mine'
end
local function lane_at(t, name, score)
  local l = {name = name, tenant = t, key = P .. 'l:' .. name, start = score, vt = score, seen = 0, taken = 0}
  lanes[#lanes + 1] = l
  return l
end
-- The lanes of a tenant that this worker may take from, by what they were charged.
local function lanes_of(t, only)
  t.lanes = {}
  if only ~= '*' then
    t.single = true
    if usable(t, only) then
      t.only = lane_at(t, only, 0)
      t.lanes[1] = t.only
    end
    return
  end
  t.key = P .. 't:' .. t.name
  guard({t.key})
  t.total, t.dropped = call('ZCARD', t.key), 0
  for from = 0, t.total - 1, 64 do
    local some = call('ZRANGE', t.key, from, from + 63, 'WITHSCORES')
    for i = 1, #some, 2 do
      if usable(t, some[i]) then t.lanes[#t.lanes + 1] = lane_at(t, some[i], tonumber(some[i + 1])) end
    end
    if #t.lanes > 0 then
      if from + 64 < t.total then more = true end
      return
    end
  end
  if t.total == 0 then drop_tenant(t) end
end
-- Looks at the next `n` jobs of a tenant, over its lanes in turn.
local function look_at(t, n)
  while n > 0 and #t.lanes > 0 do
    local l, at = t.lanes[1], 1
    for i = 2, #t.lanes do
      if t.lanes[i].vt < l.vt then l, at = t.lanes[i], i end
    end
    local q = #t.lanes == 1 and n or math.min(QUANTUM, n)
    guard({l.key})
    local ids = call('ZRANGE', l.key, l.seen, l.seen + q - 1)
    if t.only and l.seen == 0 then
      t.ids = ids
    else
      local has, from, k = t.ids, t.from, #t.ids
      for i = 1, #ids do has[k + i], from[k + i] = ids[i], l end
    end
    l.seen, l.vt, n = l.seen + #ids, l.vt + #ids, n - #ids
    if #ids < q then
      l.short = true
      table.remove(t.lanes, at)
    end
  end
end

-- The window: the tenants with the lowest virtual times, kept sorted; `frontier` is the highest that was read.
local pool, read_to, ring_seen, frontier = {}, 0, false, 0
local function seat(t)
  local at = #pool + 1
  while at > 1 and pool[at - 1].vt > t.vt do at = at - 1 end
  table.insert(pool, at, t)
end
local function widen()
  local size = math.min(256, math.max(16, math.ceil(room / QUANTUM) + 8))
  local some = call('ZRANGE', RING, read_to, read_to + size - 1, 'WITHSCORES')
  read_to = read_to + #some / 2
  if #some < 2 * size then ring_seen = true end
  if #some == 0 then return end
  local names = {}
  for i = 1, #some, 2 do names[#names + 1] = some[i] end
  local only = call('HMGET', LANES, unpack(names))
  for i = 1, #names do
    local t = {name = names[i], vt = tonumber(some[2 * i]), ids = {}, from = {}, used = 0, charged = 0}
    t.start = t.vt
    frontier = t.vt
    if only[i] then lanes_of(t, only[i]) else t.lanes = {}; ringless[#ringless + 1] = t.name end
    if #t.lanes > 0 then seat(t) end
  end
end

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
      suspect = {id = ids[i], lane = r.lane, tenant = r.tenant}
      room = room - 1
    end
  end
end

local wanted, tenants = room, {}
while wanted > 0 do
  local turns, quanta, asked, count_asked = {}, {}, {}, 0
  while count_asked < wanted do
    while not ring_seen and (#pool == 0 or pool[1].vt > frontier) do widen() end
    local t = table.remove(pool, 1)
    if not t then break end
    -- Nobody else is left: no turns are needed.
    local q = #pool == 0 and ring_seen and wanted - count_asked or math.min(QUANTUM, wanted - count_asked)
    turns[#turns + 1], quanta[#turns + 1] = t, q
    if not t.asked then
      t.asked = 0
      asked[#asked + 1] = t
    end
    t.asked, t.vt, count_asked = t.asked + q, t.vt + q, count_asked + q
    seat(t)
  end
  if count_asked == 0 then break end
  for _, t in ipairs(asked) do
    if not t.known then
      t.known = true
      tenants[#tenants + 1] = t
    end
    local before = #t.ids
    look_at(t, t.asked)
    t.short = #t.ids - before < t.asked
    t.asked = nil
  end
  for turn = 1, #turns do
    local t, k = turns[turn], #pick_ids
    local used, has, from, only = t.used, t.ids, t.from, t.only
    local n = math.min(quanta[turn], #has - used)
    for i = 1, n do pick_ids[k + i], pick_lanes[k + i] = has[used + i], only or from[used + i] end
    t.used, wanted = used + n, wanted - n
  end
  -- Whoever had less than its turns is out; the others' virtual time is what they got.
  local still = {}
  for _, t in ipairs(pool) do
    t.vt = t.start + t.used
    if not t.short then still[#still + 1] = t end
  end
  pool = {}
  for _, t in ipairs(still) do seat(t) end
end

-- Records, in the order of the turns, until the reply is full; what does not fit stays where it is.
local suspect_at = 0
if suspect then
  suspect_at = #pick_ids + 1
  pick_ids[suspect_at] = suspect.id
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

-- Another server than the last time (a replica, a restored one): what the old one gave out last may not have arrived here,
-- and its clock may be ahead, so tokens go on an hour later.
local base = math.max(tok, us)
if server and server ~= ARGV[5] then base = base + 3600000000 end
local run, held = {'ZADD', RUN}, {'HSET', LEASE}
local reply, given, grants, told, known = {-1, '', '', {}, {}}, {}, {}, {}, {}
local start, tail = pack('>I8', now), pack('>I8', number) .. char(#worker) .. worker
local stop, first, unexpired, n = string.format('%.0f', now + lease_ms), base, {'ZREM', EXP}, 0
local function free_until_started(id, r)
  local holder = call('HGET', P .. 'uniq', r.unique)
  if r.unique_mode == UNTIL_STARTED and holder and sub(holder, 1, 14) == id then later({'HDEL', P .. 'uniq', r.unique}) end
end
for k = 1, kept do
  local id, l, record, m = pick_ids[k], pick_lanes[k], records[k], ms[k]
  if l then
    l.taken = l.taken + 1
    local t = l.tenant
    local tag = t.start + t.charged
    t.charged = t.charged + 1
    if tag > vt then vt = tag end
  end
  if record then
    local flags, own = byte(record, 12), 0
    n = n + 1
    local grant = pack('>I8', base + n) .. start
    if m then
      own = 4
      known[#known + 1] = n
      known[#known + 1] = m
    end
    if not l then
      own = own + 2
      l = {tail = tail .. suspect.lane}
      later({'ZREM', SUSPECTS, id})
      later({'HSET', SUSRUN, worker, id})
    elseif not l.tail then
      l.tail = tail .. l.name
    end
    run[2 * n + 1], run[2 * n + 2] = stop, id
    held[2 * n + 1], held[2 * n + 2] = id, grant .. char(flags, own) .. l.tail
    given[n], grants[n], told[n] = id, grant, record
    if flags > 0 then
      if band(flags, EXPIRES) > 0 then unexpired[#unexpired + 1] = id end
      if band(flags, UNIQUE) > 0 then free_until_started(id, parse(record)) end
    end
    if watch > now then tell(id) end
  elseif not l then
    later({'ZREM', SUSPECTS, id})
  end
end
base = base + n
count('', READY, -n)

-- Lanes and tenants go on at what they were charged; those that are empty leave, and a tenant's debt stays known.
local charge = {'ZADD', RING, 'XX'}
for _, l in ipairs(lanes) do
  if l.taken > 0 then later({'ZREMRANGEBYRANK', l.key, 0, l.taken - 1}) end
  if l.short and l.taken == l.seen then
    drop_lane(l.tenant, l.name)
  elseif l.taken > 0 and not l.tenant.single then
    later({'ZADD', l.tenant.key, 'XX', l.start + l.taken, l.name})
  end
end
for _, t in ipairs(tenants) do
  if t.charged > 0 and not t.gone then
    charge[#charge + 1] = t.start + t.charged
    charge[#charge + 1] = t.name
  end
end
for _, t in ipairs(dropped) do
  if t.start + t.charged > vt then
    owed[#owed + 1] = t.start + t.charged
    owed[#owed + 1] = t.name
  end
end
if #charge > 3 then later(charge) end
if #owed > 2 then later(owed) end
if #emptied > 2 then later(emptied) end
if #ringless > 2 then later(ringless) end
if newly_parked > 0 then later({'HINCRBY', META, 'parked', newly_parked}) end
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
  if paused and pause ~= '' then next_at = math.min(next_at, tonumber(pause)) end
  if next_at < math.huge then reply[1] = math.max(0, next_at - now) end
end
plan_counts()
plan_signals()
plan_meta()
commit()
return reply
