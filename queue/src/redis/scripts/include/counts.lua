-- counts: jobs per state (field `state`); of each tenant (`state/tenant`) only where no index of its own tells it: Scheduled,
-- Retrying and Waiting. Derived: a tick recounts them. Needs base.
local COUNTS = P .. 'counts'
local totals, deltas = {}, {}
local function count(tenant, state, by)
  totals[state] = (totals[state] or 0) + by
  if state == SCHEDULED or state == RETRYING or state == WAITING then
    local name = state .. '/' .. tenant
    deltas[name] = (deltas[name] or 0) + by
  end
end
local function plan_counts()
  call('HLEN', COUNTS)
  for state, by in pairs(totals) do
    -- Running jobs are counted by their leases.
    if by ~= 0 and state ~= RUNNING then later({'HINCRBY', COUNTS, state, by}) end
  end
  for name, by in pairs(deltas) do
    if by ~= 0 then later({'HINCRBY', COUNTS, name, by}) end
  end
  totals, deltas = {}, {}
end
