-- fire: a schedule's cursor moves, its ticks become jobs, its history grows.

-- name: moved
UPDATE schedules SET next_at = ?2, cursor = ?3, last_job = ?4, held_job = ?5, ticks = ?6 WHERE schedule = ?1

-- name: add
INSERT INTO ticks (schedule, n, at, due_at, done_at, outcome, job, detail, by_hand, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)

-- The oldest entries go first.
-- name: trim
DELETE FROM ticks WHERE schedule = ?1 AND n <= ?2
