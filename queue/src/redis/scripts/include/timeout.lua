-- timeout: waits that ran out wake or end their job, by the wait's policy. A transaction of its own. Needs takeout, wait.
local function time_out(limit)
  local ids = call('ZRANGEBYSCORE', P .. 'waiting', '-inf', now, 'LIMIT', 0, limit)
  if #ids == 0 then return 0 end
  local groups = group(ids)
  local records, ms = fetch(groups, 'j'), fetch(groups, 'm')
  for i = 1, #ids do
    local id = ids[i]
    local key = P .. 'x:' .. hex(id)
    guard({key})
    local r = records[i] and #records[i] > 1 and parse(records[i])
    local spec = r and (call('HGET', key, 'w') or r.wait)
    if not spec then
      later({'ZREM', P .. 'waiting', id})
    else
      local m = mutable(ms[i])
      local _, _, on_timeout = unpick('>BI8B', spec)
      if on_timeout == 3 then
        later({'ZADD', P .. 'waiting', CONDITION.for_ever, id})
      else
        take_out(id, r, WAITING)
        wake_job(id, r, m, on_timeout == 2 and CONDITION.die or CONDITION.timed_out, REASON.wait_timed_out)
      end
    end
  end
  conclude()
  return #ids
end
