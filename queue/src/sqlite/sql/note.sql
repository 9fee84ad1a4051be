-- save, note: what a running attempt keeps, under its token.

-- name: cursor
INSERT INTO saves (seq, cursor) VALUES (?1, ?2) ON CONFLICT (seq) DO UPDATE SET cursor = excluded.cursor

-- The first result of a step stays.
-- name: step
INSERT INTO steps (seq, key, n, value) VALUES (?1, ?2, (SELECT count(*) FROM steps WHERE seq = ?1), ?3) ON CONFLICT (seq, key) DO NOTHING

-- name: saved
SELECT cursor FROM saves WHERE seq = ?1

-- name: steps
SELECT key, value FROM steps WHERE seq = ?1 ORDER BY n

-- name: progress
INSERT INTO notes (seq, progress) VALUES (?1, ?2) ON CONFLICT (seq) DO UPDATE SET progress = excluded.progress

-- name: used
UPDATE jobs SET noted = ?2 WHERE seq = ?1

-- name: room
INSERT INTO notes (seq, log_bytes, log_next) VALUES (?1, ?2, ?3)
ON CONFLICT (seq) DO UPDATE SET log_bytes = log_bytes + excluded.log_bytes, log_next = log_next + excluded.log_next
RETURNING log_bytes, log_next

-- name: add_log
INSERT INTO logs (seq, n, at, level, message) VALUES (?1, ?2, ?3, ?4, ?5)

-- name: oldest_logs
SELECT n, length(CAST(message AS BLOB)) FROM logs WHERE seq = ?1 ORDER BY n LIMIT 100

-- name: drop_log
DELETE FROM logs WHERE seq = ?1 AND n = ?2

-- name: set_bytes
UPDATE notes SET log_bytes = ?2 WHERE seq = ?1

-- name: logs
SELECT n, at, level, message FROM logs WHERE seq = ?1 ORDER BY n
