-- follow: a new job waits for the end of another. Who follows stands in the other job's extras (`f`, 14 bytes each) and a flag of its
-- changing part says so; a running one is marked as having such a part, so that its end looks there. Needs state, mutable, wait.
-- @include follows
local OVER, JOINED, CROWDED = 1, 2, 3
local follow, plan_follows
do
local FOLLOWERS_MAX, HAS_CHANGING = 100, 4
local followed = {}
-- Those that were cancelled or ran out of time in between follow no more.
local function prune(f, target)
  local ids, kept = {}, {}
  for at = 1, #f.list, 14 do ids[#ids + 1] = sub(f.list, at, at + 13) end
  local order = group(ids)
  local records, ms = fetch(order, 'j'), fetch(order, 'm')
  for i = 1, #ids do
    if f.fresh[ids[i]] or follows(ids[i], records[i], ms[i], target) then kept[#kept + 1] = ids[i] end
  end
  f.list = table.concat(kept)
end
-- `always`: a held tick may be one more.
follow = function(id, target, always)
  local f = followed[target]
  if not f then
    local one = group({target})
    local record, raw = fetch(one, 'j')[1], fetch(one, 'm')[1]
    if not record or #record == 1 or state_of(target, raw) >= COMPLETED then return OVER end
    local key = P .. 'x:' .. hex(target)
    guard({key})
    f = {key = key, m = mutable(raw), list = call('HGET', key, 'f') or '', lease = call('HGET', P .. 'lease', target), fresh = {}}
    followed[target] = f
  end
  if #f.list >= 14 * FOLLOWERS_MAX then prune(f, target) end
  if #f.list >= 14 * FOLLOWERS_MAX and not always then return CROWDED end
  f.list, f.joined, f.fresh[id] = f.list .. id, true, true
  return JOINED
end
plan_follows = function()
  for target, f in pairs(followed) do
    if f.joined then
      later({'HSET', f.key, 'f', f.list})
      if band(f.m.flags, FOLLOWED) == 0 then
        f.m.flags = f.m.flags + FOLLOWED
        put('m', target, frozen(f.m))
      end
      local flags = f.lease and byte(f.lease, 18)
      if flags and band(flags, HAS_CHANGING) == 0 then
        later({'HSET', P .. 'lease', target, sub(f.lease, 1, 17) .. char(flags + HAS_CHANGING) .. sub(f.lease, 19)})
      end
    end
  end
  followed = {}
end
end
