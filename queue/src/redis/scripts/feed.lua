#!lua flags=allow-oom
-- feed: what happened to a queue's jobs since somebody listens, in a stream whose lines the scripts write (signals.lua). Whoever asks keeps
-- it going. A line without entries stands where it began.
-- KEYS 1 meta · ARGV 1 going on for so many ms · 2 the stream kept for so many · 3 entries at most · 4 '' (from now on), or the line's id
-- behind which to start · 5 and how many of its entries are known
-- Returns 1 if something may be missing · when the oldest line was made · the last line's id · then ids and lines.
-- @include base
-- @include meta
local FEED, BYTES_MAX = P .. 'feed', 1048576
guard({FEED})
local there = call('EXISTS', FEED) == 1
if not there or laws.feed <= now then
  -- Nobody listened for a while; what was told before has a gap behind it.
  if there then call('XTRIM', FEED, 'MAXLEN', 0) end
  call('XADD', FEED, '*', 'e', pack('>I8H', now, 0))
end
call('HSET', META, 'feed', now + ARGV[1])
call('PEXPIRE', FEED, ARGV[2])
local function before(a, b)
  local ms_a, n_a = string.match(a, '(%d+)-(%d+)')
  local ms_b, n_b = string.match(b, '(%d+)-(%d+)')
  if ms_a ~= ms_b then return tonumber(ms_a) < tonumber(ms_b) end
  return tonumber(n_a) < tonumber(n_b)
end
local first, last = call('XRANGE', FEED, '-', '+', 'COUNT', 1)[1], call('XREVRANGE', FEED, '+', '-', 'COUNT', 1)[1]
local limit, place = tonumber(ARGV[3]), ARGV[4]
local missed = place ~= '' and (before(place, first[1]) or before(last[1], place))
local reply = {missed and 1 or 0, string.format('%.0f', unpick('>I8', first[2][2])), last[1]}
if place == '' then return reply end
local from, n, size = missed and '-' or place, 0, 0
while n < limit and size < BYTES_MAX do
  local some = call('XRANGE', FEED, from, '+', 'COUNT', 50)
  for i = 1, #some do
    local line = some[i][2][2]
    local fresh = unpick('>H', line, 9)
    if some[i][1] == place then fresh = fresh - tonumber(ARGV[5]) end
    if fresh > 0 and n < limit and size < BYTES_MAX then
      reply[#reply + 1], reply[#reply + 2] = some[i][1], line
      n, size = n + fresh, size + #line
    end
  end
  if #some < 50 then break end
  from = '(' .. some[50][1]
end
return reply
