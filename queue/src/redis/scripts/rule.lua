#!lua
-- rule: changes the rules of a scope.
-- KEYS 1 meta · ARGV 1 letter: q the queue, t a tenant, k a kind, y a (tenant, key) · 2 who · 3 the revision that the change was made
-- from or '' · 4 limits: 5 numbers, 6 JSON · clear · pause: 5 until ms or '', 6 reason, 7 by · resume · scale: 5 cap or '' ·
-- auto: 5 JSON or ''
-- Returns the scope as it stands, as `view` says · a number: the revision is this one.
-- @include base
-- @include meta
-- @include counts
-- @include signals
-- @include record
-- @include lanes
-- @include law
-- @include leaving
-- @include view
local letter, field, expected, what = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local name = letter == 'q' and 'q' or letter .. ':' .. field
guard({P .. 'revs', P .. 'running', P .. 'tats', P .. 'fails', LEASE, BLOCKED, P .. 'alerts'})
local revision = tonumber(call('HGET', P .. 'revs', name) or 0)
if expected ~= '' and tonumber(expected) ~= revision then return revision end
if what == 'limits' or what == 'clear' then
  local blob = what == 'limits' and pack('>I8', revision + 1) .. ARGV[5] .. ARGV[6]
  later({'HSET', P .. 'revs', name, revision + 1})
  local rule = blob and LAW.rule(blob)
  if letter == 'q' then
    later(blob and {'HSET', META, 'rule', blob} or {'HDEL', META, 'rule'})
    if rule and rule.interval > 0 then change('tat', string.format('%.0f', math.min(laws.tat, us + rule.burst * rule.interval))) end
  else
    LAW.put('rules', letter, field, blob or nil)
    later(rule and (rule.max > 0 or rule.share > 0) and {'HSET', P .. 'running', name, running_in(letter, field)} or {'HDEL', P .. 'running', name})
    -- What a rate has counted outlives it until it is over, so that taking it away and setting it again opens nothing.
    local tat = tonumber(call('HGET', P .. 'tats', name) or 0)
    if rule and rule.interval > 0 then
      later({'HSET', P .. 'tats', name, string.format('%.0f', math.min(tat, us + rule.burst * rule.interval))})
    elseif tat <= us then
      later({'HDEL', P .. 'tats', name})
    end
    if rule and rule.period > 0 then later({'HSET', P .. 'alerts', field, 1}) end
  end
elseif what == 'pause' then
  if letter == 'q' then
    later({'HSET', META, 'pause', ARGV[5], 'pause_reason', ARGV[6], 'pause_by', ARGV[7]})
  else
    LAW.put('gates', letter, field, LAW.gate(PERSON, tonumber(ARGV[5]) or 0, ARGV[6], ARGV[7]))
  end
elseif what == 'resume' then
  if letter == 'q' then
    later({'HDEL', META, 'pause', 'pause_reason', 'pause_by'})
  else
    LAW.put('gates', letter, field, nil)
    if letter == 'y' and call('HEXISTS', P .. 'fails', field) == 1 then
      later({'HDEL', P .. 'fails', field})
      change('nf', call('HLEN', P .. 'fails') - 1)
    end
  end
elseif what == 'scale' then
  later(ARGV[5] == '' and {'HDEL', META, 'cap'} or {'HSET', META, 'cap', ARGV[5]})
  if tonumber(ARGV[5]) ~= cap then change('scaled_at', string.format('%.0f', now)) end
else
  later(ARGV[5] == '' and {'HDEL', META, 'auto'} or {'HSET', META, 'auto', ARGV[5]})
end
if letter == 'q' then
  -- What a cap bounds, a share of it may bound too.
  local names = {}
  for _, scope in ipairs(call('ZRANGE', BLOCKED, 0, 999)) do
    if sub(scope, 1, 2) == 't:' then names[#names + 1] = scope end
  end
  LAW.free(names)
else
  LAW.free({name})
end
LAW.plan()
wake()
plan_signals()
plan_meta()
commit()
return view(letter, field)
