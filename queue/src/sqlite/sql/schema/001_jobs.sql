-- 001: queues, tenants' turns, lanes, jobs and what hangs on them.
--
-- States: 0 scheduled, 1 ready, 2 running, 3 retrying, 4 waiting, 5 completed, 6 cancelled, 7 dead, 8 dead and replayed.
-- Times are Unix milliseconds by the broker's clock. A column that feeds a partial index is NULL whenever the job is not in it.

CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('synced', 0);

-- One row per queue; its number is the `home` in the ids of its jobs. `vt` is the queue's virtual time, in milliseconds of slot-time.
-- `flags` says which sorts of scopes have rules here (scope.rs), so that a queue without rules never looks for them. `ended_now` and
-- `ended_before` count the attempts that ended in the ten seconds numbered `ended_window`, and in those before.
CREATE TABLE queues (
    queue INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    token INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    vt REAL NOT NULL DEFAULT 0,
    flags INTEGER NOT NULL DEFAULT 0,
    last_seen INTEGER,
    hold_until INTEGER NOT NULL DEFAULT 0,
    slots INTEGER,
    scaled_at INTEGER,
    auto TEXT,
    mean_ms REAL,
    ended_window INTEGER NOT NULL DEFAULT 0,
    ended_now INTEGER NOT NULL DEFAULT 0,
    ended_before INTEGER NOT NULL DEFAULT 0
);
-- Apart from `queues`, so that a refused write changes nothing but its own count.
CREATE TABLE refusals (queue INTEGER PRIMARY KEY, lease_lost INTEGER NOT NULL);

-- A tenant in a queue: its counts by state, its virtual time, how many of its lanes have something that may run. `parked`: a rule of the
-- tenant holds it back.
CREATE TABLE turns (
    turn INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    vt REAL NOT NULL DEFAULT 0,
    lane_vt REAL NOT NULL DEFAULT 0,
    open INTEGER NOT NULL DEFAULT 0,
    parked INTEGER NOT NULL DEFAULT 0,
    scheduled INTEGER NOT NULL DEFAULT 0,
    ready INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    retrying INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0,
    completed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    UNIQUE (queue, tenant)
);
CREATE INDEX turns_open ON turns (queue, vt, turn) WHERE open > 0 AND parked = 0;

-- (tenant, kind, key) in a queue, and the resources that its jobs use, comma-separated. `head` is the rank of the first ready job.
-- `parked` names why the lane may not run: 1 no live worker carries its kind, 2 the scope `held` holds it back; there tenants
-- are ordered by their virtual time, and a tenant's lanes by `held_vt`, their own at that moment. A lane that nothing waits in is not held. `jobs` counts every row that
-- points here, so that an unused lane can go.
CREATE TABLE lanes (
    lane INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    resources TEXT NOT NULL DEFAULT '',
    vt REAL NOT NULL DEFAULT 0,
    head INTEGER NOT NULL DEFAULT 10,
    ready INTEGER NOT NULL DEFAULT 0,
    parked INTEGER NOT NULL DEFAULT 0,
    held INTEGER,
    held_vt REAL,
    jobs INTEGER NOT NULL DEFAULT 0,
    UNIQUE (turn, kind, key, resources)
);
CREATE INDEX lanes_open ON lanes (turn, head, vt, lane) WHERE ready > 0 AND parked = 0;
CREATE INDEX lanes_ready ON lanes (queue, kind, parked) WHERE ready > 0;
CREATE INDEX lanes_by_kind ON lanes (queue, kind);
CREATE INDEX lanes_held ON lanes (held, queue, turn, held_vt, lane) WHERE held IS NOT NULL;

