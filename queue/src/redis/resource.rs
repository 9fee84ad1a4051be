//! Outside quotas: what people change of them, and what queues borrow. `scripts/lend.lua` is the lender's side, `scripts/slice.lua` the
//! queue's, `scripts/lease.lua` uses what was lent. Numbers that travel are absolute and have a sequence, so a call may be repeated.

use super::{RedisBroker, Result, bytes::Writer, keys, queues::Queue, record::millis, rules, script::Script, value};
use crate::{BrokerError, Job, Obstacle, Quota, ResourceChange, ResourceState};
use longshore_base::{Code, Millis, Name};
use redis::{Cmd, Value};

/// What was lent may be used for so long, in ms.
const VALID_MS: u64 = 2_000;
/// Numbers for each resource that `lease.lua` asks for.
const ASK: usize = 6;

impl RedisBroker {
    pub(super) async fn change_resource(&self, name: &Name, change: &ResourceChange, expected: Option<u64>) -> Result<ResourceState> {
        if matches!(change, ResourceChange::Put(_)) {
            let key = keys::resources(&self.options.prefix);
            self.router.call(keys::slot(&key), redis::cmd("HSET").arg(&key).arg(name.as_str()).arg(1), None).await?;
        }
        let expected_text = expected.map(|n| n.to_string()).unwrap_or_default();
        let (key, mut command) = self.lend(name);
        match change {
            ResourceChange::Put(quota) => {
                let json = serde_json::to_vec(quota).map_err(|e| BrokerError::Refused(e.to_string()))?;
                command.arg("put").arg(&expected_text).arg(numbers(quota)).arg(json);
            }
            ResourceChange::Remove => _ = command.arg("remove").arg(&expected_text),
            ResourceChange::Pause(pause) => {
                let until = pause.until.map(|at| at.max(1).to_string()).unwrap_or_default();
                let (reason, by) = (rules::said(pause.reason.as_deref()), rules::said(pause.by.as_deref()));
                command.arg("pause").arg(&expected_text).arg(until).arg(reason).arg(by);
            }
            ResourceChange::Resume => _ = command.arg("resume").arg(&expected_text),
            ResourceChange::Learn { remaining, resets_in } => {
                command.arg("learn").arg(&expected_text).arg((*remaining).min(1 << 52)).arg(millis(*resets_in));
            }
        }
        let answer = self.call_key(Script::Lend, &key, &command).await?;
        let (state, told) = match shown(name, answer)? {
            Shown::Is(state, told) => (state, told),
            Shown::Missing => return Err(BrokerError::NotFound),
            Shown::Other(revision) => {
                let detail = format!("the revision is {revision}, not {expected_text}");
                return Err(BrokerError::Conflict { code: Code::RevisionMismatch, detail });
            }
        };
        // Nothing that a queue was told before holds any more.
        for queue in &told {
            self.recall(name, queue).await?;
        }
        if matches!(change, ResourceChange::Remove) {
            let key = keys::resources(&self.options.prefix);
            self.router.call(keys::slot(&key), redis::cmd("HDEL").arg(&key).arg(name.as_str()), None).await?;
        }
        Ok(*state)
    }

    pub(super) async fn all_resources(&self) -> Result<Vec<ResourceState>> {
        let key = keys::resources(&self.options.prefix);
        let answer = self.router.call(keys::slot(&key), redis::cmd("HKEYS").arg(&key), None).await?;
        let mut names = value::texts(answer, "resources")?;
        names.sort();
        let mut all = Vec::with_capacity(names.len());
        for name in names.iter().filter_map(|name| Name::new(name).ok()) {
            let (key, mut command) = self.lend(&name);
            command.arg("look");
            if let Shown::Is(state, _) = shown(&name, self.call_key(Script::Lend, &key, &command).await?)? {
                all.push(*state);
            }
        }
        Ok(all)
    }

