#!lua
-- home: a queue's permanent number, given on first use. Workers that serve every queue are told of a new one.
-- KEYS 1 homes · ARGV 1 queue · Returns the number · -1: all 65,535 are taken.
-- @include mode
local call = redis.call
local home = call('HGET', KEYS[1], ARGV[1])
if home then return tonumber(home) end
home = call('HLEN', KEYS[1]) + 1
if home > 65535 then return -1 end
call('HSET', KEYS[1], ARGV[1], home)
-- A hint: one that is refused changes nothing.
redis.pcall(PUBLISH, KEYS[1] .. ':sig', 'w')
return home
