-- find: a job as a caller may see it: its record parsed, its mutable part, its state; nothing for another tenant's.
-- Needs record, buckets, state.
local function find(id, tenant)
  local one = group({id})
  local record, m = fetch(one, 'j')[1], fetch(one, 'm')[1]
  if not record or #record == 1 then return nil end
  local r = parse(record)
  if tenant ~= '' and r.tenant ~= tenant then return nil end
  guard({P .. 'lease', P .. 'due'})
  return r, m, state_of(id, m)
end
