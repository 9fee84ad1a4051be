-- clock: a gap above half a lease since the server was last seen is a jump of its clock or an outage, in which no lease
-- could be extended: reaping is held for one lease. Needs meta.
local function look(lease_ms)
  if seen > 0 and now - seen > lease_ms / 2 then
    hold = now + lease_ms
    change('hold', hold)
  end
  if now > seen then change('seen', now) end
end
