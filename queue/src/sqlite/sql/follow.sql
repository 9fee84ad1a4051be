-- follow: a job waits for the end of another one; the step that ends that one wakes it.

-- The job that is to be followed, unless it has ended.
-- name: leader
SELECT seq FROM jobs WHERE id = ?1 AND ended_at IS NULL

-- Everybody who has waited for it, and those who still wait.
-- name: crowd
SELECT count(*), count(*) FILTER (WHERE (SELECT j.state FROM jobs j WHERE j.seq = f.follower) = 4) FROM followers f WHERE f.job = ?1

-- name: add
INSERT INTO followers (job, follower) VALUES (?1, ?2) ON CONFLICT DO NOTHING

-- name: mark
UPDATE jobs SET followed = 1 WHERE seq = ?1

-- Those who do not wait any more.
-- name: forget
DELETE FROM followers WHERE job = ?1 AND ifnull((SELECT j.state FROM jobs j WHERE j.seq = followers.follower), 0) <> 4

-- name: waiting
SELECT {job.columns} FROM followers f CROSS JOIN jobs j WHERE f.job = ?1 AND j.seq = f.follower AND j.state = 4 ORDER BY f.follower

-- name: drop
DELETE FROM followers WHERE job = ?1
