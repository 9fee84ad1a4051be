-- 002: schedules with the history of their ticks, and jobs that wait for the end of another one.

-- Set when somebody has waited for the end of this job: the step that ends it looks into `followers` only then.
ALTER TABLE jobs ADD COLUMN followed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE followers (job INTEGER NOT NULL, follower INTEGER NOT NULL, PRIMARY KEY (job, follower)) WITHOUT ROWID;

-- The changing half of a schedule; `queue` is where it lives. `next_at` is NULL while it is paused, and when there is no next tick. `paused`
-- is JSON. `overlap`: 0 allow, 1 skip, 2 wait, 3 cancel. `ticks` counts every entry that its history ever had; the newest has that number.
CREATE TABLE schedules (
    schedule INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    queue INTEGER NOT NULL,
    next_at INTEGER,
    cursor INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    incarnation BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    paused TEXT,
    last_job BLOB,
    held_job BLOB,
    overlap INTEGER NOT NULL,
    managed_by TEXT,
    ticks INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, name)
);
CREATE INDEX schedules_due ON schedules (queue, next_at, schedule) WHERE next_at IS NOT NULL;

-- What a schedule says, as JSON; changed by people only.
CREATE TABLE sayings (schedule INTEGER PRIMARY KEY, says TEXT NOT NULL);

-- A schedule's history. `outcome`: 0 started, 1 held, 2 overlapped, 3 missed, 4 merged, 5 refused.
CREATE TABLE ticks (
    schedule INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, due_at INTEGER NOT NULL, done_at INTEGER NOT NULL,
    outcome INTEGER NOT NULL, job BLOB, detail TEXT, by_hand INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (schedule, n)
) WITHOUT ROWID;
