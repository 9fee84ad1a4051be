#!lua
-- enqueue: puts jobs into one queue. The id is looked at first, then the unique key.
-- KEYS 1 meta · ARGV id, lane, record without its first ten bytes, for each job; an id is 14 bytes, followed by its due
-- time where it has one: `i` and 8 bytes (in so many ms) or `a` and 8 bytes (at). No id and no unique key comes twice.
-- Returns for each job: its state · 100 + state: it was there · state as a byte and an id: that job holds the
-- unique key · 0: too many jobs wait for the end of the same one.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include counts
-- @include signals
-- @include lanes
-- @include state
local n, ids, reply = #ARGV / 3, {}, {}
for i = 1, n do
  local arg = ARGV[3 * i - 2]
  ids[i] = #arg == 14 and arg or sub(arg, 1, 14)
end
local stored = fetch(group(ids), 'j')
guard({P .. 'lease', P .. 'due', COUNTS})
seq = math.max(seq, (now - EPOCH) * STEP)
-- Jobs that are not plain, and the sequence of each.
local plain, odd, numbers = 0, {}, {}
for i = 1, n do
  local id, blob, arg = ids[i], ARGV[3 * i], ARGV[3 * i - 2]
  local old = stored[i]
  if old then
    local state = #old == 1 and byte(old) or state_of(id, fetch(group({id}), 'm')[1])
    reply[i] = 100 + state
  else
    local flags, priority = byte(blob, 2, 3)
    if band(flags, UNIQUE + EXPIRES + WAIT) == 0 and #arg == 14 then
      -- The plain job: nothing is parsed.
      put('j', id, pack('>I7I3', seq, 0) .. blob)
      enter(ARGV[3 * i - 1], id, (9 - priority % 16) * CLASS + seq)
      plain = plain + 1
      if watch > now then tell(id, READY) end
      reply[i] = READY
    else
      odd[#odd + 1], numbers[i] = i, seq
    end
    seq = seq + 1
  end
end
if plain > 0 then
  count('', READY, plain)
  wake()
end
-- Where all are plain, nothing of this is made.
if #odd > 0 then
-- @include mutable
-- @include wait
-- @include follow
-- @include newjob
for k = 1, #odd do
  local i = odd[k]
  local arg = ARGV[3 * i - 2]
  reply[i] = new_job(ids[i], ARGV[3 * i], numbers[i], #arg > 14 and due_of(arg) or nil)
end
plan_follows()
end
place()
plan_puts()
plan_counts()
plan_signals()
if planned > 0 then change('seq', seq) end
plan_meta()
commit()
return reply
