-- picking: which jobs run next. Tenants take turns of a quantum by virtual time, a tenant's lanes by (priority of the head, what
-- they were charged), and every start is charged with the slot-time that its kind takes on average. A lane that may not run is
-- parked under the first scope that says so. Commands are per tenant and per lane, never per job. Needs admit.
local QUANTUM, LOOKS_MAX, NONE = 4, 1024, {}
local pick_ids, pick_lanes, lanes, tenants, dropped, more, newly_parked, mine = {}, {}, {}, {}, {}, false, 0, {}
local emptied, ringless, owed, stuck, later_vt = {'HDEL', LANES}, {'ZREM', RING}, {'ZADD', DEBT}, {'ZADD', BLOCKED}, {'HSET', P .. 'lvt'}
local drop_lane, block, park_lane, park_tenant, charge_of, pick
do
local looks = 0
local function drop_tenant(t)
  if t.gone then return end
  emptied[#emptied + 1] = t.name
  ringless[#ringless + 1] = t.name
  dropped[#dropped + 1] = t
  t.gone = true
end
drop_lane = function(t, lane)
  if t.single then
    drop_tenant(t)
  else
    later({'ZREM', t.key, lane})
    t.dropped = t.dropped + 1
    if t.dropped == t.total then drop_tenant(t) end
  end
end
-- When a blocked scope is looked at again.
block = function(s)
  if s.blocked then return end
  s.blocked = true
  stuck[#stuck + 1] = s.opens == HUGE and '+inf' or s.opens
  stuck[#stuck + 1] = s.name
end
park_lane = function(t, l, s)
  looks = looks + 1
  local key = P .. 'p:' .. s.name
  guard({key})
  later({'ZADD', key, string.format('%.6f', t.vt), l.name})
  if l.vt > 0 then
    later_vt[#later_vt + 1] = l.name
    later_vt[#later_vt + 1] = string.format('%.3f', l.vt)
  end
  l.parked = true
  drop_lane(t, l.name)
  block(s)
end
park_tenant = function(t)
  if t.gone then return end
  looks = looks + 1
  t.gone = true
  ringless[#ringless + 1] = t.name
  dropped[#dropped + 1] = t
  block(t.scope)
end
-- A kind is mine, another live worker's, or nobody's: then its lanes are parked.
local verdicts = {}
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
-- What a start of a kind is charged with, in whole ms.
local charges = {}
charge_of = function(kind)
  local c = charges[kind]
  if not c then
    guard({P .. 'means'})
    c = math.min(4294967295, math.max(1, floor(tonumber(call('HGET', P .. 'means', kind) or 0) + 0.5)))
    charges[kind] = c
  end
  return c
end
-- What a lane's name says, without its tenant: the same text for many lanes.
local rests = {}
local function about(t, lane)
  local rest = sub(lane, #t.name + 2)
  local a = rests[rest]
  if not a then
    local kind, uses = string.match(rest, '^([^/]+)/([^/]*)')
    a = {kind = kind, verdict = verdict(kind), charge = charge_of(kind), plain = uses == '' and laws.k + laws.y + laws.f == 0, uses = uses}
    rests[rest] = a
  end
  return a
end
local function lane_at(t, name, score, a)
  local class = floor(score / CLASS) * CLASS
  local l = {name = name, tenant = t, key = P .. 'l:' .. name, class = class, start = score - class, vt = score - class, ids = {},
    classes = {}, used = 0, taken = 0, charge = a.charge, scopes = a.plain and NONE or A.of(name), uses = a.uses}
  lanes[#lanes + 1] = l
  return l
end
-- The lane, if it may run; parked if not.
local function try_lane(t, name, score)
  local a = about(t, name)
  if a.verdict ~= 'mine' then
    if a.verdict == 'nobody' then
      later({'ZADD', P .. 'parked:kind:' .. a.kind, 'NX', 0, name})
      drop_lane(t, name)
    end
    return nil
  end
  local l = lane_at(t, name, score, a)
  for i = 1, #l.scopes do
    local s = l.scopes[i]
    if s.free <= 0 and not (s.asks and first_try) then
      -- What this very call has used up is looked at again when it is known what was started.
      if s.opens == HUGE and not s.event then l.held = s else park_lane(t, l, s) end
      return nil
    end
  end
  return l
end
-- Reads on in a tenant's lanes; `frontier` is the score of the last one that was read.
local function read_lanes(t)
  local some = call('ZRANGE', t.key, t.read_to, t.read_to + t.page - 1, 'WITHSCORES')
  t.read_to = t.read_to + #some / 2
  t.frontier = tonumber(some[#some] or 0)
  if t.read_to >= t.total or #some == 0 then t.all = true end
  if laws.y + laws.f > 0 and #some > 0 then
    local keys = {}
    for i = 1, #some, 2 do keys[(i + 1) / 2] = t.name .. '/' .. string.match(some[i], '^[^/]+/[^/]+/[^/]*/(.*)$') end
    A.learn('y', keys)
  end
  for i = 1, #some, 2 do t.lanes[#t.lanes + 1] = try_lane(t, some[i], tonumber(some[i + 1])) end
  if looks > LOOKS_MAX and not t.all then t.all, more = true, true end
end
-- The lanes of a tenant that this worker may take from.
local function lanes_of(t, only, room)
  t.lanes = {}
  if only ~= '*' then
    t.single, t.all = true, true
    t.only = try_lane(t, only, 0)
    t.lanes[1] = t.only
    return
  end
  t.key, t.read_to, t.frontier, t.page = P .. 't:' .. t.name, 0, 0, math.min(64, math.ceil(room / QUANTUM) + 4)
  guard({t.key})
  t.total, t.dropped = call('ZCARD', t.key), 0
  if t.total == 0 then
    t.all = true
    drop_tenant(t)
  end
end
-- Reads on in a lane until `n` jobs lie ready, or it has no more.
local function fill(l, n)
  local have = #l.ids
  if l.short or have - l.used >= n then return end
  local size = math.max(n, have)
  guard({l.key})
  if l.tenant.single then
    local some = call('ZRANGE', l.key, have, have + size - 1)
    if have == 0 then l.ids = some else for i = 1, #some do l.ids[have + i] = some[i] end end
    if #some < size then l.short = true end
  else
    local some = call('ZRANGE', l.key, have, have + size - 1, 'WITHSCORES')
    for i = 1, #some, 2 do
      local k = have + (i + 1) / 2
      l.ids[k], l.classes[k] = some[i], floor(tonumber(some[i + 1]) / CLASS) * CLASS
    end
    if #some < 2 * size then l.short = true end
  end
end
-- The lane that is next, reading on while one that was not read may be before it.
local function best(t)
  if t.only then return t.lanes[1], 1 end
  while true do
    local l, at = t.lanes[1], 1
    for i = 2, #t.lanes do
      local o = t.lanes[i]
      if o.class < l.class or o.class == l.class and o.vt < l.vt then l, at = o, i end
    end
    if t.all or l and l.class + l.vt <= t.frontier then return l, at end
    read_lanes(t)
  end
end
-- Takes up to `q` jobs of a tenant; `guess` is how many it may come to in the whole call.
local function take(t, q, guess)
  local taken = 0
  while taken < q do
    local l, at = best(t)
    if not l then
      t.done = true
      break
    end
    local n, held = t.single and q - taken or math.min(QUANTUM, q - taken), nil
    for i = 1, #l.scopes do
      local s = l.scopes[i]
      if s.free < n and not (s.asks and first_try) then n, held = s.free, s end
    end
    if n <= 0 then
      table.remove(t.lanes, at)
      l.held = held
    else
      fill(l, math.max(n, l.used == 0 and guess or 0) + 1)
      n = math.min(n, #l.ids - l.used)
      local class = l.classes[l.used + 1]
      if class and class > l.class then
        -- Its head has gone: it stands further back than it did.
        l.class = class
      else
        if class then
          local same = 1
          while same < n and l.classes[l.used + same + 1] == class do same = same + 1 end
          n = math.min(n, same)
        end
        local k = #pick_ids
        for i = 1, n do pick_ids[k + i], pick_lanes[k + i] = l.ids[l.used + i], l end
        for i = 1, #l.scopes do l.scopes[i].free = l.scopes[i].free - n end
        l.used, taken = l.used + n, taken + n
        l.vt, t.vt = l.vt + n * l.charge, t.vt + n * l.charge / t.weight
        if l.used == #l.ids and l.short then
          table.remove(t.lanes, at)
        elseif not t.single then
          fill(l, 1)
          l.class = l.classes[l.used + 1] or l.class
        end
      end
    end
  end
  return taken
end

-- The window: the tenants with the lowest virtual times, kept sorted; `frontier` is the highest that was read.
local pool, read_to, ring_seen, frontier = {}, 0, false, 0
local function seat(t)
  local at = #pool + 1
  while at > 1 and pool[at - 1].vt > t.vt do at = at - 1 end
  table.insert(pool, at, t)
end
local function widen(room)
  local size = math.min(256, math.max(16, math.ceil(room / QUANTUM) + 8))
  local some = call('ZRANGE', RING, read_to, read_to + size - 1, 'WITHSCORES')
  read_to = read_to + #some / 2
  if #some < 2 * size then ring_seen = true end
  if #some == 0 then return end
  local names = {}
  for i = 1, #some, 2 do names[#names + 1] = some[i] end
  if laws.t > 0 then A.learn('t', names) end
  local only = call('HMGET', LANES, unpack(names))
  for i = 1, #names do
    local t = {name = names[i], vt = tonumber(some[2 * i]), weight = 1, room = HUGE, charged = 0, kept = 0}
    t.start = t.vt
    frontier = t.vt
    if laws.t > 0 then
      t.scope = A.scopes['t:' .. t.name]
      t.room = t.scope.free
      if t.scope.rule then t.weight = t.scope.rule.weight end
    end
    if not only[i] then
      ringless[#ringless + 1] = t.name
    elseif t.room <= 0 then
      park_tenant(t)
    else
      t.stands = only[i]
      seat(t)
    end
    if looks > LOOKS_MAX then
      -- The others are for the next call.
      ring_seen, more = true, true
      return
    end
  end
end
pick = function(room)
  local wanted = room
  while wanted > 0 do
    while not ring_seen and (#pool == 0 or pool[1].vt > frontier) do widen(room) end
    local t = table.remove(pool, 1)
    if not t then break end
    if not t.known then
      t.known = true
      tenants[#tenants + 1] = t
    end
    if not t.lanes then lanes_of(t, t.stands, math.min(wanted, t.room)) end
    -- Nobody else is left: no turns are needed.
    local alone = #pool == 0 and ring_seen
    local q = math.min(alone and wanted or math.min(QUANTUM, wanted), t.room)
    local n = take(t, q, math.min(t.room, alone and wanted or math.ceil(wanted / (#pool + 1))))
    wanted, t.room = wanted - n, t.room - n
    if t.room > 0 and not t.done and not (t.single and #t.lanes == 0) then seat(t) end
    if looks > LOOKS_MAX then ring_seen, more = true, true end
  end
end
end
