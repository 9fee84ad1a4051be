#!lua
-- finish: a request under an Idempotency-Key has its answer; the first one stays.
-- KEYS 1 the record · ARGV 1 answer · Returns 1 · 0: it is not there any more.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSETNX', KEYS[1], 'answer', ARGV[1])
return 1
