#!lua flags=allow-oom
-- tick: moves a queue's time forward by bounded steps. Any number may run; each step is a transaction of its own.
-- KEYS 1 meta · ARGV 1 lease ms · 2 how many of each at most · 3 a random number
-- Returns promoted · expired · reaped · timed out · 1 there is more · 1 reaping is held · 1 the clock went back ·
-- entries in the outbox · when the next schedule is due, in ms from now, or -1 · 1 if slots follow the backlog ·
-- how many parts of outside quotas are not used, and their names · then for each
-- budget that reached a threshold: tenant · units used · the threshold · 1 if it closes.
-- @include base
-- @include meta
-- @include clock
local kept = call('HMGET', META, 'ticked', 'auto')
-- A queue in which nothing runs, waits or is due costs a look: what is put in order there by time alone can wait for some seconds.
if seen <= now + 1000 then
  local places = {P .. 'due', P .. 'waiting', P .. 'exp', P .. 'outbox', P .. 'sched', P .. 'slices', P .. 'giving', P .. 'alerts', P .. 'uexp'}
  guard({P .. 'run', unpack(places)})
  local whole = tonumber(kept[1] or 0)
  if whole <= now and now - whole < 10000 and call('EXISTS', unpack(places)) == 0 and call('ZCARD', P .. 'run') == 1 then
    if now > seen + ARGV[1] / 4 then look(ARGV[1]) end
    plan_meta()
    commit()
    return {0, 0, 0, 0, 0, hold > now and 1 or 0, 0, 0, -1, kept[2] and 1 or 0, 0}
  end
end
-- @include buckets
-- @include record
-- @include mutable
-- @include counts
-- @include signals
-- @include lanes
-- @include promote
-- @include law
-- @include leaving
-- @include ending
-- @include finish
-- @include takeout
-- @include state
-- @include wait
-- @include wakejob
-- @include expire
-- @include timeout
-- @include reap
-- @include standing
-- @include sweep
local lease_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
guard({DUE, RUN, LEASE, HELD, SUSRUN, SUSPECTS, EXP, P .. 'waiting', COUNTS, OUTBOX, P .. 'sched'})
local back = seen > now + 1000
if back then
  clamp(lease_ms)
else
  look(lease_ms)
end
local promoted = promote(limit)
local passed, expired = expire(limit)
local timed_out = time_out(limit)
local held, reaped = hold > now, 0
if not held then reaped = reap(limit, tonumber(ARGV[3])) end
sweep(limit)
change('ticked', now)
local alerts = alarm()
plan_signals()
plan_meta()
commit()
-- @include followers
local more = promoted == limit or passed == limit or timed_out == limit or reaped == limit
local reply = {promoted, expired, reaped, timed_out, more and 1 or 0, held and 1 or 0, back and 1 or 0, call('HLEN', OUTBOX), -1, kept[2] and 1 or 0, 0}
local unused = laws.r > 0 and idle_slices() or {}
local first = call('ZRANGE', P .. 'sched', 0, 0, 'WITHSCORES')
if first[2] then reply[9] = math.max(0, first[2] - now) end
reply[11] = #unused
for i = 1, #unused do reply[#reply + 1] = unused[i] end
for i = 1, #alerts do reply[#reply + 1] = alerts[i] end
return reply
