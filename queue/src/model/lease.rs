//! Lease and extend.

use super::lanes::{Lane, Waiting};
use super::world::{Queue, World, ms};
use crate::{EventKind, ExtendReply, Held, JobId, Lease, LeaseReply, LeaseRequest, State, Token};
use longshore_base::{Millis, Name};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

impl World {
    /// Leases what may run now.
    pub fn lease(&mut self, now: Millis, request: &LeaseRequest) -> LeaseReply {
        let queue = self.queue(&request.queue);
        if let Some((call, reply)) = queue.replies.get(&request.worker)
            && *call == request.call
        {
            return LeaseReply { leases: reply.leases.clone(), next_due: reply.next_due };
        }
        self.promote(now, &request.queue);
        let mut leases = Vec::new();
        let mut waiting = self.queue(&request.queue).waiting();
        while leases.len() < request.n {
            let open = self.open(now, &request.queue, &waiting);
            self.queue(&request.queue).enter(open);
            let Some(id) = self.queues[&request.queue].first(&self.heads(now, request, &waiting)) else { break };
            let lease = self.begin_lease(now, request, id);
            let record = &self.queues[&request.queue].jobs[&id];
            waiting.get_mut(&record.lane()).expect("its lane").remove(&(record.order(), id));
            leases.push(lease);
        }
        self.reply(now, request, leases)
    }

    /// Due jobs become Ready and late ones expire, as the start of a lease does it.
    pub fn promote(&mut self, now: Millis, queue: &Name) {
        let queue = self.queue(queue);
        queue.promote(now);
        queue.expire(now);
        self.drain(now);
    }

    /// Leases exactly this job; the caller has found that it may run. The random walk follows a broker's choice with it.
    pub fn start(&mut self, now: Millis, request: &LeaseRequest, id: JobId) -> Lease {
        let waiting = self.queue(&request.queue).waiting();
        let open = self.open(now, &request.queue, &waiting);
        self.queue(&request.queue).enter(open);
        self.begin_lease(now, request, id)
    }

    fn begin_lease(&mut self, now: Millis, request: &LeaseRequest, id: JobId) -> Lease {
        let queue = self.queue(&request.queue);
        queue.charge(id);
        queue.take(now, id);
        let lease = queue.grant(now, request, id);
        self.take_resources(now, &lease.job);
        lease
    }

    /// What a call is answered, and once more if it is repeated.
    pub fn reply(&mut self, now: Millis, request: &LeaseRequest, leases: Vec<Lease>) -> LeaseReply {
        let queue = self.queue(&request.queue);
        let due = queue.jobs.values().filter(|r| r.job.state != State::Ready).filter_map(|r| r.job.due_at).min();
        let queue = &self.queues[&request.queue];
        let freed = queue.waiting().into_values().filter_map(|jobs| {
            let obstacles = self.admit(now, queue, &queue.jobs[&jobs.first()?.1].job);
            let last = obstacles.iter().try_fold(now, |last, obstacle| obstacle.until(now).map(|until| last.max(until)));
            last.filter(|last| *last > now)
        });
        let next_due = due.into_iter().chain(freed).min().map(|due| Duration::from_millis(u64::try_from(due - now).unwrap_or(0)));
        let kept = LeaseReply { leases: leases.clone(), next_due };
        self.queue(&request.queue).replies.insert(request.worker.clone(), (request.call, kept));
        LeaseReply { leases, next_due }
    }

    /// Whether `id` may be leased now by this worker: it is the head of its lane, and no rule holds it back. A broker that keeps suspects
    /// apart may start the others of their lane before them.
    #[must_use]
    pub fn may_lease(&self, now: Millis, request: &LeaseRequest, id: JobId) -> bool {
        let Some(record) = self.record(id) else { return false };
        let before = |r: &&super::Record| r.job.state == State::Ready && r.order() < record.order() && r.lane() == record.lane();
        let heads = self.heads_now(now, request);
        let open = heads.contains_key(&record.lane()) && record.job.state == State::Ready && !record.is_suspect();
        heads.values().any(|head| *head == id) || open && self.records(&request.queue).filter(before).all(super::Record::is_suspect)
    }

