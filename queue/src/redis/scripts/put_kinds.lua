#!lua
-- put_kinds: writes kind records; one with a lower version than the one there is left out.
-- KEYS 1 kinds · ARGV name, version (4 bytes), record for each · Returns how many were written.
local call, written = redis.call, 0
local names = {}
for i = 1, #ARGV, 3 do names[#names + 1] = ARGV[i] end
local stored = call('HMGET', KEYS[1], unpack(names))
local set = {'HSET', KEYS[1]}
for i = 1, #names do
  local version = ARGV[3 * i - 1]
  if not stored[i] or version >= string.sub(stored[i], 1, 4) then
    set[#set + 1] = names[i]
    set[#set + 1] = version .. ARGV[3 * i]
    written = written + 1
  end
end
if written > 0 then call(unpack(set)) end
return written
