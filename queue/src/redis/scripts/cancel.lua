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
  elseif state == RUNNING then
    local lease = call('HGET', LEASE, id)
    local flags = byte(lease, 18)
    if band(flags, CANCEL_ASKED) == 0 then
      later({'HSET', LEASE, id, sub(lease, 1, 17) .. char(flags + CANCEL_ASKED) .. sub(lease, 19)})
    end
    sends[#sends + 1] = 'c' .. id
    reply[i - 1] = RUNNING
  elseif state > WAITING then
    reply[i - 1] = 100 + state
  else
    local m = mutable(raw)
    take_out(id, r, state)
    event(m, EVENT.cancelled)
    finish(id, r, m, CANCELLED, REASON.cancelled)
    put('m', id, frozen(m))
    reply[i - 1] = CANCELLED
  end
  seen_here[id] = reply[i - 1]
end
conclude()
reply[#reply + 1] = told and 1 or 0
return reply
