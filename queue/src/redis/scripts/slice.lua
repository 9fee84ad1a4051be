#!lua flags=allow-oom
-- slice: a queue's part of an outside quota, as `include/admit.lua` reads it.
-- KEYS 1 meta · ARGV 1 name · 2 put: 3 sequence, 4 slots, 5 points, 6 starts, 7 until when they may be used, 8 when to ask again in ms ·
-- drop: nothing that was told holds any more · yield: what is not used goes back · done: it has gone back
-- Returns sequence · slots (-1: no such rule) · leases that use it.
-- @include base
-- @include meta
-- @include counts
-- @include signals
-- @include record
-- @include lanes
-- @include law
-- @include leaving
-- @include view
local name, what = ARGV[1], ARGV[2]
guard({P .. 'slices', P .. 'running', P .. 'giving', BLOCKED, LEASE})
local stored, counted = call('HGET', P .. 'slices', name), call('HGET', P .. 'running', 'r:' .. name)
local seq, slots, points, starts, ends, opens, wanted, grants = 0, -1, 0, 0, 0, 0, 0, ''
if stored then
  seq, slots, points, starts, ends, opens, wanted = unpick('>ddddddd', stored)
  grants = sub(stored, 57)
else
  change('nr', call('HLEN', P .. 'slices') + 1)
end
if not counted then
  counted = running_in('r', name)
  later({'HSET', P .. 'running', 'r:' .. name, counted})
end
counted = tonumber(counted)
if what == 'done' then
  call('HDEL', P .. 'giving', name)
  return {string.format('%.0f', seq), string.format('%.0f', slots), counted}
end
if what == 'put' then
  local loan, holds = tonumber(ARGV[3]), tonumber(ARGV[7])
  if loan > seq then
    seq, slots, ends, wanted = loan, tonumber(ARGV[4]), holds, 0
    points, starts = tonumber(ARGV[5]) >= 0 and 1 or 0, tonumber(ARGV[6]) >= 0 and 1 or 0
    opens = tonumber(ARGV[8]) > 0 and now + tonumber(ARGV[8]) or 0
  end
  -- Loans of several workers may overtake each other; each is taken once.
  local kept, there = '', holds <= now
  for at = 1, #grants, 32 do
    local of, _, _, until_ms = unpick('>dddd', grants, at)
    if of == loan then there = true end
    if until_ms > now then kept = kept .. sub(grants, at, at + 31) end
  end
  grants = kept
  if not there and (tonumber(ARGV[5]) > 0 or tonumber(ARGV[6]) > 0) then
    grants = grants .. pack('>dddd', loan, math.max(0, tonumber(ARGV[5])), math.max(0, tonumber(ARGV[6])), holds)
  end
elseif what == 'drop' then
  ends, opens, grants = 0, 0, ''
  -- What was lowered is remembered until the lender knows.
  if slots >= 0 then later({'HSET', P .. 'giving', name, 1}) end
  if slots > counted then slots = counted end
  LAW.free({'r:' .. name})
  wake()
else
  if slots > counted then
    slots = counted
    later({'HSET', P .. 'giving', name, 1})
  elseif slots >= 0 then
    wanted = now + 400
  end
end
later({'HSET', P .. 'slices', name, pack('>ddddddd', seq, slots, points, starts, ends, opens, wanted) .. grants})
plan_signals()
plan_meta()
commit()
return {string.format('%.0f', seq), string.format('%.0f', slots), counted}
