#!lua flags=allow-oom
-- ack: ends attempts of one queue. The first payload under a token wins; the same token again gets the same answer.
-- KEYS 1 meta · ARGV 1 worker, then for each ack: id · token, how long it ran in µs, units used where they are known (8 bytes each) ·
-- a letter · what the letter asks for:
--   C completed: output or '' · R failed: delay ms, error · U the same, but nobody knows whether the work was done ·
--   D dead: reason, error · S snooze: delay ms · G gate: delay ms, reason as an error · X given back after its start · Y before it ·
--   W wait: the wait · K stopped because a cancel was asked for
-- Returns for each: the new state · 100 + state: this token had ended the attempt before · 0: lease lost; last, 1 if the
-- outbox got entries.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include mutable
-- @include counts
-- @include signals
-- @include lanes
-- @include law
-- @include leaving
-- @include ending
-- @include finish
-- @include takeout
-- @include wait
local DUE, WAITS = P .. 'due', P .. 'waiting'
local worker = ARGV[1]
local ids, tokens, letters, first, ran, used = {}, {}, {}, {}, {}, {}
do
local EXTRA, at = {C = 1, R = 2, U = 2, D = 2, S = 1, G = 2, X = 0, Y = 0, W = 1, K = 0}, 2
while ARGV[at] do
  local i, letter = #ids + 1, ARGV[at + 2]
  local head = ARGV[at + 1]
  ids[i], tokens[i], letters[i], first[i] = ARGV[at], sub(head, 1, 8), letter, at + 3
  ran[i] = unpick('>I8', head, 9) / 1000
  if #head > 16 then used[i] = unpick('>I8', head, 17) end
  at = at + 3 + EXTRA[letter]
end
end
local reply, gates_closed = {}, {}
guard({RUN, LEASE, HELD, SUSRUN, DUE, WAITS, COUNTS, SUSPECTS, ENDED, BLOCKED})
call('ZCARD', DUE)
local leases = call('HMGET', LEASE, unpack(ids))

