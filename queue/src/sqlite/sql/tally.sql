-- tally: what a call did to the counts and the virtual times, written once at its end.

-- A lane's ready jobs changed: its head is looked up again; a lane that fills re-enters at its tenant's lane time.
-- ?1 lane, ?2 ready, ?3 jobs, ?4 virtual time.
-- name: lane
UPDATE lanes SET
    vt = ?4 + CASE WHEN ready = 0 AND ?2 > 0 THEN max(vt, (SELECT t.lane_vt FROM turns t WHERE t.turn = lanes.turn)) ELSE vt END,
    ready = ready + ?2,
    jobs = jobs + ?3,
    head = min(
        ifnull((SELECT j.rank FROM jobs j WHERE j.lane = ?1 AND j.state = 1 AND j.suspect = 0 ORDER BY j.rank LIMIT 1), 10),
        ifnull((SELECT j.rank FROM jobs j WHERE j.lane = ?1 AND j.state = 1 AND j.suspect = 1 ORDER BY j.rank LIMIT 1), 10))
WHERE lane = ?1

-- Read apart from the update: RETURNING makes a table of its own for each row, which costs more than the update.
-- name: lane_row
SELECT queue, turn, kind, key, resources, ready, parked, jobs FROM lanes WHERE lane = ?1

-- Only what runs and the virtual time changed.
-- name: lane_time
UPDATE lanes SET vt = vt + ?2 WHERE lane = ?1

-- A lane that nothing waits in is held by nothing.
-- name: unhold
UPDATE lanes SET parked = 0, held = NULL WHERE lane = ?1

-- name: drop_lane
DELETE FROM lanes WHERE lane = ?1 AND jobs = 0

-- A tenant without open lanes that gets one re-enters at the queue's virtual time: no credit gained, no debt lost. ?11 is what it is
-- charged, ?12 the virtual time of its lanes.
-- name: turn
UPDATE turns SET
    vt = ?11 + CASE WHEN open = 0 AND ?2 > 0 THEN max(vt, (SELECT q.vt FROM queues q WHERE q.queue = turns.queue)) ELSE vt END,
    lane_vt = max(lane_vt, ifnull(?12, lane_vt)),
    open = open + ?2, scheduled = scheduled + ?3, ready = ready + ?4, running = running + ?5, retrying = retrying + ?6,
    waiting = waiting + ?7, completed = completed + ?8, cancelled = cancelled + ?9, dead = dead + ?10
WHERE turn = ?1

-- name: turn_row
SELECT queue, vt, open FROM turns WHERE turn = ?1

-- Something of a tenant has ended: it is looked at again.
-- name: unpark_turn
UPDATE turns SET parked = 0, vt = max(vt, (SELECT q.vt FROM queues q WHERE q.queue = turns.queue)) WHERE turn = ?1 AND parked = 1

-- ?2 running, ?3 attempts that ended, ?4 their mean duration, ?5 its weight in the mean, ?6 the window of now; a tenant that was charged
-- too much takes the queue's virtual time back with it, from ?7 to ?8.
-- name: queue
UPDATE queues SET
    running = running + ?2,
    mean_ms = CASE WHEN ?5 > 0.0 THEN ifnull(mean_ms + (?4 - mean_ms) * ?5, ?4) ELSE mean_ms END,
    ended_before = CASE WHEN ?3 = 0 OR ended_window = ?6 THEN ended_before WHEN ended_window = ?6 - 1 THEN ended_now ELSE 0 END,
    ended_now = CASE WHEN ?3 = 0 OR ended_window = ?6 THEN ended_now ELSE 0 END + ?3,
    ended_window = CASE WHEN ?3 = 0 THEN ended_window ELSE ?6 END,
    vt = CASE WHEN vt <= ?7 AND vt > ?8 THEN ?8 ELSE vt END
WHERE queue = ?1

-- name: queue_row
SELECT slots IS NOT NULL, flags FROM queues WHERE queue = ?1

-- name: mean
INSERT INTO means (queue, kind, mean_ms) VALUES (?1, ?2, ?3)
ON CONFLICT (queue, kind) DO UPDATE SET mean_ms = mean_ms + (excluded.mean_ms - mean_ms) * ?4

-- Leases began (?2 above 0) or ended in a scope; who waits there is looked at when one ended.
-- name: scope
UPDATE scopes SET running = max(running + ?2, 0), opens_at = CASE WHEN ?2 < 0 AND waits = 1 THEN ?3 ELSE opens_at END
WHERE scope = ?1

-- name: scope_row
SELECT scope, waits FROM scopes WHERE queue = ?1 AND class = ?2 AND tenant = ?3 AND name = ?4

-- name: refused
INSERT INTO refusals (queue, lease_lost) VALUES (?1, ?2) ON CONFLICT (queue) DO UPDATE SET lease_lost = lease_lost + excluded.lease_lost
