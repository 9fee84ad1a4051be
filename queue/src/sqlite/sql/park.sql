-- park: lanes and tenants that may not run wait under the scope that holds them.

-- name: lane
UPDATE lanes SET parked = 2, held = ?2, held_vt = ?3 WHERE lane = ?1 AND parked = 0

-- Lanes of a tenant that have this key and something ready.
-- name: key
UPDATE lanes SET parked = 2, held = ?3, held_vt = vt WHERE turn = ?1 AND key = ?2 AND ready > 0 AND parked = 0

-- name: turn
UPDATE turns SET parked = 1 WHERE turn = ?1

-- Scopes whose time to be looked at has come, after (opens_at, scope).
-- name: open
SELECT {scope.columns} FROM scopes s WHERE s.queue = ?1 AND s.opens_at <= ?2 AND (s.opens_at, s.scope) > (?3, ?4)
ORDER BY s.opens_at, s.scope LIMIT 64

-- The next time at which something opens.
-- name: next
SELECT opens_at FROM scopes WHERE queue = ?1 AND opens_at > ?2 ORDER BY opens_at LIMIT 1

-- The next tenant that has lanes under a scope, and its virtual time.
-- name: held_turn
SELECT l.turn, (SELECT t.vt FROM turns t WHERE t.turn = l.turn) FROM lanes l
WHERE l.held = ?1 AND l.queue = ?2 AND l.turn > ?3 ORDER BY l.held, l.queue, l.turn LIMIT 1

-- The first lanes of a tenant under a scope, of kinds in ?4.
-- name: held
SELECT lane FROM lanes WHERE held = ?1 AND queue = ?2 AND turn = ?3 AND kind IN (SELECT value FROM json_each(?4))
ORDER BY held_vt, lane LIMIT ?5 + 0

-- name: any_held
SELECT 1 FROM lanes WHERE held = ?1 LIMIT 1

-- The next queue that has lanes under a scope.
-- name: held_queue
SELECT queue FROM lanes WHERE held = ?1 AND queue > ?2 ORDER BY held, queue LIMIT 1

-- A lane that comes back gains no credit.
-- name: unpark_lane
UPDATE lanes SET parked = 0, held = NULL, vt = max(vt, (SELECT t.lane_vt FROM turns t WHERE t.turn = lanes.turn)) WHERE lane = ?1

-- name: unpark_tenant
UPDATE turns SET parked = 0, vt = max(vt, (SELECT q.vt FROM queues q WHERE q.queue = turns.queue))
WHERE queue = ?1 AND tenant = ?2 AND parked = 1

-- Every tenant of a queue is looked at again: its slots have changed.
-- name: unpark_turns
UPDATE turns SET parked = 0, vt = max(vt, (SELECT q.vt FROM queues q WHERE q.queue = turns.queue)) WHERE queue = ?1 AND parked = 1
