#!lua
-- command: something is told to a live worker, which gets it with its next report.
-- KEYS 1 workers · ARGV 1 id · 2 command · Returns 1 · 0: no such live worker.
local call = redis.call
local time = call('TIME')
local report = call('HGET', KEYS[1], 'w:' .. ARGV[1])
if not report or struct.unpack('>I8', report) < time[1] * 1000 + time[2] / 1000 then return 0 end
call('HSET', KEYS[1], 'c:' .. ARGV[1], ARGV[2])
return 1
