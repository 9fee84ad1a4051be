-- ending: what leases give back beside their slot: slot-time, units of scopes, budgets, failures, means. Goes before place, which
-- reads what is owed. Needs leaving.
local plan_ending
do
local function plan_time()
  local names = {}
  for lane, g in pairs(gone) do
    if g.owing ~= 0 then
      if not owing[g.tenant] then names[#names + 1] = g.tenant end
      owing[g.tenant] = (owing[g.tenant] or 0) + g.owing
    end
  end
  if #names == 0 then return end
  guard({RING, DEBT, LANES})
  local ring, debts, stands = call('ZMSCORE', RING, unpack(names)), call('ZMSCORE', DEBT, unpack(names)), call('HMGET', LANES, unpack(names))
  local turn, debt, several = {'ZADD', RING, 'XX'}, {'ZADD', DEBT, 'XX'}, {}
  for i = 1, #names do
    local by = owing[names[i]]
    if ring[i] then
      turn[#turn + 1] = string.format('%.6f', math.max(0, tonumber(ring[i]) + by))
      turn[#turn + 1] = names[i]
    end
    if debts[i] then
      debt[#debt + 1] = string.format('%.6f', math.max(0, tonumber(debts[i]) + by))
      debt[#debt + 1] = names[i]
    end
    several[names[i]] = stands[i] == '*'
  end
  if #turn > 3 then later(turn) end
  if #debt > 3 then later(debt) end
  for lane, g in pairs(gone) do
    if g.time ~= 0 and several[g.tenant] then
      local key = P .. 't:' .. g.tenant
      guard({key})
      local score = call('ZSCORE', key, lane)
      if score then
        score = tonumber(score)
        local class = floor(score / CLASS) * CLASS
        later({'ZADD', key, 'XX', string.format('%.3f', class + math.max(0, score - class + g.time)), lane})
      end
    end
  end
end
-- Starts that never were do not count against a rate.
local function refund(name, letter, field, n)
  local rule = letter and call('HGET', P .. 'rules:' .. letter, field) or laws.rule
  rule = rule and LAW.rule(rule)
  if not rule or rule.interval == 0 then return end
  local tat = letter and tonumber(call('HGET', P .. 'tats', name) or 0) or laws.tat
  tat = string.format('%.0f', math.max(us, tat - n * rule.interval))
  if letter then
    later({'HSET', P .. 'tats', name, tat})
  else
    change('tat', tat)
  end
end
local function plan_scopes()
  local counts, order, unstarted, never = {}, {}, {}, 0
  local function add(letter, field, g)
    local name = letter .. ':' .. field
    if not counts[name] then
      counts[name] = 0
      order[#order + 1] = name
    end
    counts[name] = counts[name] + g.n
    if g.unstarted > 0 and letter ~= 'r' then
      unstarted[name] = unstarted[name] or {letter = letter, field = field, n = 0}
      unstarted[name].n = unstarted[name].n + g.unstarted
    end
  end
  for _, g in pairs(gone) do
    never = never + g.unstarted
    if laws.t > 0 then add('t', g.tenant, g) end
    if laws.k > 0 then add('k', g.kind, g) end
    if laws.y > 0 then add('y', g.tenant .. '/' .. g.key, g) end
    if g.uses ~= '' then
      for name in string.gmatch(g.uses, '[^,]+') do add('r', name, g) end
    end
  end
  if never > 0 and laws.rule then refund('q', nil, '', never) end
  if #order == 0 then return end
  guard({P .. 'running', P .. 'tats', P .. 'rules:t', P .. 'rules:k', P .. 'rules:y', BLOCKED})
  local running = call('HMGET', P .. 'running', unpack(order))
  for i = 1, #order do
    if running[i] then later({'HINCRBY', P .. 'running', order[i], 0 - math.min(counts[order[i]], tonumber(running[i]))}) end
  end
  for name, u in pairs(unstarted) do refund(name, u.letter, u.field, u.n) end
  LAW.free(order)
end
local function plan_failures()
  local opened, by, there = {}, 0, false
  for field, f in pairs(failing) do
    there = true
    if f.gate_changed then LAW.put('gates', 'y', field, f.gate) end
    if f.row > 0 and f.changed then
      later({'HSET', P .. 'fails', field, pack('>I4I8', f.row, f.wait) .. f.probe})
      if not f.there then by = by + 1 end
    elseif f.row == 0 and f.there then
      later({'HDEL', P .. 'fails', field})
      by = by - 1
    end
    if f.opened or f.gate_changed then opened[#opened + 1] = 'y:' .. field end
  end
  if there then
    guard({P .. 'fails'})
    change('nf', call('HLEN', P .. 'fails') + by)
  end
  LAW.free(opened)
end
-- Means of durations, over all kinds under '', and how many attempts ended in this and the last ten seconds.
local function plan_means()
  local kinds, ms, n = {''}, 0, 0
  for kind, l in pairs(lasted) do
    kinds[#kinds + 1] = kind
    ms, n = ms + l.ms, n + l.n
  end
  if n == 0 then return end
  guard({P .. 'means'})
  lasted[''] = {n = n, ms = ms}
  local means, set = call('HMGET', P .. 'means', unpack(kinds)), {'HSET', P .. 'means'}
  for i = 1, #kinds do
    local l, before = lasted[kinds[i]], tonumber(means[i] or '')
    local average = l.ms / l.n
    local mean = before and before + (average - before) * (1 - (1 - MEAN_WEIGHT) ^ l.n) or average
    set[#set + 1] = kinds[i]
    set[#set + 1] = string.format('%.4f', mean)
  end
  later(set)
  local window = floor(now / 10000)
  local at, before, current = window, 0, 0
  if laws.flow then at, before, current = unpick('>ddd', laws.flow) end
  if at == window - 1 then before, current = current, 0 elseif at ~= window then before, current = 0, 0 end
  laws.flow = pack('>ddd', window, before, current + n)
  change('flow', laws.flow)
end
plan_ending = function()
  plan_time()
  plan_scopes()
  for _, b in pairs(budgets) do
    if b.changed and b.rule and b.rule.period == b.code then
      LAW.use(b.tenant, b.rule, b.units, b.from, b.told)
      if b.rule.closes >= 0 and b.units < b.rule.closes then LAW.free({'t:' .. b.tenant}) end
    elseif b.changed then
      LAW.keep_used(b.tenant, b.code, b.from, b.units, b.told)
    end
  end
  plan_failures()
  plan_means()
  LAW.plan()
  gone, failing, lasted, budgets = {}, {}, {}, {}
end
end
