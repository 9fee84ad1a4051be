-- meta: the queue's small state, read once. Needs base.
local meta = call('HMGET', META, 'tok', 'vt', 'seen', 'hold', 'pause', 'cap', 'idle', 'watch', 'parked', 'seq', 'server', 'nt', 'nk',
  'ny', 'nr', 'nf', 'rule', 'tat', 'slots', 'flow', 'feed')
if not meta[1] then return redis.error_reply('UNOPENED the queue has no meta key') end
local tok, vt, seen, hold = tonumber(meta[1]), tonumber(meta[2] or 0), tonumber(meta[3] or 0), tonumber(meta[4] or 0)
local pause, cap = meta[5], tonumber(meta[6] or '')
local idle, watch, parked, seq = tonumber(meta[7] or 0), tonumber(meta[8] or 0), tonumber(meta[9] or 0), tonumber(meta[10] or 0)
local server = meta[11]
-- How many tenants, kinds and (tenant, key)s have a rule or a gate, how many resources lent something, how many (tenant, key)s
-- have failures: where there is none, nobody looks for any. Then the queue's own rule and arrival time, the slots of its live
-- workers, what ended lately, and until when somebody listens to the feed, who is told what watchers are told.
local laws = {t = tonumber(meta[12] or 0), k = tonumber(meta[13] or 0), y = tonumber(meta[14] or 0), r = tonumber(meta[15] or 0),
  f = tonumber(meta[16] or 0), rule = meta[17], tat = tonumber(meta[18] or 0), slots = tonumber(meta[19] or 0), flow = meta[20],
  feed = tonumber(meta[21] or 0)}
watch = math.max(watch, laws.feed)
local changes = {'HSET', META}
local function change(field, value)
  changes[#changes + 1] = field
  changes[#changes + 1] = value
end
local function plan_meta()
  if #changes > 2 then later(changes) end
  changes = {'HSET', META}
end
