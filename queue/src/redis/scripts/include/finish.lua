-- finish: a job ends. Its unique key is freed, its parent is told through the outbox, a dead one joins its group.
-- Needs base, buckets, record, mutable, counts, signals.
local ENDED, UNIQ, GROUPS, OUTBOX, KEPT, EXP = P .. 'ended', P .. 'uniq', P .. 'groups', P .. 'outbox', P .. 'kept', P .. 'exp'
-- Endings by index, the index of indexes, groups as planned so far, and whether the outbox got an entry.
local endings, index, sample = {}, {'ZADD', ENDED, 'NX'}, {}
local told = false
-- Jobs that ended and that others wait for; followers.lua goes on with them.
local left_behind = {}
-- The index of ended jobs by tenant and state, and the index of those indexes by their oldest entry.
local function ended_in(state, tenant)
  local name = state .. ':' .. tenant
  local e = endings[name]
  if not e then
    local key = P .. 'e:' .. name
    guard({ENDED, key})
    call('ZCARD', key)
    e = {'ZADD', key}
    endings[name] = e
    index[#index + 1] = now_text
    index[#index + 1] = name
  end
  return e
end
local function ended(state, tenant, id, run)
  local e = ended_in(state, tenant)
  e[#e + 1] = now_text
  e[#e + 1] = id
  count(tenant, state, 1)
  tell(id, state, run)
end
local function plan_endings()
  if #index == 3 then return end
  call('ZCARD', ENDED)
  for _, e in pairs(endings) do later(e) end
  later(index)
  endings, index = {}, {'ZADD', ENDED, 'NX'}
end
local regroup, finish
do
local function group_of(r, err) return r.tenant .. '/' .. r.kind .. '/' .. fingerprint(err) end
local HOURS_MAX = 48
-- Letters by the hour in which they died: the hour 4, how many 4, the oldest first.
local function with_hour(hours, at)
  local hour, list, found = floor(at / 3600000), {}, false
  for k = 1, #hours, 8 do
    local h, n = unpick('>I4I4', hours, k)
    if h == hour then
      n, found = n + 1, true
    elseif h > hour and not found then
      list[#list + 1] = pack('>I4I4', hour, 1)
      found = true
    end
    list[#list + 1] = pack('>I4I4', h, n)
  end
  if not found then list[#list + 1] = pack('>I4I4', hour, 1) end
  return table.concat(list, '', math.max(1, #list - HOURS_MAX + 1))
end
-- A letter comes to its group (`by` 1, with the time at which it died) or leaves it (-1), if it has an error. `dies`: its hour counts.
-- A group: how many 4, first and last 8 each, how many hours 1 and those, unless there are none, and an error.
regroup = function(r, err, by, at, dies)
  if not err then return end
  local field = group_of(r, err)
  local g = sample[field]
  if g == nil then g = call('HGET', GROUPS, field) end
  if not g and by < 0 then return end
  local n, first, last, hours, text = 0, at, at, '', err
  if g then
    n, first, last = unpick('>I4I8I8', g)
    local size = byte(g, 21) > 0 and 1 + 8 * byte(g, 21) or 0
    hours, text = sub(g, 22, 20 + size), sub(g, 21 + size)
  end
  if n + by <= 0 then
    later({'HDEL', GROUPS, field})
    sample[field] = false
    return
  end
  if dies then hours = with_hour(hours, at) end
  if by > 0 then first, last = math.min(first, at), math.max(last, at) end
  g = pack('>I4I8I8', n + by, first, last) .. (hours == '' and '' or char(#hours / 8) .. hours) .. text
  sample[field] = g
  later({'HSET', GROUPS, field, g})
end
local function free_unique(id, r)
  local holder = call('HGET', UNIQ, r.unique)
  if holder and sub(holder, 1, 14) == id and byte(holder, 15) ~= THROTTLE then later({'HDEL', UNIQ, r.unique}) end
end
-- Open children of a cancelled job are cancelled too, wherever they live.
local function tell_children(id, m)
  if m.runs == 0 and m.state ~= WAITING then return end
  local key = P .. 'c:' .. hex(id)
  guard({key})
  local open = {}
  for _, child in ipairs(call('HVALS', key)) do
    if byte(child, 17) == 0 then open[#open + 1] = sub(child, 1, 16) end
  end
  if #open > 0 then
    later({'HSET', OUTBOX, id .. 'c', char(2) .. table.concat(open)})
    told = true
  end
end
-- `kind`: o the output, e the error, nothing.
local function tell_parent(id, r, state, kind, payload)
  later({'HSET', OUTBOX, id, char(1) .. r.parent .. char(state) .. pack('>H', #r.parent_key) .. r.parent_key .. kind .. payload})
  told = true
end
-- `m` is written by the caller after its events.
finish = function(id, r, m, state, reason, err, output)
  guard({UNIQ, GROUPS, OUTBOX, KEPT, EXP})
  if state == CANCELLED then tell_children(id, m) end
  m.state, m.reason, m.ended = state, reason, now
  if band(m.flags, FOLLOWED) > 0 then
    -- They are woken by a transaction of their own at the script's end; no slot that moves may come between.
    guard({P .. 'still'})
    m.flags = m.flags - FOLLOWED
    left_behind[#left_behind + 1] = id
  end
  ended(state, r.tenant, id, m.runs)
  if r.unique then free_unique(id, r) end
  if r.expires then later({'ZREM', EXP, id}) end
  if r.keep and state ~= DEAD then later({'ZADD', KEPT, now + r.keep, id}) end
  if state == DEAD then regroup(r, err, 1, now, true) end
  if output then put('o', id, output) end
  if r.parent then
    if output then
      tell_parent(id, r, state, 'o', output)
    elseif err and state ~= COMPLETED then
      tell_parent(id, r, state, 'e', err)
    else
      tell_parent(id, r, state, '', '')
    end
  end
end
end
