#!lua flags=allow-oom
-- purge: removes ended jobs, unless the outbox still has something of theirs. A young one leaves a byte behind, so that a
-- repeated enqueue of its id makes no second job.
-- KEYS 1 meta · ARGV 1 tenant or '' · ids · Returns for each: 1 gone · 0 still there.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include mutable
-- @include counts
-- @include signals
-- @include lanes
-- @include finish
-- @include takeout
-- @include state
-- @include find
-- @include lasterror
local YOUNG_MS = 600000
local reply = {}
local drops = {}
local function drop(what, id)
  local key = P .. what .. ':' .. bucket(id)
  guard({key})
  call('HLEN', key)
  later({'HDEL', key, sub(id, 5)})
end
guard({OUTBOX, KEPT, GROUPS, COUNTS, P .. 'tombs', P .. 'replayed'})
for i = 2, #ARGV do
  local id = ARGV[i]
  local r, raw, state = find(id, ARGV[1])
  if not r or drops[id] then
    reply[i - 1] = 1
  elseif state < COMPLETED or call('HEXISTS', OUTBOX, id) == 1 or call('HEXISTS', OUTBOX, id .. 'c') == 1
    or call('HEXISTS', OUTBOX, id .. 'm') == 1 then
    reply[i - 1] = 0
  else
    local m, h, index = mutable(raw), hex(id), P .. 'e:' .. state .. ':' .. r.tenant
    guard({index, P .. 'x:' .. h, P .. 'c:' .. h, P .. 'g:' .. h})
    call('ZCARD', index)
    later({'ZREM', index, id})
    if band(m.flags, REPEATED) == 0 then
      count(r.tenant, state, -1)
      if state == DEAD then regroup(r, last_error(m), -1) end
    else
      later({'ZREM', P .. 'replayed', id})
    end
    if r.keep then later({'ZREM', KEPT, id}) end
    if now - created(r.raw) < YOUNG_MS then
      put('j', id, char(state))
      later({'ZADD', P .. 'tombs', now + YOUNG_MS, id})
    else
      drop('j', id)
    end
    drop('m', id)
    drop('o', id)
    later({'DEL', P .. 'x:' .. h, P .. 'c:' .. h, P .. 'g:' .. h})
    drops[id] = true
    reply[i - 1] = 1
  end
end
conclude()
return reply
