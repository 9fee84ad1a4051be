#!lua
-- edit: a Scheduled, Ready or Retrying job gets a new record, a new place in its lane or another due time; a letter that was not repeated
-- a new record.
-- KEYS 1 meta · ARGV 1 id · 2 the record that the edit was made from · 3 the new one without its first ten bytes ·
-- 4 '' or the due time: `i` and 8 bytes (in so many ms) or `a` and 8 bytes (at); none for a letter · 5 who asks · 6 what was there before
-- Returns the new revision · -1: the record is another one now · -100 - state: not in this state.
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
local id = ARGV[1]
local old, raw, state = find(id, '')
if not old or old.raw ~= ARGV[2] then return -1 end
local m = mutable(raw)
local letter = state == DEAD and band(m.flags, REPEATED) == 0 and ARGV[4] == ''
if not letter and state ~= SCHEDULED and state ~= READY and state ~= RETRYING then return -100 - state end
guard({P .. 'due', COUNTS})
local due = call('ZSCORE', P .. 'due', id)
local revision = math.min(old.revision + 1, 16777215)
local record = sub(old.raw, 1, 7) .. pack('>I3', revision) .. ARGV[3]
local r, at = parse(record), due and tonumber(due) or 0
if ARGV[4] ~= '' then
  at = unpick('>I8', ARGV[4], 2)
  if sub(ARGV[4], 1, 1) == 'i' then at = at + now end
end
local run_at = old.run_at
if ARGV[4] ~= '' and m.runs == 0 then run_at = at > now and at or nil end
put('j', id, dated(record, run_at))
do
  -- It tells of no attempt.
  local started = m.started
  m.started = NEVER
  event(m, EVENT.edited, ARGV[5], ARGV[6])
  m.started = started
end
tell(id, 'E')
if not letter then
  take_out(id, old, state)
  if at > now then
    local head = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
    if not head[2] or at < tonumber(head[2]) then wake() end
    later({'ZADD', P .. 'due', at, id})
    m.state = state == RETRYING and RETRYING or SCHEDULED
    count(r.tenant, m.state, 1)
  else
    m.state = READY
    ready(id, r, raw)
    wake()
  end
  if m.state ~= state then tell(id, m.state, m.runs) end
end
put('m', id, frozen(m))
conclude()
return revision
