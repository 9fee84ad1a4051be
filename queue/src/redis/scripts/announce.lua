#!lua flags=allow-oom
-- announce: a live worker carries these kinds; their parked lanes come back.
-- KEYS 1 meta · ARGV 1 for how many ms · kinds · Returns 1.
-- @include base
-- @include meta
-- @include record
-- @include counts
-- @include signals
-- @include lanes
-- @include unpark
guard({P .. 'kinds', PARKED})
local alive = {'ZADD', P .. 'kinds', 'GT'}
for i = 2, #ARGV do
  alive[#alive + 1] = now + tonumber(ARGV[1])
  alive[#alive + 1] = ARGV[i]
end
call('ZCARD', P .. 'kinds')
if #alive > 3 then
  later(alive)
  commit()
end
local before = parked
for i = 2, #ARGV do unpark(ARGV[i]) end
if parked < before then
  wake()
  plan_signals()
  plan_meta()
  commit()
end
return 1
