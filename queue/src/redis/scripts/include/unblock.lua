-- unblock: scopes that may have something free again let lanes come back, no more than may start and in virtual-time order; a
-- tenant comes back as a whole. A transaction of its own. Needs admit, unpark.
local function unblock(limit)
  guard({BLOCKED, P .. 'lvt'})
  local due = call('ZRANGEBYSCORE', BLOCKED, '-inf', now, 'LIMIT', 0, 64)
  if #due == 0 then return end
  local again, open, turn, returned_lanes, own = {'ZADD', BLOCKED, 'XX'}, {'ZREM', BLOCKED}, {}, {}, {}
  local seen_lane = {}
  for i = 1, #due do
    local name = due[i]
    local letter, field = sub(name, 1, 1), sub(name, 3)
    local s = A.get(letter, field)
    if letter == 't' then
      if s.free > 0 then
        open[#open + 1] = name
        turn[#turn + 1] = field
      else
        again[#again + 1] = s.opens == HUGE and '+inf' or s.opens
        again[#again + 1] = name
      end
    else
      local key = P .. 'p:' .. name
      guard({key})
      -- An outside quota is asked anew by the lanes that come back.
      local n = s.asks and limit or math.min(s.free, s.free == HUGE and 500 or limit)
      local some = n > 0 and call('ZRANGE', key, 0, n - 1) or {}
      if #some > 0 then later({'ZREMRANGEBYRANK', key, 0, #some - 1}) end
      for k = 1, #some do
        if not seen_lane[some[k]] then returned_lanes[#returned_lanes + 1] = some[k] end
        seen_lane[some[k]] = true
      end
      if call('ZCARD', key) == #some then
        open[#open + 1] = name
      elseif #some == 0 then
        again[#again + 1] = s.opens == HUGE and '+inf' or s.opens
        again[#again + 1] = name
      end
    end
  end
  if #turn > 0 then
    guard({RING, DEBT})
    local debts, back = call('ZMSCORE', DEBT, unpack(turn)), {'ZADD', RING, 'NX'}
    for i = 1, #turn do
      back[#back + 1] = string.format('%.6f', math.max(vt, tonumber(debts[i] or 0)))
      back[#back + 1] = turn[i]
    end
    later(back)
  end
  if #returned_lanes > 0 then
    guard({LANES, RING, DEBT, PARKED})
    local times = call('HMGET', P .. 'lvt', unpack(returned_lanes))
    for i = 1, #returned_lanes do own[returned_lanes[i]] = tonumber(times[i] or '') end
    later({'HDEL', P .. 'lvt', unpack(returned_lanes)})
    come_back(returned_lanes, own)
  end
  if #again > 3 then later(again) end
  if #open > 2 then later(open) end
  commit()
  A.scopes = {}
end
