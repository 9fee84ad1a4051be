#!lua flags=allow-oom
-- give_up: a Retrying job becomes Dead.
-- KEYS 1 meta · ARGV 1 tenant or '' · 2 id
-- Returns two numbers: its state, 100 + state: not from there, or 0: no such job · 1 if the outbox got entries.
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
local id = ARGV[2]
local r, raw, state = find(id, ARGV[1])
if not r then return {0, 0} end
if state ~= RETRYING then return {100 + state, 0} end
guard({P .. 'due', COUNTS})
local m = mutable(raw)
take_out(id, r, state)
event(m, EVENT.died)
finish(id, r, m, DEAD, REASON.given_up, last_error(m) or failure('handler.failed', ''))
put('m', id, frozen(m))
conclude()
-- @include followers
return {DEAD, told and 1 or 0}
