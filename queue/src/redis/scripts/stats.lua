#!lua flags=no-writes
-- stats: a queue in numbers.
-- KEYS 1 meta · ARGV 1 tenant or '' · Returns eight counts by state · pause until ('' for ever, nil: not paused) · its
-- reason · by whom · cap · late writes refused · age of the oldest ready job in ms or -1 ·
-- how it scales, as JSON · when its cap was changed · attempts ended per second · their mean duration in ms.
-- @include base
-- @include record
-- @include buckets
-- @include standing
local tenant, fields, reply = ARGV[1], {}, {}
for state = 1, 8 do fields[state] = tenant == '' and state or state .. '/' .. tenant end
guard({P .. 'counts', P .. 'lanes', P .. 'run', P .. 'ring', P .. 'lease', P .. 'suspects'})
local counts = call('HMGET', P .. 'counts', unpack(fields))
for state = 1, 8 do reply[state] = math.max(0, tonumber(counts[state] or 0)) end
reply[RUNNING] = math.max(0, call('ZCARD', P .. 'run') - 1)
if tenant ~= '' then
  -- What has an index by tenant is counted there.
  local running, ready, own = 0, 0, tenant .. '/'
  for _, lease in ipairs(call('HVALS', P .. 'lease')) do
    local tail = band(byte(lease, 18), 8) > 0 and 60 or 35
    local at = byte(lease) == 0 and tail + 1 + byte(lease, tail)
    if at and sub(lease, at, at + #own - 1) == own then running = running + 1 end
  end
  for _, lane in ipairs(standing(tenant)) do
    guard({P .. 'l:' .. lane})
    ready = ready + call('ZCARD', P .. 'l:' .. lane)
  end
  local suspects = call('ZRANGE', P .. 'suspects', 0, 999)
  if #suspects > 0 then
    local records = fetch(group(suspects), 'j')
    for i = 1, #suspects do
      if records[i] and parse(records[i]).tenant == tenant then ready = ready + 1 end
    end
  end
  reply[RUNNING], reply[READY] = running, ready
  for state = COMPLETED, DEAD do
    guard({P .. 'e:' .. state .. ':' .. tenant})
    reply[state] = call('ZCARD', P .. 'e:' .. state .. ':' .. tenant)
  end
end
local rule = call('HMGET', META, 'pause', 'pause_reason', 'pause_by', 'cap', 'lost', 'auto', 'scaled_at', 'flow')
if rule[1] and rule[1] ~= '' and tonumber(rule[1]) <= now then rule[1] = false end
reply[9], reply[10], reply[11], reply[12], reply[13] = rule[1], rule[2], rule[3], rule[4], rule[5]
-- The heads of some two hundred lanes, each priority apart: exact unless there are more.
local oldest, looked = -1, 0
local function look(lane)
  local from = '-inf'
  guard({P .. 'l:' .. lane})
  while true do
    local first = call('ZRANGE', P .. 'l:' .. lane, from, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    if not first[2] then return end
    local score = tonumber(first[2])
    local age = now - (floor(score % CLASS / STEP) + EPOCH)
    oldest = math.max(oldest, age)
    from = string.format('%.0f', (floor(score / CLASS) + 1) * CLASS)
  end
end
local tenants = tenant == '' and call('ZRANGE', P .. 'ring', 0, 199) or {tenant}
if #tenants > 0 then
  local only = call('HMGET', P .. 'lanes', unpack(tenants))
  for i = 1, #tenants do
    if only[i] == '*' then
      guard({P .. 't:' .. tenants[i]})
      for _, lane in ipairs(call('ZRANGE', P .. 't:' .. tenants[i], 0, math.max(0, 199 - looked))) do
        look(lane)
        looked = looked + 1
      end
    elseif only[i] then
      look(only[i])
      looked = looked + 1
    end
    if looked >= 200 then break end
  end
end
reply[14] = oldest
local rate = 0
if rule[8] then
  local at, before, current = unpick('>ddd', rule[8])
  local window = floor(now / 10000)
  if at == window - 1 then before, current = current, 0 elseif at ~= window then before, current = 0, 0 end
  rate = (before + current) / (10 + now % 10000 / 1000)
end
guard({P .. 'means'})
reply[15], reply[16], reply[17], reply[18] = rule[6], rule[7], string.format('%.6f', rate), call('HGET', P .. 'means', '')
return reply
