#!lua
-- note: keeps progress and appends log lines, the oldest of which go when there are too many bytes; output is told and not kept. Fenced.
-- KEYS 1 meta · ARGV 1 id · 2 token · 3 progress or '' · 4 bytes at most · 5 units used so far or '' · 6 output or '' ·
-- then lines · Returns 1 · 0 lease lost.
-- @include base
-- @include meta
-- @include buckets
-- @include signals
local id, extra = ARGV[1], P .. 'x:' .. hex(ARGV[1])
guard({P .. 'lease', extra})
local lease = call('HGET', P .. 'lease', id)
if not lease or sub(lease, 1, 8) ~= ARGV[2] then
  call('HINCRBY', META, 'lost', 1)
  return 0
end
local logs = {call('HGET', extra, 'l') or ''}
for i = 7, #ARGV do logs[#logs + 1] = pack('>I4', #ARGV[i]) .. ARGV[i] end
if ARGV[3] ~= '' then later({'HSET', extra, 'p', ARGV[3]}) end
if #logs > 1 then
  local text, from, dropped = table.concat(logs), 1, 0
  while #text - from + 1 > tonumber(ARGV[4]) do from, dropped = from + 4 + unpick('>I4', text, from), dropped + 1 end
  later({'HSET', extra, 'l', sub(text, from)})
  if dropped > 0 then later({'HINCRBY', extra, 'd', dropped}) end
end
-- A lease that reserved something of a budget remembers them, as leaving.lua says.
if ARGV[5] ~= '' and band(byte(lease, 18), 8) > 0 then
  later({'HSET', P .. 'lease', id, sub(lease, 1, 42) .. pack('>d', tonumber(ARGV[5])) .. sub(lease, 51)})
end
if laws.feed > now and (ARGV[3] ~= '' or ARGV[6] ~= '' or #logs > 1) then
  tell(id, 'N', 0, pack('>I4', #ARGV[3]) .. ARGV[3] .. pack('>I4', #ARGV[6]) .. ARGV[6] .. table.concat(logs, '', 2))
else
  tell(id)
end
plan_signals()
commit()
return 1
