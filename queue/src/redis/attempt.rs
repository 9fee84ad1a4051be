//! What a running attempt keeps: cursor, steps, progress, log lines. Fenced by its token.

use super::{
    RedisBroker, Result,
    bytes::{self, Reader, Writer},
    keys,
    queues::Queue,
    script::Script,
    value,
};
use crate::{BrokerError, JobId, LOGS_MAX, LogLine, Logs, Note, Saves, Scope, Token};
use redis::{Cmd, Value};

impl RedisBroker {
    pub(super) async fn save_run(&self, id: JobId, token: Token, saves: &Saves) -> Result<()> {
        let queue = self.queue_of(id).await?;
        let mut command = self.fenced(Script::Save, &queue, id, token);
        command.arg(saves.cursor.as_ref().map_or("", |c| c.get()));
        for (step, result) in &saves.steps {
            command.arg(step).arg(result.get());
        }
        self.fence(&queue, Script::Save, &command).await
    }

    pub(super) async fn note_run(&self, id: JobId, token: Token, note: &Note) -> Result<()> {
        let queue = self.queue_of(id).await?;
        let mut command = self.fenced(Script::Note, &queue, id, token);
        command.arg(note.progress.as_ref().map_or("", |p| p.get())).arg(LOGS_MAX);
        command.arg(note.used.map(|n| n.min(1 << 52).to_string()).unwrap_or_default());
        command.arg(bytes::cut(note.output.as_deref().unwrap_or_default(), LOGS_MAX));
        for line in &note.logs {
            let (level, message) = (bytes::cut(&line.level, 16), bytes::cut(&line.message, LOGS_MAX - 64));
            let mut out = Writer::with_capacity(9 + level.len() + message.len());
            out.u64(line.at.max(0).unsigned_abs()).u8(u8::try_from(level.len()).unwrap_or(0)).raw(level).raw(message);
            command.arg(out.done());
        }
        self.fence(&queue, Script::Note, &command).await
    }

    pub(super) async fn saved_runs(&self, id: JobId) -> Result<Saves> {
        let queue = self.queue_of(id).await?;
        let mut saves = Saves::default();
        for (field, value) in self.extras(&queue, id).await? {
            if field == b"c" {
                saves.cursor = bytes::json(&value);
            } else if let Some(step) = field.strip_prefix(b"s:") {
                let result = bytes::json(&value).ok_or_else(|| BrokerError::Corrupt("a step".to_owned()))?;
                saves.steps.push((String::from_utf8_lossy(step).into_owned(), result));
            }
        }
        saves.steps.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(saves)
    }

    pub(super) async fn log_lines(&self, scope: &Scope, id: JobId) -> Result<Logs> {
        let seen = self.get_jobs(scope, &[id]).await?;
        if !matches!(seen.as_slice(), [Some(_)]) {
            return Err(BrokerError::NotFound);
        }
        let queue = self.queue_of(id).await?;
        let key = extra_key(&queue, id);
        let stored = self.router.call(queue.slot, redis::cmd("HMGET").arg(&key).arg("l").arg("d"), None).await?;
        let stored = value::list(stored, "log lines")?;
        let [text, dropped] = stored.as_slice() else { return Err(value::strange("log lines")) };
        let dropped = value::text(dropped).and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut lines = Vec::new();
        let mut r = Reader::new(value::bytes(text).unwrap_or_default());
        while let Some(n) = r.u32() {
            let line = r.take(n as usize).and_then(line).ok_or_else(|| BrokerError::Corrupt("a log line".to_owned()))?;
            lines.push(line);
        }
        Ok(Logs { lines, dropped })
    }

    /// Everything in the job's hash of extras.
    pub(super) async fn extras(&self, queue: &Queue, id: JobId) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.hash(queue, &extra_key(queue, id)).await
    }

    /// A whole hash of a queue.
    pub(super) async fn hash(&self, queue: &Queue, key: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let answer = self.router.call(queue.slot, redis::cmd("HGETALL").arg(key), None).await?;
        let flat = value::list(answer, "a hash")?;
        let pair = |pair: &[Value]| match pair {
            [Value::BulkString(field), Value::BulkString(value)] => Ok((field.clone(), value.clone())),
            _ => Err(value::strange("a hash")),
        };
        flat.chunks_exact(2).map(pair).collect()
    }

    fn fenced(&self, script: Script, queue: &Queue, id: JobId, token: Token) -> Cmd {
        let mut command = self.command(script, &queue.meta);
        command.arg(&keys::short(id)).arg(&token.0.to_be_bytes());
        command
    }

    async fn fence(&self, queue: &Queue, script: Script, command: &Cmd) -> Result<()> {
        match value::int(&self.call(queue, script, command).await?, "a fenced write")? {
            1 => Ok(()),
            _ => Err(BrokerError::LeaseLost),
        }
    }
}

fn extra_key(queue: &Queue, id: JobId) -> String {
    keys::of_job(&queue.meta, 'x', id)
}

/// One line as kept.
pub(super) fn line(stored: &[u8]) -> Option<LogLine> {
    let mut r = Reader::new(stored);
    let at = r.millis()?;
    let n = r.u8()?;
    Some(LogLine { at, level: r.text(n.into())?, message: r.rest_text()? })
}
