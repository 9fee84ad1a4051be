-- expire: jobs that have not started by their expires_at are cancelled. A transaction of its own. Needs finish, lanes, state.
local function expire(limit)
  local ids = call('ZRANGEBYSCORE', EXP, '-inf', now, 'LIMIT', 0, limit)
  if #ids == 0 then return 0, 0 end
  local groups, done = group(ids), 0
  local records, ms = fetch(groups, 'j'), fetch(groups, 'm')
  for i = 1, #ids do
    local id, record = ids[i], records[i]
    local m = mutable(ms[i])
    local state = record and #record > 1 and state_of(id, ms[i])
    if (state == SCHEDULED or state == READY) and m.runs == 0 then
      local r = parse(record)
      take_out(id, r, state)
      event(m, EVENT.expired)
      finish(id, r, m, CANCELLED, REASON.expired)
      put('m', id, frozen(m))
      done = done + 1
    else
      later({'ZREM', EXP, id})
    end
  end
  conclude()
  return #ids, done
end
