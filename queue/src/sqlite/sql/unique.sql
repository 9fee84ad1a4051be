-- unique: taken keys in (queue, tenant, kind).

-- name: holder
SELECT id, until FROM uniques WHERE turn = ?1 AND kind = ?2 AND key = ?3

-- name: take
INSERT INTO uniques (turn, kind, key, id, until) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (turn, kind, key) DO UPDATE SET id = excluded.id, until = excluded.until

-- Only the holder frees its key.
-- name: free
DELETE FROM uniques WHERE turn = ?1 AND kind = ?2 AND key = ?3 AND id = ?4

-- name: merge
INSERT INTO merged (id, seq, n) SELECT ?1, ?2, ifnull(max(n), 0) + 1 FROM merged WHERE seq = ?2

-- name: forget_merged
DELETE FROM merged WHERE seq = ?1 AND n <= (SELECT max(n) FROM merged WHERE seq = ?1) - ?2

-- A window that is over keeps nobody away.
-- name: sweep
DELETE FROM uniques WHERE until <= ?1