    /// What may be leased next by this worker, one of each lane.
    #[must_use]
    pub fn leasable(&self, now: Millis, request: &LeaseRequest) -> Vec<JobId> {
        self.heads_now(now, request).into_values().collect()
    }

    /// Whether anything at all may be leased now by somebody.
    #[must_use]
    pub fn any_open(&self, now: Millis, queue: &Name) -> bool {
        self.queues.get(queue).is_some_and(|q| !self.open(now, queue, &q.waiting()).is_empty())
    }

    /// The lanes that no rule holds back, whoever asks.
    fn open(&self, now: Millis, queue: &Name, waiting: &Waiting) -> BTreeSet<Lane> {
        let queue = &self.queues[queue];
        let admitted = |id: &JobId| self.admit(now, queue, &queue.jobs[id].job).is_empty();
        waiting.iter().filter(|(_, jobs)| jobs.first().is_some_and(|(_, id)| admitted(id))).map(|(lane, _)| lane.clone()).collect()
    }

    fn heads_now(&self, now: Millis, request: &LeaseRequest) -> BTreeMap<Lane, JobId> {
        self.queues.get(&request.queue).map_or_else(BTreeMap::new, |q| self.heads(now, request, &q.waiting()))
    }

    /// The first job of each lane that this worker carries and no rule holds back. A worker that runs a suspect passes others over.
    fn heads(&self, now: Millis, request: &LeaseRequest, waiting: &Waiting) -> BTreeMap<Lane, JobId> {
        let queue = &self.queues[&request.queue];
        let mut running = queue.running.iter().map(|id| &queue.jobs[id]);
        let suspects = !running.any(|r| r.is_suspect() && r.job.worker.as_deref() == Some(request.worker.as_str()));
        let carried = waiting.iter().filter(|(lane, _)| request.kinds.contains(&lane.kind));
        let heads = carried.filter_map(|(lane, jobs)| {
            let head = jobs.iter().map(|(_, id)| *id).find(|id| suspects || !queue.jobs[id].is_suspect());
            head.map(|id| (lane.clone(), id))
        });
        heads.filter(|(_, id)| self.admit(now, queue, &queue.jobs[id].job).is_empty()).collect()
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
                    let slot_ms = (now - record.job.started_at.unwrap_or(now)) as f64;
                    if slot_ms > record.charged {
                        queue.correct(*id, slot_ms);
                    }
                }
                _ => reply.lost.push(*id),
            }
        }
        let orphans = queue.jobs.values().filter(|r| r.token.is_some() && r.job.worker.as_deref() == Some(worker) && r.call <= settled);
        let orphans: Vec<_> = orphans.map(|r| r.job.id).filter(|id| held.iter().all(|h| h.id != *id)).collect();
        for id in orphans {
            let cancelled = queue.jobs[&id].job.cancel_requested;
            queue.give_back(now, id);
            queue.leave_running(id, None);
            if cancelled {
                queue.end(id, now, State::Cancelled, Some(crate::Reason::Cancelled), None);
            } else {
                queue.make_ready(id, now);
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

    /// One more crash would be its last.
    pub(super) fn is_suspect(&self) -> bool {
        let crashes = self.job.counters.crashes_in_row;
        crashes > 0 && crashes + 1 == self.job.policy.crashes_max
    }
}

impl Queue {
    fn grant(&mut self, now: Millis, request: &LeaseRequest, id: JobId) -> Lease {
        self.token = self.token.max(u64::try_from(now).unwrap_or(0) * 1000) + 1;
        let token = Token(self.token);
        self.free_unique(id, true);
        self.running.insert(id);
        let record = self.get(id);
        record.noted = None;
        record.token = Some(token);
        record.lease_ends = now + ms(request.lease);
        record.call = request.call;
        record.started = true;
        record.job.state = State::Running;
        record.job.worker = Some(request.worker.clone());
        record.job.started_at = Some(now);
        record.job.due_at = None;
        record.job.counters.runs += 1;
        self.stands(id, now);
        let record = &self.jobs[&id];
        Lease { job: record.job.clone(), token, woken: record.woken }
    }
}
