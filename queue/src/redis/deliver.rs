//! What is told to a job from elsewhere, and the outbox of what its queue still has to tell others.

use super::{
    RedisBroker, Result,
    bytes::{self, Reader},
    keys, mutable,
    queues::Queue,
    script::Script,
    value,
};
use crate::{BrokerError, Child, ChildOutcome, Delivered, Delivery, Home, Inbox, JobId, MAILBOX_MAX, Scope, Signal, State};
use longshore_base::Code;
use redis::Value;
use std::{collections::VecDeque, sync::Arc};

/// Names and ids of signals at most, in bytes.
const SIGNAL_NAME_MAX: usize = 128;
/// A signal's payload at most, in bytes.
const SIGNAL_MAX: usize = 8 * 1024;
/// Queues that one drain looks at; what is left is for a tick.
const DRAIN_MAX: usize = 16;

impl RedisBroker {
    pub(super) async fn deliver_all(&self, deliveries: Vec<Delivery>) -> Result<Vec<Result<Delivered>>> {
        let mut answers = Vec::with_capacity(deliveries.len());
        for delivery in &deliveries {
            match self.deliver_one(delivery).await {
                Ok((delivered, told)) => {
                    if told {
                        self.drain_from(delivery.target().home()).await;
                    }
                    answers.push(Ok(delivered));
                }
                Err(error) => answers.push(Err(error)),
            }
        }
        match answers.first() {
            Some(Err(error)) if error.is_transient() && answers.iter().all(Result::is_err) => Err(error.clone()),
            _ => Ok(answers),
        }
    }

    /// What became of it, and whether the outbox got entries by it.
    async fn deliver_one(&self, delivery: &Delivery) -> Result<(Delivered, bool)> {
        let target = delivery.target();
        let Some(queue) = self.at_home(target.home()).await? else { return Ok((Delivered::Gone, false)) };
        let mut command = self.command(Script::Deliver, &queue.meta);
        let short = keys::short(target);
        match delivery {
            Delivery::ChildOpened { token, key, child, .. } => {
                command.arg("O").arg(&short).arg(&token.0.to_be_bytes()).arg(key).arg(child.as_bytes());
            }
            Delivery::ChildEnded { key, child, outcome, .. } => {
                let payload = match (&outcome.output, &outcome.error) {
                    (Some(output), _) => [b"o", output.get().as_bytes()].concat(),
                    (None, Some(error)) => [b"e".as_slice(), &bytes::encode_error(error)].concat(),
                    (None, None) => Vec::new(),
                };
                command.arg("E").arg(&short).arg(key).arg(child.as_bytes()).arg(mutable::state_number(outcome.state)).arg(payload);
            }
            Delivery::Signal { once, name, payload, .. } => {
                if once.len() > SIGNAL_NAME_MAX || name.len() > SIGNAL_NAME_MAX || payload.get().len() > SIGNAL_MAX {
                    let detail = format!("a signal's name and id are at most {SIGNAL_NAME_MAX} bytes, its payload {SIGNAL_MAX}");
                    return Err(BrokerError::Conflict { code: Code::RequestInvalid, detail });
                }
                command.arg("S").arg(&short).arg(once).arg(name).arg(payload.get()).arg(MAILBOX_MAX);
            }
        }
        let answer = value::ints(self.call(&queue, Script::Deliver, &command).await?, "deliver")?;
        let delivered = match answer.first() {
            Some(1) => Delivered::Kept,
            Some(2) => Delivered::Repeated,
            Some(3) => Delivered::Gone,
            Some(0) => return Err(BrokerError::LeaseLost),
            _ => {
                let detail = format!("the job's mailbox holds {MAILBOX_MAX} signals already");
                return Err(BrokerError::Conflict { code: Code::RequestInvalid, detail });
            }
        };
        Ok((delivered, answer.get(1) == Some(&1)))
    }

    /// Empties the outbox of a queue, and of those that got entries by that. What cannot be told now stays for a tick.
    /// Answers how many entries were told.
    pub(super) async fn drain_from(&self, home: Home) -> u32 {
        let (mut homes, mut delivered) = (VecDeque::from([home]), 0);
        for _ in 0..DRAIN_MAX {
            let Some(home) = homes.pop_front() else { break };
            let Ok(Some(queue)) = self.at_home(home).await else { continue };
            match self.drain(&queue, &mut homes).await {
                Ok(n) => delivered += n,
                Err(error) => tracing::warn!(queue = %queue.name, %error, "the outbox is not empty; a tick goes on with it"),
            }
        }
        delivered
    }

