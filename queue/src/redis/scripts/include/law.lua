-- law: rules and gates as stored, and what changes them. A scope's name is its letter (t tenant, k kind, y (tenant, key), r resource),
-- `:`, and who it is. `rules:{letter}` holds rules, `gates:{letter}` gates, `fails` failures in a row, `tats` arrival times in µs,
-- `running` leases of scopes that have to be counted, `used` budgets. Needs base, meta.
local PERSON, HANDLER, FAILING = 1, 2, 3
local FAILURES, GATE_FIRST, GATE_LONGEST, MEAN_WEIGHT = 10, 10000, 600000, 0.1
local LAW = {}
-- A rule: revision, then what broker.rs writes as numbers, then its JSON.
function LAW.rule(s)
  local r = {}
  r.revision, r.max, r.interval, r.burst, r.weight, r.share, r.closes, r.alerts, r.period = unpick('>I8dddddddB', s)
  return r
end
-- A gate: cause, end (0: none), length of the reason, reason, by whom.
function LAW.gate(cause, ends, reason, by) return pack('>BI8H', cause, ends, #reason) .. reason .. by end
function LAW.shut(gate)
  if not gate then return false end
  local cause, ends = unpick('>BI8', gate)
  return ends == 0 or ends > now, cause, ends
end
-- The gate that a scope has after somebody closes it: a person's stands; of others the later end.
function LAW.later_gate(old, cause, ends, reason, by)
  local is_shut, whose, old_end = LAW.shut(old)
  if is_shut and cause ~= PERSON and (whose == PERSON or old_end == 0 or old_end > ends) then return old end
  return LAW.gate(cause, ends, reason, by)
end
-- Gates and rules that come and go, so that `meta` knows how many there are.
local law_deltas = {}
function LAW.put(what, letter, field, value)
  local key = P .. what .. ':' .. letter
  guard({key})
  local there = call('HEXISTS', key, field) == 1
  if value then
    later({'HSET', key, field, value})
    if not there then law_deltas[letter] = (law_deltas[letter] or 0) + 1 end
  elseif there then
    later({'HDEL', key, field})
    law_deltas[letter] = (law_deltas[letter] or 0) - 1
  end
end
function LAW.plan()
  for letter, by in pairs(law_deltas) do
    guard({P .. 'rules:' .. letter, P .. 'gates:' .. letter})
    laws[letter] = call('HLEN', P .. 'rules:' .. letter) + call('HLEN', P .. 'gates:' .. letter) + by
    change('n' .. letter, laws[letter])
  end
  law_deltas = {}
end
-- Something of these scopes may be free now.
function LAW.free(names)
  if #names == 0 then return end
  guard({BLOCKED})
  local waits = call('ZMSCORE', BLOCKED, unpack(names))
  local now_free = {'ZADD', BLOCKED, 'XX'}
  for i = 1, #names do
    if waits[i] then
      now_free[#now_free + 1] = 0
      now_free[#now_free + 1] = names[i]
    end
  end
  if #now_free > 3 then
    later(now_free)
    wake()
  end
end
-- Begin and end of the budget period that `now` is in: 1 hour, 2 day, 3 month, all in UTC.
function LAW.period(code)
  local length = code == 1 and 3600000 or 86400000
  local from = floor(now / length) * length
  if code < 3 then return from, from + length end
  -- The civil calendar, counted from the first of March of the year 0.
  local z = from / 86400000 + 719468
  local era = floor(z / 146097)
  local doe = z - era * 146097
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
  local mp = floor((5 * doy + 2) / 153)
  local day = doy - floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  local days = month == 2 and ((year % 4 == 0 and year % 100 ~= 0 or year % 400 == 0) and 29 or 28)
    or (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31
  local first = from - (day - 1) * 86400000
  return first, first + days * 86400000
end
-- What is used, by `tenant/code`: the period's begin, units, which thresholds were told.
function LAW.used(tenant, code)
  local from, to = LAW.period(code)
  local s = call('HGET', P .. 'used', tenant .. '/' .. code)
  if s then
    local begin, units, told_of = unpick('>ddB', s)
    if begin == from then return units, from, to, told_of end
  end
  return 0, from, to, 0
end
function LAW.keep_used(tenant, code, from, units, told_of)
  later({'HSET', P .. 'used', tenant .. '/' .. code, pack('>ddB', from, math.max(0, units), told_of)})
end
function LAW.use(tenant, rule, units, from, told_of)
  LAW.keep_used(tenant, rule.period, from, units, told_of)
  local soft, hard = rule.alerts >= 0 and units >= rule.alerts, rule.closes >= 0 and units >= rule.closes
  if soft and band(told_of, 1) == 0 or hard and band(told_of, 2) == 0 then later({'HSET', P .. 'alerts', tenant, 1}) end
end
