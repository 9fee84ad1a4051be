-- view: a scope as it stands. Needs lanes, law, leaving.
-- Every lease's lane with its id, in no order.
local function each_lease(f)
  local all = call('HGETALL', LEASE)
  for i = 1, #all, 2 do
    if all[i] ~= '' then f(all[i], lane_of(all[i + 1]), all[i + 1]) end
  end
end
-- Whether a lane belongs to a scope.
local function inside(letter, field, lane)
  if letter == 'q' then return true end
  local tenant, kind, uses, key = parts_of(lane)
  if letter == 't' then return tenant == field end
  if letter == 'k' then return kind == field end
  if letter == 'y' then return tenant .. '/' .. key == field end
  return string.find(',' .. uses .. ',', ',' .. field .. ',', 1, true) ~= nil
end
local function running_in(letter, field)
  local n = 0
  each_lease(function(_, lane)
    if inside(letter, field, lane) then n = n + 1 end
  end)
  return n
end
-- Revision, the limits' JSON, the gate, failures, leases, units used, when the period ends, 1 if the soft threshold is reached.
local function view(letter, field)
  local name = letter == 'q' and 'q' or letter .. ':' .. field
  guard({LEASE, P .. 'revs', P .. 'fails', P .. 'used'})
  local revision, limits, gate, failures, rule = call('HGET', P .. 'revs', name) or '0', false, false, false, false
  if letter == 'q' then
    local q = call('HMGET', META, 'rule', 'pause', 'pause_reason', 'pause_by')
    rule = q[1]
    if q[2] and (q[2] == '' or tonumber(q[2]) > now) then gate = LAW.gate(PERSON, tonumber(q[2]) or 0, q[3] or '', q[4] or '') end
  else
    guard({P .. 'rules:' .. letter, P .. 'gates:' .. letter})
    rule, gate = call('HGET', P .. 'rules:' .. letter, field), call('HGET', P .. 'gates:' .. letter, field)
    if not LAW.shut(gate) then gate = false end
  end
  if letter == 'y' then failures = call('HGET', P .. 'fails', field) end
  local used, ends, alert = '', '', ''
  if rule then
    limits = sub(rule, 66)
    local law = LAW.rule(rule)
    if letter == 't' and law.period > 0 then
      local units, _, to = LAW.used(field, law.period)
      used, ends, alert = string.format('%.0f', units), string.format('%.0f', to), law.alerts >= 0 and units >= law.alerts and '1' or '0'
    end
  end
  return {revision, limits, gate, failures, running_in(letter, field), used, ends, alert}
end
