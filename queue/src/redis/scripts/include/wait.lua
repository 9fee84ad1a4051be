-- wait: whether a condition is met. A wait: what for 1 (all children, any child, a signal, the end of a job), timeout 8, what a timeout
-- does 1, what a failed child does 1 (wake, die, ignore), the signal's name or the job's whole id. Needs base, mutable, record.
-- What came of a wait, and what it waits for where that is a job. One table: a script holds 200 names.
local CONDITION = {met = 1, timed_out = 2, child_failed = 3, die = 9, job = 4, for_ever = '+inf'}
-- `children`: child's id 16, its state 1 (0: open). `signals`: stored mailbox entries. Nil: not met.
local function judge(spec, children, signals)
  local on, _, _, on_failed = unpick('>BI8BB', spec)
  local open, done, failed = 0, 0, false
  for i = 1, #children do
    local s = byte(children[i], 17)
    if s == 0 then open = open + 1 else done = done + 1 end
    if s ~= 0 and s ~= COMPLETED then failed = true end
  end
  failed = failed and on < 3
  if failed and on_failed == 1 then return CONDITION.child_failed end
  if failed and on_failed == 2 then return CONDITION.die end
  if on == 1 and open == 0 or on == 2 and done > 0 then return CONDITION.met end
  if on == 3 then
    local name = sub(spec, 12)
    for i = 1, #signals do
      local n = unpick('>H', signals[i], 17)
      if sub(signals[i], 19, 18 + n) == name then return CONDITION.met end
    end
  end
  return nil
end
local function wait_until(spec)
  local _, timeout = unpick('>BI8', spec)
  return timeout > 0 and now + timeout or CONDITION.for_ever
end
