-- ack: Running → Completed, Retrying, Scheduled, Ready, Waiting, Cancelled or Dead (decided in ack.rs, written by job.put).
-- Endings also count dead letters by their fingerprint.

-- name: letter
INSERT INTO groups (turn, kind, fingerprint, count, sample, first_at, last_at) VALUES (?1, ?2, ?3, 1, ?4, ?5, ?5)
ON CONFLICT (turn, kind, fingerprint) DO UPDATE SET count = count + 1, last_at = excluded.last_at

-- name: unletter
UPDATE groups SET count = count - 1 WHERE turn = ?1 AND kind = ?2 AND fingerprint = ?3

-- name: drop_group
DELETE FROM groups WHERE turn = ?1 AND kind = ?2 AND fingerprint = ?3 AND count <= 0
