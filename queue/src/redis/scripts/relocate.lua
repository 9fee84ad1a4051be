#!lua
-- relocate: a Scheduled, Ready or Retrying job ends here, and the outbox gets the job of another queue that goes on with it.
-- KEYS 1 meta · ARGV 1 tenant or '' · 2 id · 3 the record that the move was made from · 4 the new job's id (16 bytes) · 5 what the outbox
-- keeps of it beside its due time (moving.rs)
-- Returns 1 done · 2 it was done before, by this new id · 0 no such job · -1 the record is another one now · -2 others depend on it, or it
-- on others · -100 - state: not in this state.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include mutable
-- @include counts
-- @include signals
-- @include lanes
-- @include leaving
-- @include finish
-- @include takeout
-- @include state
-- @include find
-- @include wait
-- @include follows
local id = ARGV[2]
local r, raw, state = find(id, ARGV[1])
if not r then return 0 end
local h, m = hex(id), mutable(raw)
local extra = P .. 'x:' .. h
guard({extra, P .. 'c:' .. h, P .. 'g:' .. h, P .. 'due', OUTBOX, COUNTS})
if state == CANCELLED and m.reason == REASON.moved and call('HGET', extra, 't') == ARGV[4] then return 2 end
if state ~= SCHEDULED and state ~= READY and state ~= RETRYING then return -100 - state end
if r.raw ~= ARGV[3] then return -1 end
if r.parent or call('EXISTS', P .. 'c:' .. h) == 1 or call('EXISTS', P .. 'g:' .. h) == 1 then return -2 end
if band(m.flags, FOLLOWED) > 0 then
  local list, ids = call('HGET', extra, 'f') or '', {}
  for at = 1, #list, 14 do ids[#ids + 1] = sub(list, at, at + 13) end
  local order = group(ids)
  local records, ms = fetch(order, 'j'), fetch(order, 'm')
  for k = 1, #ids do
    if follows(ids[k], records[k], ms[k], id) then return -2 end
  end
end
local due = state ~= READY and call('ZSCORE', P .. 'due', id)
take_out(id, r, state)
event(m, EVENT.moved)
finish(id, r, m, CANCELLED, REASON.moved)
put('m', id, frozen(m))
later({'HSET', extra, 't', ARGV[4]})
later({'HSET', OUTBOX, id .. 'm', char(3) .. ARGV[4] .. pack('>I8', due and tonumber(due) or 0) .. ARGV[5]})
conclude()
-- @include followers
return 1
