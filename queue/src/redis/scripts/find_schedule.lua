#!lua flags=no-writes
-- find_schedule: schedules as they stand.
-- KEYS 1 meta · ARGV tenant/name, … · Returns for each: its parts, as `sched` names them, without those of a mark · 0: there is none.
-- @include base
-- @include sched
local reply = {}
for i = 1, #ARGV do
  local s = schedule_at(ARGV[i])
  reply[i] = s.there and shown(s) or 0
end
return reply
