-- lanes: Ready jobs stand in their lane, a sorted set by priority and order of enqueue. `lanes` names each tenant's lane,
-- or `*` where it has several, which then stand in `t:{tenant}` by what they were charged. `ring` holds the tenants by
-- virtual time; `debt` what a tenant that left the ring was ahead. A lane whose kind no live worker carries stands in
-- `parked:kind:{kind}` instead. A lane with jobs always stands somewhere. Needs meta, record, counts.
local LANES, RING, DEBT, PARKED, SUSPECTS = P .. 'lanes', P .. 'ring', P .. 'debt', P .. 'parked', P .. 'suspects'
local entering, entered = {}, {}
local function enter(lane, id, score)
  local e = entering[lane]
  if not e then
    e = {'ZADD', P .. 'l:' .. lane}
    entering[lane] = e
    entered[#entered + 1] = lane
  end
  e[#e + 1] = score
  e[#e + 1] = id
end
local function tenant_of(lane) return string.match(lane, '^[^/]+') end
local function kind_of(lane) return string.match(lane, '^[^/]+/([^/]+)') end
-- A job becomes Ready. One that would die of its next crash runs apart, so that it drags no neighbour along.
local suspected = false
local function ready(id, r, m)
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
-- Gives lanes their place: parked, or in their tenant's turn.
local function register(fresh)
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
      zadd[#zadd + 1] = math.max(vt, tonumber(debts[k] or 0))
      zadd[#zadd + 1] = tenant
    elseif stands ~= lane then
      local key = P .. 't:' .. tenant
      if not floors[tenant] then
        guard({key})
        local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
        floors[tenant] = first[2] or '0'
      end
      if stands ~= '*' then
        later({'ZADD', key, 'NX', floors[tenant], stands})
        current[k] = '*'
      end
      later({'ZADD', key, 'NX', floors[tenant], lane})
    end
  end
  for i = 1, #tenants do
    hset[#hset + 1] = tenants[i]
    hset[#hset + 1] = current[i]
  end
  later(hset)
  if #zadd > 2 then later(zadd) end
end
local function place()
  if #entered == 0 then return end
  local keys = {}
  for i = 1, #entered do keys[i] = entering[entered[i]][2] end
  guard({LANES, RING, DEBT, PARKED, unpack(keys)})
  local fresh = {}
  for i = 1, #entered do
    if call('ZCARD', keys[i]) == 0 then fresh[#fresh + 1] = entered[i] end
    later(entering[entered[i]])
  end
  register(fresh)
  entering, entered = {}, {}
end
