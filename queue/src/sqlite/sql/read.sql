-- read: what people look at. Readers only.

-- name: queues
SELECT queue, name FROM queues ORDER BY queue

-- name: new_queue
INSERT INTO queues (queue, name) SELECT ifnull(max(queue), 0) + 1, ?1 FROM queues RETURNING queue

-- name: queue
SELECT queue FROM queues WHERE name = ?1

-- name: turns
SELECT turn FROM turns WHERE queue = ?1 AND tenant = ?2

-- Newest first over everything. ?1 below this seq.
-- name: all
SELECT {job.columns} FROM jobs j WHERE j.seq < ?1 ORDER BY j.seq DESC LIMIT ?2 + 0

-- name: running
SELECT {job.columns} FROM leasers w CROSS JOIN jobs j WHERE w.queue = ?1 AND j.worker = w.worker AND j.seq > ?2
ORDER BY j.seq LIMIT ?3 + 0

-- Sleeping jobs by due time, those without one last.
-- name: sleeping
SELECT {job.columns} FROM jobs j WHERE j.queue = ?1 AND j.due_at IS NOT NULL AND (j.due_at, j.seq) > (?2, ?3)
ORDER BY j.due_at, j.seq LIMIT ?4 + 0

-- name: lanes
SELECT lane FROM lanes WHERE queue = ?1 AND ready > 0 AND lane >= ?2 AND (?3 IS NULL OR turn = ?3) AND (?4 IS NULL OR kind = ?4)
ORDER BY lane LIMIT 100

-- name: ready
SELECT {job.columns} FROM jobs j WHERE j.lane = ?1 AND j.state = 1 AND (j.suspect, j.rank, j.seq) > (?2, ?3, ?4)
ORDER BY j.suspect, j.rank, j.seq LIMIT ?5 + 0

-- name: ended
SELECT {job.columns} FROM jobs j WHERE j.queue = ?1 AND j.state = ?2 AND j.ended_at IS NOT NULL AND (j.ended_at, j.seq) < (?3, ?4)
ORDER BY j.ended_at DESC, j.seq DESC LIMIT ?5 + 0

-- name: ended_by_tenant
SELECT {job.columns} FROM jobs j WHERE j.turn = ?1 AND j.state = ?2 AND j.ended_at IS NOT NULL AND (j.ended_at, j.seq) < (?3, ?4)
ORDER BY j.ended_at DESC, j.seq DESC LIMIT ?5 + 0

-- name: counts
SELECT ifnull(sum(scheduled), 0), ifnull(sum(ready), 0), ifnull(sum(running), 0), ifnull(sum(retrying), 0), ifnull(sum(waiting), 0),
    ifnull(sum(completed), 0), ifnull(sum(cancelled), 0), ifnull(sum(dead), 0)
FROM turns WHERE queue = ?1 AND (?2 IS NULL OR tenant = ?2)

-- Ready since when; looks at the first 10,000, lane by lane from the head.
-- name: oldest_ready
SELECT min(ready_at) FROM (SELECT j.ready_at FROM lanes l CROSS JOIN jobs j
WHERE l.queue = ?1 AND l.ready > 0 AND (?2 IS NULL OR l.turn = ?2) AND j.lane = l.lane AND j.state = 1 LIMIT 10000)

-- name: rules
SELECT slots, scaled_at, auto, mean_ms, ended_window, ended_now, ended_before FROM queues WHERE queue = ?1

-- name: lease_lost
SELECT lease_lost FROM refusals WHERE queue = ?1

-- name: groups
SELECT g.fingerprint, t.tenant, g.kind, q.name, g.sample, g.count, g.first_at, g.last_at, g.hours
FROM groups g, turns t, queues q
WHERE t.turn = g.turn AND q.queue = t.queue AND (?1 IS NULL OR q.name = ?1) AND (?2 IS NULL OR t.tenant = ?2)
ORDER BY g.last_at DESC, g.fingerprint

-- name: kinds
SELECT record FROM kinds ORDER BY name
