-- @include mode
-- base: what every script of a queue starts from. KEYS[1] is the queue's `meta` hash, which always exists; P is the prefix
-- of its other keys. A script is a row of transactions: each reads and plans first, then `commit` writes and cannot fail.
local call, byte, sub, char, floor = redis.call, string.byte, string.sub, string.char, math.floor
local pack, unpick, band = struct.pack, struct.unpack, bit.band
local META, P = KEYS[1], string.sub(KEYS[1], 1, -5)
local SCHEDULED, READY, RUNNING, RETRYING, WAITING, COMPLETED, CANCELLED, DEAD = 1, 2, 3, 4, 5, 6, 7, 8
-- TIME is not frozen inside a script: read once.
local time = call('TIME')
local us = time[1] * 1000000 + time[2]
local now = floor(us / 1000)
-- Numbers cost a conversion each time they are passed on; this one is passed on once for each job.
local now_text = string.format('%.0f', now)
local plan, planned, sends = {}, 0, {}
local function later(command)
  planned = planned + 1
  plan[planned] = command
end
local function commit()
  for i = 1, planned do call(unpack(plan[i])) end
  -- Signals are hints, and so is the feed's line, which is a command: one that is refused changes nothing.
  for i = 1, #sends do
    local s = sends[i]
    if type(s) == 'table' then redis.pcall(unpack(s)) else redis.pcall(PUBLISH, P .. 'sig', s) end
  end
  plan, planned, sends = {}, 0, {}
end
