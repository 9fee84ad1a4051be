-- signals: `w` wakes whoever found the queue empty, `j` and ids tells whoever watches jobs or listens to the feed, `c` and ids asks the
-- workers that run these jobs to look. Sent only if somebody listens. A step is one line of the feed: when 8, how many entries 2, and for
-- each its job's id (zeros: none), what happened (a state, or E edited, K asked to stop, N told, A an alert), the run 4, of N and A a length 4
-- and that much more (feed.rs reads it). Goes before plan_meta. Needs meta.
local woken, changed = false, {}
local function wake() woken = true end
-- Without `what` only watchers are told.
local function tell(id, what, run, more)
  if watch > now then
    changed[#changed + 1] = id
    if what and laws.feed > now then
      local n = laws.news or {}
      n[#n + 1] = id .. (type(what) == 'number' and char(what) or what) .. pack('>I4', run or 0) .. (more and pack('>I4', #more) .. more or '')
      laws.news = n
    end
  end
end
local function plan_signals()
  if woken and idle > now then
    change('idle', 0)
    sends[#sends + 1] = 'w'
    idle = 0
  end
  if laws.news then
    guard({P .. 'feed'})
    local stream = call('HGET', META, 'stream')
    if stream then
      -- A feed that is gone is not begun by whoever tells something, as nobody would end it. Its lines are numbered without a gap (feed.lua).
      local began, most = unpick('>I8I4', stream)
      local line = pack('>I8H', now, #laws.news) .. table.concat(laws.news)
      sends[#sends + 1] = {'XADD', P .. 'feed', 'NOMKSTREAM', 'MAXLEN', '~', most, string.format('%.0f-*', began), 'e', line}
    end
    laws.news = nil
  end
  if #changed > 0 then sends[#sends + 1] = 'j' .. table.concat(changed) end
  woken, changed = false, {}
end
