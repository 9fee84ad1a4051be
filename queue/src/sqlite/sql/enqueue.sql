-- enqueue: – → Scheduled, Ready or Waiting, or the job that is there already. The id is checked first, then the unique key.

-- name: turn
SELECT turn FROM turns WHERE queue = ?1 AND tenant = ?2

-- name: new_turn
INSERT INTO turns (queue, tenant, vt) SELECT queue, ?2, vt FROM queues WHERE queue = ?1 RETURNING turn

-- name: lane
SELECT lane FROM lanes WHERE turn = ?1 AND kind = ?2 AND key = ?3 AND resources = ?4

-- A lane of a kind that nobody carries starts parked.
-- name: new_lane
INSERT INTO lanes (queue, turn, kind, key, resources, parked)
VALUES (?1, ?2, ?3, ?4, ?5, NOT EXISTS (SELECT 1 FROM carried WHERE queue = ?1 AND kind = ?3)) RETURNING lane

-- Jobs of this queue use resources from now on.
-- name: uses
UPDATE queues SET flags = flags | ?2 WHERE queue = ?1

-- name: job
INSERT INTO jobs (id, queue, turn, lane, state, rank, due_at, ready_at, expires_at, created_at, attempts_max, crashes_max, repeatable,
    prune_after, unique_key, unique_mode, parent, woken, wait, cost)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) ON CONFLICT (id) DO NOTHING

-- name: body
INSERT INTO bodies (seq, body, args) VALUES (?1, ?2, ?3)

-- name: state
SELECT state FROM jobs WHERE id = ?1

-- name: merged
SELECT j.id, j.state FROM merged m, jobs j WHERE m.id = ?1 AND j.seq = m.seq
