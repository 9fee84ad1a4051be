//! Jobs out: leases and their extension.

use super::{
    RedisBroker, Result, keys,
    mutable::{self, Held as Lent, Parts},
    node::Sending,
    record,
    script::Script,
    value,
};
use crate::{ExtendReply, Held, JobId, Lease, LeaseReply, LeaseRequest};
use longshore_base::Name;
use redis::Value;
use std::{sync::PoisonError, time::Duration};

/// Leases in one call at most.
const LEASES_MAX: usize = 500;
/// Leases told in one extend script.
const HELD_MAX: usize = 2000;

impl RedisBroker {
    pub(super) async fn lease_jobs(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        let queue = self.queue(&request.queue).await?;
        self.ears.listen(&self.router, queue.slot, &keys::sibling(&queue.meta, "sig"), &queue.signal).await;
        let mark = queue.signal.work.mark();
        let n = request.n.clamp(1, LEASES_MAX);
        // `1`: what outside quotas did not lend yet may be asked for; then what they lent for this call.
        let lent = std::sync::Mutex::new("1".to_owned());
        let make = |run_id: &str| {
            let mut command = self.command(Script::Lease, &queue.meta);
            command
                .arg(n)
                .arg(record::millis(request.lease).max(1))
                .arg(&request.worker)
                .arg(request.call)
                .arg(run_id)
                .arg(&*lent.lock().unwrap_or_else(PoisonError::into_inner));
            for kind in request.kinds.iter() {
                command.arg(kind.as_str());
            }
            command
        };
        let mut answer;
        let next = loop {
            answer = value::list(self.call_as(&queue, Script::Lease, Sending::Per(&make)).await?, "lease")?;
            let next = answer.first().map_or(Ok(-1), |v| value::int(v, "lease"))?;
            match next {
                // What has expired must not start: it is ended first.
                -2 => _ = self.tick_once(&queue, request.lease).await?,
                -3 => {
                    let loans = self.borrow(&queue, &answer[1..]).await?;
                    *lent.lock().unwrap_or_else(PoisonError::into_inner) = loans;
                }
                _ => break next,
            }
        };
        if let Some(Value::Array(unused)) = answer.get(5).filter(|v| matches!(v, Value::Array(list) if !list.is_empty())) {
            self.settle(unused).await;
        }
        let mut reply = LeaseReply { next_due: u64::try_from(next).ok().map(Duration::from_millis), ..LeaseReply::default() };
        if let [_, ids, grants, records, known, ..] = answer.as_slice() {
            let known = value::pairs(known);
            let (ids, grants) = (value::bytes(ids).unwrap_or_default(), value::bytes(grants).unwrap_or_default());
            let Value::Array(records) = records else { return Err(value::strange("lease")) };
            for (at, ((id, grant), record)) in ids.chunks_exact(14).zip(grants.chunks_exact(16)).zip(records).enumerate() {
                let held = Lent::granted(grant, &request.worker).ok_or_else(|| value::strange("lease"))?;
                let token = held.token;
                let record = value::bytes(record).ok_or_else(|| value::strange("lease"))?;
                let parts = Parts { record, mutable: known.get(&(at + 1)).copied(), held: Some(held), ..Parts::default() };
                let (job, woken) = mutable::job(id, queue.home, &queue.name, parts)?;
                reply.leases.push(Lease { job, token, woken });
            }
        }
        if reply.leases.len() < n {
            queue.signal.work.answered(mark);
        }
        Ok(reply)
    }

    pub(super) async fn extend_leases(
        &self,
        queue: &Name,
        worker: &str,
        held: &[Held],
        settled: u64,
        lease: Duration,
    ) -> Result<ExtendReply> {
        let queue = self.queue(queue).await?;
        let mut reply = ExtendReply::default();
        // Only a script that is told everything may give back what is not told.
        let settled = if held.len() > HELD_MAX { 0 } else { settled };
        let parts: Vec<&[Held]> = if held.is_empty() { vec![&[]] } else { held.chunks(HELD_MAX).collect() };
        for part in parts {
            let mut command = self.command(Script::Extend, &queue.meta);
            command.arg(worker).arg(record::millis(lease).max(1)).arg(settled);
            for one in part {
                command.arg(&keys::short(one.id)).arg(&one.token.0.to_be_bytes());
            }
            let answer = value::list(self.call(&queue, Script::Extend, &command).await?, "extend")?;
            let mut lists = answer.into_iter().map(|list| -> Result<Vec<JobId>> {
                let ids = value::list(list, "extend")?;
                let long = |v| value::bytes(v).and_then(|id| keys::long(id, queue.home)).ok_or_else(|| value::strange("extend"));
                ids.iter().map(long).collect()
            });
            reply.lost.extend(lists.next().unwrap_or_else(|| Ok(Vec::new()))?);
            reply.cancel.extend(lists.next().unwrap_or_else(|| Ok(Vec::new()))?);
        }
        Ok(reply)
    }
}
