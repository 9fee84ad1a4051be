#!lua flags=allow-oom
-- deliver: something is told to a job: a child was opened (fenced), a child has ended, a signal came. Wakes it if its wait
-- is met by that.
-- KEYS 1 meta · ARGV 1 letter · 2 the job · O: 3 token, 4 key, 5 child (16 bytes) · E: 3 key, 4 child, 5 its state,
-- 6 `o` or `e` and the payload, or '' · S: 3 once, 4 name, 5 payload, 6 how many the mailbox holds at most
-- Returns two numbers: 1 kept, 2 it was there, 3 the job has ended or is gone, 0 lease lost, -1 the mailbox is full ·
-- 1 if the outbox got entries.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include mutable
-- @include counts
-- @include signals
-- @include lanes
-- @include leaving
-- @include finish
-- @include takeout
-- @include state
-- @include find
-- @include wait
-- @include wakejob
local letter, id = ARGV[1], ARGV[2]
local h = hex(id)
local children, box, extra = P .. 'c:' .. h, P .. 'g:' .. h, P .. 'x:' .. h
guard({children, box, extra, LEASE, P .. 'waiting', COUNTS})
local r, raw, state = find(id, '')
if letter == 'O' then
  local lease = call('HGET', LEASE, id)
  if not lease or sub(lease, 1, 8) ~= ARGV[3] then
    call('HINCRBY', META, 'lost', 1)
    return {0, 0}
  end
  if call('HEXISTS', children, ARGV[4]) == 1 then return {2, 0} end
  call('HSET', children, ARGV[4], ARGV[5] .. char(0))
  return {1, 0}
end
if not r or state >= COMPLETED then return {3, 0} end
local kids, mail = {}, call('HVALS', box)
local stored = call('HGETALL', children)
for i = 1, #stored, 2 do kids[stored[i]] = stored[i + 1] end
if letter == 'E' then
  local key, child, how = ARGV[3], ARGV[4], tonumber(ARGV[5])
  local old = kids[key]
  -- A child that was repeated takes the key over from the one that failed; one that is completed stays.
  if old and byte(old, 17) > 0 and (sub(old, 1, 16) == child or byte(old, 17) == COMPLETED) then return {2, 0} end
  kids[key] = child .. char(how)
  call('HLEN', extra)
  later({'HSET', children, key, kids[key]})
  later({'HSET', extra, 'o:' .. key, ARGV[6]})
else
  if call('HEXISTS', box, ARGV[3]) == 1 then return {2, 0} end
  if #mail >= tonumber(ARGV[6]) then return {-1, 0} end
  mail[#mail + 1] = pack('>I8I8H', #mail + 1, now, #ARGV[4]) .. ARGV[4] .. ARGV[5]
  later({'HSET', box, ARGV[3], mail[#mail]})
end
if state == WAITING then
  local values = {}
  for _, kid in pairs(kids) do values[#values + 1] = kid end
  local spec = call('HGET', extra, 'w') or r.wait
  local verdict = spec and judge(spec, values, mail)
  if verdict then
    take_out(id, r, WAITING)
    wake_job(id, r, mutable(raw), verdict, REASON.child_failed)
  end
end
tell(id)
conclude()
-- @include followers
return {1, told and 1 or 0}
