-- admit: whether a lane's job may start, by the rules of its scopes. The lease and explain ask the same. A scope's `free` says how
-- many may start now, `opens` when to look again if none may (infinite: something else will tell). Needs lanes, law.
local HUGE = math.huge
local A = {scopes = {}}
-- Reads what is known of some scopes of one type.
function A.learn(letter, fields)
  local fresh = {}
  for i = 1, #fields do
    local name = letter .. ':' .. fields[i]
    if not A.scopes[name] then
      A.scopes[name] = {name = name, letter = letter, field = fields[i], free = HUGE, opens = HUGE, started = 0}
      fresh[#fresh + 1] = fields[i]
    end
  end
  if #fresh == 0 or laws[letter] == 0 and letter ~= 'r' and (letter ~= 'y' or laws.f == 0) then return end
  if letter == 'r' then
    guard({P .. 'slices'})
    local slices = call('HMGET', P .. 'slices', unpack(fresh))
    for i = 1, #fresh do A.scopes['r:' .. fresh[i]].slice = slices[i] or nil end
  else
    guard({P .. 'rules:' .. letter, P .. 'gates:' .. letter, P .. 'running', P .. 'tats', P .. 'fails', P .. 'used'})
    local rules = call('HMGET', P .. 'rules:' .. letter, unpack(fresh))
    local gates = call('HMGET', P .. 'gates:' .. letter, unpack(fresh))
    for i = 1, #fresh do
      local s = A.scopes[letter .. ':' .. fresh[i]]
      s.rule, s.gate = rules[i] and LAW.rule(rules[i]) or nil, gates[i] or nil
    end
    if letter == 'y' and laws.f > 0 then
      local failures = call('HMGET', P .. 'fails', unpack(fresh))
      for i = 1, #fresh do A.scopes['y:' .. fresh[i]].failures = failures[i] or nil end
    end
  end
  for i = 1, #fresh do A.judge(A.scopes[letter .. ':' .. fresh[i]]) end
end
function A.get(letter, field)
  A.learn(letter, {field})
  return A.scopes[letter .. ':' .. field]
end
-- `n` may start by one rule; if none, from `at` on, or when something is told. `note` hears why.
local function bound(s, n, at, note, ...)
  if n < s.free then s.free = math.max(0, n) end
  if n > 0 then return end
  if at then s.at = math.max(s.at, at) else s.event = true end
  s.opens = s.event and HUGE or s.at
  if note then note(...) end
end
-- GCRA: how many may start, and when the first may if none.
function A.rate(interval, burst, tat)
  local ahead = math.max(0, tat - us)
  local n = math.max(0, math.min(burst, floor((burst * interval - ahead) / interval + 1e-6)))
  return n, math.ceil((us + ahead - (burst - 1) * interval) / 1000)
end
function A.judge(s, note)
  s.free, s.opens, s.at, s.event = HUGE, HUGE, 0, false
  if s.letter == 'r' then return A.slice(s, note) end
  local gate, rule = s.gate, s.rule
  local is_shut, _, ends = LAW.shut(gate)
  if is_shut then
    bound(s, 0, ends > 0 and ends or nil, note, 'gate', gate)
  elseif s.failures and unpick('>I8', s.failures, 5) > 0 then
    -- The time of its gate is over: one tries.
    local probe = sub(s.failures, 13)
    s.probing = true
    bound(s, probe == '' and 1 or 0, nil, note, 'probe', probe)
  end
  if not rule then return end
  if rule.max > 0 or rule.share > 0 then
    s.running = s.running or tonumber(call('HGET', P .. 'running', s.name) or 0)
    if rule.max > 0 then bound(s, rule.max - s.running, nil, note, 'max_running', rule.max) end
    if rule.share > 0 then
      local slots = math.min(laws.slots, cap or HUGE)
      local most = math.max(1, floor(slots * rule.share + 1e-9))
      bound(s, most - s.running, nil, note, 'max_share', most)
    end
  end
  if rule.interval > 0 then
    s.tat = s.tat or tonumber(call('HGET', P .. 'tats', s.name) or 0)
    local n, at = A.rate(rule.interval, rule.burst, s.tat)
    bound(s, n, at, note, 'rate', at)
  end
  if rule.period > 0 then
    if not s.used then s.used, s.from, s.to, s.told = LAW.used(s.field, rule.period) end
    if rule.closes >= 0 and s.used >= rule.closes then bound(s, 0, s.to, note, 'budget', s.used, rule.closes, s.to) end
  end
end
-- After `s.started` starts: what is free now, and when more is.
function A.started(s)
  if s.running then s.running = s.running + s.started end
  if s.tat and s.rule.interval > 0 then
    s.tat = math.max(s.tat, us) + s.started * s.rule.interval
    if s.letter ~= 'q' then later({'HSET', P .. 'tats', s.name, string.format('%.0f', s.tat)}) end
  end
  if s.running and s.letter ~= 'q' then later({'HINCRBY', P .. 'running', s.name, s.started}) end
  if s.probing and s.probe then
    s.failures = sub(s.failures, 1, 12) .. s.probe
    later({'HSET', P .. 'fails', s.field, s.failures})
  end
  if s.lent and s.lent.seq then
    local l = s.lent
    if l.starts >= 0 then A.consume(l, 'starts', s.started) end
    s.slice = A.packed(l)
    later({'HSET', P .. 'slices', s.field, s.slice})
  end
  s.started = 0
  if s.letter ~= 'q' then A.judge(s) end
end
-- A part of an outside quota that was lent to this queue: sequence, slots (-1: no such rule), 1 if there are points, 1 if there are
-- starts, until when this holds, when to ask again, until when others want slots back; then for each loan that may still be used its
-- sequence, points, starts, and until when.
function A.slice(s, note)
  local l = {grants = {}}
  s.stale = true
  if s.slice then
    local points, starts
    l.seq, l.slots, points, starts, l.ends, l.opens, l.wanted = unpick('>ddddddd', s.slice)
    l.points, l.starts = points - 1, starts - 1
    for at = 57, #s.slice, 32 do
      local g = {}
      g.seq, g.points, g.starts, g.ends = unpick('>dddd', s.slice, at)
      if g.ends > now then
        l.grants[#l.grants + 1] = g
        if l.points >= 0 then l.points = l.points + g.points end
        if l.starts >= 0 then l.starts = l.starts + g.starts end
      end
    end
    s.stale = l.ends <= now
    s.running = s.running or tonumber(call('HGET', P .. 'running', s.name) or 0)
  end
  s.lent = l
  -- Whether more may be asked for.
  s.asks = s.stale or l.opens <= now
  if s.stale then return bound(s, 0, now + 500, note, 'resource', 0) end
  local at = l.opens > now and l.opens or now + 500
  if l.slots >= 0 then bound(s, l.wanted > now and 0 or l.slots - s.running, at) end
  if l.starts >= 0 then bound(s, l.starts, at) end
  if l.points >= 0 then bound(s, l.points, at) end
end
function A.packed(l)
  local parts = {pack('>ddddddd', l.seq, l.slots, l.points >= 0 and 1 or 0, l.starts >= 0 and 1 or 0, l.ends, l.opens, l.wanted)}
  for i = 1, #l.grants do
    local g = l.grants[i]
    parts[#parts + 1] = pack('>dddd', g.seq, g.points, g.starts, g.ends)
  end
  return table.concat(parts)
end
-- Takes from the oldest loans.
function A.consume(l, what, n)
  l[what] = l[what] - n
  for i = 1, #l.grants do
    local g = l.grants[i]
    local some = math.min(n, g[what])
    g[what], n = g[what] - some, n - some
  end
end
-- The scopes of a lane beside its tenant, in the order in which they are looked at.
function A.of(lane)
  local tenant, kind, uses, key = parts_of(lane)
  local list = {}
  if laws.k > 0 then list[#list + 1] = A.get('k', kind) end
  if laws.y + laws.f > 0 then list[#list + 1] = A.get('y', tenant .. '/' .. key) end
  if uses ~= '' then
    for name in string.gmatch(uses, '[^,]+') do list[#list + 1] = A.get('r', name) end
  end
  return list
end
-- How many the queue itself lets start, and when it looks again.
function A.queue(note)
  local q = {name = 'q', letter = 'q', field = '', free = HUGE, opens = HUGE, at = 0, started = 0, tat = laws.tat}
  if pause and (pause == '' or tonumber(pause) > now) then bound(q, 0, pause ~= '' and tonumber(pause) or nil, note, 'pause') end
  local running = call('ZCARD', P .. 'run') - 1
  if cap then bound(q, cap - running, nil, note, 'scale', cap) end
  if laws.rule then
    local rule = LAW.rule(laws.rule)
    q.rule = rule
    if rule.max > 0 then bound(q, rule.max - running, nil, note, 'max_running', rule.max) end
    if rule.interval > 0 then
      local n, at = A.rate(rule.interval, rule.burst, q.tat)
      bound(q, n, at, note, 'rate', at)
    end
  end
  return q
end
