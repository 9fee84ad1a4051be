#!lua
-- watch: for a while, changes of this queue's jobs are told.
-- KEYS 1 meta · ARGV 1 for how many ms · Returns 1.
-- @include base
call('HSET', META, 'watch', now + tonumber(ARGV[1]))
return 1
