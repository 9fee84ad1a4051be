-- signals: `w` wakes whoever found the queue empty, `j` and ids tells whoever watches jobs, `c` and ids asks the workers
-- that run these jobs to look. Sent only if somebody listens. Goes before plan_meta. Needs meta.
local woken, changed = false, {}
local function wake() woken = true end
local function tell(id)
  if watch > now then changed[#changed + 1] = id end
end
local function plan_signals()
  if woken and idle > now then
    change('idle', 0)
    sends[#sends + 1] = 'w'
    idle = 0
  end
  if #changed > 0 then sends[#sends + 1] = 'j' .. table.concat(changed) end
  woken, changed = false, {}
end
