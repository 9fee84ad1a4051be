-- schedule: people make, change and look at schedules; schedulers look for what is due.

-- name: columns
s.schedule, s.queue, s.next_at, s.cursor, s.revision, s.incarnation, s.created_at, s.changed_at, s.paused, s.last_job, s.held_job, s.overlap,
s.ticks

-- name: find
SELECT {schedule.columns} FROM schedules s WHERE s.tenant = ?1 AND s.name = ?2

-- name: insert
INSERT INTO schedules (tenant, name, queue, next_at, cursor, revision, incarnation, created_at, changed_at, paused, overlap, managed_by)
VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?7, ?8, ?9, ?10)

-- name: says
SELECT says FROM sayings WHERE schedule = ?1

-- name: say
INSERT INTO sayings (schedule, says) VALUES (?1, ?2) ON CONFLICT (schedule) DO UPDATE SET says = excluded.says

-- What a person's change may change.
-- name: change
UPDATE schedules SET queue = ?2, next_at = ?3, cursor = ?4, revision = ?5, changed_at = ?6, paused = ?7, last_job = ?8, held_job = ?9
WHERE schedule = ?1

-- name: put
UPDATE schedules SET overlap = ?2, managed_by = ?3 WHERE schedule = ?1

-- name: remove
DELETE FROM schedules WHERE schedule = ?1

-- name: unsay
DELETE FROM sayings WHERE schedule = ?1

-- name: forget
DELETE FROM ticks WHERE schedule = ?1

-- A schedule's history, newest first.
-- name: ticks
SELECT at, due_at, done_at, outcome, job, detail, by_hand, count FROM ticks WHERE schedule = ?1 ORDER BY n DESC LIMIT ?2 + 0

-- name: due
SELECT {schedule.columns} FROM schedules s WHERE s.queue = ?1 AND s.next_at <= ?2 ORDER BY s.next_at, s.schedule LIMIT ?3 + 0

-- name: after
SELECT next_at FROM schedules WHERE queue = ?1 AND next_at > ?2 ORDER BY next_at LIMIT 1

-- name: next
SELECT next_at FROM schedules WHERE queue = ?1 AND next_at IS NOT NULL ORDER BY next_at LIMIT 1

-- Pages by (tenant, name): of everybody after (?1, ?2), or of the tenant ?1 after the name ?2; ?3 a queue, ?4 a file.
-- name: all
SELECT s.tenant, s.name, {schedule.columns} FROM schedules s
WHERE (s.tenant, s.name) > (?1, ?2) AND (?3 IS NULL OR s.queue = ?3) AND (?4 IS NULL OR s.managed_by = ?4)
ORDER BY s.tenant, s.name LIMIT ?5 + 0

-- name: own
SELECT s.tenant, s.name, {schedule.columns} FROM schedules s
WHERE s.tenant = ?1 AND s.name > ?2 AND (?3 IS NULL OR s.queue = ?3) AND (?4 IS NULL OR s.managed_by = ?4)
ORDER BY s.name LIMIT ?5 + 0
