-- leaving: every exit from Running clears the lease, frees what it held and remembers the token. Needs base, counts, mutable, lanes, law.
-- A lease: token 8, started 8, the record's flags 1, its own flags 1, call 8, slot-time charged in ms 4, the tenant's weight in
-- thousandths 4, where its tenant has a budget: units reserved, units told so far or -1, begin of the period (8 each) and the
-- period's code 1; then worker's length 1, worker, lane.
local RUN, LEASE, HELD, SUSRUN = P .. 'run', P .. 'lease', P .. 'held', P .. 'susrun'
local CANCEL_ASKED, SUSPECT, KNOWN, BUDGET = 1, 2, 4, 8
local left, freed, held_less, unsuspected = {'ZREM', RUN}, {'HDEL', LEASE}, {}, nil
-- By lane: how many left, slot-time that they took beyond what they were charged, how many had never started, by weight.
local gone = {}
local failing = {}
-- By kind: how many ended and how long they ran.
local lasted = {}
local worker_of, lane_of, gone_from, took, ran_for, judged, leave
local budgets = {}
do
local function tail_at(lease) return band(byte(lease, 18), BUDGET) > 0 and 60 or 35 end
worker_of = function(lease)
  local at = tail_at(lease)
  return sub(lease, at + 1, at + byte(lease, at))
end
lane_of = function(lease)
  local at = tail_at(lease)
  return sub(lease, at + 1 + byte(lease, at))
end
gone_from = function(lane)
  local g = gone[lane]
  if not g then
    local tenant, kind, uses, key = parts_of(lane)
    g = {n = 0, time = 0, owing = 0, unstarted = 0, tenant = tenant, kind = kind, uses = uses, key = key}
    gone[lane] = g
  end
  return g
end
-- Slot-time in ms that a lease took; what it was charged with is corrected by that.
took = function(g, lease, ms)
  local charged, weight = unpick('>I4I4', lease, 27)
  local more = ms - charged
  if more ~= 0 then
    g.time = g.time + more
    g.owing = g.owing + more * 1000 / weight
  end
end
ran_for = function(kind, ms, n)
  local l = lasted[kind]
  if not l then
    l = {n = 0, ms = 0}
    lasted[kind] = l
  end
  l.n, l.ms = l.n + n, l.ms + ms
end
-- Units: what the attempt tells, else what it last noted, else the estimate; a crash takes no less than the estimate.
local function settle_budget(g, lease, used, crashed)
  if band(byte(lease, 18), BUDGET) == 0 then return end
  local reserved, noted, from, code = unpick('>dddB', lease, 35)
  if not used then used = noted >= 0 and noted or reserved end
  if crashed then used = math.max(reserved, noted) end
  local name = g.tenant .. '/' .. code
  local b = budgets[name]
  if not b then
    guard({P .. 'rules:t', P .. 'used', P .. 'alerts'})
    local rule = call('HGET', P .. 'rules:t', g.tenant)
    b = {tenant = g.tenant, code = code, rule = rule and LAW.rule(rule)}
    b.units, b.from, b.to, b.told = LAW.used(g.tenant, code)
    budgets[name] = b
  end
  if b.from == from then b.units, b.changed = b.units + used - reserved, true end
end
-- How an attempt of a (tenant, key) ended: well, badly, or neither (nil).
judged = function(g, id, well)
  if g.key == '' or well ~= false and laws.f == 0 then return end
  local field = g.tenant .. '/' .. g.key
  local f = failing[field]
  if not f then
    guard({P .. 'fails', P .. 'gates:y'})
    local s, gate = call('HGET', P .. 'fails', field), call('HGET', P .. 'gates:y', field)
    f = {row = 0, wait = 0, probe = '', there = s and true or false, gate = gate}
    if s then
      f.row, f.wait = unpick('>I4I8', s)
      f.probe = sub(s, 13)
    end
    failing[field] = f
  end
  if well then
    local is_shut, cause = LAW.shut(f.gate)
    if f.row > 0 then f.changed = true end
    f.row, f.wait, f.probe = 0, 0, ''
    if f.gate and cause == FAILING then f.gate, f.gate_changed, f.opened = false, true, true end
  elseif well == false then
    f.row, f.changed = f.row + 1, true
    local wait = f.wait == 0 and f.row >= FAILURES and GATE_FIRST or f.wait > 0 and f.probe == id and math.min(f.wait * 2, GATE_LONGEST)
    if wait then
      f.wait, f.probe = wait, ''
      f.gate = LAW.later_gate(f.gate, FAILING, now + wait, f.row .. ' attempts in a row failed', '')
      f.gate_changed = true
    end
  elseif f.probe == id then
    f.probe, f.changed, f.opened = '', true, true
  end
end
-- How it left: `ran` ms (nil: for as long as it was leased), `used` units, `well` as above, `crashed`, `unstarted`.
leave = function(id, lease, worker, how)
  local g = gone_from(lane_of(lease))
  left[#left + 1] = id
  freed[#freed + 1] = id
  held_less[worker] = (held_less[worker] or 0) + 1
  g.n = g.n + 1
  if how.unstarted then
    g.unstarted = g.unstarted + 1
    took(g, lease, 0)
    settle_budget(g, lease, 0)
  else
    took(g, lease, math.max(1, how.ran or now - unpick('>I8', lease, 9)))
    settle_budget(g, lease, how.used, how.crashed)
    if how.ran then ran_for(g.kind, how.ran, 1) end
  end
  judged(g, id, how.well)
  if band(byte(lease, 18), SUSPECT) > 0 then
    unsuspected = unsuspected or {'HDEL', SUSRUN}
    unsuspected[#unsuspected + 1] = worker
  end
end
end
local function plan_leaving()
  if #left == 2 then return end
  call('ZCARD', RUN)
  call('HLEN', HELD)
  later(left)
  later(freed)
  if unsuspected then later(unsuspected) end
  for worker, n in pairs(held_less) do later({'HINCRBY', HELD, worker, -n}) end
  left, freed, held_less, unsuspected = {'ZREM', RUN}, {'HDEL', LEASE}, {}, nil
end
-- What the mutable part keeps of the attempt; `outcome` 0: nobody may claim this token again.
local function returned(m, lease, outcome)
  m.runs = m.runs + 1
  m.token, m.started = sub(lease, 1, 8), sub(lease, 9, 16)
  m.outcome, m.woken = outcome, 0
end
