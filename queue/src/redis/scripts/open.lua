#!lua
-- open: makes the queue's `meta` key if it is not there, and moves the last token an hour ahead when another server (a
-- replica, a restored one) answers than the last time: what the old one gave out last may not have arrived here.
-- KEYS 1 meta · ARGV 1 the server's run id · Returns 1.
local call = redis.call
local server = call('HMGET', KEYS[1], 'tok', 'server')
if server[2] == ARGV[1] then return 1 end
local time = call('TIME')
local us = time[1] * 1000000 + time[2]
local token = math.max(tonumber(server[1] or 0), us)
if server[2] then token = token + 3600000000 end
call('HSET', KEYS[1], 'tok', string.format('%.0f', token), 'server', ARGV[1])
return 1
