#!lua
-- open: makes the queue's main keys if `meta`, which every other script needs, is not there. The indexes of running jobs get
-- an entry that is too long for Redis' compact encodings, in which every look-up walks the whole list.
-- KEYS 1 meta · ARGV none · Returns 1.
local call, P = redis.call, string.sub(KEYS[1], 1, -5)
-- While a slot moves the others may be on the other node: whoever made `meta` has made them.
if call('EXISTS', KEYS[1]) == 1 then return 1 end
local filler = string.rep('-', 65)
local time = call('TIME')
call('HSET', KEYS[1], 'tok', time[1] .. string.format('%06d', time[2]))
call('HSETNX', P .. 'lease', '', filler)
call('ZADD', P .. 'run', 'NX', '+inf', filler)
return 1
