-- wakejob: a waiting job, taken out of the index of waits, becomes Ready or ends. Needs finish, takeout, wait.
local function wake_job(id, r, m, verdict, reason)
  if verdict == CONDITION.die then
    local err = failure(reason == REASON.child_failed and 'attempt.child_failed' or 'attempt.wait_timed_out',
      reason == REASON.child_failed and 'a child that this job waited for ended badly' or 'the wait timed out')
    event(m, EVENT.died, nil, err)
    finish(id, r, m, DEAD, reason, err)
  else
    m.state, m.woken = READY, verdict
    -- An expiry that passed while it waited was let go; from now on it holds again.
    if r.expires and m.runs == 0 then
      guard({EXP})
      later({'ZADD', EXP, string.format('%.0f', r.expires), id})
    end
    event(m, EVENT.woken)
    ready(id, r, frozen(m))
    tell(id, READY, m.runs)
    wake()
  end
  put('m', id, frozen(m))
end
