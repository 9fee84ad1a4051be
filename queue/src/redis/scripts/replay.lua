#!lua
-- replay: a Dead job is repeated as a new one. The letter stays, marked, out of the dead index, the counts and the groups.
-- KEYS 1 meta · ARGV 1 tenant or '' · 2 id · 3 the new job's id (14 bytes) · 4 its id (16 bytes) · 5 its record without the
-- first ten bytes · 6 the first ten bytes of the letter's record that it was made from: its sequence and revision
-- Returns 1 done · 2 it was done before · 0 no such job · -1 not Dead · -2 repeated by another job · -3 unique key taken · -4 the letter was
-- edited since.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include mutable
-- @include counts
-- @include signals
-- @include lanes
-- @include finish
-- @include takeout
-- @include state
-- @include find
-- @include lasterror
local id, new = ARGV[2], ARGV[3]
local r, raw, state = find(id, ARGV[1])
if not r then return 0 end
if state ~= DEAD then return -1 end
local m, extra = mutable(raw), P .. 'x:' .. hex(id)
guard({extra, P .. 'e:' .. DEAD .. ':' .. r.tenant, GROUPS, UNIQ, COUNTS})
local replays = call('HGET', extra, 'r') or ''
for at = 1, #replays, 16 do
  if sub(replays, at, at + 15) == ARGV[4] then return 2 end
end
if band(m.flags, REPEATED) > 0 then return -2 end
if fetch(group({new}), 'j')[1] then return -2 end
if sub(r.raw, 1, 10) ~= ARGV[6] then return -4 end
seq = math.max(seq, (now - EPOCH) * STEP)
local record = pack('>I7I3', seq, 0) .. ARGV[5]
local n = parse(record)
if n.unique then
  local holder = call('HGET', UNIQ, n.unique)
  if holder and not (byte(holder, 15) == THROTTLE and unpick('>I8', holder, 16) <= now) then return -3 end
  local until_ms = n.unique_mode == THROTTLE and now + n.unique_ms or 0
  later({'HSET', UNIQ, n.unique, new .. char(n.unique_mode) .. pack('>I8', until_ms)})
  if until_ms > 0 then later({'ZADD', P .. 'uexp', until_ms, n.unique}) end
end
call('ZCARD', P .. 'e:' .. DEAD .. ':' .. r.tenant)
later({'ZREM', P .. 'e:' .. DEAD .. ':' .. r.tenant, id})
regroup(r, last_error(m), -1)
count(r.tenant, DEAD, -1)
guard({P .. 'replayed'})
call('ZCARD', P .. 'replayed')
later({'ZADD', P .. 'replayed', now, id})
later({'HSET', extra, 'r', replays .. ARGV[4]})
m.flags = m.flags + REPEATED
event(m, EVENT.replayed)
put('m', id, frozen(m))
put('j', new, record)
ready(new, n, nil)
change('seq', seq + 1)
tell(id)
tell(new, READY)
wake()
conclude()
return 1