    /// Asks for what a lease lacks, and gives it to the queue. Answers what was lent, for the lease that follows.
    pub(super) async fn borrow(&self, queue: &Queue, asks: &[Value]) -> Result<String> {
        let mut lent = Vec::new();
        for ask in asks.chunks_exact(ASK) {
            let strange = || value::strange("lease");
            let name = value::text(&ask[0]).and_then(|name| Name::new(name).ok()).ok_or_else(strange)?;
            let ints = ask[1..].iter().map(|v| value::int(v, "lease")).collect::<Result<Vec<_>>>()?;
            let (mut loan, holders) = self.ask(queue, &name, &ints).await?;
            if !holders.is_empty() {
                let mut freed = false;
                for holder in &holders {
                    freed |= match self.existing(holder).await? {
                        Some(holder) => self.give_back(&holder, &name).await?,
                        None => false,
                    };
                }
                if freed {
                    self.take(queue, &name, &loan, ints[4]).await?;
                    lent.push(format!("{name}={}", loan[0]));
                    // What came with the first loan is there already.
                    let more = [(ints[0] - loan[2].max(0)).max(0), (ints[1] - loan[3].max(0)).max(0), ints[2], ints[3], ints[4]];
                    (loan, _) = self.ask(queue, &name, &more).await?;
                }
            }
            self.take(queue, &name, &loan, ints[4]).await?;
            lent.push(format!("{name}={}", loan[0]));
        }
        Ok(lent.join(","))
    }

    /// Sequence, slots, points, starts, when to ask again; and the other queues that hold slots.
    async fn ask(&self, queue: &Queue, name: &Name, needs: &[i64]) -> Result<(Vec<i64>, Vec<Name>)> {
        let (key, mut command) = self.lend(name);
        command.arg("borrow").arg(queue.name.as_str()).arg(&needs[..4]).arg(VALID_MS);
        let answer = value::list(self.call_key(Script::Lend, &key, &command).await?, "lend")?;
        if answer.len() < 5 {
            return Err(value::strange("lend"));
        }
        let loan = answer[..5].iter().map(|v| value::int(v, "lend")).collect::<Result<_>>()?;
        Ok((loan, answer[5..].iter().filter_map(value::text).filter_map(|name| Name::new(name).ok()).collect()))
    }

    /// The queue has what was lent; it may be used until so long after the queue's own time at which the asking began.
    async fn take(&self, queue: &Queue, name: &Name, loan: &[i64], asked_at: i64) -> Result<()> {
        let mut command = self.command(Script::Slice, &queue.meta);
        let until = asked_at.saturating_add_unsigned(VALID_MS);
        command.arg(name.as_str()).arg("put").arg(&loan[..4]).arg(until).arg(loan[4]);
        self.call(queue, Script::Slice, &command).await.map(drop)
    }

    /// What a lease did not use of what was lent for it. A hint: without it everything stays charged until it may not be used any more.
    pub(super) async fn settle(&self, unused: &[Value]) {
        for one in unused.chunks_exact(4) {
            let Some(name) = value::text(&one[0]).and_then(|name| Name::new(name).ok()) else { continue };
            let (key, mut command) = self.lend(&name);
            command.arg("settle");
            for number in &one[1..] {
                command.arg(value::text(number).unwrap_or("0"));
            }
            if let Err(error) = self.call_key(Script::Lend, &key, &command).await {
                tracing::debug!(%error, resource = %name, "what was not used stays charged for a while");
            }
        }
    }

    /// Slots of an outside quota that a queue does not use go back to it. True if there were any.
    pub(super) async fn give_back(&self, queue: &Queue, name: &Name) -> Result<bool> {
        for _ in 0..2 {
            let mut command = self.command(Script::Slice, &queue.meta);
            command.arg(name.as_str()).arg("yield");
            let has = value::ints(self.call(queue, Script::Slice, &command).await?, "slice")?;
            let (Some(sequence), Some(slots)) = (has.first(), has.get(1)) else { return Err(value::strange("slice")) };
            if *slots < 0 {
                return Ok(false);
            }
            let (key, mut command) = self.lend(name);
            command.arg("return").arg(queue.name.as_str()).arg(sequence).arg(slots);
            let there = value::ints(self.call_key(Script::Lend, &key, &command).await?, "lend")?;
            let (Some(now_sequence), Some(lent)) = (there.first(), there.get(1)) else { return Err(value::strange("lend")) };
            if lent <= slots {
                let mut command = self.command(Script::Slice, &queue.meta);
                command.arg(name.as_str()).arg("done");
                self.call(queue, Script::Slice, &command).await?;
                return Ok(lent == slots && now_sequence > sequence);
            }
            if now_sequence <= sequence {
                return Ok(false);
            }
            // The queue has not heard of its last loan: it is told now, and gives back what it does not use of it.
            let mut command = self.command(Script::Slice, &queue.meta);
            command.arg(name.as_str()).arg("put").arg(now_sequence).arg(lent).arg(&[-1, -1, 0, 0]);
            self.call(queue, Script::Slice, &command).await?;
        }
        Ok(false)
    }

