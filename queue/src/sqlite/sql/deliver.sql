-- deliver: a child was opened or has ended, a signal came; Waiting → Ready or Dead when the wait is met.

-- name: child
SELECT child, state FROM children WHERE seq = ?1 AND key = ?2

-- name: put_child
INSERT INTO children (seq, key, child, state, output, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (seq, key) DO UPDATE SET child = excluded.child, state = excluded.state, output = excluded.output, error = excluded.error

-- name: children
SELECT key, child, state, output, error FROM children WHERE seq = ?1 ORDER BY key

-- Open, ended and failed children.
-- name: count
SELECT count(*) FILTER (WHERE state IS NULL), count(*) FILTER (WHERE state IS NOT NULL), count(*) FILTER (WHERE state IN (6, 7))
FROM children WHERE seq = ?1

-- name: open
SELECT child FROM children WHERE seq = ?1 AND state IS NULL

-- name: has_signal
SELECT 1 FROM signals WHERE seq = ?1 AND once = ?2

-- name: mailbox
SELECT count(*), ifnull(max(n), 0) FROM signals WHERE seq = ?1

-- name: add_signal
INSERT INTO signals (seq, n, once, name, payload, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: signals
SELECT once, name, payload, at FROM signals WHERE seq = ?1 ORDER BY n

-- name: signalled
SELECT 1 FROM signals WHERE seq = ?1 AND name = ?2 LIMIT 1

-- Has this job a child or a signal?
-- name: any
SELECT 1 WHERE EXISTS (SELECT 1 FROM children WHERE seq = ?1) OR EXISTS (SELECT 1 FROM signals WHERE seq = ?1)
