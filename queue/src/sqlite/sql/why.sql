-- why: what an explanation and the view of the lanes look up.

-- name: turn
SELECT t.vt, q.vt, q.slots, q.running, q.flags, q.ended_window, q.ended_now, q.ended_before
FROM turns t, queues q WHERE t.turn = ?1 AND q.queue = t.queue

-- name: lane
SELECT head, vt FROM lanes WHERE lane = ?1

-- Ready jobs before (rank, seq) in a lane: how many (looks at the first 10,000), and the first.
-- name: before
SELECT count(*) FROM (SELECT 1 FROM jobs j WHERE j.lane = ?1 AND j.state = 1 AND (j.rank, j.seq) < (?2, ?3) LIMIT 10000)

-- name: first
SELECT j.id FROM jobs j WHERE j.lane = ?1 AND j.state = 1 AND (j.rank, j.seq) < (?2, ?3) ORDER BY j.rank, j.seq LIMIT 1

-- Tenants before (vt, turn) that have something that may run.
-- name: turns_before
SELECT t.turn, t.tenant, t.ready FROM turns t
WHERE t.queue = ?1 AND t.open > 0 AND t.parked = 0 AND (t.vt, t.turn) < (?2, ?3) ORDER BY t.vt, t.turn LIMIT 50

-- Open lanes of a tenant before (head, vt, lane).
-- name: lanes_before
SELECT l.kind, l.key, l.resources, l.lane FROM lanes l
WHERE l.turn = ?1 AND l.ready > 0 AND l.parked = 0 AND (l.head, l.vt, l.lane) < (?2, ?3, ?4) ORDER BY l.head, l.vt, l.lane LIMIT 20

-- What a lane would start first costs, and whether it is a suspect.
-- name: head
SELECT j.cost FROM jobs j WHERE j.lane = ?1 AND j.state = 1 AND j.suspect = 0 ORDER BY j.rank, j.seq LIMIT 1

-- Workers that carry a kind (NULL: any kind) in this queue, lease, and do not report.
-- name: silent
SELECT DISTINCT c.worker FROM carried c JOIN leasers l ON l.queue = c.queue AND l.name = c.worker
WHERE c.queue = ?1 AND (?2 IS NULL OR c.kind = ?2) AND l.seen_at > ?4
  AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = c.worker AND w.until > ?3)

-- Suspects that run, and who runs them.
-- name: suspects
SELECT j.id, w.name FROM leasers w CROSS JOIN jobs j WHERE w.queue = ?1 AND j.worker = w.worker AND j.suspect = 1 ORDER BY j.seq

-- Some of the jobs that hold a scope: NULL is any.
-- name: holders
SELECT j.id FROM leasers w CROSS JOIN jobs j JOIN lanes l ON l.lane = j.lane JOIN turns t ON t.turn = j.turn
WHERE w.queue = ?1 AND j.worker = w.worker AND (?2 IS NULL OR t.tenant = ?2) AND (?3 IS NULL OR l.kind = ?3) AND (?4 IS NULL OR l.key = ?4)
ORDER BY j.started_at, j.seq LIMIT 10

-- Lanes that have something ready or running.
-- name: lanes
SELECT t.tenant, l.kind, l.key, sum(x.ready), sum(x.running)
FROM (SELECT lane, ready, 0 AS running FROM lanes WHERE queue = ?1 AND ready > 0
    UNION ALL
    SELECT j.lane, 0, 1 FROM leasers w CROSS JOIN jobs j WHERE w.queue = ?1 AND j.worker = w.worker) x
JOIN lanes l ON l.lane = x.lane JOIN turns t ON t.turn = l.turn
WHERE ?2 IS NULL OR t.tenant = ?2
GROUP BY t.tenant, l.kind, l.key ORDER BY t.tenant, l.kind, l.key LIMIT ?3 + 0

-- Tenants that have something ready or running.
-- name: active
SELECT tenant FROM turns WHERE queue = ?1 AND ready + running > 0
