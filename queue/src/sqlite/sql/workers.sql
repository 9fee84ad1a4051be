-- beat, leave, command: workers as they report themselves, and the kinds that they open.

-- name: known
SELECT report, command FROM workers WHERE id = ?1 AND until > ?2

-- name: put
INSERT INTO workers (id, report, seen_at, until) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET report = excluded.report, seen_at = excluded.seen_at, until = excluded.until, command = NULL

-- name: live
SELECT report FROM workers WHERE until > ?1 ORDER BY id

-- name: remove
DELETE FROM workers WHERE id = ?1

-- name: command
UPDATE workers SET command = ?2 WHERE id = ?1 AND until > ?3

-- name: carries
SELECT queue, kind FROM carried WHERE worker = ?1

-- name: carry
INSERT INTO carried (queue, kind, worker) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING

-- name: uncarry
DELETE FROM carried WHERE queue = ?1 AND kind = ?2 AND worker = ?3

-- name: carried
SELECT 1 FROM carried WHERE queue = ?1 AND kind = ?2 LIMIT 1

-- Opens (?3 = 0) or closes (?3 = 1) the gate of a kind; answers the tenants whose lanes with ready jobs changed.
-- name: gate
UPDATE lanes SET parked = ?3 WHERE queue = ?1 AND kind = ?2 AND parked = 1 - ?3 RETURNING turn, ready > 0

-- name: slots
SELECT queue, slots FROM serves WHERE worker = ?1 AND until > ?2

-- name: serve
INSERT INTO serves (queue, worker, slots, until) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (queue, worker) DO UPDATE SET slots = excluded.slots, until = excluded.until

-- name: unserve
DELETE FROM serves WHERE queue = ?1 AND worker = ?2
