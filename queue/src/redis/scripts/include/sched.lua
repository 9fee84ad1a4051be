-- sched: schedules of a queue. `s:{tenant}/{name}` holds one, `sched` those that have a next_at by it, `h:{tenant}/{name}` a history,
-- newest first. One that moves to another queue is frozen: `to…` say where it goes and as what, it stands first in `sched`, and fires nothing;
-- `from` marks one that has come and whose frozen self may still be there. What was taken away leaves a mark for a while (`gone…`), so
-- that whoever decided on it before, by an older claim of the name or an older revision, does not bring it back. Needs base.
local SCHED, GONE_MS = P .. 'sched', 600000
local PARTS = {'inc', 'rev', 'made', 'changed', 'cursor', 'next', 'paused', 'last', 'held', 'tick', 'spec', 'timing', 'overlap', 'claim', 'from',
  'to', 'to_spec', 'to_timing', 'to_overlap', 'to_paused', 'gone', 'gone_inc', 'gone_rev'}
local SHOWN = 20
local function schedule_at(name)
  local s = {name = name, key = P .. 's:' .. name}
  guard({s.key})
  local values = call('HMGET', s.key, unpack(PARTS))
  for i = 1, #PARTS do s[PARTS[i]] = values[i] or '' end
  s.there = s.inc ~= ''
  return s
end
local function shown(s)
  local list = {}
  for i = 1, SHOWN do list[i] = s[PARTS[i]] end
  return list
end
