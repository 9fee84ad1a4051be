#!lua flags=allow-oom
-- beat: a worker's report; it is dead when silent for longer than it says. Workers long dead are forgotten.
-- KEYS 1 workers · ARGV 1 id · 2 ttl ms · 3 report · Returns the newest command that it has not seen, or nil.
local call = redis.call
local time = call('TIME')
local now = math.floor(time[1] * 1000 + time[2] / 1000)
local command = call('HGET', KEYS[1], 'c:' .. ARGV[1])
-- Once in some thirty beats the others are looked at.
if now % 31 == 0 then
  local all, gone = call('HGETALL', KEYS[1]), {'HDEL', KEYS[1]}
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'w:' and struct.unpack('>I8', all[i + 1]) + 60000 < now then
      gone[#gone + 1] = all[i]
      gone[#gone + 1] = 'c:' .. string.sub(all[i], 3)
    end
  end
  if #gone > 2 then call(unpack(gone)) end
end
call('HSET', KEYS[1], 'w:' .. ARGV[1], struct.pack('>I8I8', now + tonumber(ARGV[2]), now) .. ARGV[3])
if command then call('HDEL', KEYS[1], 'c:' .. ARGV[1]) end
return command