    /// A queue forgets what it was told of an outside quota.
    async fn recall(&self, name: &Name, queue: &Name) -> Result<()> {
        let Some(queue) = self.existing(queue).await? else { return Ok(()) };
        let mut command = self.command(Script::Slice, &queue.meta);
        command.arg(name.as_str()).arg("drop");
        let has = value::ints(self.call(&queue, Script::Slice, &command).await?, "slice")?;
        let (key, mut command) = self.lend(name);
        command.arg("hold").arg(queue.name.as_str()).arg(has.get(2).copied().unwrap_or(0));
        self.call_key(Script::Lend, &key, &command).await?;
        self.give_back(&queue, name).await.map(drop)
    }

    /// `resource`, its name, leases of the queue that use it: whether it holds the job back.
    pub(super) async fn resource_obstacle(&self, queue: &Queue, job: &Job, part: &[Value]) -> Result<Option<Obstacle>> {
        let strange = || value::strange("explain");
        let name = part.get(1).and_then(value::text).and_then(|name| Name::new(name).ok()).ok_or_else(strange)?;
        let running = value::int(part.get(2).ok_or_else(strange)?, "explain")?;
        let (key, mut command) = self.lend(&name);
        command.arg("could").arg(queue.name.as_str()).arg(job.cost).arg(running + 1);
        let answer = value::list(self.call_key(Script::Lend, &key, &command).await?, "lend")?;
        let number = |at: usize| answer.get(at).and_then(|v| value::int(v, "lend").ok()).unwrap_or(0);
        if number(0) == 1 {
            return Ok(None);
        }
        let gate = answer.get(2).and_then(value::bytes).and_then(rules::gate);
        Ok(Some(Obstacle::Resource { name, gate, until: Some(number(1)).filter(|at| *at > 0) }))
    }

    fn lend(&self, name: &Name) -> (String, Cmd) {
        let key = keys::resource(&self.options.prefix, name);
        let command = self.command(Script::Lend, &key);
        (key, command)
    }
}

/// As `lend.lua` reads a quota.
fn numbers(quota: &Quota) -> Vec<u8> {
    let mut out = Writer::with_capacity(40);
    out.f64(quota.rate.map_or(0.0, |r| r.interval_us())).f64(quota.rate.map_or(0.0, |r| f64::from(r.burst)));
    out.f64(quota.points.map_or(0.0, |p| p.count as f64)).f64(quota.points.map_or(0.0, |p| p.period_ms as f64));
    out.f64(quota.max_running.map_or(0.0, f64::from));
    out.done()
}

enum Shown {
    Missing,
    Other(i64),
    /// With the queues that were told something of it.
    Is(Box<ResourceState>, Vec<Name>),
}

fn shown(name: &Name, answer: Value) -> Result<Shown> {
    if let Value::Int(_) = answer {
        return Ok(Shown::Missing);
    }
    let strange = || value::strange("lend");
    let answer = value::list(answer, "lend")?;
    let number = |at: usize| answer.get(at).and_then(|v| value::int(v, "lend").ok());
    if answer.len() == 1 {
        return Ok(Shown::Other(number(0).unwrap_or(0)));
    }
    let now: Millis = number(6).ok_or_else(strange)?;
    let quota = serde_json::from_slice(answer.get(1).and_then(value::bytes).ok_or_else(strange)?).map_err(|_| strange())?;
    let gate = answer.get(2).and_then(value::bytes).and_then(rules::gate).filter(|gate| gate.pause.until.is_none_or(|at| at > now));
    let count = |at: usize| number(at).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let learned = answer.get(3).and_then(value::bytes).filter(|b| b.len() == 16).and_then(|b| learned(b, now));
    let (mut told, mut queues) = (Vec::new(), Vec::new());
    for pair in answer[7..].chunks_exact(2) {
        let queue = value::text(&pair[0]).and_then(|name| Name::new(name).ok()).ok_or_else(strange)?;
        if value::int(&pair[1], "lend")? == 1 {
            queues.push(queue.clone());
        }
        told.push(queue);
    }
    queues.sort();
    let state =
        ResourceState { name: name.clone(), quota, revision: count(0), gate, points_used: count(4), running: count(5), learned, queues };
    Ok(Shown::Is(Box::new(state), told))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers far below 2^53, not below zero")]
fn learned(stored: &[u8], now: Millis) -> Option<(u64, Millis)> {
    let (left, until) = stored.split_at_checked(8)?;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(f64::from_be_bytes);
    let (left, until) = (number(left)?.max(0.0) as u64, number(until)? as Millis);
    (until > now).then_some((left, until))
}
