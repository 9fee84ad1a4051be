-- newjob: a job comes in. Its unique key may lead to one that is there, its due time or its wait keep it from being Ready. Needs state,
-- follow, lanes, signals.
local DUE, EXP, UNIQ, MERGED, MERGED_AT = P .. 'due', P .. 'exp', P .. 'uniq', P .. 'merged', P .. 'mergedat'
local due_of, merged_into, new_job
guard({DUE, EXP, UNIQ, MERGED, MERGED_AT, P .. 'lease', COUNTS})
call('ZCARD', DUE)
do
local first_due
due_of = function(arg)
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
local function begin(id, r, at, was)
  local state = at and SCHEDULED or READY
  if state ~= was then tell(id, state) end
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
  local was = state_of(holder, m)
  if was == SCHEDULED then
    count(o.tenant, SCHEDULED, -1)
    later({'ZREM', DUE, holder})
  else
    count(o.tenant, READY, -1)
    call('ZCARD', P .. 'l:' .. o.lane)
    later({'ZREM', P .. 'l:' .. o.lane, holder})
  end
  put('j', holder, dated(sub(old, 1, o.args_at - 1) .. sub(r.raw, r.args_at), at))
  tell(holder)
  return begin(holder, o, at, was)
end
-- An id that was merged into another job by an earlier call.
merged_into = function(id)
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
local function fall_asleep(id, r, wait, kept_beside)
  local m = mutable(nil)
  m.state = WAITING
  guard({P .. 'waiting', P .. 'm:' .. bucket(id)})
  later({'ZADD', P .. 'waiting', wait_until(wait), id})
  put('m', id, frozen(m))
  count(r.tenant, WAITING, 1)
  tell(id, WAITING)
  if kept_beside then
    local key = P .. 'x:' .. hex(id)
    guard({key})
    later({'HSET', key, 'w', wait})
  end
  return WAITING
end
-- `number`: its sequence; `at`: when it is due; `held`: a wait that is not the record's own, kept beside it.
-- Its state · the state as a byte and an id: that job holds the unique key · 0: too many wait for the same job.
new_job = function(id, blob, number, at, held)
  local record = pack('>I7I3', number, 0) .. blob
  local r = parse(record)
  local there = r.unique and (r.unique_mode == REPLACE and merged_into(id) or taken(id, r, at))
  if there then return there end
  local wait = held or r.wait
  local on, asleep, verdict = wait and byte(wait), false, nil
  if on == CONDITION.job then
    local how = follow(id, sub(wait, 12, 25), held)
    if how == CROWDED then return 0 end
    asleep = how == JOINED
  elseif on then
    verdict = judge(wait, {}, {})
    asleep = not verdict
  end
  put('j', id, at and dated(record, at) or record)
  if r.unique then hold(id, r) end
  if verdict then
    -- Met at once: nothing is there to wait for.
    local m = mutable(nil)
    m.woken = verdict
    event(m, EVENT.woken)
    put('m', id, frozen(m))
  end
  if r.expires then later({'ZADD', EXP, r.expires, id}) end
  if asleep then return fall_asleep(id, r, wait, held) end
  return begin(id, r, at)
end
end
