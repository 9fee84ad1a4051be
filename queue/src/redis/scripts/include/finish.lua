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
local function ended(state, tenant, id)
  local e = ended_in(state, tenant)
  e[#e + 1] = now_text
  e[#e + 1] = id
  count(tenant, state, 1)
  tell(id)
end
local function plan_endings()
  if #index == 3 then return end
  call('ZCARD', ENDED)
  for _, e in pairs(endings) do later(e) end
  later(index)
  endings, index = {}, {'ZADD', ENDED, 'NX'}
end
local leave_group, finish
do
local function group_of(r, err) return r.tenant .. '/' .. r.kind .. '/' .. fingerprint(err) end
local function join_group(r, err)
  local field = group_of(r, err)
  local g = sample[field] or call('HGET', GROUPS, field)
  local n, first, text = 0, now, err
  if g then
    n, first = unpick('>I4I8', g)
    text = sub(g, 21)
  end
  g = pack('>I4I8I8', n + 1, first, now) .. text
  sample[field] = g
  later({'HSET', GROUPS, field, g})
end
leave_group = function(r, err)
  local field = group_of(r, err)
  local g = sample[field] or call('HGET', GROUPS, field)
  if not g then return end
  local n = unpick('>I4', g)
  if n <= 1 then
    later({'HDEL', GROUPS, field})
    sample[field] = nil
  else
    sample[field] = pack('>I4', n - 1) .. sub(g, 5)
    later({'HSET', GROUPS, field, sample[field]})
  end
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
  ended(state, r.tenant, id)
  if r.unique then free_unique(id, r) end
  if r.expires then later({'ZREM', EXP, id}) end
  if r.keep and state ~= DEAD then later({'ZADD', KEPT, now + r.keep, id}) end
  if state == DEAD then join_group(r, err) end
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
