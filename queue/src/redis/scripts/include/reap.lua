-- reap: leases that ran out end by the policy frozen in the record: another attempt within a second, or Dead, or Cancelled
-- where that was asked for. A transaction of its own. Needs leaving, takeout.
local function reap(limit, random)
  local ids = call('ZRANGEBYSCORE', RUN, '-inf', now, 'LIMIT', 0, limit)
  if #ids == 0 then return 0 end
  local groups = group(ids)
  local records, ms, leases = fetch(groups, 'j'), fetch(groups, 'm'), call('HMGET', LEASE, unpack(ids))
  guard({DUE})
  call('ZCARD', DUE)
  for i = 1, #ids do
    local id, lease = ids[i], leases[i]
    if not lease or not records[i] then
      later({'ZREM', RUN, id})
      later({'HDEL', LEASE, id})
    else
      local r, m, worker = parse(records[i]), mutable(ms[i]), worker_of(lease)
      local asked = band(byte(lease, 18), CANCEL_ASKED) > 0
      leave(id, lease, worker, {crashed = true})
      count(r.tenant, RUNNING, -1)
      returned(m, lease, 0)
      m.crashes, m.row = m.crashes + 1, m.row + 1
      local unknown = band(r.flags, NOREPEAT) > 0
      local err = failure(unknown and 'attempt.outcome_unknown' or 'attempt.crashed',
        'the worker ' .. worker .. ' was lost' .. (unknown and ', and it is not known whether the work was done' or ''))
      event(m, EVENT.crashed, worker, err)
      if unknown then
        finish(id, r, m, DEAD, REASON.outcome_unknown, err)
      elseif asked then
        finish(id, r, m, CANCELLED, REASON.cancelled)
      elseif m.row >= r.crashes_max then
        finish(id, r, m, DEAD, REASON.crashed, err)
      else
        m.state = RETRYING
        random = (random * 16807 + i) % 2147483647
        later({'ZADD', DUE, now + random % 1000, id})
        count(r.tenant, RETRYING, 1)
        wake()
        tell(id, RETRYING, m.runs)
      end
      put('m', id, frozen(m))
    end
  end
  plan_ending()
  plan_leaving()
  conclude()
  return #ids
end
