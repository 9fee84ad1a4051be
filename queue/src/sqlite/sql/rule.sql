-- rule: people change the rules of a scope or of a resource.

-- name: put
UPDATE scopes SET rule = ?2, revision = ?3 WHERE scope = ?1

-- name: drop
DELETE FROM scopes WHERE scope = ?1

-- name: drop_points
DELETE FROM points WHERE scope = ?1

-- name: any
SELECT 1 FROM scopes WHERE queue = ?1 AND class = ?2 LIMIT 1

-- name: lower
UPDATE queues SET flags = ?2 WHERE queue = ?1

-- Everything that waits under a scope that goes.
-- name: unhold
UPDATE lanes SET parked = 0, held = NULL WHERE held = ?1 RETURNING queue, turn

-- Leases of a kind, of a (tenant, key), of a resource, counted from the running jobs.
-- name: running_kind
SELECT count(*) FROM leasers w CROSS JOIN jobs j JOIN lanes l ON l.lane = j.lane
WHERE w.queue = ?1 AND j.worker = w.worker AND l.kind = ?2

-- name: running_key
SELECT count(*) FROM leasers w CROSS JOIN jobs j JOIN lanes l ON l.lane = j.lane JOIN turns t ON t.turn = j.turn
WHERE w.queue = ?1 AND j.worker = w.worker AND t.tenant = ?2 AND l.key = ?3

-- name: running_resource
SELECT count(*) FROM leasers w CROSS JOIN jobs j JOIN lanes l ON l.lane = j.lane
WHERE j.worker = w.worker AND instr(',' || l.resources || ',', ',' || ?1 || ',') > 0

-- Running jobs by lane, of one queue or (NULL) of all.
-- name: running
SELECT l.queue, t.tenant, l.kind, l.key, l.resources, count(*)
FROM leasers w CROSS JOIN jobs j JOIN lanes l ON l.lane = j.lane JOIN turns t ON t.turn = j.turn
WHERE (?1 IS NULL OR w.queue = ?1) AND j.worker = w.worker GROUP BY j.lane

-- name: running_tenant
SELECT ifnull(sum(running), 0) FROM turns WHERE queue = ?1 AND tenant = ?2

-- name: running_queue
SELECT running FROM queues WHERE queue = ?1

-- Queues that use a resource now.
-- name: queues
SELECT DISTINCT q.name FROM leasers w CROSS JOIN jobs j JOIN lanes l ON l.lane = j.lane JOIN queues q ON q.queue = w.queue
WHERE j.worker = w.worker AND instr(',' || l.resources || ',', ',' || ?1 || ',') > 0 ORDER BY q.name

-- name: resources
SELECT {scope.columns} FROM scopes s WHERE s.queue = 0 AND s.class = 4 ORDER BY s.name

-- Every scope of a queue, for the sweep.
-- name: scopes
SELECT {scope.columns} FROM scopes s WHERE s.queue = ?1

-- name: recount
UPDATE scopes SET running = ?2 WHERE scope = ?1

-- Budgets that reached a threshold.
-- name: alerts
SELECT {scope.columns} FROM scopes s WHERE s.queue = ?1 AND s.alert > 0
