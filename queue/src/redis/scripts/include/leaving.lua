-- leaving: every exit from Running clears the lease, frees its counts and remembers the token. Needs base, counts, mutable.
-- A lease: token 8, started 8, the record's flags 1, its own flags 1, call 8, worker's length 1, worker, lane.
local RUN, LEASE, HELD, SUSRUN = P .. 'run', P .. 'lease', P .. 'held', P .. 'susrun'
local CANCEL_ASKED, SUSPECT, KNOWN = 1, 2, 4
local left, freed, held_less, unsuspected = {'ZREM', RUN}, {'HDEL', LEASE}, {}, nil
local function worker_of(lease) return sub(lease, 28, 27 + byte(lease, 27)) end
local function lane_of(lease) return sub(lease, 28 + byte(lease, 27)) end
local function leave(id, lease, worker)
  left[#left + 1] = id
  freed[#freed + 1] = id
  held_less[worker] = (held_less[worker] or 0) + 1
  if band(byte(lease, 18), SUSPECT) > 0 then
    unsuspected = unsuspected or {'HDEL', SUSRUN}
    unsuspected[#unsuspected + 1] = worker
  end
end
local function plan_leaving()
  if #left == 2 then return end
  call('ZCARD', RUN)
  call('HLEN', HELD)
  later(left)
  later(freed)
  if unsuspected then later(unsuspected) end
  for worker, n in pairs(held_less) do later({'HINCRBY', HELD, worker, -n}) end
  left, freed, held_less, unsuspected = {'ZREM', RUN}, {'HDEL', LEASE}, {}, nil
end
-- What the mutable part keeps of the attempt; `outcome` 0: nobody may claim this token again.
local function returned(m, lease, outcome)
  m.runs = m.runs + 1
  m.token, m.started = sub(lease, 1, 8), sub(lease, 9, 16)
  m.outcome, m.woken = outcome, 0
end
