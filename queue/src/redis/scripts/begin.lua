#!lua
-- begin: a request under an Idempotency-Key begins, or goes on where its first caller was.
-- KEYS 1 the record · ARGV 1 hash of the body · 2 seed · 3 the caller's time · 4 kept for ms
-- Returns 1 run, seed, time · 2 answered, the answer · 3 the key was used for another body.
local call = redis.call
local r = call('HMGET', KEYS[1], 'hash', 'seed', 'at', 'answer')
if not r[1] then
  call('HSET', KEYS[1], 'hash', ARGV[1], 'seed', ARGV[2], 'at', ARGV[3])
  call('PEXPIRE', KEYS[1], ARGV[4])
  return {1, ARGV[2], ARGV[3]}
end
if r[1] ~= ARGV[1] then return {3} end
if r[4] then return {2, r[4]} end
return {1, r[2], r[3]}