-- The plain end of a first attempt: its mutable part is put together from constants and the lease, nothing is parsed.
local rest, rest_at, plain = {}, {}, 0
do
local plain_head = pack(HEAD, COMPLETED, 0, 0, 0, 1, 0, 0, 1, 0, now, COMPLETED)
local own, plain_tail = char(#worker) .. worker, OWN_END .. worker
local indexes = {}
-- The index for jobs of this lane that end well, and what the lane is owed, by the lease's end (worker and lane); false for another
-- worker's lease.
local function index_for(whose)
  local e = false
  if sub(whose, 1, #own) == own then
    local lane = sub(whose, #own + 1)
    e = {list = ended_in(COMPLETED, tenant_of(lane)), gone = gone_from(lane), n = 0, ms = 0}
  end
  indexes[whose] = e
  return e
end
for i = 1, #ids do
  local lease, id = leases[i], ids[i]
  local e = false
  if lease and letters[i] == 'C' and sub(lease, 1, 8) == tokens[i] then
    local of_record, of_lease = byte(lease, 17, 18)
    if of_lease < 2 and band(of_record, UNIQUE + PARENT + KEEP) == 0 then
      local whose = sub(lease, 35)
      e = indexes[whose]
      if e == nil then e = index_for(whose) end
    end
  end
  if e then
    local list = e.list
    local n = #list
    list[n + 1], list[n + 2] = now_text, id
    plain = plain + 1
    local ms = ran[i]
    e.n, e.ms = e.n + 1, e.ms + ms
    took(e.gone, lease, ms > 1 and ms or 1)
    if laws.f > 0 then judged(e.gone, id, true) end
    left[plain + 2], freed[plain + 2] = id, id
    put('m', id, plain_head .. sub(lease, 1, 16) .. plain_tail)
    local output = ARGV[first[i]]
    if output ~= '' then put('o', id, output) end
    reply[i] = COMPLETED
    if watch > now then tell(id, COMPLETED, 1) end
  else
    rest[#rest + 1] = id
    rest_at[#rest_at + 1] = i
  end
end
if plain > 0 then
  for _, e in pairs(indexes) do
    if e then
      e.gone.n = e.gone.n + e.n
      ran_for(e.gone.kind, e.ms, e.n)
    end
  end
  count('', COMPLETED, plain)
  held_less[worker] = plain
  if cap then wake() end
end
end

local settle
do
local function again(id, r, m, delay, state)
  local at_ms = now + tonumber(delay)
  local head = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
  if not head[2] or at_ms < tonumber(head[2]) then wake() end
  later({'ZADD', DUE, at_ms, id})
  m.state = state
end
local function back(id, r, m)
  m.state = READY
  ready(id, r, frozen(m))
  wake()
end
local function die(id, r, m, what, reason, err)
  event(m, what, worker, err)
  finish(id, r, m, DEAD, reason, err)
end
local function rest_for(id, r, m, delay, what, why, gated)
  if m.runs >= (r.runs_max or 1000000) then
    die(id, r, m, what, REASON.runs_exhausted, failure('attempt.runs_exhausted', 'the job ran ' .. m.runs .. ' times'))
  elseif (r.age_max or 0) > 0 and now - created(r.raw) > r.age_max then
    die(id, r, m, what, REASON.age_exhausted, failure('attempt.age_exhausted', 'the job is older than its kind allows'))
  else
    event(m, what, worker, why)
    if gated then back(id, r, m) else again(id, r, m, delay, SCHEDULED) end
  end
end
local function sleep(id, r, m, spec)
  local h = hex(id)
  guard({P .. 'c:' .. h, P .. 'g:' .. h, P .. 'x:' .. h})
  local verdict = judge(spec, call('HVALS', P .. 'c:' .. h), call('HVALS', P .. 'g:' .. h))
  event(m, EVENT.waited, worker)
  if verdict == CONDITION.die then
    local err = failure('attempt.child_failed', 'a child that this job waited for ended badly')
    event(m, EVENT.died, nil, err)
    return finish(id, r, m, DEAD, REASON.child_failed, err)
  end
  if verdict then
    m.woken = verdict
    event(m, EVENT.woken)
    back(id, r, m)
  else
    m.state = WAITING
    call('HLEN', P .. 'x:' .. h)
    later({'HSET', P .. 'x:' .. h, 'w', spec})
    later({'ZADD', WAITS, wait_until(spec), id})
  end
end
-- The (tenant, key) rests; the job is Ready again.
local function close_gate(g, delay, reason)
  local field = g.tenant .. '/' .. g.key
  guard({P .. 'gates:y', P .. 'rules:y'})
  -- The reason comes as an error: code, fingerprint, message.
  local a = unpick('>H', reason)
  local b = unpick('>H', reason, 3 + a)
  local f = failing[field]
  local old = call('HGET', P .. 'gates:y', field)
  if f then old = f.gate end
  local gate = LAW.later_gate(gates_closed[field] or old, HANDLER, now + tonumber(delay), sub(reason, 5 + a + b), '')
  gates_closed[field] = gate
  if f then f.gate, f.gate_changed = gate, true else LAW.put('gates', 'y', field, gate) end
end
local KIND = {R = EVENT.retried, U = EVENT.retried, S = EVENT.snoozed, G = EVENT.gated, X = EVENT.released, Y = EVENT.released,
  W = EVENT.waited, K = EVENT.cancelled}
local WELL = {C = true, R = false, U = false, D = false}
settle = function(i, id, lease, r, m)
  local letter, a, b = letters[i], ARGV[first[i]], ARGV[first[i] + 1]
  local asked, unrepeatable = band(byte(lease, 18), CANCEL_ASKED) > 0, band(byte(lease, 17), NOREPEAT) > 0
  local b_is_error = letter == 'R' or letter == 'U' or letter == 'G'
  leave(id, lease, worker_of(lease), {ran = letter ~= 'Y' and ran[i] or nil, used = used[i], well = WELL[letter], unstarted = letter == 'Y'})
  if letter == 'G' then close_gate(gone_from(r.lane), a, b) end
  count(r.tenant, RUNNING, -1)
  returned(m, lease, 0)
  if letter == 'C' or letter == 'R' or letter == 'U' or letter == 'D' then m.attempts = m.attempts + 1 end
  if letter == 'X' then m.interruptions = m.interruptions + 1 elseif letter ~= 'Y' then m.row = 0 end
  if letter == 'C' then
    event(m, EVENT.completed, worker)
    finish(id, r, m, COMPLETED, 0, nil, a ~= '' and a or nil)
  elseif letter == 'D' then
    die(id, r, m, EVENT.died, tonumber(a), b)
  elseif unrepeatable and (letter == 'U' or letter == 'X') then
    local err = letter == 'U' and b or failure('attempt.outcome_unknown', 'the worker stopped after the attempt had started')
    die(id, r, m, letter == 'U' and EVENT.died or EVENT.released, REASON.outcome_unknown, err)
  elseif (letter == 'R' or letter == 'U') and m.attempts >= r.attempts_max then
    die(id, r, m, EVENT.died, REASON.exhausted, b)
  elseif asked or letter == 'K' then
    event(m, KIND[letter], worker, b_is_error and b or nil)
    finish(id, r, m, CANCELLED, REASON.cancelled)
  elseif letter == 'W' then
    sleep(id, r, m, a)
  elseif letter == 'S' or letter == 'G' then
    rest_for(id, r, m, a, KIND[letter], b_is_error and b or nil, letter == 'G')
  else
    event(m, KIND[letter], worker, b_is_error and b or nil)
    if letter == 'X' or letter == 'Y' then back(id, r, m) else again(id, r, m, a, RETRYING) end
  end
  if m.state ~= READY and m.state < COMPLETED then count(r.tenant, m.state, 1) end
  if m.state < COMPLETED then tell(id, m.state, m.runs) end
  if cap then wake() end
  m.outcome = m.state
  put('m', id, frozen(m))
  return m.state
end

end
local lost = 0
if #rest > 0 then
  local order = group(rest)
  local records, ms = fetch(order, 'j'), fetch(order, 'm')
  for k = 1, #rest do
    local i, id = rest_at[k], rest[k]
    local lease, m = leases[i], mutable(ms[k])
    if lease and sub(lease, 1, 8) == tokens[i] then
      reply[i] = settle(i, id, lease, parse(records[k]), m)
    elseif not lease and m.outcome > 0 and m.token == tokens[i] then
      reply[i] = 100 + m.outcome
    else
      reply[i] = 0
      lost = lost + 1
    end
  end
end
plan_ending()
plan_leaving()
if lost > 0 then later({'HINCRBY', META, 'lost', lost}) end
conclude()
-- @include followers
reply[#ids + 1] = told and 1 or 0
return reply