    async fn drain(&self, queue: &Arc<Queue>, homes: &mut VecDeque<Home>) -> Result<u32> {
        let outbox = keys::sibling(&queue.meta, "outbox");
        let (mut cursor, mut delivered, mut kept) = (0, 0, Ok(()));
        loop {
            let scan = redis::cmd("HSCAN").arg(&outbox).arg(cursor).arg("COUNT").arg(100).to_owned();
            let page = value::list(self.router.call(queue.slot, &scan, None).await?, "the outbox")?;
            let [next, entries] = <[Value; 2]>::try_from(page).map_err(|_| value::strange("the outbox"))?;
            for pair in value::list(entries, "the outbox")?.chunks_exact(2) {
                let (Some(field), Some(entry)) = (value::bytes(&pair[0]), value::bytes(&pair[1])) else { continue };
                match self.tell(queue, field, entry, homes).await {
                    // Nobody answers, or not yet.
                    Err(error @ (BrokerError::Unavailable(_) | BrokerError::OutcomeUnknown(_) | BrokerError::Moving)) => return Err(error),
                    // This one cannot be told now, such as a job that moves to a full server; those behind it may be.
                    Err(error) => {
                        kept = Err(error);
                        continue;
                    }
                    Ok(()) => {}
                }
                self.router.call(queue.slot, redis::cmd("HDEL").arg(&outbox).arg(field), None).await?;
                delivered += 1;
            }
            cursor = value::int(&next, "the outbox")?;
            if cursor == 0 {
                return kept.map(|()| delivered);
            }
        }
    }

    /// One entry: a parent is told how its child ended, children of a cancelled job are cancelled, or a job goes on in another queue.
    async fn tell(&self, queue: &Queue, field: &[u8], entry: &[u8], homes: &mut VecDeque<Home>) -> Result<()> {
        let corrupt = || BrokerError::Corrupt("an entry of the outbox".to_owned());
        let mut r = Reader::new(entry);
        match r.u8() {
            Some(2) => {
                while let Some(child) = r.id() {
                    match self.cancel_in(&Scope::All, child.home(), &[child]).await {
                        Ok((_, told)) if told => homes.push_back(child.home()),
                        Ok(_) | Err(BrokerError::NotFound) => {}
                        Err(error) => return Err(error),
                    }
                }
                return Ok(());
            }
            Some(3) => return self.arrive(&mut r).await,
            _ => {}
        }
        let child = keys::long(field, queue.home).ok_or_else(corrupt)?;
        let delivery = ended(&mut r, child).ok_or_else(corrupt)?;
        let (_, told) = self.deliver_one(&delivery).await?;
        if told {
            homes.push_back(delivery.target().home());
        }
        Ok(())
    }

    pub(super) async fn inbox_of(&self, id: JobId) -> Result<Inbox> {
        let queue = self.queue_of(id).await?;
        let corrupt = |what: &str| BrokerError::Corrupt(what.to_owned());
        let children = self.hash(&queue, &keys::of_job(&queue.meta, 'c', id)).await?;
        let mail = self.hash(&queue, &keys::of_job(&queue.meta, 'g', id)).await?;
        let extras = self.extras(&queue, id).await?;
        let mut inbox = Inbox::default();
        for (key, stored) in children {
            let mut r = Reader::new(&stored);
            let (child, state) = (r.id().ok_or_else(|| corrupt("a child"))?, r.u8().ok_or_else(|| corrupt("a child"))?);
            let field = [b"o:".as_slice(), &key].concat();
            let payload = extras.iter().find(|(name, _)| *name == field).map_or(&[][..], |(_, value)| value);
            let outcome = if state == 0 { None } else { Some(outcome(mutable::state(state.into())?, payload)) };
            inbox.children.push(Child { key: String::from_utf8_lossy(&key).into_owned(), id: child, outcome });
        }
        inbox.children.sort_by(|a, b| a.key.cmp(&b.key));
        let mut signals = Vec::new();
        for (once, stored) in mail {
            signals.push(signal(&once, &stored).ok_or_else(|| corrupt("a signal"))?);
        }
        signals.sort_by_key(|(order, _)| *order);
        inbox.signals = signals.into_iter().map(|(_, signal)| signal).collect();
        Ok(inbox)
    }
}

/// How a child ended, from its stored payload: `o` output, `e` error.
fn outcome(state: State, payload: &[u8]) -> ChildOutcome {
    let (output, error) = match payload.split_first() {
        Some((b'o', output)) => (bytes::json(output), None),
        Some((b'e', error)) => (None, bytes::decode_error(error)),
        _ => (None, None),
    };
    ChildOutcome { state, output, error }
}

fn ended(r: &mut Reader<'_>, child: JobId) -> Option<Delivery> {
    let parent = r.id()?;
    let state = mutable::state(r.u8()?.into()).ok()?;
    let n = r.u16()?;
    let key = r.text(n.into())?;
    Some(Delivery::ChildEnded { parent, key, child, outcome: outcome(state, r.rest()) })
}

fn signal(once: &[u8], stored: &[u8]) -> Option<(u64, Signal)> {
    let mut r = Reader::new(stored);
    let (order, at) = (r.u64()?, r.millis()?);
    let n = r.u16()?;
    let name = r.text(n.into())?;
    Some((order, Signal { once: String::from_utf8_lossy(once).into_owned(), name, payload: r.json()?, at }))
}
