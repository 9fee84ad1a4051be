-- tick: due, expired, timed out, lost; and rows whose time is over.

-- name: seen
SELECT last_seen, hold_until, auto IS NOT NULL FROM queues WHERE queue = ?1

-- name: see
UPDATE queues SET last_seen = ?2, hold_until = ?3 WHERE queue = ?1

-- The clock went back: no lease may last longer than one from now.
-- name: clamp
UPDATE jobs SET lease_until = ?2 WHERE lease_until > ?2 AND worker IN (SELECT worker FROM leasers WHERE queue = ?1)

-- name: due
SELECT {job.columns} FROM jobs j WHERE j.queue = ?1 AND j.due_at <= ?2 ORDER BY j.due_at, j.seq LIMIT ?3 + 0

-- name: expiring
SELECT {job.columns} FROM jobs j WHERE j.queue = ?1 AND j.expires_at <= ?2 AND j.state IN (0, 1) ORDER BY j.expires_at, j.seq LIMIT ?3 + 0

-- name: lost
SELECT {job.columns} FROM leasers w CROSS JOIN jobs j WHERE w.queue = ?1 AND j.worker = w.worker AND j.lease_until <= ?2
ORDER BY j.lease_until, j.seq LIMIT ?3 + 0

-- name: runs
SELECT 1 FROM leasers w CROSS JOIN jobs j WHERE w.queue = ?1 AND j.worker = w.worker LIMIT 1

-- What falls due next, or expires; NULL: nothing does.
-- name: soonest
SELECT min(at) FROM (
    SELECT * FROM (SELECT due_at AS at FROM jobs WHERE queue = ?1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT expires_at FROM jobs WHERE queue = ?1 AND expires_at > ?2 ORDER BY expires_at LIMIT 1)
)

-- A worker that has been silent: its remembered reply outlives every legal repeat.
-- name: forget_leasers
DELETE FROM leasers WHERE seen_at < ?1 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.worker = leasers.worker)

-- name: forget_idempotency
DELETE FROM idempotency WHERE until <= ?1

-- Carriers that neither report nor lease any more.
-- name: silent
SELECT DISTINCT c.worker FROM carried c
WHERE NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = c.worker AND w.until > ?1)
  AND NOT EXISTS (SELECT 1 FROM leasers l WHERE l.name = c.worker AND l.seen_at > ?2)

-- name: dead_workers
DELETE FROM workers WHERE until <= ?1

-- name: dead_slots
DELETE FROM serves WHERE until <= ?1
