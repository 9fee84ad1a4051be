-- counts: jobs per state, of the queue (field `state`) and of each tenant (`state/tenant`). Derived: a tick recounts them.
-- Needs base.
local COUNTS = P .. 'counts'
local deltas = {}
local function count(tenant, state, by)
  local of = deltas[state]
  if not of then
    of = {}
    deltas[state] = of
  end
  of[tenant] = (of[tenant] or 0) + by
end
local function plan_counts()
  call('HLEN', COUNTS)
  for state, tenants in pairs(deltas) do
    local sum = 0
    for tenant, by in pairs(tenants) do
      if by ~= 0 then later({'HINCRBY', COUNTS, state .. '/' .. tenant, by}) end
      sum = sum + by
    end
    if sum ~= 0 then later({'HINCRBY', COUNTS, state, sum}) end
  end
  deltas = {}
end
