//! Lease and extend: tokens, call numbers, what is lost and what is given back.

use super::{Case, KIND, LONG, OTHER, SHORT, complete, only, retry};
use crate::{BrokerError, Held, LeaseRequest, NewJob, Saves, State};
use longshore_base::Name;
use std::time::Duration;

/// A lease makes a job Running, under a token, by that worker, and counts the run.
pub async fn q3_leased_job_runs_under_a_token(c: &Case) {
    let lease = c.running().await;
    let job = c.get(lease.job.id).await;
    assert_eq!((job.state, job.worker.as_deref(), job.counters.runs), (State::Running, Some("w1"), 1));
    assert_eq!((job.counters.attempts, job.counters.crashes, job.counters.interruptions), (0, 0, 0));
    assert!(job.started_at.is_some() && job.ended_at.is_none() && lease.token.0 > 0 && lease.woken.is_none());
    assert_eq!((lease.job.state, lease.job.args.get()), (State::Running, job.args.get()));
}

/// No more than asked, no more than there is, and nobody gets what another has.
pub async fn q3_leased_jobs_are_nobody_elses(c: &Case) {
    let ids = c.add(5).await;
    let mut got: Vec<_> = c.lease_by("w1", 3, LONG).await.into_iter().map(|l| l.job.id).collect();
    assert_eq!(got.len(), 3);
    got.extend(c.lease_by("w2", 10, LONG).await.into_iter().map(|l| l.job.id));
    assert_eq!(got, ids);
    assert!(c.lease_by("w3", 10, LONG).await.is_empty());
}

/// The largest batch that the contract allows.
pub async fn q3_leased_in_the_largest_batch(c: &Case) {
    let ids = c.add(520).await;
    let mut got: Vec<_> = c.lease(500).await.into_iter().map(|l| l.job.id).collect();
    assert!(got.len() <= 500);
    for _ in 0..20 {
        got.extend(c.lease(500).await.into_iter().map(|l| l.job.id));
    }
    assert_eq!(got, ids);
}

/// Only the kinds that the worker carries.
pub async fn q3_leased_by_kinds_that_the_worker_carries(c: &Case) {
    c.put(c.job()).await;
    let other = c.put(NewJob { kind: Name::literal(OTHER), ..c.job() }).await;
    let request = LeaseRequest { kinds: [Name::literal(OTHER)].into(), ..c.request("w1", 10, LONG) };
    assert_eq!(only(c.ask(&request).await.leases).job.id, other);
    let request = LeaseRequest { kinds: [].into(), ..c.request("w1", 10, LONG) };
    assert!(c.ask(&request).await.leases.is_empty());
    let request = LeaseRequest { kinds: [Name::literal(KIND)].into(), ..c.request("w1", 10, LONG) };
    assert_eq!(c.ask(&request).await.leases.len(), 1);
}

/// The same call number again gives the same reply, and leases nothing more.
pub async fn q4_repeating_a_lease_call_gives_the_same_reply(c: &Case) {
    c.add(6).await;
    let request = c.request("w1", 3, LONG);
    let told = |reply: crate::LeaseReply| reply.leases.into_iter().map(|l| (l.job.id, l.token)).collect::<Vec<_>>();
    let first = told(c.ask(&request).await);
    assert_eq!(first.len(), 3);
    assert_eq!(c.unchanged(async { told(c.ask(&request).await) }).await, first);
    assert_eq!(told(c.ask(&c.request("w2", 10, LONG)).await).len(), 3, "three are left for others");
    assert_eq!(told(c.ask(&request).await), first);
}

/// Tokens grow strictly over all the leases of a queue, also between jobs and for the same job.
pub async fn q4_leased_and_fenced_tokens_grow(c: &Case) {
    c.add(4).await;
    let mut last = 0;
    for round in 0..6 {
        let leases = c.lease_by(&format!("w{round}"), 4, LONG).await;
        assert_eq!(leases.len(), 4);
        let mut tokens: Vec<_> = leases.iter().map(|l| l.token.0).collect();
        tokens.sort_unstable();
        tokens.dedup();
        assert!(tokens.len() == 4 && tokens[0] > last, "{tokens:?} after {last}");
        last = tokens[3];
        for lease in &leases {
            c.ack(lease, crate::Outcome::Release { started: false }).await;
        }
    }
}

/// An older token changes nothing, whichever write carries it.
pub async fn q4_leased_and_fenced_older_tokens_are_refused(c: &Case) {
    let old = c.running().await;
    c.ack(&old, crate::Outcome::Release { started: true }).await;
    let new = c.one().await;
    assert!(new.job.id == old.job.id && new.token > old.token);
    let (id, token) = (old.job.id, old.token);
    assert!(matches!(c.refused(c.try_ack(&old, complete())).await, BrokerError::LeaseLost));
    assert!(matches!(
        c.refused(c.broker.save(id, token, Saves { cursor: Some(super::args("x")), steps: vec![] })).await,
        BrokerError::LeaseLost
    ));
    let note = crate::Note { progress: Some(super::args("x")), logs: vec![], used: None, output: None };
    assert!(matches!(c.refused(c.broker.note(id, token, note)).await, BrokerError::LeaseLost));
    let held = [Held { id, token }];
    let reply = c.broker.extend(&c.queue, "w1", &held, 0, LONG).await.expect("a reply");
    assert_eq!(reply.lost, [id]);
    c.ack(&new, complete()).await;
}

