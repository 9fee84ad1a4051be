#!lua flags=allow-oom
-- feed: what happened to a queue's jobs since somebody listens, in a stream whose lines the scripts write (signals.lua). Whoever asks keeps
-- it going. Its lines are numbered without a gap as long as somebody listens, under the time at which that began: a place is known if its
-- begin is this one and everything after it is there, be it that its own line is gone.
-- KEYS 1 meta · ARGV 1 going on for so many ms · 2 the stream kept for so many · 3 lines kept at least · 4 bytes kept at most · 5 entries
-- asked for at most · 6 '' (from now on), '-' (everything that is there), or the begin of a place · 7 its line · 8 how many entries of that
-- are known, or 65535: all
-- Returns 1 if something may be missing · when the oldest line was made · the last line's id · then ids and lines.
-- @include base
-- @include meta
local FEED, BYTES_MAX, ALL = P .. 'feed', 1048576, 65535
guard({FEED})
local there, stream = call('EXISTS', FEED) == 1, call('HGET', META, 'stream')
local began = stream and unpick('>I8', stream) or 0
if not there or laws.feed <= now then
  -- Nobody listened for a while; what was told before has a gap behind it.
  if there then call('XTRIM', FEED, 'MAXLEN', 0) end
  began = math.max(now, began + 1)
  call('XADD', FEED, string.format('%.0f-0', began), 'e', pack('>I8H', now, 0))
end
call('HSET', META, 'feed', now + ARGV[1], 'stream', pack('>I8I4', began, tonumber(ARGV[3])))
call('PEXPIRE', FEED, ARGV[2])
-- What attempts tell may be large.
local lines = call('XLEN', FEED)
while lines > 1 and call('MEMORY', 'USAGE', FEED) > tonumber(ARGV[4]) do
  lines = floor(lines / 2)
  call('XTRIM', FEED, 'MAXLEN', lines)
end
local first, last = call('XRANGE', FEED, '-', '+', 'COUNT', 1)[1], call('XREVRANGE', FEED, '+', '-', 'COUNT', 1)[1]
local function number(id) return tonumber(string.match(id, '%-(%d+)$')) end
local limit, place, known = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[8])
local reply, from, missed = {0, string.format('%.0f', unpick('>I8', first[2][2])), last[1]}, '-', false
if place == '' then return reply end
if place ~= '-' then
  local line, oldest = tonumber(ARGV[7]), number(first[1])
  -- Of a line that is gone, all must be known.
  missed = tonumber(place) ~= began or line > number(last[1]) or line + 1 < oldest or line + 1 == oldest and known < ALL
  if not missed then from = place .. '-' .. ARGV[7] end
end
reply[1] = missed and 1 or 0
local old, n, size = from, 0, 0
while n < limit and size < BYTES_MAX do
  local some = call('XRANGE', FEED, from, '+', 'COUNT', 50)
  for i = 1, #some do
    local line = some[i][2][2]
    local fresh = unpick('>H', line, 9)
    if some[i][1] == old then fresh = fresh - known end
    if fresh > 0 and n < limit and size < BYTES_MAX then
      reply[#reply + 1], reply[#reply + 2] = some[i][1], line
      n, size = n + fresh, size + #line
    end
  end
  if #some < 50 then break end
  from = '(' .. some[50][1]
end
return reply
