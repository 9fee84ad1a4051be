#!lua
-- alert: something about a queue is told to whoever listens to its feed.
-- KEYS 1 meta · ARGV 1 what, as JSON · Returns 1.
-- @include base
-- @include meta
-- @include signals
if laws.feed > now then
  tell(string.rep('\0', 14), 'A', 0, ARGV[1])
  plan_signals()
  commit()
end
return 1
