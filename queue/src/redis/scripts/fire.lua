#!lua
-- fire: carries schedulers' decisions out, each as a whole or not at all. The jobs of one decision may depend on each other (the run before
-- is that of the tick before), so a decision is a row of transactions; it begins when the slot does not move, so none fails half way.
-- KEYS 1 meta · ARGV 1 the queue's number, 2 bytes · for each decision: tenant/name · incarnation · '' by hand, or revision, cursor it was
--   made from, new cursor, next_at or 0 (8 bytes each) · '' or missed ticks: first, due (8 bytes each), how many (4) · how many ticks · for
--   each tick: itself, due (8 bytes each) · id and due time as enqueue takes them, or '' · record without its first ten bytes, or why there
--   is no job. No id comes twice.
-- Returns for each decision: 0 the schedule is not as it was · else the entries of its history: tick 8, due 8, done 8, what came of it 1,
-- 1 if by hand, how many 4, length of the job's id 1, id, detail; last, 1 if the outbox got entries.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include mutable
-- @include counts
-- @include signals
-- @include lanes
-- @include leaving
-- @include finish
-- @include takeout
-- @include state
-- @include find
-- @include wait
-- @include wakejob
-- @include follow
-- @include newjob
-- @include cancelling
-- @include sched
-- A function of its own, as a script's main part holds 200 names.
local function carry_all()
local CAME = {started = 1, held = 2, overlapped = 3, missed = 4, merged = 5, refused = 6}
local RULE = {allow = '1', skip = '2', wait = '3'}
local KEPT_TICKS = 100
local home = ARGV[1]
guard({P .. 'still'})
seq = math.max(seq, (now - EPOCH) * STEP)
local decisions, ids, at = {}, {}, 2
while ARGV[at] do
  local d = {name = ARGV[at], inc = ARGV[at + 1], turn = ARGV[at + 2], missed = ARGV[at + 3], n = tonumber(ARGV[at + 4]), first = at + 5}
  decisions[#decisions + 1] = d
  for i = 1, d.n do
    local id = ARGV[d.first + 3 * i - 2]
    if id ~= '' then ids[#ids + 1] = sub(id, 1, 14) end
  end
  at = d.first + 3 * d.n
end
local stored = {}
do
local records = #ids > 0 and fetch(group(ids), 'j') or {}
for i = 1, #ids do stored[ids[i]] = records[i] or nil end
end
-- What is planned and not written: jobs by id, schedules by name.
local made, planned_for, grown = {}, {}, false
local function flush()
  plan_follows()
  if grown then change('seq', seq) end
  conclude()
  made, planned_for, grown = {}, {}, false
end
local function whole(id)
  local h = hex(id .. home)
  return table.concat({sub(h, 1, 8), sub(h, 9, 12), sub(h, 13, 16), sub(h, 17, 20), sub(h, 21)}, '-')
end
local function entry(d, tick, came, id, detail, n)
  id = id and id .. home or ''
  return tick .. pack('>I8BBI4B', now, came, d.turn == '' and 1 or 0, n or 1, #id) .. id .. (detail or '')
end
-- Nothing for a job that has ended or is not there any more.
local function alive(id)
  if id == '' then return nil end
  if made[id] then flush() end
  local r, raw, state = find(id, '')
  if r and state <= WAITING then return r, raw, state end
end
-- Nothing: the job starts · true and a job: it is held until that one ends · false and a job that stands in the way; then what was cancelled.
local function overlap(s)
  if s.overlap == RULE.allow and s.held == '' then return nil end
  local r, raw, state = alive(s.last)
  if not r and s.held ~= '' then
    s.last, s.held = s.held, ''
    r, raw, state = alive(s.last)
  end
  local held, held_raw, held_state = alive(s.held)
  if not held then s.held = '' end
  if not r or s.overlap == RULE.allow then return nil end
  if s.overlap == RULE.skip then return false, s.last end
  if s.overlap == RULE.wait then
    if held then return false, s.held end
    return true, s.last
  end
  flush()
  local said = ''
  if held then
    cancel_job(s.held, held, held_raw, held_state)
    said = whole(s.held) .. ', which was held, was cancelled; '
    s.held = ''
  end
  local now_is = cancel_job(s.last, r, raw, state)
  flush()
  if now_is == RUNNING then return true, s.last, said .. whole(s.last) .. ' was asked to stop' end
  return nil, nil, said .. whole(s.last) .. ' was cancelled'
end
-- The entry of one tick, and whether its job was there before.
local function carry_out(d, s, tick, arg, blob)
  if arg == '' then return entry(d, tick, CAME.refused, nil, blob) end
  local id = sub(arg, 1, 14)
  if stored[id] then
    local old = stored[id]
    local state = #old == 1 and byte(old) or state_of(id, fetch(group({id}), 'm')[1])
    return entry(d, tick, state == WAITING and CAME.held or CAME.started, id), true
  end
  if band(byte(blob, 2), UNIQUE) > 0 then
    flush()
    local merged = merged_into(id)
    if merged then return entry(d, tick, CAME.merged, sub(merged, 2)), true end
  end
  local behind, other, said = overlap(s)
  if behind == false then return entry(d, tick, CAME.overlapped, nil, whole(other) .. ' has not ended') end
  local came = new_job(id, blob, seq, #arg > 14 and due_of(arg) or nil, behind and pack('>BI8BB', CONDITION.job, 0, 3, 3) .. other .. home or nil)
  if came == 0 then return entry(d, tick, CAME.refused, nil, 'too many jobs wait for the end of the one that it is to wait for') end
  if type(came) == 'string' then return entry(d, tick, CAME.merged, sub(came, 2), said) end
  made[id], grown, seq = true, true, seq + 1
  if behind then s.held = id else s.last = id end
  return entry(d, tick, came == WAITING and CAME.held or CAME.started, id, said)
end
local function agrees(d, s)
  if not s.there or s.to ~= '' or s.inc ~= d.inc then return false end
  if d.turn == '' then return true end
  local revision, from = unpick('>I8I8', d.turn)
  return s.paused == '' and revision == tonumber(s.rev) and from == tonumber(s.cursor)
end
local function fire(d)
  if planned_for[d.name] then flush() end
  local s = schedule_at(d.name)
  if not agrees(d, s) then return 0 end
  local told_of, kept, history = {}, {}, P .. 'h:' .. d.name
  if d.missed ~= '' then
    kept[1] = entry(d, sub(d.missed, 1, 16), CAME.missed, nil, nil, unpick('>I4', d.missed, 17))
    told_of[1] = kept[1]
  end
  for i = 1, d.n do
    local tick = d.first + 3 * i - 3
    local e, again = carry_out(d, s, ARGV[tick], ARGV[tick + 1], ARGV[tick + 2])
    told_of[#told_of + 1] = e
    if not (again and d.turn == '') then kept[#kept + 1] = e end
  end
  local set = {'HSET', s.key, 'last', s.last, 'held', s.held}
  if d.turn ~= '' then
    local _, from, to, next_at = unpick('>I8I8I8I8', d.turn)
    for _, v in ipairs({'cursor', string.format('%.0f', math.max(from, to)), 'next', next_at > 0 and string.format('%.0f', next_at) or ''}) do set[#set + 1] = v end
    later(next_at > 0 and {'ZADD', SCHED, next_at, d.name} or {'ZREM', SCHED, d.name})
  end
  if #kept > 0 then
    set[#set + 1] = 'tick'
    set[#set + 1] = kept[#kept]
    later({'LPUSH', history, unpack(kept)})
    later({'LTRIM', history, 0, KEPT_TICKS - 1})
  end
  later(set)
  planned_for[d.name] = true
  return told_of
end
local reply = {}
for i = 1, #decisions do reply[i] = fire(decisions[i]) end
flush()
reply[#reply + 1] = told and 1 or 0
return reply
end
local reply = carry_all()
-- @include followers
return reply
