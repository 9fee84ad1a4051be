#!lua
-- enqueue: puts jobs into one queue. The id is looked at first, then the unique key.
-- KEYS 1 meta · ARGV id, lane, record without its first ten bytes, for each job; an id is 14 bytes, followed by its due
-- time where it has one: `i` and 8 bytes (in so many ms) or `a` and 8 bytes (at). No id and no unique key comes twice.
-- Returns for each job: its state · 100 + state: it was there · state as a byte and an id: that job holds the unique key.
-- @include base
-- @include meta
-- @include buckets
-- @include record
-- @include mutable
-- @include counts
-- @include signals
-- @include lanes
-- @include state
-- @include wait
local DUE, EXP, UNIQ, MERGED, MERGED_AT = P .. 'due', P .. 'exp', P .. 'uniq', P .. 'merged', P .. 'mergedat'
local n, ids, reply = #ARGV / 3, {}, {}
for i = 1, n do
  local arg = ARGV[3 * i - 2]
  ids[i] = #arg == 14 and arg or sub(arg, 1, 14)
end
local stored = fetch(group(ids), 'j')
guard({DUE, EXP, UNIQ, MERGED, MERGED_AT, P .. 'lease', COUNTS})
call('ZCARD', DUE)
seq = math.max(seq, (now - EPOCH) * STEP)
local first_due
local function due_of(arg)
  local at = unpick('>I8', arg, 16)
  if sub(arg, 15, 15) == 'i' then at = at + now end
  return at > now and at or nil
end
local function schedule(id, at)
  later({'ZADD', DUE, at, id})
  if not first_due then
    local head = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
    first_due = tonumber(head[2] or '') or math.huge
  end
  if at < first_due then
    first_due = at
    wake()
  end
end
local function begin(id, r, at)
  if at then
    count(r.tenant, SCHEDULED, 1)
    schedule(id, at)
    return SCHEDULED
  end
  count(r.tenant, READY, 1)
  enter(r.lane, id, r.score)
  wake()
  return READY
end
local function hold(id, r)
  local until_ms = r.unique_mode == THROTTLE and now + r.unique_ms or 0
  later({'HSET', UNIQ, r.unique, id .. char(r.unique_mode) .. pack('>I8', until_ms)})
  if until_ms > 0 then later({'ZADD', P .. 'uexp', until_ms, r.unique}) end
end
-- Debounce: the holder has not started, so it takes the newest args and due time, at most wait_max after its creation.
local function replace(holder, old, m, r, at)
  local o = parse(old)
  at = math.min(at or now, created(old) + r.unique_ms)
  if at <= now then at = nil end
  if state_of(holder, m) == SCHEDULED then
    count(o.tenant, SCHEDULED, -1)
    later({'ZREM', DUE, holder})
  else
    count(o.tenant, READY, -1)
    call('ZCARD', P .. 'l:' .. o.lane)
    later({'ZREM', P .. 'l:' .. o.lane, holder})
  end
  put('j', holder, dated(sub(old, 1, o.args_at - 1) .. sub(r.raw, r.args_at), at))
  tell(holder)
  return begin(holder, o, at)
end
-- An id that was merged into another job by an earlier call.
local function merged_into(id)
  local holder = call('HGET', MERGED, id)
  if not holder then return nil end
  local one = group({holder})
  local old, m = fetch(one, 'j')[1], fetch(one, 'm')[1]
  if not old then return nil end
  return char(#old == 1 and byte(old) or state_of(holder, m)) .. holder
end
-- The unique key of a new job: nil, it is free now · otherwise the reply.
local function taken(id, r, at)
  local hold_entry = call('HGET', UNIQ, r.unique)
  if not hold_entry then return nil end
  local holder, mode = sub(hold_entry, 1, 14), byte(hold_entry, 15)
  if mode == THROTTLE and unpick('>I8', hold_entry, 16) <= now then return nil end
  local one = group({holder})
  local old, m = fetch(one, 'j')[1], fetch(one, 'm')[1]
  if not old or #old == 1 then return nil end
  local state = state_of(holder, m)
  if r.unique_mode ~= REPLACE then return char(state) .. holder end
  if state >= RUNNING or m and (mutable(m).runs > 0 or mutable(m).state == WAITING) then return nil end
  call('ZCARD', MERGED_AT)
  later({'HSET', MERGED, id, holder})
  later({'ZADD', MERGED_AT, now, id})
  return char(replace(holder, old, m, r, at)) .. holder
end
local plain = 0
for i = 1, n do
  local id, blob, arg = ids[i], ARGV[3 * i], ARGV[3 * i - 2]
  local at = #arg > 14 and due_of(arg) or nil
  local old = stored[i]
  if old then
    local state = #old == 1 and byte(old) or state_of(id, fetch(group({id}), 'm')[1])
    reply[i] = 100 + state
  else
    local flags, priority = byte(blob, 2, 3)
    if band(flags, UNIQUE + EXPIRES + WAIT) == 0 and not at then
      -- The plain job: nothing is parsed.
      put('j', id, pack('>I7I3', seq, 0) .. blob)
      enter(ARGV[3 * i - 1], id, (9 - priority % 16) * CLASS + seq)
      plain = plain + 1
      reply[i] = READY
      seq = seq + 1
    else
      local record = pack('>I7I3', seq, 0) .. blob
      local r = parse(record)
      local refused = r.unique and (r.unique_mode == REPLACE and merged_into(id) or taken(id, r, at))
      if refused then
        reply[i] = refused
      else
        put('j', id, at and dated(record, at) or record)
        seq = seq + 1
        if r.unique then hold(id, r) end
        local verdict = r.wait and judge(r.wait, {}, {})
        if verdict then
          -- Met at once: nothing is there to wait for.
          local m = mutable(nil)
          m.woken = verdict
          event(m, EVENT.woken)
          put('m', id, frozen(m))
        end
        if r.wait and not verdict then
          local m = mutable(nil)
          m.state = WAITING
          guard({P .. 'waiting', P .. 'm:' .. bucket(id)})
          later({'ZADD', P .. 'waiting', wait_until(r.wait), id})
          put('m', id, frozen(m))
          count(r.tenant, WAITING, 1)
          reply[i] = WAITING
        else
          reply[i] = begin(id, r, at)
        end
        if r.expires then later({'ZADD', EXP, r.expires, id}) end
      end
    end
  end
end
if plain > 0 then
  count('', READY, plain)
  wake()
end
place()
plan_puts()
plan_counts()
plan_signals()
if planned > 0 then change('seq', seq) end
plan_meta()
commit()
return reply
