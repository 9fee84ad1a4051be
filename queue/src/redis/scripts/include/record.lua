-- record: reads the binary head of a record (record.rs writes it). Needs base.
local NOREPEAT, UNIQUE, PARENT, EXPIRES, WAIT, KEEP, LIMITS, RUN_AT = 1, 2, 4, 8, 16, 32, 64, 128
local UNTIL_STARTED, REPLACE, THROTTLE = 2, 3, 4
-- The sequence counts in 256ths of a millisecond since EPOCH, so it tells the time of the enqueue as well.
local EPOCH, STEP, CLASS = 1577836800000, 256, 2 ^ 49
-- The high half of the priority's byte says what stands elsewhere: the cost before the tenant, resources before the key.
local COSTS, USES = 16, 32
local function cost_of(s) return band(byte(s, 13), COSTS) > 0 and unpick('>I4', s, 21) or 1 end
local function created(s) return floor(unpick('>I7', s) / STEP) + EPOCH end
local function parse(s)
  local r = {raw = s}
  local tl, kl, yl
  r.seq, r.revision, r.flags, r.priority, r.crashes_max, tl, kl, yl, r.attempts_max = unpick('>I7I3xBBBBBHH', s)
  local at, uses = 21, band(r.priority, USES) > 0
  r.cost = 1
  if band(r.priority, COSTS) > 0 then r.cost, at = unpick('>I4', s, 21) end
  r.priority = r.priority % 16
  r.tenant = sub(s, at, at + tl - 1)
  r.kind = sub(s, at + tl, at + tl + kl - 1)
  at = at + tl + kl
  r.lane = r.tenant .. '/' .. r.kind .. (uses and '/' or '//') .. sub(s, at, at + yl - 1)
  at = at + yl
  r.score = (9 - r.priority) * CLASS + r.seq
  local f = r.flags
  if band(f, RUN_AT) > 0 then r.run_at, at = unpick('>I8', s, at) end
  if band(f, EXPIRES) > 0 then r.expires, at = unpick('>I8', s, at) end
  if band(f, LIMITS) > 0 then r.runs_max, r.age_max, at = unpick('>I4I8', s, at) end
  if band(f, KEEP) > 0 then r.keep, at = unpick('>I8', s, at) end
  if band(f, UNIQUE) > 0 then
    local n
    r.unique_mode, r.unique_ms, n, at = unpick('>BI8H', s, at)
    r.unique = r.tenant .. '/' .. r.kind .. '/' .. sub(s, at, at + n - 1)
    at = at + n
  end
  if band(f, PARENT) > 0 then
    local n
    r.parent = sub(s, at, at + 15)
    n, at = unpick('>H', s, at + 16)
    r.parent_key = sub(s, at, at + n - 1)
    at = at + n
  end
  if band(f, WAIT) > 0 then
    local n
    n, at = unpick('>H', s, at)
    r.wait = sub(s, at, at + n - 1)
    at = at + n
  end
  local rest, from = unpick('>H', s, at)
  r.args_at = from + rest
  return r
end
-- The record with another due time, or with none.
local function dated(s, at)
  local flags = byte(s, 12)
  local tl, kl, yl = unpick('>BBH', s, 15)
  local place = (band(byte(s, 13), COSTS) > 0 and 25 or 21) + tl + kl + yl
  local tail = sub(s, band(flags, RUN_AT) > 0 and place + 8 or place)
  local head = sub(s, 1, 11) .. char(at and bit.bor(flags, RUN_AT) or band(flags, 127)) .. sub(s, 13, place - 1)
  return head .. (at and pack('>I8', at) or '') .. tail
end
