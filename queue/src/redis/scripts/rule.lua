#!lua
-- rule: pauses, resumes or caps a queue.
-- KEYS 1 meta · ARGV 1 pause: 2 until ms or '', 3 reason, 4 by · resume · scale: 2 cap or '' · Returns 1.
-- @include base
-- @include meta
-- @include signals
if ARGV[1] == 'pause' then
  later({'HSET', META, 'pause', ARGV[2], 'pause_reason', ARGV[3], 'pause_by', ARGV[4]})
elseif ARGV[1] == 'resume' then
  later({'HDEL', META, 'pause', 'pause_reason', 'pause_by'})
  wake()
else
  later(ARGV[2] == '' and {'HDEL', META, 'cap'} or {'HSET', META, 'cap', ARGV[2]})
  wake()
end
plan_signals()
plan_meta()
commit()
return 1
