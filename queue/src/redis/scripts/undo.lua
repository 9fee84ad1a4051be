#!lua flags=allow-oom
-- undo: a replay that was never leased is taken back: its job is Cancelled, and its letter is Dead again, in the index, the counts and its
-- group.
-- KEYS 1 meta · ARGV 1 tenant or '' · 2 the letter's id · 3 the id of the job that repeats it (14 bytes) · 4 the same (16 bytes)
-- Returns two numbers: 1 done, 2 it was done before, 0 no such letter or replay, 100 + state: the job stands there or has run, -1 it is
-- gone · 1 if the outbox got entries.
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
-- @include lasterror
local id, again = ARGV[2], ARGV[3]
local r, raw, state = find(id, ARGV[1])
if not r or state ~= DEAD then return {0, 0} end
local m, extra = mutable(raw), P .. 'x:' .. hex(id)
guard({extra, P .. 'replayed', GROUPS, COUNTS, P .. 'waiting'})
local replays, known = call('HGET', extra, 'r') or '', false
for at = 1, #replays, 16 do
  if sub(replays, at, at + 15) == ARGV[4] then known = true end
end
if not known then return {0, 0} end
local n, n_raw, n_state = find(again, '')
local nm = mutable(n_raw)
local stands = band(m.flags, REPEATED) > 0 and sub(replays, -16) == ARGV[4]
if not stands and (not n or n_state == CANCELLED and nm.reason == REASON.undone) then return {2, 0} end
if not n then return {-1, 0} end
if not stands or nm.runs > 0 or (n_state ~= READY and n_state ~= SCHEDULED and n_state ~= WAITING) then return {100 + n_state, 0} end
take_out(again, n, n_state)
event(nm, EVENT.cancelled)
finish(again, n, nm, CANCELLED, REASON.undone)
put('m', again, frozen(nm))
m.flags = m.flags - REPEATED
event(m, EVENT.undone)
put('m', id, frozen(m))
local dead = ended_in(DEAD, r.tenant)
dead[#dead + 1] = string.format('%.0f', m.ended)
dead[#dead + 1] = id
count(r.tenant, DEAD, 1)
regroup(r, last_error(m), 1, m.ended)
later({'ZREM', P .. 'replayed', id})
tell(id, DEAD, m.runs)
conclude()
-- @include followers
return {1, told and 1 or 0}
