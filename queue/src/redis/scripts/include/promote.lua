-- promote: jobs that are due enter their lanes. A transaction of its own. Needs lanes, buckets, signals.
local DUE = P .. 'due'
local function promote(limit)
  local ids = call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, limit)
  if #ids == 0 then return 0 end
  local groups = group(ids)
  local records, ms = fetch(groups, 'j'), fetch(groups, 'm')
  local gone = {'ZREM', DUE}
  for i = 1, #ids do
    gone[#gone + 1] = ids[i]
    if records[i] then
      local r = parse(records[i])
      count(r.tenant, ms[i] and byte(ms[i]) == RETRYING and RETRYING or SCHEDULED, -1)
      ready(ids[i], r, ms[i])
      if watch > now then tell(ids[i], READY, ms[i] and unpick('>I4', ms[i], 11)) end
    end
  end
  later(gone)
  place()
  plan_counts()
  wake()
  plan_signals()
  plan_meta()
  commit()
  return #ids
end
