-- standing: the lanes that may hold jobs, of one tenant or ('') of all. Needs base.
local function standing(tenant)
  local found, once = {}, {}
  local function put_in(lane)
    if not once[lane] then found[#found + 1] = lane end
    once[lane] = true
  end
  local function add(name, only)
    if only == '*' then
      guard({P .. 't:' .. name})
      for _, lane in ipairs(call('ZRANGE', P .. 't:' .. name, 0, -1)) do put_in(lane) end
    elseif only then
      put_in(only)
    end
  end
  guard({P .. 'lanes', P .. 'parked'})
  if tenant ~= '' then
    add(tenant, call('HGET', P .. 'lanes', tenant))
  else
    local all = call('HGETALL', P .. 'lanes')
    for i = 1, #all, 2 do add(all[i], all[i + 1]) end
  end
  for _, kind in ipairs(call('HKEYS', P .. 'parked')) do
    local key = P .. 'parked:kind:' .. kind
    guard({key})
    for _, lane in ipairs(call('ZRANGE', key, 0, -1)) do
      if tenant == '' or sub(lane, 1, #tenant + 1) == tenant .. '/' then put_in(lane) end
    end
  end
  guard({P .. 'blocked'})
  for _, scope in ipairs(call('ZRANGE', P .. 'blocked', 0, -1)) do
    local key = P .. 'p:' .. scope
    guard({key})
    for _, lane in ipairs(call('ZRANGE', key, 0, -1)) do
      if tenant == '' or sub(lane, 1, #tenant + 1) == tenant .. '/' then put_in(lane) end
    end
  end
  return found
end
