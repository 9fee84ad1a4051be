-- followers: jobs that wait for the end of jobs that have just ended become Ready. A transaction of its own, right behind the one that
-- ended them; the slot does not move, finish has looked. Needs takeout, wakejob.
FOLLOW.wake = function()
  local ended = FOLLOW.ended
  FOLLOW.ended = {}
  for i = 1, #ended do
    local key, ids = P .. 'x:' .. hex(ended[i]), {}
    local list = call('HGET', key, 'f') or ''
    for at = 1, #list, 14 do ids[#ids + 1] = sub(list, at, at + 13) end
    if #ids > 0 then
      later({'HDEL', key, 'f'})
      local order = group(ids)
      local records, ms = fetch(order, 'j'), fetch(order, 'm')
      for k = 1, #ids do
        if CONDITION.follows(ids[k], records[k], ms[k], ended[i]) then
          local r = parse(records[k])
          take_out(ids[k], r, WAITING)
          wake_job(ids[k], r, mutable(ms[k]), CONDITION.met)
        end
      end
    end
  end
  conclude()
end
