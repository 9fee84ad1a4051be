-- sweep: what a tick puts in order beside the jobs: leases after the clock went back, keys of time that has passed, and
-- once a minute the derived counts. Needs leaving, finish, lanes, standing.
local clamp, sweep, alarm, idle_slices
do
local CALLS_KEY = P .. 'calls'
local RECOUNT_MS, SOME, MERGED_MAX = 60000, 2000, 5000
clamp = function(lease_ms)
  local far = call('ZRANGEBYSCORE', RUN, '(' .. string.format('%.0f', now + lease_ms), '(+inf', 'LIMIT', 0, SOME)
  local nearer = {'ZADD', RUN, 'XX'}
  for i = 1, #far do
    nearer[#nearer + 1] = now + lease_ms
    nearer[#nearer + 1] = far[i]
  end
  if #far > 0 then later(nearer) end
  if #far < SOME then change('seen', now) end
  -- No rate is further ahead than its burst.
  guard({P .. 'tats'})
  local tats = call('HGETALL', P .. 'tats')
  for i = 1, #tats, 2 do
    local letter = sub(tats[i], 1, 1)
    local rule = call('HGET', P .. 'rules:' .. letter, sub(tats[i], 3))
    rule = rule and LAW.rule(rule)
    local most = rule and us + rule.burst * rule.interval
    if most and tonumber(tats[i + 1]) > most then later({'HSET', P .. 'tats', tats[i], string.format('%.0f', most)}) end
  end
  if laws.rule then
    local rule = LAW.rule(laws.rule)
    if rule.interval > 0 and laws.tat > us + rule.burst * rule.interval then
      change('tat', string.format('%.0f', us + rule.burst * rule.interval))
    end
  end
end
local function prune(limit)
  local uexp, tombs, kinds = P .. 'uexp', P .. 'tombs', P .. 'kinds'
  guard({uexp, tombs, kinds, UNIQ, DEBT, CALLS_KEY})
  local keys = call('ZRANGEBYSCORE', uexp, '-inf', now, 'LIMIT', 0, limit)
  if #keys > 0 then
    local holders, free = call('HMGET', UNIQ, unpack(keys)), {'HDEL', UNIQ}
    for i = 1, #keys do
      local h = holders[i]
      if h and byte(h, 15) == THROTTLE and unpick('>I8', h, 16) <= now then free[#free + 1] = keys[i] end
    end
    if #free > 2 then later(free) end
    later({'ZREM', uexp, unpack(keys)})
  end
  local old = call('ZRANGEBYSCORE', tombs, '-inf', now, 'LIMIT', 0, limit)
  for i = 1, #old do
    local key = P .. 'j:' .. bucket(old[i])
    guard({key})
    local byte_left = call('HGET', key, sub(old[i], 5))
    if byte_left and #byte_left == 1 then later({'HDEL', key, sub(old[i], 5)}) end
  end
  if #old > 0 then later({'ZREM', tombs, unpack(old)}) end
  guard({P .. 'merged', P .. 'mergedat'})
  local forgotten = call('ZRANGEBYSCORE', P .. 'mergedat', '-inf', now - 600000, 'LIMIT', 0, SOME)
  local over = call('ZCARD', P .. 'mergedat') - MERGED_MAX
  if #forgotten == 0 and over > 0 then forgotten = call('ZRANGE', P .. 'mergedat', 0, math.min(over, SOME) - 1) end
  if #forgotten > 0 then
    later({'HDEL', P .. 'merged', unpack(forgotten)})
    later({'ZREM', P .. 'mergedat', unpack(forgotten)})
  end
  later({'ZREMRANGEBYSCORE', kinds, '-inf', now - 3600000})
  -- Corrections of running attempts may still come.
  later({'ZREMRANGEBYSCORE', DEBT, '-inf', vt - 600000})
end
-- Workers that have not leased for an hour are forgotten.
local function forget()
  local cursor = call('HGET', META, 'calls_at') or '0'
  local some = call('HSCAN', CALLS_KEY, cursor, 'COUNT', 50)
  change('calls_at', some[1])
  for i = 1, #some[2], 2 do
    if now - unpick('>I8', some[2][i + 1], 9) > 3600000 then
      later({'HDEL', CALLS_KEY, some[2][i]})
      later({'HDEL', HELD, some[2][i]})
    end
  end
end
-- Leases of the scopes that are counted, and gates whose time is over.
local function recount_scopes(all)
  guard({P .. 'running'})
  local counted, there = call('HGETALL', P .. 'running'), {}
  if #counted > 0 then
    for i = 1, #all, 2 do
      if all[i] ~= '' then
        local tenant, kind, uses, key = parts_of(lane_of(all[i + 1]))
        local names = {'t:' .. tenant, 'k:' .. kind, 'y:' .. tenant .. '/' .. key}
        for name in string.gmatch(uses, '[^,]+') do names[#names + 1] = 'r:' .. name end
        for k = 1, #names do there[names[k]] = (there[names[k]] or 0) + 1 end
      end
    end
  end
  for i = 1, #counted, 2 do
    local n = there[counted[i]] or 0
    if n ~= tonumber(counted[i + 1]) then
      later({'HSET', P .. 'running', counted[i], n})
      LAW.free({counted[i]})
    end
  end
  for _, letter in ipairs({'t', 'k', 'y'}) do
    local key = P .. 'gates:' .. letter
    guard({key})
    if laws[letter] > 0 and call('HLEN', key) <= SOME then
      local gates = call('HGETALL', key)
      for i = 1, #gates, 2 do
        local is_shut = LAW.shut(gates[i + 1])
        if not is_shut then LAW.put('gates', letter, gates[i], nil) end
      end
    end
  end
  LAW.plan()
end
local function recount()
  local workers, names = {}, standing('')
  local all = call('HGETALL', LEASE)
  for i = 1, #all, 2 do
    if all[i] ~= '' then
      local worker = worker_of(all[i + 1])
      workers[worker] = (workers[worker] or 0) + 1
    end
  end
  for worker, n in pairs(workers) do later({'HSET', HELD, worker, n}) end
  local totals_now = {'HSET', COUNTS, WAITING, call('ZCARD', P .. 'waiting')}
  if #names <= SOME then
    local ready_now = call('ZCARD', SUSPECTS)
    for _, lane in ipairs(names) do
      guard({P .. 'l:' .. lane})
      ready_now = ready_now + call('ZCARD', P .. 'l:' .. lane)
    end
    totals_now[5], totals_now[6] = READY, ready_now
  end
  later(totals_now)
  recount_scopes(all)
  local stored = call('HGETALL', COUNTS)
  for i = 1, #stored, 2 do
    if stored[i + 1] == '0' and #stored[i] > 1 then later({'HDEL', COUNTS, stored[i]}) end
  end
end
-- Outside quotas of which this queue has more slots than it uses.
idle_slices = function()
  guard({P .. 'slices', P .. 'running', P .. 'giving'})
  local all, names = call('HGETALL', P .. 'slices'), call('HKEYS', P .. 'giving')
  for i = 1, #all, 2 do
    local _, slots = unpick('>dd', all[i + 1])
    if slots > tonumber(call('HGET', P .. 'running', 'r:' .. all[i]) or 0) then names[#names + 1] = all[i] end
  end
  return names
end
-- Budgets that reached a threshold that was not told in this period.
alarm = function()
  guard({P .. 'alerts', P .. 'used', P .. 'rules:t'})
  local told_now = {}
  for _, tenant in ipairs(call('HKEYS', P .. 'alerts')) do
    later({'HDEL', P .. 'alerts', tenant})
    local rule = call('HGET', P .. 'rules:t', tenant)
    rule = rule and LAW.rule(rule)
    if rule and rule.period > 0 then
      local units, from, _, told_of = LAW.used(tenant, rule.period)
      local before = told_of
      for bit, threshold in ipairs({rule.alerts, rule.closes}) do
        if threshold >= 0 and units >= threshold and band(told_of, bit) == 0 then
          told_of = told_of + bit
          for _, v in ipairs({tenant, string.format('%.0f', units), string.format('%.0f', threshold), bit - 1}) do told_now[#told_now + 1] = v end
        end
      end
      if told_of ~= before then LAW.keep_used(tenant, rule.period, from, units, told_of) end
    end
  end
  return told_now
end
sweep = function(limit)
  prune(limit)
  local last = tonumber(call('HGET', META, 'swept') or 0)
  if now - last > RECOUNT_MS or last > now then
    forget()
    if call('HLEN', LEASE) <= SOME and call('HLEN', COUNTS) <= 10 * SOME then recount() end
    change('swept', now)
  end
end
end
