#!lua flags=allow-oom
-- announce: a live worker carries these kinds; their parked lanes come back.
-- KEYS 1 meta · ARGV 1 for how many ms · 2 worker · 3 its slots · kinds · Returns 1.
-- @include base
-- @include meta
-- @include record
-- @include counts
-- @include signals
-- @include lanes
-- @include law
-- @include unpark
guard({P .. 'kinds', PARKED})
local alive = {'ZADD', P .. 'kinds', 'GT'}
for i = 4, #ARGV do
  alive[#alive + 1] = now + tonumber(ARGV[1])
  alive[#alive + 1] = ARGV[i]
end
call('ZCARD', P .. 'kinds')
if #alive > 3 then
  later(alive)
  commit()
end
-- The slots of live workers, of which shares are counted.
guard({P .. 'slots', BLOCKED})
local slots, silent = tonumber(ARGV[3]), {'HDEL', P .. 'slots'}
local all = call('HGETALL', P .. 'slots')
for i = 1, #all, 2 do
  local ends, n = unpick('>I8I4', all[i + 1])
  if ends < now then silent[#silent + 1] = all[i] elseif all[i] ~= ARGV[2] then slots = slots + n end
end
later({'HSET', P .. 'slots', ARGV[2], pack('>I8I4', now + tonumber(ARGV[1]), tonumber(ARGV[3]))})
if #silent > 2 then later(silent) end
if slots ~= laws.slots then
  change('slots', slots)
  local names = {}
  for _, scope in ipairs(call('ZRANGE', BLOCKED, 0, 999)) do
    if sub(scope, 1, 2) == 't:' then names[#names + 1] = scope end
  end
  if slots > laws.slots then LAW.free(names) end
  plan_signals()
  plan_meta()
end
commit()
local before = parked
for i = 4, #ARGV do unpark(ARGV[i]) end
if parked < before then
  wake()
  plan_signals()
  plan_meta()
  commit()
end
return 1
