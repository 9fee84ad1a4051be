#!lua flags=no-writes
-- lanes: the lanes that have something ready or running.
-- KEYS 1 meta · ARGV 1 tenant or '' · 2 how many at most
-- Returns for each: name · ready · running · limits of its (tenant, key) as JSON or nil · its first closed gate or nil · failures or
-- nil · its tenant's share.
-- @include base
-- @include meta
-- @include counts
-- @include signals
-- @include buckets
-- @include record
-- @include lanes
-- @include law
-- @include leaving
-- @include standing
-- @include view
local tenant, limit, found, names, weights = ARGV[1], tonumber(ARGV[2]), {}, {}, {}
guard({LEASE, SUSPECTS, P .. 'fails', P .. 'rules:t', P .. 'rules:y', P .. 'gates:t', P .. 'gates:k', P .. 'gates:y'})
local function lane_of_view(name)
  local l = found[name]
  if not l then
    l = {ready = 0, running = 0}
    found[name] = l
    names[#names + 1] = name
  end
  return l
end
for _, name in ipairs(standing('')) do
  guard({P .. 'l:' .. name})
  local n = call('ZCARD', P .. 'l:' .. name)
  if n > 0 then lane_of_view(name).ready = n end
end
local suspects = call('ZRANGE', SUSPECTS, 0, 999)
if #suspects > 0 then
  local records = fetch(group(suspects), 'j')
  for i = 1, #suspects do
    if records[i] then
      local l = lane_of_view(parse(records[i]).lane)
      l.ready = l.ready + 1
    end
  end
end
each_lease(function(_, name)
  local l = lane_of_view(name)
  l.running = l.running + 1
end)
local sum = 0
for i = 1, #names do
  local t = tenant_of(names[i])
  if not weights[t] then
    local rule = laws.t > 0 and call('HGET', P .. 'rules:t', t)
    weights[t] = rule and LAW.rule(rule).weight or 1
    sum = sum + weights[t]
  end
end
-- By tenant, kind and key; resources, which stand before the key, last.
local sorted = {}
for i = 1, #names do
  local t, kind, uses, key = parts_of(names[i])
  if tenant == '' or t == tenant then sorted[#sorted + 1] = {t = t, kind = kind, key = key, uses = uses, name = names[i]} end
end
table.sort(sorted, function(a, b)
  if a.t ~= b.t then return a.t < b.t end
  if a.kind ~= b.kind then return a.kind < b.kind end
  if a.key ~= b.key then return a.key < b.key end
  return a.uses < b.uses
end)
local q = call('HMGET', META, 'pause', 'pause_reason', 'pause_by')
local queue_gate = q[1] and (q[1] == '' or tonumber(q[1]) > now) and LAW.gate(PERSON, tonumber(q[1]) or 0, q[2] or '', q[3] or '')
local reply = {}
for i = 1, math.min(limit, #sorted) do
  local s = sorted[i]
  local l, field = found[s.name], s.t .. '/' .. s.key
  local rule, gate = call('HGET', P .. 'rules:y', field), queue_gate
  for _, at in ipairs({{'t', s.t}, {'k', s.kind}, {'y', field}}) do
    if not gate then
      local one = call('HGET', P .. 'gates:' .. at[1], at[2])
      if LAW.shut(one) then gate = one end
    end
  end
  for _, v in ipairs({s.name, l.ready, l.running, rule and sub(rule, 66) or false, gate or false, call('HGET', P .. 'fails', field) or false,
    string.format('%.9f', weights[s.t] / sum)}) do
    reply[#reply + 1] = v
  end
end
return reply