-- Scopes that have a rule, a gate or failures: class 0 queue, 1 tenant, 2 kind, 3 (tenant, key), 4 resource (its queue is 0). `rule` and
-- `gate` are JSON. `tat` is the rate's theoretical arrival time in microseconds. `running` is kept for kinds, keys and resources; queues
-- and turns have their own. `used` are a budget's units in the
-- period `budget_from` (admit.rs); `alert` and `told`: 1 soft, 2 hard. `wait_ms`: how long
-- failures last closed it. `waits`: lanes or the tenant are parked here; `opens_at`: when to look whether they may run.
CREATE TABLE scopes (
    scope INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    class INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0,
    rule TEXT,
    gate TEXT,
    tat REAL NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    budget_from INTEGER NOT NULL DEFAULT 0,
    used INTEGER NOT NULL DEFAULT 0,
    told INTEGER NOT NULL DEFAULT 0,
    alert INTEGER NOT NULL DEFAULT 0,
    in_row INTEGER NOT NULL DEFAULT 0,
    wait_ms INTEGER NOT NULL DEFAULT 0,
    probe BLOB,
    waits INTEGER NOT NULL DEFAULT 0,
    opens_at INTEGER,
    learned INTEGER,
    learned_until INTEGER,
    UNIQUE (queue, class, tenant, name)
);
CREATE INDEX scopes_opens ON scopes (queue, opens_at, scope) WHERE opens_at IS NOT NULL;
CREATE INDEX scopes_alert ON scopes (queue) WHERE alert > 0;
-- Points that were taken of a resource between `start` and `until`.
CREATE TABLE points (
    scope INTEGER NOT NULL, start INTEGER NOT NULL, until INTEGER NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (scope, start)
) WITHOUT ROWID;
-- A kind's mean duration in a queue.
CREATE TABLE means (queue INTEGER NOT NULL, kind TEXT NOT NULL, mean_ms REAL NOT NULL, PRIMARY KEY (queue, kind)) WITHOUT ROWID;

-- The narrow, changing half of a job. `rank` is 9 - priority, so that every order is ascending. `seq` is the order of enqueue. While it
-- runs: `charged` is the slot-time in milliseconds that its tenant was charged, at `weight`; `period` the begin of the budget's period in
-- which `cost` was reserved, `noted` what the attempt told that it has used.
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    queue INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    state INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    suspect INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    ready_at INTEGER,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    crashes_row INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    runs INTEGER NOT NULL DEFAULT 0,
    attempts_max INTEGER NOT NULL,
    crashes_max INTEGER NOT NULL,
    repeatable INTEGER NOT NULL,
    prune_after INTEGER,
    prune_at INTEGER,
    token INTEGER,
    worker INTEGER,
    call INTEGER,
    lease_until INTEGER,
    cancel INTEGER NOT NULL DEFAULT 0,
    prev_token INTEGER,
    prev_state INTEGER,
    revision INTEGER NOT NULL DEFAULT 0,
    unique_key TEXT,
    unique_mode INTEGER,
    parent BLOB,
    woken INTEGER,
    events INTEGER NOT NULL DEFAULT 0,
    fingerprint TEXT,
    reason INTEGER,
    wait BLOB,
    output TEXT,
    cost INTEGER NOT NULL DEFAULT 1,
    charged REAL,
    weight REAL,
    period INTEGER,
    noted INTEGER
);
CREATE INDEX jobs_ready ON jobs (lane, suspect, rank, seq) WHERE state = 1;
CREATE INDEX jobs_due ON jobs (queue, due_at, seq) WHERE due_at IS NOT NULL;
CREATE INDEX jobs_leases ON jobs (worker, lease_until, seq) WHERE worker IS NOT NULL;
CREATE INDEX jobs_expiry ON jobs (queue, expires_at, seq) WHERE expires_at IS NOT NULL;
CREATE INDEX jobs_prune ON jobs (queue, prune_at, seq) WHERE prune_at IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (queue, state, ended_at, seq) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_ended_by_tenant ON jobs (turn, state, ended_at, seq) WHERE ended_at IS NOT NULL;

