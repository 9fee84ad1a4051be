#!lua
-- lease: gives a worker jobs that may run now. What is due is promoted first. Tenants take turns of a quantum by virtual
-- time, and so do a tenant's lanes; commands are per batch, per tenant and per lane, never per job.
-- KEYS 1 meta · ARGV 1 how many · 2 lease ms · 3 worker · 4 call · 5 the server's run id · 6.. the worker's kinds
-- Returns next due ms, -1 nothing, -2 expired jobs have to be ended first · 0 new, 1 repeated · then for each job: id, token and start (16 bytes), record, mutable part.
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
  local reply, held = {-1, 1}, {}
  if number < unpick('>I8', last) then return reply end
  for at = 25, #last, 14 do held[#held + 1] = sub(last, at, at + 13) end
  local base = unpick('>I8', last, 17)
  if #held == 0 then return reply end
  local leases, groups = call('HMGET', LEASE, unpack(held)), group(held)
  local records, ms = fetch(groups, 'j'), fetch(groups, 'm')
  for i = 1, #held do
    if leases[i] and unpick('>I8', leases[i]) == base + i then
      local k = #reply
      reply[k + 1], reply[k + 2], reply[k + 3], reply[k + 4] = held[i], sub(leases[i], 1, 16), records[i], ms[i]
    end
  end
  return reply
end

-- Jobs that have expired must not start: the caller has them ended first.
local stale = call('ZRANGE', EXP, 0, 0, 'WITHSCORES')
if stale[2] and tonumber(stale[2]) <= now then return {-2, 0} end
look(lease_ms)
for kind in pairs(mine) do unpark(kind) end
local head = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
if head[2] and tonumber(head[2]) <= now then
  promote(500)
  head = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
end

local paused = pause and (pause == '' or tonumber(pause) > now)
local room = want
if cap then room = math.min(room, cap - call('ZCARD', RUN)) end
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

local picks, lanes, dropped, more = {}, {}, {}, false
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
local function usable(t, lane)
  local v = verdict(kind_of(lane))
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
    if usable(t, only) then t.lanes[1] = lane_at(t, only, 0) end
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
    for i = 1, #ids do
      t.ids[#t.ids + 1] = ids[i]
      t.from[#t.from + 1] = l
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
    if #t.lanes > 0 then pool[#pool + 1] = t end
  end
end
local function seat(t)
  local at = #pool + 1
  while at > 1 and pool[at - 1].vt > t.vt do at = at - 1 end
  table.insert(pool, at, t)
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
  local turns, asked, count_asked = {}, {}, 0
  while count_asked < wanted do
    while not ring_seen and (#pool == 0 or pool[1].vt > frontier) do widen() end
    local t = table.remove(pool, 1)
    if not t then break end
    -- Nobody else is left: no turns are needed.
    local q = #pool == 0 and ring_seen and wanted - count_asked or math.min(QUANTUM, wanted - count_asked)
    turns[#turns + 1] = {t, q}
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
  for _, turn in ipairs(turns) do
    local t = turn[1]
    for _ = 1, turn[2] do
      if t.used == #t.ids then break end
      t.used = t.used + 1
      picks[#picks + 1] = {t.ids[t.used], t.from[t.used], t}
      wanted = wanted - 1
    end
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
local ids, kept, size = {}, {}, 0
if suspect then picks[#picks + 1] = {suspect.id, nil, nil} end
local records, ms = {}, {}
for from = 1, #picks, 100 do
  local some = {}
  for i = from, math.min(from + 99, #picks) do some[#some + 1] = picks[i][1] end
  local groups = group(some)
  local r, m = fetch(groups, 'j'), fetch(groups, 'm')
  for i = 1, #some do
    records[from + i - 1], ms[from + i - 1] = r[i], m[i]
    size = size + (r[i] and #r[i] or 0)
    if size > REPLY_MAX and #kept > 0 then break end
    kept[#kept + 1] = from + i - 1
  end
  if size > REPLY_MAX then
    more = true
    break
  end
end

-- Another server than the last time (a replica, a restored one): what the old one gave out last may not have arrived here,
-- and its clock may be ahead, so tokens go on an hour later.
local base = math.max(tok, us)
if server and server ~= ARGV[5] then base = base + 3600000000 end
local run, held = {'ZADD', RUN}, {'HSET', LEASE}
local reply, given = {-1, 0}, {}
local start, tail = pack('>I8', now), pack('>I8', number) .. char(#worker) .. worker
local stop, first, unexpired = now + lease_ms, base, {'ZREM', EXP}
local function free_until_started(id, r)
  local holder = call('HGET', P .. 'uniq', r.unique)
  if r.unique_mode == UNTIL_STARTED and holder and sub(holder, 1, 14) == id then later({'HDEL', P .. 'uniq', r.unique}) end
end
for _, k in ipairs(kept) do
  local id, l, t, record, m = picks[k][1], picks[k][2], picks[k][3], records[k], ms[k]
  if l then
    l.taken = l.taken + 1
    t.charged = t.charged + 1
    vt = math.max(vt, t.start + t.charged - 1)
  end
  if record then
    local flags, tenant = byte(record, 12), t and t.name or suspect.tenant
    base = base + 1
    local grant = pack('>I8', base) .. start
    run[#run + 1] = stop
    run[#run + 1] = id
    held[#held + 1] = id
    held[#held + 1] = grant .. char(flags, (m and 4 or 0) + (l and 0 or 2)) .. tail .. (l and l.name or suspect.lane)
    given[#given + 1] = id
    count(tenant, READY, -1)
    count(tenant, RUNNING, 1)
    tell(id)
    if not l then
      later({'ZREM', SUSPECTS, id})
      later({'HSET', SUSRUN, worker, id})
    end
    if band(flags, EXPIRES) > 0 then unexpired[#unexpired + 1] = id end
    if band(flags, UNIQUE) > 0 then free_until_started(id, parse(record)) end
    local n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, grant, record, m
  end
end

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
  later({'HSET', CALLS, worker, pack('>I8I8I8', number, now, first) .. table.concat(given)})
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
