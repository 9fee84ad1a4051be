#!lua flags=allow-oom
-- lend: an outside quota, in a slot of its own. What it lends to a queue may be used there for a short time and is charged until that
-- is over and a window more; a queue that tells what it did not use shortens that. Slots stay lent until they are returned: the
-- lender adds first and the borrower lowers first, so whatever is lost, never more is out than there is.
-- KEYS 1 the quota's meta · ARGV 1 what:
--   put: 2 revision expected or '', 3 numbers, 4 JSON · remove, resume: 2 · pause: 2, 3 until ms or '', 4 reason, 5 by ·
--   learn: 2, 3 left, 4 for how many ms · look  → -1 there is none · the revision, where it is not the expected one · else as `shown`
--   borrow: 2 queue, 3 points, 4 starts, 5 slots it wants to have, 6 points of the largest job, 7 how long it may use them in ms
--     → sequence · slots it may use (-1: no such rule) · points and starts lent (-1: no such rule) · when to ask again, in ms (0: any
--     time) · other queues that hold slots
--   settle: 2 sequence, 3 points and 4 starts that were not used → 1
--   return: 2 queue, 3 sequence, 4 slots it has now → sequence and slots as they are now
--   hold: 2 queue, 3 its leases → 1
--   could: 2 queue, 3 points, 4 slots → 1 or 0 · until ms or 0 · gate or nil
-- Returns as told above.
-- @include base
local WIN, MARGIN, ASK_MS = P .. 'win', 2, 300
guard({WIN})
local what = ARGV[1]
local meta = call('HMGET', META, 'rev', 'quota', 'nums', 'gate', 'learned', 'tat', 'taken', 'lift', 'seq')
local rev, exists, taken, seq = tonumber(meta[1] or 0), meta[2] and true or false, tonumber(meta[7] or 0), tonumber(meta[9] or 0)
local tat = tonumber(meta[6] or 0)
local interval, burst, points, period, max = 0, 0, 0, 0, 0
if meta[3] then interval, burst, points, period, max = unpick('>ddddd', meta[3]) end
local set = {'HSET', META}
local function put(field, value)
  set[#set + 1] = field
  set[#set + 1] = value
end
local gate = meta[4]
if gate then
  local _, ends = unpick('>BI8', gate)
  if ends > 0 and ends <= now then gate = false end
end
local left, left_until
if meta[5] then
  left, left_until = unpick('>dd', meta[5])
  if left_until <= now then left, left_until = nil, nil end
end
-- What the window has let go.
local function slide()
  local old = call('ZRANGEBYSCORE', WIN, '-inf', now, 'LIMIT', 0, 500)
  if #old == 0 then return end
  local fields = {}
  for i = 1, #old do fields[i] = 'g:' .. old[i] end
  local charges = call('HMGET', META, unpack(fields))
  for i = 1, #old do taken = taken - tonumber(charges[i] or 0) end
  taken = math.max(0, taken)
  later({'ZREM', WIN, unpack(old)})
  later({'HDEL', META, unpack(fields)})
  put('taken', string.format('%.0f', taken))
end
-- Queues that were told something: sequence, slots, when.
local function borrowers()
  local all, list = call('HGETALL', META), {}
  for i = 1, #all, 2 do
    if sub(all[i], 1, 2) == 'q:' then
      local b = {name = sub(all[i], 3)}
      b.seq, b.slots, b.at = unpick('>ddd', all[i + 1])
      list[#list + 1] = b
    end
  end
  return list
end
local function shown()
  local running, queues = 0, {}
  for _, b in ipairs(borrowers()) do
    running = running + b.slots
    queues[#queues + 1] = b.name
    queues[#queues + 1] = (b.slots > 0 or b.at > now) and 1 or 0
  end
  local now_rev = call('HMGET', META, 'rev', 'quota', 'gate', 'learned', 'taken')
  return {now_rev[1] or '0', now_rev[2] or '{}', now_rev[3] or false, now_rev[4] or '', now_rev[5] or '0', string.format('%.0f', running), string.format('%.0f', now), unpack(queues)}
end
local function window_opens()
  local head = call('ZRANGE', WIN, 0, 0, 'WITHSCORES')
  return head[2] and math.max(1, tonumber(head[2]) - now) or 1
end
-- Starts by the rate: how many now, and in how many ms the first if none.
local function starts_now(at)
  local ahead = math.max(0, at - us)
  local n = math.max(0, math.min(burst, floor((burst * interval - ahead) / interval + 1e-6)))
  return n, math.max(1, math.ceil((ahead - (burst - 1) * interval) / 1000))
end

if what == 'settle' then
  local of, more_points, more_starts = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
  slide()
  local charge = tonumber(call('HGET', META, 'g:' .. of) or '')
  if charge then
    local used = math.max(0, charge - more_points)
    taken = math.max(0, taken - (charge - used))
    put('taken', string.format('%.0f', taken))
    if used > 0 then
      put('g:' .. of, string.format('%.0f', used))
      later({'ZADD', WIN, 'XX', string.format('%.0f', now + period + MARGIN), of})
    else
      later({'HDEL', META, 'g:' .. of})
      later({'ZREM', WIN, of})
    end
  end
  -- The last one who got starts was charged as if it had waited as long as it may.
  if interval > 0 and tonumber(of) == seq and meta[8] then
    local lift, at = unpick('>dd', meta[8])
    put('tat', string.format('%.0f', math.max(0, tat - math.max(0, lift - (us - at)) - more_starts * interval)))
    later({'HDEL', META, 'lift'})
  end
  if left then put('learned', pack('>dd', left + (points > 0 and more_points or more_starts), left_until)) end
  if #set > 2 then later(set) end
  commit()
  return 1
elseif what == 'borrow' then
  local queue, want_points, want_starts, want_slots = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local largest, valid = tonumber(ARGV[6]), tonumber(ARGV[7])
  -- By the clock, so that one that was removed and put again goes on above what its borrowers know.
  seq = math.max(seq + 1, us)
  put('seq', string.format('%.0f', seq))
  local stored, own, held, holders, again = call('HGET', META, 'q:' .. queue), 0, 0, {}, 0
  if stored then
    local _, slots = unpick('>ddd', stored)
    own = slots
  end
  local may_slots, got_points, got_starts = -1, -1, -1
  if exists and max > 0 then
    for _, b in ipairs(borrowers()) do
      if b.name ~= queue then
        held = held + b.slots
        if b.slots > 0 then holders[#holders + 1] = b.name end
      end
    end
    if not gate then own = math.max(own, math.min(want_slots, max - held)) end
    may_slots = math.max(0, math.min(own, max - held))
    if may_slots < want_slots then again = ASK_MS else holders = {} end
  else
    own = 0
  end
  if gate then
    local _, ends = unpick('>BI8', gate)
    got_points, got_starts = points > 0 and 0 or -1, 0
    again, holders = ends > 0 and ends - now or 1000, {}
  elseif exists then
    local bound_by_left = left
    if points > 0 then
      slide()
      local room = math.max(0, points - taken)
      if largest > points and taken == 0 then room = largest end
      if left then room = math.min(room, left) end
      got_points = math.min(want_points, room)
      if got_points < want_points then again = math.max(again, left and left <= got_points and left_until - now or window_opens()) end
      if got_points > 0 then
        taken = taken + got_points
        put('taken', string.format('%.0f', taken))
        put('g:' .. string.format('%.0f', seq), string.format('%.0f', got_points))
        later({'ZADD', WIN, string.format('%.0f', now + valid + period + MARGIN), string.format('%.0f', seq)})
        if left then left = left - got_points end
      end
    end
    if interval > 0 or left and points == 0 then
      got_starts = want_starts
      if points == 0 and left then
        if left < got_starts then
          got_starts = math.max(0, left)
          again = math.max(again, left_until - now)
        end
      end
      if interval > 0 then
        local n, at = starts_now(tat)
        if n < got_starts then
          got_starts = n
          again = math.max(again, n == 0 and at or math.max(1, math.ceil(interval / 1000)))
        end
        if got_starts > 0 then
          -- As if they were used as late as they may be.
          local base = math.max(tat, us)
          local late = math.max(tat, us + valid * 1000)
          put('tat', string.format('%.0f', late + got_starts * interval))
          put('lift', pack('>dd', late - base, us))
        end
      end
      if points == 0 and left then left = left - got_starts end
    end
    if bound_by_left then put('learned', pack('>dd', math.max(0, left), left_until)) end
  end
  put('q:' .. queue, pack('>ddd', seq, own, now + valid))
  later(set)
  if not exists then later({'PEXPIRE', META, 3600000}) end
  commit()
  return {string.format('%.0f', seq), string.format('%.0f', may_slots), string.format('%.0f', got_points), string.format('%.0f', got_starts),
    string.format('%.0f', again), unpack(holders)}
elseif what == 'return' then
  local stored, now_seq, own = call('HGET', META, 'q:' .. ARGV[2]), 0, 0
  if stored then now_seq, own = unpick('>ddd', stored) end
  if now_seq == tonumber(ARGV[3]) and tonumber(ARGV[4]) < own then
    own, seq = tonumber(ARGV[4]), math.max(seq + 1, us)
    now_seq = seq
    call('HSET', META, 'seq', string.format('%.0f', seq), 'q:' .. ARGV[2], pack('>ddd', seq, own, 0))
  end
  return {string.format('%.0f', now_seq), string.format('%.0f', own)}
elseif what == 'hold' then
  -- Leases from before the rule count as lent.
  local stored, now_seq, own, at = call('HGET', META, 'q:' .. ARGV[2]), 0, 0, 0
  if stored then now_seq, own, at = unpick('>ddd', stored) end
  if exists and max > 0 and own < tonumber(ARGV[3]) then call('HSET', META, 'q:' .. ARGV[2], pack('>ddd', now_seq, tonumber(ARGV[3]), at)) end
  return 1
elseif what == 'could' then
  if not exists then return {1, 0, false} end
  if gate then
    local _, ends = unpick('>BI8', gate)
    return {0, string.format('%.0f', ends), gate}
  end
  local cost, until_ms, no = tonumber(ARGV[3]), 0, false
  if left and left < (points > 0 and cost or 1) then no, until_ms = true, left_until end
  if max > 0 then
    local held, own = 0, 0
    for _, b in ipairs(borrowers()) do
      if b.name == ARGV[2] then own = b.slots else held = held + b.slots end
    end
    if math.min(math.max(own, max - held), max - held) < tonumber(ARGV[4]) then no = true end
  end
  if interval > 0 then
    local n, at = starts_now(tat)
    if n == 0 then no, until_ms = true, math.max(until_ms, now + at) end
  end
  if points > 0 then
    slide()
    if taken > 0 and taken + cost > points then no, until_ms = true, math.max(until_ms, now + window_opens()) end
  end
  return {no and 0 or 1, string.format('%.0f', until_ms), false}
end

-- Changes by people.
if what ~= 'put' and not exists then return -1 end
if what ~= 'look' and ARGV[2] ~= '' and tonumber(ARGV[2]) ~= rev then return {string.format('%.0f', rev)} end
slide()
if what == 'put' then
  put('rev', string.format('%.0f', rev + 1))
  put('nums', ARGV[3])
  put('quota', ARGV[4])
  if not exists then later({'PERSIST', META}) end
elseif what == 'pause' then
  put('gate', pack('>BI8H', 1, tonumber(ARGV[3]) or 0, #ARGV[4]) .. ARGV[4] .. ARGV[5])
elseif what == 'resume' then
  later({'HDEL', META, 'gate'})
elseif what == 'learn' then
  put('learned', pack('>dd', tonumber(ARGV[3]), now + tonumber(ARGV[4])))
elseif what == 'remove' then
  local last = shown()
  -- Who has slots of it gives them back to nobody.
  call('DEL', META, WIN)
  return last
end
if #set > 2 then later(set) end
commit()
return shown()