-- The wide half, hardly ever changed: `body` is a versioned envelope (codec.rs), `args` JSON that nobody here looks into.
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, args TEXT NOT NULL);
CREATE TABLE events (
    seq INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, what INTEGER NOT NULL, run INTEGER NOT NULL,
    worker TEXT, started_at INTEGER, error BLOB, PRIMARY KEY (seq, n)
) WITHOUT ROWID;
CREATE TABLE notes (seq INTEGER PRIMARY KEY, progress TEXT, log_bytes INTEGER NOT NULL DEFAULT 0, log_next INTEGER NOT NULL DEFAULT 0);
CREATE TABLE logs (
    seq INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (seq, n)
) WITHOUT ROWID;
CREATE TABLE saves (seq INTEGER PRIMARY KEY, cursor TEXT NOT NULL);
CREATE TABLE steps (
    seq INTEGER NOT NULL, key TEXT NOT NULL, n INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (seq, key)
) WITHOUT ROWID;

-- Who waits for what: a child of a job by its key there (`state` NULL: open), and a job's mailbox.
CREATE TABLE children (
    seq INTEGER NOT NULL, key TEXT NOT NULL, child BLOB NOT NULL, state INTEGER, output TEXT, error BLOB, PRIMARY KEY (seq, key)
) WITHOUT ROWID;
CREATE TABLE signals (
    seq INTEGER NOT NULL, n INTEGER NOT NULL, once TEXT NOT NULL, name TEXT NOT NULL, payload TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (seq, n), UNIQUE (seq, once)
) WITHOUT ROWID;

-- Taken unique keys. `until` is the end of a throttle's window. `merged`: ids that were merged into another job.
CREATE TABLE uniques (
    turn INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, id BLOB NOT NULL, until INTEGER,
    PRIMARY KEY (turn, kind, key)
) WITHOUT ROWID;
CREATE INDEX uniques_until ON uniques (until) WHERE until IS NOT NULL;
CREATE TABLE merged (id BLOB PRIMARY KEY, seq INTEGER NOT NULL, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX merged_by_job ON merged (seq, n);

-- Dead letters with like errors.
CREATE TABLE groups (
    turn INTEGER NOT NULL, kind TEXT NOT NULL, fingerprint TEXT NOT NULL, count INTEGER NOT NULL, sample BLOB NOT NULL,
    first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY (turn, kind, fingerprint)
) WITHOUT ROWID;

CREATE TABLE kinds (name TEXT PRIMARY KEY, version INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;

-- A worker as a queue knows it: its last call that leased something, and the reply to it.
CREATE TABLE leasers (
    worker INTEGER PRIMARY KEY, queue INTEGER NOT NULL, name TEXT NOT NULL, call INTEGER NOT NULL DEFAULT 0, reply BLOB,
    seen_at INTEGER NOT NULL, UNIQUE (queue, name)
);
-- A worker as it reports itself.
CREATE TABLE workers (id TEXT PRIMARY KEY, report BLOB NOT NULL, seen_at INTEGER NOT NULL, until INTEGER NOT NULL, command TEXT) WITHOUT ROWID;
-- The slots that a worker announces for a queue.
CREATE TABLE serves (
    queue INTEGER NOT NULL, worker TEXT NOT NULL, slots INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (queue, worker)
) WITHOUT ROWID;
CREATE INDEX serves_by_worker ON serves (worker);
-- Which kinds may run in which queue, and thanks to whom; a lane of any other kind is parked.
CREATE TABLE carried (
    queue INTEGER NOT NULL, kind TEXT NOT NULL, worker TEXT NOT NULL, PRIMARY KEY (queue, kind, worker)
) WITHOUT ROWID;
CREATE INDEX carried_by_worker ON carried (worker);

CREATE TABLE idempotency (
    tenant TEXT NOT NULL, key TEXT NOT NULL, body_hash BLOB NOT NULL, seed BLOB NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL,
    answer TEXT, PRIMARY KEY (tenant, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_until ON idempotency (until);
