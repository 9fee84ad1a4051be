-- tally: what a call did to the counts, written once at its end.

-- A lane's ready jobs changed: its head is looked up again; a lane that fills re-enters at its tenant's lane time. ?1 lane, ?2 ready, ?3 jobs.
-- name: lane
UPDATE lanes SET
    vt = CASE WHEN ready = 0 AND ?2 > 0 THEN max(vt, (SELECT t.lane_vt FROM turns t WHERE t.turn = lanes.turn)) ELSE vt END,
    ready = ready + ?2,
    jobs = jobs + ?3,
    head = min(
        ifnull((SELECT j.rank FROM jobs j WHERE j.lane = ?1 AND j.state = 1 AND j.suspect = 0 ORDER BY j.rank LIMIT 1), 10),
        ifnull((SELECT j.rank FROM jobs j WHERE j.lane = ?1 AND j.state = 1 AND j.suspect = 1 ORDER BY j.rank LIMIT 1), 10))
WHERE lane = ?1 RETURNING turn, ready, parked, jobs

-- name: drop_lane
DELETE FROM lanes WHERE lane = ?1 AND jobs = 0

-- A tenant without open lanes that gets one re-enters at the queue's virtual time: no credit gained, no debt lost.
-- name: turn
UPDATE turns SET
    vt = CASE WHEN open = 0 AND ?2 > 0 THEN max(vt, (SELECT q.vt FROM queues q WHERE q.queue = turns.queue)) ELSE vt END,
    open = open + ?2, scheduled = scheduled + ?3, ready = ready + ?4, running = running + ?5, retrying = retrying + ?6,
    waiting = waiting + ?7, completed = completed + ?8, cancelled = cancelled + ?9, dead = dead + ?10
WHERE turn = ?1

-- name: queue
UPDATE queues SET running = running + ?2 WHERE queue = ?1 RETURNING slots IS NOT NULL

-- name: refused
INSERT INTO refusals (queue, lease_lost) VALUES (?1, ?2) ON CONFLICT (queue) DO UPDATE SET lease_lost = lease_lost + excluded.lease_lost
