#!lua
-- directory: the queue in whose slot each schedule lives, and the claim by which it does. Claims are numbers that grow. An entry is written
-- before its schedule; one whose schedule is not there counts as none.
-- KEYS 1 the directory's meta · ARGV 1 what · 2 tenant, a zero byte, name · then
--   look · claim: 3 queue: taken if there is no entry or it names that queue
--   switch: 3 queue, 4 claim, 5 another queue: if the entry is that one · forget: 3 queue, 4 claim: if the entry's claim is not newer
--   page: 2 from, 3 to, as ZRANGEBYLEX takes them, 4 how many
-- Returns claim and queue of the entry as it is then, or nothing · page: name, claim and queue of each, by name.
-- @include base
local NAMES = P .. 'names'
guard({NAMES})
local what, name = ARGV[1], ARGV[2]
local function read(stored)
  local claim, queue = string.match(stored, '^(%d+) (.*)$')
  return claim, queue
end
if what == 'page' then
  local names, found = call('ZRANGEBYLEX', NAMES, ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4]), {}
  if #names == 0 then return found end
  local stored = call('HMGET', META, unpack(names))
  for i = 1, #names do
    local claim, queue = read(stored[i] or '0 ')
    found[3 * i - 2], found[3 * i - 1], found[3 * i] = names[i], claim, queue
  end
  return found
end
local stored = call('HGET', META, name)
local claim, queue
if stored then claim, queue = read(stored) end
local function write(to)
  claim, queue = string.format('%.0f', (call('HGET', META, '#') or 0) + 1), to
  later({'HSET', META, '#', claim, name, claim .. ' ' .. queue})
  -- The empty name keeps the key from going away.
  later({'ZADD', NAMES, 0, '', 0, name})
  commit()
end
if what == 'claim' and (not stored or queue == ARGV[3]) then
  write(ARGV[3])
elseif what == 'switch' and stored and queue == ARGV[3] and claim == ARGV[4] then
  write(ARGV[5])
elseif what == 'forget' and stored and queue == ARGV[3] and tonumber(claim) <= tonumber(ARGV[4]) then
  later({'HDEL', META, name})
  later({'ZREM', NAMES, name})
  commit()
  return {}
end
if not claim then return {} end
return {claim, queue}
