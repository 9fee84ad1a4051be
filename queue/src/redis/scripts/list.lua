#!lua flags=no-writes
-- list: ids by where they stand, a page at a time.
-- KEYS 1 meta · ARGV 1 what, and Returns what stands behind the arrow:
--   run, due, waiting, suspects, replayed: 2 from which rank, 3 how many → ids
--   lane: 2 its name, 3 from which rank, 4 how many → ids
--   lanes: 2 tenant or '' → the names of lanes that may hold jobs
--   tenants: 2 state → the tenants that have ended jobs in that state
--   ended: 2 state, 3 ended at most at, 4 at least at, 5 how many, tenants → ids and when they ended, newest first for each tenant
-- @include base
-- @include standing
local what = ARGV[1]
if what == 'lane' then
  guard({P .. 'l:' .. ARGV[2]})
  return call('ZRANGE', P .. 'l:' .. ARGV[2], ARGV[3], ARGV[3] + ARGV[4] - 1)
elseif what == 'tenants' then
  guard({P .. 'ended'})
  local names = {}
  for _, name in ipairs(call('ZRANGE', P .. 'ended', 0, -1)) do
    if sub(name, 1, 2) == ARGV[2] .. ':' then names[#names + 1] = sub(name, 3) end
  end
  return names
elseif what == 'ended' then
  local found = {}
  for i = 6, #ARGV do
    local key = P .. 'e:' .. ARGV[2] .. ':' .. ARGV[i]
    guard({key})
    local some = call('ZREVRANGEBYSCORE', key, ARGV[3], ARGV[4], 'WITHSCORES', 'LIMIT', 0, ARGV[5])
    for k = 1, #some do found[#found + 1] = some[k] end
  end
  return found
elseif what == 'lanes' then
  return standing(ARGV[2])
end
guard({P .. what})
-- The entry that `open` made stands behind all others.
return call('ZRANGE', P .. what, ARGV[2], ARGV[2] + ARGV[3] - 1)
