#!lua
-- bury: letters from elsewhere come in: Dead, in the index, the counts and their groups.
-- KEYS 1 meta · ARGV id, record without its first ten bytes, what has become of it, as mutable.lua keeps it, for each letter; no id comes
-- twice.
-- Returns for each: its state · 100 + state: it was there.
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
-- @include lasterror
local ids, reply = {}, {}
for i = 1, #ARGV / 3 do ids[i] = ARGV[3 * i - 2] end
local stored = fetch(group(ids), 'j')
guard({GROUPS, COUNTS, P .. 'lease', P .. 'due'})
seq = math.max(seq, (now - EPOCH) * STEP)
local buried = false
for i = 1, #ids do
  local id, old = ids[i], stored[i]
  -- What a purge leaves behind is no letter: one that was removed may be brought again.
  if old and #old > 1 then
    reply[i] = 100 + state_of(id, fetch(group({id}), 'm')[1])
  else
    local record, m = pack('>I7I3', seq, 0) .. ARGV[3 * i - 1], mutable(ARGV[3 * i])
    local r = parse(record)
    event(m, EVENT.imported)
    put('j', id, record)
    put('m', id, frozen(m))
    local dead = ended_in(DEAD, r.tenant)
    dead[#dead + 1] = string.format('%.0f', m.ended)
    dead[#dead + 1] = id
    count(r.tenant, DEAD, 1)
    regroup(r, last_error(m), 1, m.ended, true)
    tell(id, DEAD, m.runs)
    seq, buried, reply[i] = seq + 1, true, DEAD
  end
end
if buried then change('seq', seq) end
conclude()
return reply
