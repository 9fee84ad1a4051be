-- takeout: a job that is not running leaves the place where it stands; `conclude` writes what the transaction planned.
-- Needs finish, lanes, signals.
local function take_out(id, r, state)
  count(r.tenant, state, -1)
  if state == SCHEDULED or state == RETRYING then
    later({'ZREM', P .. 'due', id})
  elseif state == WAITING then
    later({'ZREM', P .. 'waiting', id})
  else
    local key = P .. 'l:' .. r.lane
    guard({key, SUSPECTS})
    if call('ZSCORE', key, id) then later({'ZREM', key, id}) else later({'ZREM', SUSPECTS, id}) end
  end
end
local function conclude()
  place()
  plan_puts()
  plan_endings()
  plan_counts()
  plan_signals()
  plan_meta()
  commit()
end
