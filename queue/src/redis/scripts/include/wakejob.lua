-- wakejob: a waiting job, taken out of the index of waits, becomes Ready or ends. Needs takeout, wait.
local function wake_job(id, r, m, verdict, reason)
  if verdict == CONDITION.die then
    local err = failure(reason == REASON.child_failed and 'attempt.child_failed' or 'attempt.wait_timed_out',
      reason == REASON.child_failed and 'a child that this job waited for ended badly' or 'the wait timed out')
    event(m, EVENT.died, nil, err)
    finish(id, r, m, DEAD, reason, err)
  else
    m.state, m.woken = READY, verdict
    event(m, EVENT.woken)
    ready(id, r, frozen(m))
    tell(id)
    wake()
  end
  put('m', id, frozen(m))
end
