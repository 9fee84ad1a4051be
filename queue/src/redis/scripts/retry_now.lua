#!lua
-- retry_now: a Retrying or Scheduled job becomes Ready.
-- KEYS 1 meta · ARGV 1 tenant or '' · 2 id · Returns its state · 100 + state: not from there · 0: no such job.
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
local id = ARGV[2]
local r, raw, state = find(id, ARGV[1])
if not r then return 0 end
if state ~= RETRYING and state ~= SCHEDULED then return 100 + state end
guard({P .. 'due', COUNTS})
local m = mutable(raw)
take_out(id, r, state)
event(m, EVENT.retried_now)
m.state = READY
put('m', id, frozen(m))
ready(id, r, frozen(m))
tell(id, READY, m.runs)
wake()
conclude()
return READY
