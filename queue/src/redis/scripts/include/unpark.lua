-- unpark: lanes of a kind that nobody carried come back, some hundred at a time. A transaction of its own. Needs lanes.
local function come_back(some, own)
  local fresh, classes = {}, {}
  for i = 1, #some do
    local class = class_of(some[i])
    if class then
      fresh[#fresh + 1] = some[i]
      classes[some[i]] = class
    end
  end
  register(fresh, classes, own)
end
local function unpark(kind)
  if parked == 0 or call('HEXISTS', PARKED, kind) == 0 then return end
  local key = P .. 'parked:kind:' .. kind
  guard({key, LANES, RING, DEBT})
  local some = call('ZRANGE', key, 0, 499)
  if #some > 0 then later({'ZREMRANGEBYRANK', key, 0, #some - 1}) end
  local all = call('ZCARD', key) == #some
  if all then
    later({'HDEL', PARKED, kind})
    later({'HINCRBY', META, 'parked', -1})
  end
  local others = parked
  parked = 0
  come_back(some)
  parked = all and others - 1 or others
  commit()
end
