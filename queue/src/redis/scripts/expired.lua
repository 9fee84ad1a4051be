#!lua
-- expired: ids of ended jobs whose retention is over, oldest first; Dead ones are left to people. Puts the index of the
-- ended indexes in order on its way.
-- KEYS 1 meta · ARGV 1 kept for ms · 2 kept at most · 3 how many · Returns ids.
-- @include base
local ENDED, KEPT, PAGES = P .. 'ended', P .. 'kept', 5
local keep, most, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
guard({ENDED, KEPT, P .. 'counts'})
local found, listed = {}, {}
local function add(id)
  if not listed[id] and #found < limit then
    listed[id] = true
    found[#found + 1] = id
  end
end
for _, id in ipairs(call('ZRANGEBYSCORE', KEPT, '-inf', now, 'LIMIT', 0, limit)) do add(id) end
-- Takes from one index what ended by `cutoff`, at most `n`, leaving out what has a keep of its own.
local function take(name, cutoff, n)
  local key, got = P .. 'e:' .. name, 0
  guard({key})
  for page = 0, PAGES - 1 do
    local ids = call('ZRANGEBYSCORE', key, '-inf', cutoff, 'LIMIT', page * limit, limit)
    if #ids == 0 then break end
    local own = call('ZMSCORE', KEPT, unpack(ids))
    for i = 1, #ids do
      if not own[i] and got < n and #found < limit then
        add(ids[i])
        got = got + 1
      end
    end
    if got >= n or #found >= limit then break end
  end
  local oldest = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if not oldest[2] then
    later({'ZREM', ENDED, name})
  elseif oldest[2] ~= call('ZSCORE', ENDED, name) then
    later({'ZADD', ENDED, 'XX', oldest[2], name})
  end
  return got
end
-- Indexes by their oldest entry; those of letters stay where they are, however many they are, and nobody is held up by them.
local INDEXES, READ = 200, 1000
local function each(cutoff, take_some)
  local left, from = INDEXES, 0
  while left > 0 do
    local names = call('ZRANGEBYSCORE', ENDED, '-inf', cutoff, 'LIMIT', from, READ)
    for _, name in ipairs(names) do
      if left > 0 and sub(name, 1, 1) ~= tostring(DEAD) then
        take_some(name)
        left = left - 1
      end
    end
    if #names < READ then return end
    from = from + READ
  end
end
each(now - keep, function(name) take(name, now - keep, limit) end)
local counts = call('HMGET', P .. 'counts', COMPLETED, CANCELLED)
local over = tonumber(counts[1] or 0) + tonumber(counts[2] or 0) - most - #found
if over > 0 then
  each('+inf', function(name)
    if over > 0 then over = over - take(name, '+inf', over) end
  end)
end
commit()
return found
