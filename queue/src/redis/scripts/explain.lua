#!lua flags=no-writes
-- explain: everything in a job's way, by the rules that the lease asks.
-- KEYS 1 meta · ARGV 1 id
-- Returns nothing for a job that is not there; else the server's time in ms · ended attempts per 10 s (a text) · the lane's key and
-- resources · how many stand before it · then lists: gate letter who gate · limit letter who max rule ids · rate letter who until ·
-- budget used units until · resource name leases · suspect ids · probe id · behind how many, first · turn ms.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include counts
-- @include signals
-- @include lanes
-- @include law
-- @include leaving
-- @include state
-- @include find
-- @include admit
-- @include view
local id = ARGV[1]
local r, raw, state = find(id, '')
if not r then return {} end
guard({LANES, RING, SUSPECTS, SUSRUN, LEASE, P .. 'run'})
local tenant, kind, uses, key = parts_of(r.lane)
local reply, rate = {string.format('%.0f', now), '0', key, uses, 0}, 0
if laws.flow then
  local at, before, current = unpick('>ddd', laws.flow)
  local window = floor(now / 10000)
  if at == window - 1 then before, current = current, 0 elseif at ~= window then before, current = 0, 0 end
  reply[2] = string.format('%.6f', (before + current) / (10 + now % 10000 / 1000))
end
local function tell_of(list) reply[#reply + 1] = list end
local function holders(list, letter, field)
  each_lease(function(other, lane)
    if #list < 15 and inside(letter, field, lane) then list[#list + 1] = other end
  end)
  return list
end
local function hear(letter, field)
  return function(what, a, b, c)
    if what == 'gate' then
      tell_of({'gate', letter, field, a})
    elseif what == 'pause' then
      local p = call('HMGET', META, 'pause_reason', 'pause_by')
      tell_of({'gate', letter, field, LAW.gate(PERSON, tonumber(pause) or 0, p[1] or '', p[2] or '')})
    elseif what == 'max_running' or what == 'max_share' or what == 'scale' then
      tell_of(holders({'limit', letter, field, string.format('%.0f', a), what}, letter, field))
    elseif what == 'rate' then
      tell_of({'rate', letter, field, string.format('%.0f', a)})
    elseif what == 'budget' then
      tell_of({'budget', string.format('%.0f', a), string.format('%.0f', b), string.format('%.0f', c)})
    elseif what == 'probe' then
      tell_of({'probe', a})
    end
  end
end
if state == READY or state == SCHEDULED or state == RETRYING then
  A.queue(hear('q', ''))
  for _, at in ipairs({{'t', tenant}, {'k', kind}, {'y', tenant .. '/' .. key}}) do
    if laws[at[1]] > 0 or at[1] == 'y' and laws.f > 0 then A.judge(A.get(at[1], at[2]), hear(at[1], at[2])) end
  end
  for name in string.gmatch(uses, '[^,]+') do tell_of({'resource', name, running_in('r', name)}) end
end
if state == READY then
  local lane = P .. 'l:' .. r.lane
  guard({lane})
  local rank = call('ZRANK', lane, id)
  if not rank then
    local suspects = {'suspect'}
    local all = call('HGETALL', SUSRUN)
    for i = 1, #all do suspects[#suspects + 1] = all[i] end
    tell_of(suspects)
  else
    reply[5] = rank
    if rank > 0 then tell_of({'behind', rank, call('ZRANGE', lane, 0, 0)[1]}) end
    local own = call('ZSCORE', RING, tenant)
    if own then
      local before = call('ZCOUNT', RING, '-inf', '(' .. own)
      reply[5] = reply[5] + before
      local first = true
      if call('HGET', LANES, tenant) == '*' then
        guard({P .. 't:' .. tenant})
        local score = call('ZSCORE', P .. 't:' .. tenant, r.lane)
        first = not score or call('ZCOUNT', P .. 't:' .. tenant, '-inf', '(' .. score) == 0
      end
      if before > 0 or not first or call('ZCARD', P .. 'run') - 1 >= laws.slots then tell_of({'turn', string.format('%.3f', math.max(0, tonumber(own) - vt))}) end
    end
  end
end
return reply
