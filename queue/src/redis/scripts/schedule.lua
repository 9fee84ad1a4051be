#!lua
-- schedule: changes one schedule of a queue.
-- KEYS 1 meta · ARGV 1 tenant/name · 2 what · 3 revision expected or '' · then
--   put: 4 claim, 5 spec, 6 timing, 7 overlap, 8 pause or '', 9 incarnation of a new one
--   pause: 4 the pause · resume · remove: 4 claim
--   freeze, before it moves to another queue: 4 to 8 as put, 9 that queue
--   land, from another queue: 4 that queue, 5 incarnation, 6 revision, 7 made, 8 cursor, 9 spec, 10 timing, 11 overlap, 12 pause, then its
--     history, newest first
--   drop, the frozen one after it has landed: 4 claim, 5 incarnation, 6 revision
--   landed, when that is done: 4 the queue it came from
-- Returns the schedule, as find_schedule tells it (for remove: as it was) · else a word: none · other and the revision · frozen · unlanded ·
-- stale: the claim is older than what took the schedule away · done.
-- @include base
-- @include sched
local name, what, expected = ARGV[1], ARGV[2], ARGV[3]
local s = schedule_at(name)
local history = P .. 'h:' .. name
guard({SCHED, history})
local function most(a, b) return string.format('%.0f', math.max(tonumber(a) or 0, tonumber(b) or 0)) end
local function keep()
  local set = {'HSET', s.key}
  for i = 1, SHOWN do
    set[#set + 1] = PARTS[i]
    set[#set + 1] = s[PARTS[i]]
  end
  later(set)
  if s.gone ~= '' then
    later({'HDEL', s.key, 'gone', 'gone_inc', 'gone_rev'})
    later({'PERSIST', s.key})
  end
  if s.to ~= '' then
    later({'ZADD', SCHED, 0, name})
  elseif s.next ~= '' then
    later({'ZADD', SCHED, s.next, name})
  else
    later({'ZREM', SCHED, name})
  end
  commit()
  return shown(s)
end
local function bury(claim)
  local less = {'HDEL', s.key}
  for i = 1, SHOWN do less[#less + 1] = PARTS[i] end
  later({'HSET', s.key, 'gone', most(claim, most(s.claim, s.gone)), 'gone_inc', s.inc, 'gone_rev', s.rev})
  later(less)
  later({'PEXPIRE', s.key, GONE_MS})
  later({'ZREM', SCHED, name})
  later({'DEL', history})
  commit()
end
local function look_now()
  s.next = s.paused == '' and now_text or ''
  s.changed = now_text
end

if what == 'land' then
  if s.there then return s.inc == ARGV[5] and shown(s) or 'other 0' end
  if s.gone_inc == ARGV[5] and tonumber(s.gone_rev) >= tonumber(ARGV[6]) then return 'none' end
  s.from, s.inc, s.rev, s.made, s.cursor = ARGV[4], ARGV[5], ARGV[6], ARGV[7], most(ARGV[8], now)
  s.spec, s.timing, s.overlap, s.paused = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
  s.tick, s.claim = ARGV[13] or '', s.gone ~= '' and s.gone or '0'
  look_now()
  if ARGV[13] then
    local push = {'RPUSH', history}
    for i = 13, #ARGV do push[#push + 1] = ARGV[i] end
    later(push)
  end
  return keep()
elseif what == 'drop' then
  if s.there and s.to ~= '' and s.inc == ARGV[5] and s.rev == ARGV[6] then bury(ARGV[4]) end
  return 'done'
elseif what == 'landed' then
  if s.there and s.from == ARGV[4] then call('HSET', s.key, 'from', '') end
  return 'done'
end

if not s.there then
  if what == 'put' and s.gone ~= '' and tonumber(ARGV[4]) <= tonumber(s.gone) then return 'stale' end
  if what ~= 'put' and what ~= 'freeze' then return 'none' end
  if expected ~= '' and expected ~= '0' then return 'other 0' end
  if what == 'freeze' then
    -- Whoever was about to make it here comes too late.
    later({'HSET', s.key, 'gone', most(ARGV[4], s.gone)})
    later({'PEXPIRE', s.key, GONE_MS})
    commit()
    return 'none'
  end
  s.inc, s.rev, s.made, s.cursor, s.paused = ARGV[9], '0', now_text, now_text, ''
elseif s.to ~= '' then
  return 'frozen'
elseif s.from ~= '' and (what == 'freeze' or what == 'remove') then
  return 'unlanded'
elseif expected ~= '' and expected ~= s.rev then
  return 'other ' .. s.rev
end
if what == 'remove' then
  local was = shown(s)
  bury(ARGV[4])
  return was
elseif what == 'resume' and s.paused == '' then
  return shown(s)
end
s.rev = string.format('%.0f', s.rev + 1)
if what == 'freeze' then
  s.to, s.to_spec, s.to_timing, s.to_overlap = ARGV[9], ARGV[5], ARGV[6], ARGV[7]
  s.to_paused = ARGV[8] ~= '' and ARGV[8] or s.paused
  s.changed, s.next = now_text, ''
  return keep()
elseif what == 'put' then
  if s.timing ~= '' and s.timing ~= ARGV[6] then s.cursor = most(s.cursor, now) end
  s.claim, s.spec, s.timing, s.overlap = most(s.claim, ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
  if ARGV[8] ~= '' then s.paused = ARGV[8] end
elseif what == 'pause' then
  s.paused = ARGV[4]
else
  s.paused, s.cursor = '', most(s.cursor, now)
end
look_now()
return keep()
