#!lua
-- edit: a Scheduled, Ready or Retrying job gets a new record, a new place in its lane or another due time.
-- KEYS 1 meta · ARGV 1 id · 2 the record that the edit was made from · 3 the new one without its first ten bytes ·
-- 4 '' or the due time: `i` and 8 bytes (in so many ms) or `a` and 8 bytes (at)
-- Returns the new revision · -1: the record is another one now · -100 - state: not in this state.
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
local id = ARGV[1]
local old, raw, state = find(id, '')
if not old or old.raw ~= ARGV[2] then return -1 end
if state ~= SCHEDULED and state ~= READY and state ~= RETRYING then return -100 - state end
guard({P .. 'due', COUNTS})
local due = call('ZSCORE', P .. 'due', id)
local revision = math.min(old.revision + 1, 16777215)
local record = sub(old.raw, 1, 7) .. pack('>I3', revision) .. ARGV[3]
local r, at = parse(record), due and tonumber(due) or 0
if ARGV[4] ~= '' then
  at = unpick('>I8', ARGV[4], 2)
  if sub(ARGV[4], 1, 1) == 'i' then at = at + now end
end
local run_at = old.run_at
if ARGV[4] ~= '' and (not raw or mutable(raw).runs == 0) then run_at = at > now and at or nil end
put('j', id, dated(record, run_at))
take_out(id, old, state)
if at > now then
  local head = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
  if not head[2] or at < tonumber(head[2]) then wake() end
  later({'ZADD', P .. 'due', at, id})
  local goes = state == RETRYING and RETRYING or SCHEDULED
  count(r.tenant, goes, 1)
  if raw and byte(raw) ~= goes then put('m', id, char(goes) .. sub(raw, 2)) end
else
  ready(id, r, raw)
  wake()
end
tell(id)
conclude()
return revision
