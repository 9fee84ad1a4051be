-- follows: whether a job waits for the end of `target`. Needs wait, record, buckets.
local function follows(id, record, m, target)
  if not m or byte(m) ~= WAITING or not record or #record == 1 then return false end
  local key = P .. 'x:' .. hex(id)
  guard({key})
  local spec = call('HGET', key, 'w') or parse(record).wait
  return spec and byte(spec) == CONDITION.job and sub(spec, 12, 25) == target
end
