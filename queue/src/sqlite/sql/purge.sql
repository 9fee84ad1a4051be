-- purge: ended → removed, with everything that hangs on it. A live parent pins its children.

-- name: pinned
SELECT 1 FROM jobs WHERE id = ?1 AND ended_at IS NULL

-- name: job
DELETE FROM jobs WHERE seq = ?1

-- name: body
DELETE FROM bodies WHERE seq = ?1

-- name: events
DELETE FROM events WHERE seq = ?1

-- name: notes
DELETE FROM notes WHERE seq = ?1

-- name: logs
DELETE FROM logs WHERE seq = ?1

-- name: saves
DELETE FROM saves WHERE seq = ?1

-- name: steps
DELETE FROM steps WHERE seq = ?1

-- name: children
DELETE FROM children WHERE seq = ?1

-- name: signals
DELETE FROM signals WHERE seq = ?1

-- name: merged
DELETE FROM merged WHERE seq = ?1

-- Retention. Ended by then, oldest first, unless a parent that is still alive pins it. Dead letters are never among them.
-- name: expired
SELECT {job.columns} FROM jobs j
WHERE j.queue = ?1 AND j.state = ?2 AND j.ended_at <= ?3 AND j.prune_at IS NULL
  AND (j.parent IS NULL OR NOT EXISTS (SELECT 1 FROM jobs p WHERE p.id = j.parent AND p.ended_at IS NULL))
ORDER BY j.ended_at, j.seq LIMIT ?4 + 0

-- The same for jobs with a retention of their own.
-- name: own
SELECT {job.columns} FROM jobs j
WHERE j.queue = ?1 AND j.prune_at <= ?2 AND j.state IN (5, 6)
  AND (j.parent IS NULL OR NOT EXISTS (SELECT 1 FROM jobs p WHERE p.id = j.parent AND p.ended_at IS NULL))
ORDER BY j.prune_at, j.seq LIMIT ?3 + 0

-- name: ended
SELECT ifnull(sum(completed + cancelled), 0) FROM turns WHERE queue = ?1

-- Beyond the count that is kept, oldest first.
-- name: oldest
SELECT {job.columns} FROM jobs j
WHERE j.queue = ?1 AND j.state = ?2 AND j.ended_at IS NOT NULL
  AND (j.parent IS NULL OR NOT EXISTS (SELECT 1 FROM jobs p WHERE p.id = j.parent AND p.ended_at IS NULL))
ORDER BY j.ended_at, j.seq LIMIT ?3 + 0
