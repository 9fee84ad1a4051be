//! Lease and extend.

use super::world::{Queue, World, ms};
use crate::{EventKind, ExtendReply, Held, JobId, Lease, LeaseReply, LeaseRequest, State, Token};
use longshore_base::{Millis, Name};
use std::time::Duration;

impl World {
    /// Leases what may run now.
    pub fn lease(&mut self, now: Millis, request: &LeaseRequest) -> LeaseReply {
        let queue = self.queue(&request.queue);
        if let Some((call, reply)) = queue.replies.get(&request.worker)
            && *call == request.call
        {
            return LeaseReply { leases: reply.leases.clone(), next_due: reply.next_due };
        }
        queue.promote(now);
        queue.expire(now);
        let mut picks = Vec::new();
        while picks.len() < request.n
            && let Some(id) = queue.next(now, request, &picks)
        {
            let tenant = queue.jobs[&id].job.tenant.clone();
            queue.turn = queue.place(&tenant);
            queue.starts.insert(tenant, queue.turn + 1);
            picks.push(id);
        }
        let reply = self.grant(now, request, &picks);
        self.drain(now);
        reply
    }

    /// Leases exactly these jobs; the caller has found that they may run. The random walk follows a broker's choice with it.
    pub fn grant(&mut self, now: Millis, request: &LeaseRequest, picks: &[JobId]) -> LeaseReply {
        let queue = self.queue(&request.queue);
        let leases = picks.iter().map(|id| queue.grant(now, request, *id)).collect();
        let next_due = queue.jobs.values().filter(|r| r.job.state != State::Ready).filter_map(|r| r.job.due_at).min();
        let next_due = next_due.map(|due| Duration::from_millis(u64::try_from(due - now).unwrap_or(0)));
        let reply = LeaseReply { leases, next_due };
        let kept = LeaseReply { leases: reply.leases.clone(), next_due };
        queue.replies.insert(request.worker.clone(), (request.call, kept));
        reply
    }

    /// Due jobs become Ready and late ones expire, as the start of a lease does it.
    pub fn promote(&mut self, now: Millis, queue: &Name) {
        let queue = self.queue(queue);
        queue.promote(now);
        queue.expire(now);
        self.drain(now);
    }

    /// Whether `id` may be leased now after `before`, all of them going to the same call.
    #[must_use]
    pub fn may_lease(&mut self, now: Millis, request: &LeaseRequest, before: &[JobId], id: JobId) -> bool {
        let queue = self.queue(&request.queue);
        let Some(wanted) = queue.jobs.get(&id) else { return false };
        let room = queue.room(now, request, before);
        let ahead = queue.jobs.values().any(|r| {
            let (a, b) = (&r.job, &wanted.job);
            (&a.tenant, &a.kind, &a.lane_key) == (&b.tenant, &b.kind, &b.lane_key)
                && r.order() < wanted.order()
                && room.admits(r, request, before)
        });
        !ahead && room.admits(wanted, request, before)
    }

    /// Whether anything at all may be leased now.
    #[must_use]
    pub fn any_leasable(&mut self, now: Millis, request: &LeaseRequest, before: &[JobId]) -> bool {
        self.queue(&request.queue).next(now, request, before).is_some()
    }

    /// Lengthens what is held, gives back what is not listed.
    pub fn extend(&mut self, now: Millis, queue: &Name, worker: &str, held: &[Held], settled: u64, lease: Duration) -> ExtendReply {
        let queue = self.queue(queue);
        let mut reply = ExtendReply::default();
        for Held { id, token } in held {
            match queue.jobs.get_mut(id) {
                Some(record) if record.token == Some(*token) => {
                    record.lease_ends = now + ms(lease);
                    if record.job.cancel_requested {
                        reply.cancel.push(*id);
                    }
                }
                _ => reply.lost.push(*id),
            }
        }
        let orphans = queue.jobs.values().filter(|r| r.token.is_some() && r.job.worker.as_deref() == Some(worker) && r.call <= settled);
        let orphans: Vec<_> = orphans.map(|r| r.job.id).filter(|id| held.iter().all(|h| h.id != *id)).collect();
        for id in orphans {
            let cancelled = queue.jobs[&id].job.cancel_requested;
            queue.leave_running(id, None);
            if cancelled {
                queue.end(id, now, State::Cancelled, Some(crate::Reason::Cancelled), None);
            } else {
                queue.get(id).job.state = State::Ready;
            }
            queue.tell(id, now, EventKind::Released, Some(worker), None);
        }
        self.drain(now);
        reply
    }
}

impl super::Record {
    /// The place in the lane: higher priority first, then the order of enqueue.
    #[must_use]
    pub fn order(&self) -> (u8, u64) {
        (9 - self.job.priority.get(), self.seq)
    }

    fn is_suspect(&self) -> bool {
        let crashes = self.job.counters.crashes_in_row;
        crashes > 0 && crashes + 1 == self.job.policy.crashes_max
    }
}

/// What a worker's next lease may still take.
struct Room {
    open: bool,
    suspects: bool,
}

impl Room {
    fn admits(&self, record: &super::Record, request: &LeaseRequest, picks: &[JobId]) -> bool {
        self.open
            && record.job.state == State::Ready
            && request.kinds.contains(&record.job.kind)
            && (self.suspects || !record.is_suspect())
            && !picks.contains(&record.job.id)
    }
}

impl Queue {
    /// Where a tenant stands in the round: an idle one re-enters where the queue is.
    fn place(&self, tenant: &Name) -> u64 {
        self.starts.get(tenant).copied().unwrap_or(0).max(self.turn)
    }

    fn next(&self, now: Millis, request: &LeaseRequest, picks: &[JobId]) -> Option<JobId> {
        let room = self.room(now, request, picks);
        let ready = self.jobs.values().filter(|r| room.admits(r, request, picks));
        ready.min_by_key(|r| (self.place(&r.job.tenant), &r.job.tenant, r.order())).map(|r| r.job.id)
    }

    fn room(&self, now: Millis, request: &LeaseRequest, picks: &[JobId]) -> Room {
        let running = self.jobs.values().filter(|r| r.job.state == State::Running).count() + picks.len();
        let suspect =
            |r: &super::Record| r.is_suspect() && (r.job.worker.as_deref() == Some(request.worker.as_str()) || picks.contains(&r.job.id));
        Room {
            open: !self.paused(now) && self.slots.is_none_or(|slots| running < slots as usize),
            suspects: !self.jobs.values().any(suspect),
        }
    }

    fn grant(&mut self, now: Millis, request: &LeaseRequest, id: JobId) -> Lease {
        self.token = self.token.max(u64::try_from(now).unwrap_or(0) * 1000) + 1;
        let token = Token(self.token);
        self.free_unique(id, true);
        let record = self.get(id);
        record.token = Some(token);
        record.lease_ends = now + ms(request.lease);
        record.call = request.call;
        record.started = true;
        record.job.state = State::Running;
        record.job.worker = Some(request.worker.clone());
        record.job.started_at = Some(now);
        record.job.due_at = None;
        record.job.counters.runs += 1;
        Lease { job: record.job.clone(), token, woken: record.woken }
    }
}
