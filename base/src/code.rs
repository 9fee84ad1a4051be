//! The closed set of error codes. A code is for programs to branch on; the chain of causes is for people to read.
//! Each has a page `docs/errors/CODE.md`, generated from this table by `cargo xtask gen`.

/// What a code's page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// A short title, the same for every occurrence (RFC 9457 `title`).
    pub title: &'static str,
    /// The HTTP status it is answered with.
    pub status: u16,
    /// What happened.
    pub happened: &'static str,
    /// What it means for the data.
    pub data: &'static str,
    /// What to do.
    pub todo: &'static str,
}

macro_rules! codes {
    ($($variant:ident = $code:literal, $status:literal, $title:literal, $happened:literal, $data:literal, $todo:literal;)*) => {
        /// Every way a call can fail, by the name that programs branch on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $happened] $variant,)* }
        impl Code {
            /// Every code, in the order of this file.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The name that leaves the process, such as `queue.lease_lost`.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $code,)* } }
            /// What the code's page says.
            #[must_use]
            pub const fn page(self) -> Page { match self { $(Self::$variant => Page { title: $title, status: $status, happened: $happened, data: $data, todo: $todo },)* } }
        }
    };
}

codes! {
    Unavailable = "queue.unavailable", 503, "The queue cannot be reached", "The broker could not be reached, and nothing was sent to it.", "Nothing changed.", "Repeat the call; use the same Idempotency-Key if it had one. If it lasts, look at /readyz and at the broker.";
    OutcomeUnknown = "queue.outcome_unknown", 503, "The queue did not answer in time", "The call was sent, and no answer came before the deadline; it may have taken effect.", "The ids in the answer name what may exist. Nothing exists twice.", "Repeat with the same Idempotency-Key, or look the ids up.";
    QueueFull = "queue.full", 503, "The queue is nearly full", "Redis uses more than the high-water mark of its memory, so new jobs are refused while running ones finish; or the disk of the queue file, or of the Redis server, is full. The detail says which.", "Nothing was enqueued, nothing that was acknowledged is lost.", "Wait for Retry-After; let workers drain, raise maxmemory or make room on the disk, or shorten retention.";
    NotDurable = "queue.not_durable", 422, "This kind needs a durable broker", "The kind must not run twice, and this broker may lose acknowledged writes in a crash.", "Nothing was enqueued.", "Use appendfsync always (Redis) or SQLite, or make the kind repeatable.";
    LeaseLost = "queue.lease_lost", 409, "The lease was lost", "The write carried a token that is not the job's current one: the lease ended and somebody else may own the job.", "The write changed nothing.", "Stop the attempt. If it happens often, look for workers without CPU time, or raise worker.lease_ms.";
    Moving = "queue.moving", 503, "The queue is being moved", "The queue's slot is being moved between cluster nodes.", "Nothing changed.", "Repeat the call; the move ends by itself.";
    BrokerRefused = "queue.refused", 503, "The broker refused the call", "The broker is set up in a way that Longshore refuses to work with, or answered with an error.", "Nothing changed.", "Read the detail; `longshore doctor` lists every fault of the set-up.";
    QueueLocked = "queue.locked", 503, "Another process owns the queue file", "A second process opened a SQLite queue file that is in use.", "Nothing changed.", "Use the running process through its API, or use Redis for several processes.";
    TooManyReaders = "events.too_many_readers", 503, "Too many listen", "This process has as many readers of events as it may have, or this tenant has its share of them.", "Nothing changed; jobs are not touched.", "End streams that nobody needs, come again after Retry-After, or listen through another API process.";
    JobNotFound = "jobs.not_found", 404, "No such job", "No job with this id is visible to this key.", "Nothing changed.", "Check the id; ended jobs are removed after their retention.";
    KindUnknown = "jobs.kind_unknown", 422, "No such kind", "No process has registered this kind.", "Nothing was enqueued.", "Check the spelling with `longshore kinds list`, start the worker that carries it once, or PUT /v1/kinds/{name}.";
    ArgsInvalid = "jobs.args_invalid", 422, "The arguments do not fit the kind", "The kind's schema refuses the arguments; each fault has a pointer.", "Nothing was enqueued.", "Correct the fields that `errors` names.";
    ArgsTooLarge = "jobs.args_too_large", 413, "The arguments are too large", "The arguments of one job are larger than 16 MiB of JSON; or than 256 KiB, where a process has no files or an operation is begun.", "Nothing was enqueued.", "Store the bulk elsewhere and pass a reference.";
    OutputTooLarge = "jobs.output_too_large", 422, "The output is too large", "The handler returned more than 16 MiB of JSON, or saved a checkpoint of more than 256 KiB.", "The job is Dead; its output was not kept.", "Return a reference instead of the bulk.";
    NotEditable = "jobs.not_editable", 409, "The job cannot be edited in this state", "Only scheduled, ready and retrying jobs can be edited.", "Nothing changed.", "Wait, cancel, or replay the job instead.";
    RevisionMismatch = "jobs.revision_mismatch", 412, "The job has changed since", "If-Match named a revision that is not the current one.", "Nothing changed.", "Read the job again and repeat the edit on the new revision.";
    RevisionMissing = "jobs.revision_missing", 428, "If-Match is missing", "An edit must name the revision it was made from.", "Nothing changed.", "Send If-Match with the job's revision.";
    RuleMismatch = "rules.revision_mismatch", 412, "The rules have changed since", "If-Match named a revision that is not the current one: somebody else changed the rules first.", "Nothing changed.", "Read the rules again with their ETag, and repeat the change on the new revision.";
    ScheduleNotFound = "schedules.not_found", 404, "No such schedule", "No schedule of this name is visible to this key in this tenant.", "Nothing changed.", "Check the name and the tenant with `longshore schedules list`.";
    ScheduleMismatch = "schedules.revision_mismatch", 412, "The schedule has changed since", "If-Match named a revision that is not the current one: somebody else changed the schedule first.", "Nothing changed.", "Read the schedule again with its ETag, and repeat the change on the new revision.";
    ScheduleMoved = "schedules.moved", 409, "The schedule's tick was carried out by another scheduler", "A scheduler decided on a schedule that another one had moved on, or that was changed or paused in between.", "Nothing changed; no tick is lost and none is carried out twice.", "Nothing to do; the scheduler looks again.";
    BackfillUnconfirmed = "schedules.backfill_unconfirmed", 409, "The backfill is large", "The range has more than 10000 ticks, and the call did not confirm their number.", "Nothing was enqueued.", "Repeat the call with `confirm_count` set to the `count` of the answer, or choose a shorter range.";
    NotCancellable = "jobs.not_cancellable", 409, "The job has ended", "An ended job cannot be cancelled.", "Nothing changed.", "Nothing to do; read the job for how it ended.";
    NotMovable = "jobs.not_movable", 409, "The job cannot be moved", "Only jobs that are scheduled, ready or retrying move to another queue, without a parent, children or jobs that follow them.", "Nothing changed.", "Read the job for how it stands; cancel it and enqueue another one where that will do.";
    ReplayStarted = "dead_letters.replay_started", 409, "The replay has begun", "The job that repeats this letter was leased, or has ended, before the replay was taken back.", "Nothing changed; the new job goes on.", "Cancel the new job, if it should not go on.";
    OperationUnconfirmed = "operations.unconfirmed", 409, "The number of jobs is not confirmed", "The filter matches more than 1,000 jobs, or another number than the one that was confirmed.", "Nothing changed.", "Look at the count, then repeat the call with confirm_count.";
    NotUndoable = "operations.not_undoable", 409, "The operation cannot be taken back", "Only replays and changes of priority or due time can be taken back, after they have ended.", "Nothing changed.", "Cancel the operation first where it still runs.";
    NotRetryable = "jobs.not_retryable", 409, "The job cannot be retried now", "Only retrying jobs can be brought forward, and only dead ones replayed.", "Nothing changed.", "Read the job's state.";
    UniqueTaken = "jobs.unique_taken", 409, "The unique key is taken", "Another live job holds the unique key of the job that was to be replayed.", "Nothing changed.", "Wait for the other job, or cancel it.";
    RequestInvalid = "request.invalid", 422, "The request has faults", "One or more fields or parameters are not allowed; each fault has a pointer.", "Nothing changed.", "Correct what `errors` names.";
    BodyMalformed = "request.malformed", 400, "The body is not JSON", "The body could not be read as JSON, or is nested too deep.", "Nothing changed.", "Send valid JSON with Content-Type application/json, at most 64 levels deep.";
    BodyTooLarge = "request.too_large", 413, "The body is too large", "The body is larger than 32 MiB.", "Nothing changed.", "Send smaller batches.";
    RequestTimeout = "request.timeout", 408, "The request took too long", "The request was not received or answered within its time.", "A write may or may not have taken effect.", "Repeat with the same Idempotency-Key.";
    NotFound = "request.not_found", 404, "No such route or thing", "Nothing is known by this path.", "Nothing changed.", "See /openapi.json for the routes.";
    MethodNotAllowed = "request.method_not_allowed", 405, "The method is not allowed here", "The route exists with other methods.", "Nothing changed.", "See /openapi.json for the methods.";
    IdempotencyConflict = "request.idempotency_conflict", 409, "The Idempotency-Key was used for another body", "The same key came with a different body within 24 hours.", "Nothing changed.", "Use a new key for a new request.";
    Unauthorized = "auth.unauthorized", 401, "No valid key", "The Authorization header is absent, or its key is unknown or revoked.", "Nothing changed.", "Send `Authorization: Bearer lsk_…`; `longshore keys create` makes one.";
    Forbidden = "auth.forbidden", 403, "The key's role may not do this", "The key is valid, but its role does not allow this route.", "Nothing changed.", "Use an operator key.";
    StoreUnavailable = "store.unavailable", 503, "The store cannot be reached", "The database of keys and history could not be reached or refused the call.", "Queues are not touched.", "Repeat; if it lasts, look at /readyz and at the database.";
    FilesUnavailable = "files.unavailable", 503, "The files cannot be reached", "The folder or bucket of `--files` could not be reached, is full, or refused the call.", "Nothing was enqueued and nothing that was there is lost; an attempt that needs the file is tried again.", "Repeat; if it lasts, look at /readyz and run `longshore doctor`.";
    FilesMissing = "files.missing", 500, "A file is not there", "A job names a file with its arguments or its output, and there is none of that name in the `--files` of this process.", "The job itself is untouched; an attempt that needs the file is spent.", "See that every process has the same `--files`: a folder is seen by one machine only. If somebody removed the file, it is lost; restore it from a backup.";
    FilesDamaged = "files.damaged", 500, "A file is not what was written", "The length or the hash of a file differs from what the job says of it.", "The job itself is untouched; the file is not used.", "Restore the file from a backup of `--files`, and look at the disk or the bucket.";
    ConfigInvalid = "config.invalid", 422, "The configuration has faults", "One or more settings are not allowed.", "Nothing was started.", "Correct every key that the report names; `longshore config check` repeats it.";
    Internal = "internal", 500, "A fault in Longshore", "Something that should not happen has happened; the log has the chain under the request id.", "Unknown; look the job up.", "Report it with the request id.";
    AttemptPanicked = "attempt.panicked", 500, "The handler panicked", "The kind's code panicked.", "The attempt is spent and retried by the kind's policy.", "Read the message, fix the kind.";
    AttemptTimeout = "attempt.timeout", 500, "The attempt ran out of time", "The attempt did not end within timeout_ms and was stopped.", "The attempt is spent and retried by the kind's policy.", "Raise timeout_ms, or make the work smaller.";
    AttemptCrashed = "attempt.crashed", 500, "The worker was lost", "The worker stopped extending the lease: it was killed, stopped, or cut off.", "The job runs again unless it has crashed crashes_max times in a row; attempts are not touched.", "Look at the worker named in the timeline.";
    OutcomeUnknownDead = "attempt.outcome_unknown", 500, "It is not known whether the work was done", "A job of a kind that must not run twice was interrupted after it had started.", "The job is Dead; nothing repeated it.", "Check the outside system, then replay or purge it.";
    KindNotHere = "attempt.kind_not_here", 500, "This worker does not know the kind", "A job reached a worker that does not carry its kind.", "The job was given back; no attempt was spent.", "Start the worker that carries the kind.";
    HttpRefused = "http.refused", 500, "The address is refused", "The URL, an address that its host resolves to, or one that an answer redirects to is not allowed; the message names the rule.", "No connection was made to it. The job is Dead.", "Use a public address on port 80 or 443 in its plain form, or start the worker with --allow-outbound.";
    HttpStatus = "http.status", 500, "The target answered with an error", "The target's status is not a success.", "The attempt is spent; 4xx ends the job, 5xx is retried.", "Read the message for the status.";
    BackupSource = "backup.source_failed", 500, "The source cannot be backed up", "The database could not be reached, refused the login, or could not be read to its end.", "Nothing is listed; what was written is removed by the next attempt or by prune.", "Read the message: it has the last words of the tool. A source that is away is tried again.";
    BackupTarget = "backup.target_failed", 500, "The target cannot be used", "The folder or bucket of the backups could not be written or read.", "Nothing is listed that is not whole.", "Check that it is there, has room and lets the worker in; for a bucket, look at the AWS_ variables of the worker.";
    BackupIdentity = "backup.identity_wrong", 500, "The identity does not open the backup", "The identity is none, or belongs to nobody to whom the backup is encrypted. The message names both by their recipients.", "The backup is untouched.", "Use the identity of one of the recipients that the manifest lists.";
    BackupDamaged = "backup.damaged", 500, "The backup is damaged", "A backup is not what was written: its SHA-256 or its seal differs, or its data is gone.", "Nothing was restored from it; prune leaves it alone.", "Use another backup, and find out what the storage did to this one.";
    BackupTruncated = "backup.truncated", 500, "The backup was cut", "The data of a backup is shorter than its manifest says.", "Nothing was restored from it; prune leaves it alone.", "Use another backup, and find out what the storage did to this one.";
    BackupToolMissing = "backup.tool_missing", 500, "A tool is missing", "A program that the backup needs is not in the worker's PATH. The message names it.", "Nothing was written.", "Install it (Debian: postgresql-client, postgresql, redis-tools, redis-server), then retry the job.";
    BackupToolOld = "backup.tool_outdated", 500, "A tool is older than the server", "A program that the backup needs is older than the server, and would miss what it does not know. The message names both versions.", "Nothing was written.", "Install the server's version of it, then retry the job.";
    BackupNotFound = "backup.not_found", 500, "No such backup", "The target has no good backup of this name, or no such manifest.", "Nothing changed.", "Look at the target with `longshore restore --list`.";
    BackupMismatch = "backup.mismatch", 500, "The restored data differs", "A backup was restored, and what is there then is not what its manifest counted and hashed when it was taken.", "The backup is kept. Nothing but a scratch place, or a database that was just filled, has the other data.", "Do not rely on this backup; take another one, and look at the tables that the message names.";
    BackupRestore = "backup.restore_failed", 500, "The backup cannot be restored", "pg_restore or a scratch server refused the data. The message has its last words.", "Nothing is left half done.", "Read the message: a role, an extension or a newer server may be missing there.";
    BackupDestination = "backup.destination_taken", 500, "Something is there already", "A restore would replace a file, or fill a database that is not empty.", "Nothing was restored or replaced.", "Choose another destination, or say --overwrite.";
    BackupScratch = "backup.scratch_failed", 500, "The scratch folder cannot be used", "The worker's scratch folder is full or cannot be written, or a scratch server could not be set up in it.", "Nothing is listed that is not whole.", "Make room below the worker's data folder; the message names the folder.";
    HttpFailed = "http.failed", 500, "The request did not complete", "No complete answer came: the connection could not be made, broke, or timed out.", "The attempt is spent and retried; the target may have seen the request.", "Check the target.";
    SecretAbsent = "secrets.absent", 500, "There is no such secret", "The args name a secret that the job's tenant does not have; the message names it.", "The job is Dead; nothing was called with a value that is not there.", "Give the tenant the secret (--secrets, LONGSHORE_SECRET_…), start the workers again, and replay the job.";
    SecretUnavailable = "secrets.unavailable", 500, "The secret cannot be told now", "The provider of secrets did not answer, or refused the worker.", "The attempt is spent and retried by the kind's policy.", "Look at the provider that the message names.";
    SecretUnusable = "secrets.unusable", 500, "The secret is not of the form that is needed", "The secret exists, but cannot be used for what the kind wants it for, such as a signing key that is no base64. The value is told nowhere.", "The job is Dead; nothing was sent.", "Correct the value that the message names, start the workers again, and replay the job.";
    SecretExposed = "secrets.exposed", 500, "A secret would have been stored", "The kind's code wanted to keep the value of a secret in a checkpoint, or in the args of another job.", "The job is Dead; the value was not stored.", "Keep the secret's name instead, and ask for its value in each run.";
    Demo = "demo.failed", 500, "The demo job failed as asked", "demo.fail did what its arguments say.", "As for any failed attempt.", "Nothing.";
    Handler = "handler.failed", 500, "The handler failed", "The kind's code returned a failure.", "The attempt is spent and retried by the kind's policy.", "Read the message and its chain.";
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
