-- around: kind records, idempotency.

-- name: scale
UPDATE queues SET slots = ?2, scaled_at = ?3 WHERE queue = ?1 AND slots IS NOT ?2

-- name: auto
UPDATE queues SET auto = ?2 WHERE queue = ?1

-- name: put_kind
INSERT INTO kinds (name, version, record) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, record = excluded.record WHERE excluded.version >= kinds.version

-- name: begun
SELECT body_hash, seed, at, answer FROM idempotency WHERE tenant = ?1 AND key = ?2 AND until > ?3

-- name: begin
INSERT INTO idempotency (tenant, key, body_hash, seed, at, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, key) DO UPDATE SET body_hash = excluded.body_hash, seed = excluded.seed, at = excluded.at, until = excluded.until, answer = NULL

-- name: finish
UPDATE idempotency SET answer = ifnull(answer, ?3) WHERE tenant = ?1 AND key = ?2

-- A commit with an fsync makes everything before it durable too.
-- name: sync
UPDATE meta SET value = value + 1 WHERE name = 'synced'

-- Workers live in the process that owns the file: whoever held a lease before this start is gone.
-- name: orphans
UPDATE jobs SET lease_until = ?1 WHERE worker IS NOT NULL AND lease_until > ?1

-- name: fresh_start
UPDATE queues SET last_seen = ?1, hold_until = 0

-- Counts this start.
-- name: start
UPDATE meta SET value = value + 1 WHERE name = 'starts' RETURNING value
