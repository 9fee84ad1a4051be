-- followers: jobs that wait for the end of jobs that this script has ended become Ready. The last transaction; the slot does not move,
-- finish has looked. Nothing of it is made where nobody waits. Needs takeout.
if #left_behind > 0 then
local function wake_all()
-- @include wait
-- @include follows
-- @include wakejob
for i = 1, #left_behind do
  local key, ids = P .. 'x:' .. hex(left_behind[i]), {}
  local list = call('HGET', key, 'f') or ''
  for at = 1, #list, 14 do ids[#ids + 1] = sub(list, at, at + 13) end
  if #ids > 0 then
    later({'HDEL', key, 'f'})
    local order = group(ids)
    local records, ms = fetch(order, 'j'), fetch(order, 'm')
    for k = 1, #ids do
      if follows(ids[k], records[k], ms[k], left_behind[i]) then
        local r = parse(records[k])
        take_out(ids[k], r, WAITING)
        wake_job(ids[k], r, mutable(ms[k]), CONDITION.met)
      end
    end
  end
end
conclude()
end
wake_all()
end
