#!lua flags=allow-oom
-- cancel: at once, unless the job runs: then its attempt is asked to stop, by the reply of extend and by a signal.
-- KEYS 1 meta · ARGV 1 tenant or '' · ids
-- Returns for each: the new state (3: asked to stop) · 100 + state: it had ended · 0: no such job; last, 1 if the outbox
-- got entries.
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
-- @include cancelling
local reply, seen_here = {}, {}
guard({LEASE, P .. 'due', P .. 'waiting', COUNTS})
call('ZCARD', P .. 'due')
for i = 2, #ARGV do
  local id = ARGV[i]
  local r, raw, state = find(id, ARGV[1])
  if not r then
    reply[i - 1] = 0
  elseif seen_here[id] then
    reply[i - 1] = seen_here[id]
  else
    reply[i - 1] = cancel_job(id, r, raw, state)
  end
  seen_here[id] = reply[i - 1]
end
conclude()
-- @include followers
reply[#reply + 1] = told and 1 or 0
return reply
