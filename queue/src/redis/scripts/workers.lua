#!lua flags=no-writes
-- workers: the reports of live workers.
-- KEYS 1 workers · ARGV none · Returns for each: seen at (8 bytes) and its report.
local call, found = redis.call, {}
local time = call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local all = call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 'w:' and struct.unpack('>I8', all[i + 1]) >= now then found[#found + 1] = string.sub(all[i + 1], 9) end
end
return found
