-- group: dead letters with like errors, and by the hour how many came.

-- name: hours
SELECT hours FROM groups WHERE turn = ?1 AND kind = ?2 AND fingerprint = ?3

-- ?5 is when the letter died; it may be older than what is there. ?6: the hours from now on.
-- name: add
INSERT INTO groups (turn, kind, fingerprint, count, sample, first_at, last_at, hours) VALUES (?1, ?2, ?3, 1, ?4, ?5, ?5, ?6)
ON CONFLICT (turn, kind, fingerprint) DO UPDATE SET count = count + 1, first_at = min(first_at, excluded.first_at),
    last_at = max(last_at, excluded.last_at), hours = excluded.hours

-- name: take
UPDATE groups SET count = count - 1 WHERE turn = ?1 AND kind = ?2 AND fingerprint = ?3

-- name: drop_empty
DELETE FROM groups WHERE turn = ?1 AND kind = ?2 AND fingerprint = ?3 AND count <= 0
