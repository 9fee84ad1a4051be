#!lua
-- save: keeps a cursor and steps for the job's next run. Fenced; the first result of a step stays.
-- KEYS 1 meta · ARGV 1 id · 2 token · 3 cursor or '' · then step and result · Returns 1 · 0 lease lost.
-- @include base
-- @include buckets
local extra = P .. 'x:' .. hex(ARGV[1])
guard({P .. 'lease', extra})
local lease = call('HGET', P .. 'lease', ARGV[1])
if not lease or sub(lease, 1, 8) ~= ARGV[2] then
  call('HINCRBY', META, 'lost', 1)
  return 0
end
call('HLEN', extra)
if ARGV[3] ~= '' then later({'HSET', extra, 'c', ARGV[3]}) end
for i = 4, #ARGV, 2 do later({'HSETNX', extra, 's:' .. ARGV[i], ARGV[i + 1]}) end
commit()
return 1
