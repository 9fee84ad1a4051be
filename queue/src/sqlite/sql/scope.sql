-- scope: the rules of a scope and how it stands.

-- name: columns
s.scope, s.queue, s.class, s.tenant, s.name, s.revision, s.rule, s.gate, s.tat,
CASE s.class WHEN 0 THEN (SELECT q.running FROM queues q WHERE q.queue = s.queue)
    WHEN 1 THEN ifnull((SELECT t.running FROM turns t WHERE t.queue = s.queue AND t.tenant = s.tenant), 0)
    ELSE s.running END,
s.budget_from, s.used, s.told, s.alert, s.in_row, s.wait_ms, s.probe, s.waits, s.opens_at, s.learned, s.learned_until

-- name: find
SELECT {scope.columns} FROM scopes s WHERE s.queue = ?1 AND s.class = ?2 AND s.tenant = ?3 AND s.name = ?4

-- name: insert
INSERT INTO scopes (queue, class, tenant, name, running) VALUES (?1, ?2, ?3, ?4, ?5)

-- What a lease or an ack may change.
-- name: save
UPDATE scopes SET tat = ?2, budget_from = ?3, used = ?4, told = ?5, alert = ?6, in_row = ?7, wait_ms = ?8, probe = ?9, waits = ?10,
    opens_at = ?11, learned = ?12, learned_until = ?13, gate = ?14 WHERE scope = ?1

-- name: started
UPDATE scopes SET running = running + ?2 WHERE scope = ?1

-- name: flags
SELECT flags FROM queues WHERE queue = ?1

-- A (tenant, key) whose last attempts failed.
-- name: failing
SELECT 1 FROM scopes WHERE queue = ?1 AND class = 3 AND in_row > 0 LIMIT 1

-- name: raise
UPDATE queues SET flags = flags | ?2 WHERE queue = ?1

-- Points that still count: taken in a stretch of time that ended after ?2.
-- name: points
SELECT start, until, used FROM points WHERE scope = ?1 AND until > ?2 ORDER BY start

-- name: take
INSERT INTO points (scope, start, until, used) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (scope, start) DO UPDATE SET used = used + excluded.used, until = max(until, excluded.until)

-- name: forget_points
DELETE FROM points WHERE scope = ?1 AND until <= ?2

-- The slots of the live workers of a queue.
-- name: slots
SELECT ifnull(sum(slots), 0) FROM serves WHERE queue = ?1 AND until > ?2
