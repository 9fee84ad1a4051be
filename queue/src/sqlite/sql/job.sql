-- job: reading and writing the rows of one job; the other files include `columns`.
-- In every file `LIMIT ?n + 0`, because SQLite plans a bare `LIMIT ?n` anew for each value.

-- name: columns
j.seq, j.id, j.queue, j.turn, j.lane, j.state, j.rank, j.suspect, j.due_at, j.ready_at, j.expires_at, j.created_at, j.started_at,
j.ended_at, j.attempts, j.crashes, j.crashes_row, j.interruptions, j.runs, j.attempts_max, j.crashes_max, j.repeatable, j.prune_after,
j.prune_at, j.token, j.worker, j.call, j.lease_until, j.cancel, j.prev_token, j.prev_state, j.revision, j.unique_key, j.unique_mode,
j.parent, j.woken, j.events, j.fingerprint, j.reason, j.wait, j.output,
j.cost, j.charged, j.weight, j.period, j.noted, j.followed

-- name: by_id
SELECT {job.columns} FROM jobs j WHERE j.id = ?1

-- Every column that may change after the enqueue. ?1 seq.
-- name: put
UPDATE jobs SET state = ?2, rank = ?3, suspect = ?4, due_at = ?5, ready_at = ?6, expires_at = ?7, started_at = ?8, ended_at = ?9,
    attempts = ?10, crashes = ?11, crashes_row = ?12, interruptions = ?13, runs = ?14, prune_at = ?15, token = ?16, worker = ?17, call = ?18,
    lease_until = ?19, cancel = ?20, prev_token = ?21, prev_state = ?22, revision = ?23, woken = ?24, events = ?25, fingerprint = ?26,
    reason = ?27, wait = ?28, output = ?29, cost = ?30, charged = ?31, weight = ?32, period = ?33, noted = ?34
WHERE seq = ?1

-- name: body
SELECT body, args FROM bodies WHERE seq = ?1

-- name: put_body
UPDATE bodies SET body = ?2, args = ?3 WHERE seq = ?1

-- name: set_body
UPDATE bodies SET body = ?2 WHERE seq = ?1

-- name: names
SELECT q.name, t.tenant, l.kind, l.key, l.resources FROM lanes l, turns t, queues q WHERE l.lane = ?1 AND t.turn = l.turn AND q.queue = l.queue

-- name: tenant
SELECT tenant FROM turns WHERE turn = ?1

-- name: kind
SELECT kind FROM lanes WHERE lane = ?1

-- name: progress
SELECT progress FROM notes WHERE seq = ?1

-- name: worker
SELECT name FROM leasers WHERE worker = ?1

-- name: events
SELECT at, what, run, worker, started_at, error, before FROM events WHERE seq = ?1 ORDER BY n

-- name: add_event
INSERT INTO events (seq, n, at, what, run, worker, started_at, error, before) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)

-- The history is bounded: what lies in the middle goes first.
-- name: trim_event
DELETE FROM events WHERE seq = ?1 AND n = ?2

-- The same for a job that has ended: the error that it ended by stays.
-- name: trim_quiet
DELETE FROM events WHERE seq = ?1 AND n = ?2
    AND (error IS NULL OR EXISTS (SELECT 1 FROM events later WHERE later.seq = ?1 AND later.n > ?2 AND later.error IS NOT NULL))

-- name: last_error
SELECT error FROM events WHERE seq = ?1 AND error IS NOT NULL ORDER BY n DESC LIMIT 1