/// A token that was never granted is refused.
pub async fn q4_leased_and_fenced_invented_tokens_are_refused(c: &Case) {
    let lease = c.running().await;
    for token in [0, 1, lease.token.0 - 1, lease.token.0 + 1, u64::MAX >> 12] {
        let late = crate::Lease { token: crate::Token(token), ..lease.clone() };
        assert!(matches!(c.refused(c.try_ack(&late, complete())).await, BrokerError::LeaseLost));
    }
    let (ready, _) = c.in_state(State::Ready).await;
    let late = crate::Lease { job: c.get(ready).await, ..lease.clone() };
    assert!(matches!(c.refused(c.try_ack(&late, complete())).await, BrokerError::LeaseLost));
    c.ack(&lease, complete()).await;
}

/// An attempt whose lease is over is accepted as long as nobody reaped it.
pub async fn q4_leased_and_fenced_accepts_after_expiry_before_the_reap(c: &Case) {
    c.add(2).await;
    let leases = c.lease_by("w1", 2, SHORT).await;
    c.pass(SHORT * 2).await;
    c.broker
        .save(leases[0].job.id, leases[0].token, Saves { cursor: Some(super::args("x")), steps: vec![] })
        .await
        .expect("still the current one");
    assert_eq!(c.ack(&leases[0], complete()).await, State::Completed);
    let held = [Held { id: leases[1].job.id, token: leases[1].token }];
    let reply = c.broker.extend(&c.queue, "w1", &held, c.last_call(), LONG).await.expect("a reply");
    assert!(reply.lost.is_empty());
    assert_eq!(c.tick().await.reaped, 0, "the lease is long again");
    assert_eq!(c.ack(&leases[1], complete()).await, State::Completed);
}

/// Late writes are counted.
pub async fn q4_leased_and_fenced_late_writes_are_counted(c: &Case) {
    let lease = c.running().await;
    c.ack(&lease, retry(LONG)).await;
    let count = async || c.broker.stats(&crate::Scope::All, &c.queue).await.expect("stats").lease_lost;
    let before = count().await;
    c.refused(c.broker.save(lease.job.id, lease.token, Saves::default())).await;
    let late = crate::Lease { token: crate::Token(1), ..lease };
    c.refused(c.try_ack(&late, complete())).await;
    assert_eq!(count().await, before + 2);
}

/// A long extend keeps a short lease from being reaped.
pub async fn q4_leased_and_fenced_extend_keeps_the_lease(c: &Case) {
    c.add(2).await;
    let leases = c.lease_by("w1", 2, SHORT).await;
    let held = [Held { id: leases[0].job.id, token: leases[0].token }];
    c.broker.extend(&c.queue, "w1", &held, 0, LONG).await.expect("a reply");
    c.until_state(leases[1].job.id, State::Retrying).await;
    assert_eq!(c.state(leases[0].job.id).await, State::Running);
    c.ack(&leases[0], complete()).await;
}

/// Extend tells what is lost: reaped, settled, another worker's.
pub async fn q4_repeating_extend_tells_what_is_lost(c: &Case) {
    c.add(3).await;
    let leases = c.lease_by("w1", 3, LONG).await;
    c.ack(&leases[0], complete()).await;
    c.ack(&leases[1], crate::Outcome::Release { started: false }).await;
    let again = only(c.lease_by("w2", 1, LONG).await);
    assert_eq!(again.job.id, leases[1].job.id);
    let held: Vec<_> = leases.iter().map(|l| Held { id: l.job.id, token: l.token }).collect();
    let mut reply = c.broker.extend(&c.queue, "w1", &held, c.last_call(), LONG).await.expect("a reply");
    reply.lost.sort();
    let mut wanted = vec![leases[0].job.id, leases[1].job.id];
    wanted.sort();
    assert_eq!(reply.lost, wanted);
    assert_eq!(c.state(again.job.id).await, State::Running, "the other worker's lease is not touched");
}

/// Leases of settled calls that extend does not list are given back without a count: their reply never arrived.
pub async fn q4_repeating_extend_gives_back_what_never_arrived(c: &Case) {
    let ids = c.add(4).await;
    let first = c.lease_by("w1", 2, LONG).await;
    let settled = c.last_call();
    let later = c.lease_by("w1", 1, LONG).await;
    let others = c.lease_by("w2", 1, LONG).await;
    let held = [Held { id: first[0].job.id, token: first[0].token }];
    let reply = c.broker.extend(&c.queue, "w1", &held, settled, LONG).await.expect("a reply");
    assert!(reply.lost.is_empty() && reply.cancel.is_empty());
    let states = [c.state(ids[0]).await, c.state(ids[1]).await, c.state(ids[2]).await, c.state(ids[3]).await];
    assert_eq!(states, [State::Running, State::Ready, State::Running, State::Running]);
    let counters = c.get(ids[1]).await.counters;
    assert_eq!((counters.attempts, counters.crashes, counters.interruptions), (0, 0, 0));
    assert!(matches!(c.refused(c.try_ack(&first[1], complete())).await, BrokerError::LeaseLost));
    for lease in [&first[0], &later[0], &others[0]] {
        c.ack(lease, complete()).await;
    }
}

/// A stopped server or a long gap between two looks holds reaping for one lease, so that live workers can extend first.
pub async fn q4_durations_a_gap_holds_the_reaper(c: &Case) {
    let lease = Duration::from_millis(400);
    let running = c.run(c.job()).await;
    let held = [Held { id: running.job.id, token: running.token }];
    c.broker.extend(&c.queue, "w1", &held, 0, SHORT).await.expect("a reply");
    c.broker.tick(&c.queue, lease).await.expect("a report");
    c.pass(lease).await;
    let report = c.broker.tick(&c.queue, lease).await.expect("a report");
    assert!(report.held && report.reaped == 0, "{report:?}");
    assert_eq!(c.state(running.job.id).await, State::Running);
    // Looked at often enough, the reaper goes on.
    c.until_state(running.job.id, State::Retrying).await;
}
