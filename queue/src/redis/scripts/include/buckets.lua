-- buckets: job blobs live in hashes by the time in their id, 4.096 s each; the field is the id without its first four bytes
-- and its home. `group` sorts ids once, so that each bucket costs one command. Needs base.
local names = {}
local function bucket(id)
  local head = sub(id, 1, 5)
  local name = names[head]
  if not name then
    local a, b, c, d, e = byte(head, 1, 5)
    name = string.format('%02x%02x%02x%02x%x', a, b, c, d, floor(e / 16))
    names[head] = name
  end
  return name
end
local function group(ids)
  local groups, order = {}, {}
  local last, g
  for i = 1, #ids do
    local id = ids[i]
    local head = sub(id, 1, 5)
    if head ~= last then
      last = head
      local name = bucket(id)
      g = groups[name]
      if not g then
        g = {name = name, fields = {}, at = {}, n = 0}
        groups[name] = g
        order[#order + 1] = g
      end
    end
    local n = g.n + 1
    g.n, g.fields[n], g.at[n] = n, sub(id, 5), i
  end
  return order
end
-- What: j records, m what has become of them, o outputs.
local function fetch(order, what)
  local found, keys = {}, {}
  for i = 1, #order do keys[i] = P .. what .. ':' .. order[i].name end
  if #keys > 0 then guard(keys) end
  for i = 1, #order do
    local g = order[i]
    local values = call('HMGET', keys[i], unpack(g.fields))
    if #order == 1 then return values end
    local at = g.at
    for k = 1, g.n do found[at[k]] = values[k] end
  end
  return found
end
local put, plan_puts
do
local puts = {}
local put_for = {j = {}, m = {}, o = {}}
put = function(what, id, value)
  local heads, head = put_for[what], sub(id, 1, 5)
  local p = heads[head]
  if not p then
    local key = P .. what .. ':' .. bucket(id)
    p = puts[key]
    if not p then
      guard({key})
      call('HLEN', key)
      p = {'HSET', key}
      puts[key] = p
    end
    heads[head] = p
  end
  p[#p + 1] = sub(id, 5)
  p[#p + 1] = value
end
plan_puts = function()
  for _, p in pairs(puts) do later(p) end
  puts, put_for = {}, {j = {}, m = {}, o = {}}
end
end
local hex
do
local hexes = {}
hex = function(id)
  local h = hexes[id]
  if not h then
    h = id:gsub('.', function(c) return string.format('%02x', byte(c)) end)
    hexes[id] = h
  end
  return h
end
end
