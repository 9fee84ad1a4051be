-- state: where a job stands, from what is stored. Needs base.
local function state_of(id, m)
  if call('HEXISTS', P .. 'lease', id) == 1 then return RUNNING end
  local s = m and byte(m) or READY
  if s >= WAITING then return s end
  if call('ZSCORE', P .. 'due', id) then return s == RETRYING and RETRYING or SCHEDULED end
  return READY
end
