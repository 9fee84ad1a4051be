#!lua flags=no-writes
-- due_schedules: schedules whose next tick is due, the longest due first; those that are frozen stand before them.
-- KEYS 1 meta · ARGV 1 how many
-- Returns the server's time in ms · when the next of the others is due, in ms, or -1 · schedules, as find_schedule tells them.
-- @include base
-- @include sched
local REPLY_MAX = 4194304
guard({SCHED})
local names, reply, size = call('ZRANGEBYSCORE', SCHED, '-inf', now, 'LIMIT', 0, ARGV[1]), {now_text, -1}, 0
local n = 0
for i = 1, #names do
  local s = schedule_at(names[i])
  size = size + #s.spec + #s.to_spec
  if n > 0 and size > REPLY_MAX then break end
  n = n + 1
  if s.there then reply[#reply + 1] = shown(s) end
end
local others = call('ZRANGE', SCHED, n, n, 'WITHSCORES')
if others[2] then reply[2] = string.format('%.0f', others[2]) end
return reply
