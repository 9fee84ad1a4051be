-- mutable: what has become of a job once it has run, been cancelled or moved by hand: 40 bytes of head, then its events,
-- each with its length before it (mutable.rs reads it). The only event of a first attempt that ended well is told by the head:
-- OWN_END and the worker stand for it. Needs base.
local OWN_END = '\0\0'
local NEVER = '\0\0\0\0\0\0\0\0'
local HEAD = '>BBBBHHHI4BI8B'
local EVENT = {completed = 1, retried = 2, died = 3, snoozed = 4, gated = 5, released = 6, crashed = 7, waited = 8, woken = 9,
  cancelled = 10, expired = 11, retried_now = 12, replayed = 13, undone = 14, edited = 15, moved = 16, imported = 17}
local REASON = {cancelled = 1, expired = 2, exhausted = 3, fatal = 4, crashed = 5, outcome_unknown = 6, given_up = 7,
  runs_exhausted = 8, age_exhausted = 9, child_failed = 10, wait_timed_out = 11, output_too_large = 12, moved = 13, undone = 14}
local EVENTS_MAX = 65536
-- Flags: a letter that was repeated; jobs wait for the end of this one (follow.lua).
local REPEATED, FOLLOWED = 1, 2
local function mutable(s)
  local m = {}
  if not s then
    m.state, m.woken, m.reason, m.row, m.attempts, m.crashes, m.interruptions = READY, 0, 0, 0, 0, 0, 0
    m.runs, m.flags, m.ended, m.outcome, m.token, m.started, m.events = 0, 0, 0, 0, NEVER, NEVER, ''
    return m
  end
  m.state, m.woken, m.reason, m.row, m.attempts, m.crashes, m.interruptions, m.runs, m.flags, m.ended, m.outcome = unpick(HEAD, s)
  m.token, m.started, m.events = sub(s, 25, 32), sub(s, 33, 40), sub(s, 41)
  return m
end
local frozen
do
local function tells_error(part)
  return unpick('>H', part) > 0 and #part > 24 and byte(part, 3) ~= EVENT.edited and #part > 24 + byte(part, 24)
end
-- Drops events from the middle until three quarters of the room are left: the first ones and the last ones tell most. The newest error stays:
-- it names a letter's group.
local function shorten(events)
  local parts, at = {}, 1
  while at <= #events do
    local n = unpick('>H', events, at)
    if n == 0 then n = #events end
    parts[#parts + 1] = sub(events, at, at + 1 + n)
    at = at + 2 + n
  end
  local head, size, keep = {}, 0, {}
  for i = 1, math.min(4, #parts - 1) do
    head[i] = parts[i]
    size = size + #parts[i]
  end
  for i = #parts, #head + 1, -1 do
    size = size + #parts[i]
    if size > EVENTS_MAX * 3 / 4 then break end
    table.insert(keep, 1, parts[i])
  end
  for i = #parts, #head + 1, -1 do
    if tells_error(parts[i]) then
      if i <= #parts - #keep then table.insert(keep, 1, parts[i]) end
      break
    end
  end
  return table.concat(head) .. table.concat(keep)
end
frozen = function(m)
  if #m.events > EVENTS_MAX then m.events = shorten(m.events) end
  return pack(HEAD, m.state, m.woken, m.reason, math.min(m.row, 255), math.min(m.attempts, 65535), math.min(m.crashes, 65535),
    math.min(m.interruptions, 65535), m.runs, m.flags, m.ended, m.outcome) .. m.token .. m.started .. m.events
end
end
local function event(m, what, worker, err)
  worker = worker or ''
  local body = pack('>BI8I4', what, now, m.runs) .. m.started .. char(#worker) .. worker .. (err or '')
  m.events = m.events .. pack('>H', #body) .. body
end
-- An error as record.rs reads it: code, fingerprint, message.
local function failure(code, message) return pack('>H', #code) .. code .. pack('>H', #code) .. code .. message end
local function fingerprint(err)
  local n = unpick('>H', err)
  local k, at = unpick('>H', err, 3 + n)
  return sub(err, at, at + k - 1)
end
