#!lua
-- open: makes the queue's `meta` key if it is not there; every other script needs it.
-- KEYS 1 meta · ARGV none · Returns 1.
local time = redis.call('TIME')
redis.call('HSETNX', KEYS[1], 'tok', time[1] .. string.format('%06d', time[2]))
return 1
