-- mode_cluster: while the queue's slot moves, a key may be on the other node, and a missing key looks like an empty one.
-- EXISTS over several keys of a moving slot fails as soon as one is not here, on either node, so every key is touched in
-- this way before it is read, and nothing has been written when it fails. The caller repeats.
local PUBLISH = 'SPUBLISH'
local function guard(keys) redis.call('EXISTS', KEYS[1], unpack(keys)) end
