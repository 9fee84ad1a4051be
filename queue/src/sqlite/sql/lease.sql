-- lease: Ready → Running. Tenants by virtual time, their lanes by (head, virtual time), jobs by (rank, seq).

-- name: queue
SELECT token, running, vt, slots, flags FROM queues WHERE queue = ?1

-- name: put_queue
UPDATE queues SET token = ?2, vt = ?3 WHERE queue = ?1

-- name: leaser
SELECT worker, call, reply, seen_at FROM leasers WHERE queue = ?1 AND name = ?2

-- name: new_leaser
INSERT INTO leasers (queue, name, seen_at) VALUES (?1, ?2, ?3) RETURNING worker

-- name: remember
UPDATE leasers SET call = ?2, reply = ?3, seen_at = ?4 WHERE worker = ?1

-- Parked lanes of the kinds in ?2 that have something ready.
-- name: parked
SELECT DISTINCT kind FROM lanes WHERE queue = ?1 AND ready > 0 AND parked = 1 AND kind IN (SELECT value FROM json_each(?2))

-- Is there anything at all for these kinds?
-- name: any
SELECT 1 FROM lanes WHERE queue = ?1 AND ready > 0 AND parked = 0 AND kind IN (SELECT value FROM json_each(?2)) LIMIT 1

-- The next tenants after (vt, turn). Who was served moves back, who has nothing for us is passed over.
-- name: turns
SELECT turn, vt, lane_vt, tenant FROM turns WHERE queue = ?1 AND open > 0 AND parked = 0 AND (vt, turn) > (?2, ?3) ORDER BY vt, turn LIMIT 2

-- The lanes of a tenant, with the mean duration of their kinds.
-- name: lanes
SELECT l.lane, l.head, l.vt, l.kind, l.key, l.resources, (SELECT m.mean_ms FROM means m WHERE m.queue = l.queue AND m.kind = l.kind)
FROM lanes l
WHERE l.turn = ?1 AND l.ready > 0 AND l.parked = 0 AND l.kind IN (SELECT value FROM json_each(?2))
ORDER BY l.head, l.vt, l.lane LIMIT ?3 + 0 OFFSET ?4 + 0

-- name: heads
SELECT {job.columns}, b.body, b.args FROM jobs j JOIN bodies b ON b.seq = j.seq
WHERE j.lane = ?1 AND j.state = 1 AND j.suspect = ?2 ORDER BY j.rank, j.seq LIMIT ?3 + 0

-- Does this worker run a suspect already?
-- name: suspect
SELECT 1 FROM jobs WHERE worker = ?1 AND suspect = 1 LIMIT 1

-- name: take
UPDATE jobs SET state = 2, ready_at = NULL, expires_at = NULL, token = ?2, worker = ?3, call = ?4, lease_until = ?5, started_at = ?6,
    charged = ?7, weight = ?8, period = ?9, noted = NULL, runs = runs + 1 WHERE seq = ?1

-- name: front
SELECT vt FROM turns WHERE queue = ?1 AND open > 0 AND parked = 0 ORDER BY vt, turn LIMIT 1

-- name: next_due
SELECT due_at FROM jobs WHERE queue = ?1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1
