-- cancelling: a job is cancelled at once, or its attempt is asked to stop. Needs find, takeout.
-- The new state (3: asked to stop) · 100 + state: it had ended.
local function cancel_job(id, r, raw, state)
  if state > WAITING then return 100 + state end
  if state == RUNNING then
    local lease = call('HGET', LEASE, id)
    local flags = byte(lease, 18)
    if band(flags, CANCEL_ASKED) == 0 then
      tell(id, 'K')
      later({'HSET', LEASE, id, sub(lease, 1, 17) .. char(flags + CANCEL_ASKED) .. sub(lease, 19)})
    end
    sends[#sends + 1] = 'c' .. id
    return RUNNING
  end
  local m = mutable(raw)
  take_out(id, r, state)
  event(m, EVENT.cancelled)
  finish(id, r, m, CANCELLED, REASON.cancelled)
  put('m', id, frozen(m))
  return CANCELLED
end
