-- lanes: Ready jobs stand in their lane, `tenant/kind/resources/key`, a sorted set by priority and order of enqueue. `lanes` names
-- each tenant's lane, or `*` where it has several, which then stand in `t:{tenant}` by (priority of the head, slot-time that they
-- were charged). `ring` holds the tenants by virtual time, which is slot-time in ms over weight; `debt` that of tenants that left it.
-- A lane whose kind no live worker carries stands in `parked:kind:{kind}`, one that a rule holds back in `p:{scope}`, a tenant that a
-- rule holds back is not in the ring; `blocked` says when a scope may have something free again. A lane with jobs always stands
-- somewhere. Needs meta, record, counts.
local LANES, RING, DEBT, PARKED, SUSPECTS, BLOCKED = P .. 'lanes', P .. 'ring', P .. 'debt', P .. 'parked', P .. 'suspects', P .. 'blocked'
-- Slot-time over weight that this script corrects, by tenant.
local owing = {}
local function tenant_of(lane) return string.match(lane, '^[^/]+') end
local function kind_of(lane) return string.match(lane, '^[^/]+/([^/]+)') end
-- Tenant, kind, resources, key.
local function parts_of(lane) return string.match(lane, '^([^/]+)/([^/]+)/([^/]*)/(.*)$') end
local enter, ready, class_of, register, place
do
local entering, entered = {}, {}
enter = function(lane, id, score)
  local e = entering[lane]
  if not e then
    e = {'ZADD', P .. 'l:' .. lane}
    e.least = score
    entering[lane] = e
    entered[#entered + 1] = lane
  elseif score < e.least then
    e.least = score
  end
  e[#e + 1] = score
  e[#e + 1] = id
end
-- A job becomes Ready. One that would die of its next crash runs apart, so that it drags no neighbour along.
local suspected = false
ready = function(id, r, m)
  count(r.tenant, READY, 1)
  local row = m and byte(m, 4) or 0
  if row > 0 and row + 1 >= r.crashes_max then
    if not suspected then call('ZCARD', SUSPECTS) end
    suspected = true
    later({'ZADD', SUSPECTS, r.score, id})
  else
    enter(r.lane, id, r.score)
  end
end
-- The class of a lane's head: its score without the order of enqueue; nil for an empty lane.
class_of = function(lane)
  guard({P .. 'l:' .. lane})
  local head = call('ZRANGE', P .. 'l:' .. lane, 0, 0, 'WITHSCORES')
  return head[2] and floor(tonumber(head[2]) / CLASS) * CLASS
end
-- Gives lanes their place: parked, or in their tenant's turn. `classes` of their heads, `own` slot-time that they bring along.
register = function(fresh, classes, own)
  if #fresh == 0 then return end
  local kinds, tenants, at, active = {}, {}, {}, {}
  if parked > 0 then
    for i = 1, #fresh do kinds[i] = kind_of(fresh[i]) end
    kinds = call('HMGET', PARKED, unpack(kinds))
  end
  for i = 1, #fresh do
    local lane = fresh[i]
    if kinds[i] and parked > 0 then
      later({'ZADD', P .. 'parked:kind:' .. kind_of(lane), 'NX', 0, lane})
    else
      local tenant = tenant_of(lane)
      if not at[tenant] then
        tenants[#tenants + 1] = tenant
        at[tenant] = #tenants
      end
      active[#active + 1] = lane
    end
  end
  if #active == 0 then return end
  local current, debts = call('HMGET', LANES, unpack(tenants)), call('ZMSCORE', DEBT, unpack(tenants))
  call('ZCARD', RING)
  local hset, zadd, floors = {'HSET', LANES}, {'ZADD', RING}, {}
  for i = 1, #active do
    local lane = active[i]
    local tenant = tenant_of(lane)
    local k = at[tenant]
    local stands = current[k]
    if not stands then
      current[k] = lane
      zadd[#zadd + 1] = string.format('%.6f', math.max(vt, tonumber(debts[k] or 0) + (owing[tenant] or 0)))
      zadd[#zadd + 1] = tenant
    elseif stands ~= lane then
      local key = P .. 't:' .. tenant
      if not floors[tenant] then
        guard({key})
        local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
        floors[tenant] = first[2] and tonumber(first[2]) % CLASS or 0
      end
      if stands ~= '*' then
        later({'ZADD', key, 'NX', string.format('%.3f', (classes[stands] or class_of(stands) or 0) + floors[tenant]), stands})
        current[k] = '*'
      end
      local class = classes[lane] or 0
      later({'ZADD', key, 'NX', string.format('%.3f', class + math.max(floors[tenant], own and own[lane] or 0)), lane})
    end
  end
  for i = 1, #tenants do
    hset[#hset + 1] = tenants[i]
    hset[#hset + 1] = current[i]
  end
  later(hset)
  if #zadd > 2 then later(zadd) end
end
-- A job of a higher class than its lane's head came: the lane moves forward, where it stands among others.
local function promote_lane(lane, by)
  local tenant = tenant_of(lane)
  if call('HGET', LANES, tenant) ~= '*' then return end
  guard({P .. 't:' .. tenant})
  local score = call('ZSCORE', P .. 't:' .. tenant, lane)
  if score then later({'ZADD', P .. 't:' .. tenant, 'XX', string.format('%.3f', tonumber(score) - by), lane}) end
end
place = function()
  if #entered == 0 then return end
  local keys = {}
  for i = 1, #entered do keys[i] = entering[entered[i]][2] end
  guard({LANES, RING, DEBT, PARKED, unpack(keys)})
  local fresh, classes = {}, {}
  for i = 1, #entered do
    local lane = entered[i]
    local e = entering[lane]
    local head = call('ZRANGE', keys[i], 0, 0, 'WITHSCORES')
    local class = floor(e.least / CLASS) * CLASS
    if not head[2] then
      fresh[#fresh + 1] = lane
      classes[lane] = class
    else
      local stands = floor(tonumber(head[2]) / CLASS) * CLASS
      if class < stands then promote_lane(lane, stands - class) end
    end
    later(e)
  end
  register(fresh, classes)
  entering, entered = {}, {}
end
end
