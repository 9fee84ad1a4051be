//! The overlap rule: what a tick does while the run before it has not ended.

use super::planned::Planned;
use super::{Case, LONG, SHORT, args, complete, dead, for_signal, only, retry};
use crate::{
    Delivery, Due, Fired, Held, JobId, Lease, LeaseRequest, NewJob, Outcome, Overlap, Parent, Policy, Reason, Replay, Scope, State,
    TickOutcome, TickRecord, Unique, UniqueMode, Wait, WaitPolicy, Woken,
};
use longshore_base::Name;

const ALIVE: [State; 5] = [State::Ready, State::Running, State::Retrying, State::Waiting, State::Scheduled];
const ENDED: [State; 3] = [State::Completed, State::Cancelled, State::Dead];

/// A schedule whose jobs are of a kind of their own, with a run in that state.
async fn after(c: &Case, overlap: Overlap, state: State) -> (Planned<'_>, JobId, Option<Lease>) {
    let kind = c.own(&format!("{}.{overlap:?}", state.as_str()));
    let planned = c.planned(crate::Schedule { overlap, name: kind.clone(), kind, ..c.schedule("x") }).await;
    let job = if state == State::Scheduled { NewJob { due: Due::In(LONG), ..own(&planned).await } } else { own(&planned).await };
    let before = carry_out(&planned, job).await.job.expect("a job");
    if matches!(state, State::Ready | State::Scheduled) {
        return (planned, before, None);
    }
    let lease = lease(&planned).await;
    let outcome = match state {
        State::Retrying => retry(LONG),
        State::Waiting => Outcome::Wait(for_signal("go")),
        State::Completed => complete(),
        State::Cancelled => Outcome::Cancel,
        State::Dead => dead(),
        _ => return (planned, before, Some(lease)),
    };
    assert_eq!(c.ack(&lease, outcome).await, state);
    (planned, before, None)
}

/// The job of the next tick.
async fn own(planned: &Planned<'_>) -> NewJob {
    let state = planned.state().await;
    planned.job(&state, state.cursor + super::planned::STEP_MS)
}

/// Carries the next tick out with this job.
async fn carry_out(planned: &Planned<'_>, job: NewJob) -> TickRecord {
    let state = planned.state().await;
    let at = job.tick.as_ref().expect("a tick's job").at;
    only(planned.c.fire(planned.advance(&state, vec![super::planned::tick(at, job)])).await.expect("nobody was faster"))
}

/// Leases the one job of the schedule's kind that is ready.
async fn lease(planned: &Planned<'_>) -> Lease {
    let c = planned.c;
    only(c.ask(&LeaseRequest { kinds: [planned.schedule.kind.clone()].into(), ..c.request("w1", 2, LONG) }).await.leases)
}

fn outcomes(fired: &Fired) -> Vec<TickOutcome> {
    fired.iter().map(|record| record.outcome).collect()
}

fn names(record: &TickRecord, id: JobId) -> bool {
    record.detail.as_ref().is_some_and(|detail| detail.contains(&id.to_string()))
}

/// Allow looks at nobody.
pub async fn q9_overlap_allow_makes_its_job(c: &Case) {
    for state in ALIVE.into_iter().chain(ENDED) {
        let (planned, before, _) = after(c, Overlap::Allow, state).await;
        let record = planned.once().await;
        assert_eq!((record.outcome, c.state(record.job.expect("a job")).await), (TickOutcome::Started, State::Ready), "{state}");
        assert_eq!((planned.state().await.last_job, c.state(before).await), (record.job, state));
    }
}

/// Skip makes none until the run before has ended.
pub async fn q9_overlap_skip_makes_none(c: &Case) {
    for state in ALIVE {
        let (planned, before, _) = after(c, Overlap::Skip, state).await;
        for record in [planned.once().await, planned.once().await] {
            assert_eq!((record.outcome, record.job), (TickOutcome::Overlapped, None), "{state}");
            assert!(names(&record, before), "{record:?}");
        }
        let told = planned.state().await;
        assert_eq!((told.last_job, told.held_job, c.state(before).await), (Some(before), None, state));
    }
    for state in ENDED {
        let (planned, before, _) = after(c, Overlap::Skip, state).await;
        let record = planned.once().await;
        assert_eq!((record.outcome, record.detail.as_deref()), (TickOutcome::Started, None), "{state}");
        assert_eq!((planned.state().await.last_job, c.state(before).await), (record.job, state));
    }
    assert_eq!(c.all().await.len(), ALIVE.len() + 2 * ENDED.len());
}

/// Wait holds its job while the run before has not ended.
pub async fn q9_overlap_wait_holds_its_job(c: &Case) {
    for state in ALIVE {
        let (planned, before, _) = after(c, Overlap::Wait, state).await;
        let record = planned.once().await;
        let held = record.job.expect("a job");
        assert_eq!((record.outcome, c.state(held).await), (TickOutcome::Held, State::Waiting), "{state}");
        let told = planned.state().await;
        assert_eq!((told.last_job, told.held_job, c.state(before).await), (Some(before), Some(held), state));
    }
    for state in ENDED {
        let (planned, _, _) = after(c, Overlap::Wait, state).await;
        let record = planned.once().await;
        assert_eq!((record.outcome, c.state(record.job.expect("a job")).await), (TickOutcome::Started, State::Ready), "{state}");
        assert_eq!(planned.state().await.held_job, None);
    }
}

/// One job is held at most. When it runs, it is the run before, and the next one is held.
pub async fn q9_overlap_wait_holds_one(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    let first = planned.run().await;
    let held = planned.run().await;
    for _ in 0..3 {
        let record = planned.once().await;
        assert_eq!((record.outcome, record.job), (TickOutcome::Overlapped, None));
        assert!(names(&record, held) || names(&record, first), "{record:?}");
    }
    assert_eq!(c.all().await.len(), 2);
    c.ack(&c.one().await, complete()).await;
    let lease = c.one().await;
    assert_eq!((lease.job.id, lease.woken), (held, Some(Woken::Met)));
    let next = planned.once().await;
    assert_eq!(next.outcome, TickOutcome::Held);
    let told = planned.state().await;
    assert_eq!((told.last_job, told.held_job), (Some(held), next.job));
    c.ack(&lease, complete()).await;
    c.ack(&c.one().await, complete()).await;
    assert_eq!(planned.once().await.outcome, TickOutcome::Started);
    assert_eq!(planned.state().await.held_job, None);
}

/// A held job that runs and waits for its own children is the run before, not a held one.
pub async fn q9_overlap_wait_tells_a_held_job_from_one_that_waits(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    planned.run().await;
    let second = planned.run().await;
    c.ack(&c.one().await, complete()).await;
    assert_eq!(c.ack(&c.one().await, Outcome::Wait(for_signal("go"))).await, State::Waiting);
    let record = planned.once().await;
    assert_eq!(record.outcome, TickOutcome::Held);
    let told = planned.state().await;
    assert_eq!((told.last_job, told.held_job), (Some(second), record.job));
}

/// The step that ends the run before wakes the held one, whichever end an ack makes.
pub async fn q9_overlap_wait_wakes_with_every_ack_that_ends(c: &Case) {
    let age = Policy { age_max_ms: Some(0), ..Policy::default() };
    let once = Policy { attempts_max: 1, ..Policy::default() };
    let runs = Policy { runs_max: 1, ..Policy::default() };
    let gate = || Outcome::Gate { after: SHORT, reason: "429".into() };
    let ends = [
        (Policy::default(), complete(), State::Completed),
        (Policy::default(), dead(), State::Dead),
        (Policy::default(), Outcome::Cancel, State::Cancelled),
        (once, retry(LONG), State::Dead),
        (runs.clone(), Outcome::Snooze { after: LONG }, State::Dead),
        (age, Outcome::Snooze { after: LONG }, State::Dead),
        (runs, gate(), State::Dead),
    ];
    for (number, (policy, outcome, state)) in ends.into_iter().enumerate() {
        let name = c.own(&format!("end{number}"));
        let planned = c.planned(crate::Schedule { overlap: Overlap::Wait, kind: name.clone(), name, ..c.schedule("x") }).await;
        let first = carry_out(&planned, NewJob { policy, lane_key: format!("k{number}"), ..own(&planned).await }).await.job.expect("a job");
        let held = planned.run().await;
        let lease = lease(&planned).await;
        assert_eq!(lease.job.id, first);
        c.pass(std::time::Duration::from_millis(5)).await;
        assert_eq!(c.ack(&lease, outcome).await, state);
        assert_eq!(c.state(held).await, State::Ready, "end {number}");
        let tells = planned.once().await;
        assert_eq!((tells.outcome, planned.state().await.last_job), (TickOutcome::Held, Some(held)), "end {number}");
    }
}

/// What is no end wakes nobody.
pub async fn q9_overlap_wait_holds_over_attempts(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    let first = planned.run().await;
    let held = planned.run().await;
    let goes_on = [
        (Outcome::Release { started: true }, State::Ready),
        (Outcome::Release { started: false }, State::Ready),
        (retry(std::time::Duration::ZERO), State::Retrying),
        (Outcome::Snooze { after: std::time::Duration::ZERO }, State::Scheduled),
        (Outcome::Wait(for_signal("go")), State::Waiting),
    ];
    for (outcome, state) in goes_on {
        let lease = c.one_soon().await;
        assert_eq!(lease.job.id, first);
        assert_eq!(c.ack(&lease, outcome).await, state);
        assert_eq!(c.state(held).await, State::Waiting, "{state}");
    }
    c.cancel(first).await.expect("cancelled");
    assert_eq!(c.state(held).await, State::Ready, "it kept who follows it over all that");
}

/// The same where nobody acks: cancel, give up, a wait's end by policy, an unstarted lease that is given back after a cancel.
pub async fn q9_overlap_wait_wakes_with_every_other_end(c: &Case) {
    for state in [State::Ready, State::Scheduled, State::Retrying, State::Waiting] {
        let (planned, before, _) = after(c, Overlap::Wait, state).await;
        let held = planned.run().await;
        c.cancel(before).await.expect("cancelled");
        assert_eq!(c.state(held).await, State::Ready, "cancelled in {state}");
    }
    let (planned, before, _) = {
        let kind = c.own("given.up");
        let planned = c.planned(crate::Schedule { overlap: Overlap::Wait, name: kind.clone(), kind, ..c.schedule("x") }).await;
        let before = planned.run().await;
        c.ack(&lease(&planned).await, retry(LONG)).await;
        (planned, before, ())
    };
    let held = planned.run().await;
    c.broker.give_up(&Scope::All, before).await.expect("given up");
    assert_eq!(c.state(held).await, State::Ready, "given up");

    let planned = c.planned(crate::Schedule { kind: c.own("orphan"), overlap: Overlap::Wait, ..c.schedule("orphan") }).await;
    let before = planned.run().await;
    let held = planned.run().await;
    lease(&planned).await;
    c.cancel(before).await.expect("asked to stop");
    c.broker.extend(&c.queue, "w1", &[], c.last_call(), LONG).await.expect("a reply");
    assert_eq!((c.state(before).await, c.state(held).await), (State::Cancelled, State::Ready), "given back after a cancel");

    let planned = c.planned(crate::Schedule { kind: c.own("late"), overlap: Overlap::Wait, ..c.schedule("late") }).await;
    let before = planned.run().await;
    let held = planned.run().await;
    let wait = Wait { timeout: Some(SHORT), on_timeout: WaitPolicy::Die, ..for_signal("go") };
    c.ack(&lease(&planned).await, Outcome::Wait(wait)).await;
    together(c, before, State::Dead, held).await;
}

/// Waits until `before` has ended so; in the same look the held one must be Ready.
async fn together(c: &Case, before: JobId, state: State, held: JobId) {
    c.until(&format!("{before} is {state}"), async || {
        let jobs = c.broker.get(&Scope::All, &[before, held]).await.expect("an answer");
        let states: Vec<_> = jobs.into_iter().flatten().map(|job| job.state).collect();
        assert_eq!(states[1] == State::Ready, states[0].is_ended(), "{states:?}");
        states[0] == state
    })
    .await;
}

/// A run that expires, and one that crashes to death, wake the held one in the same step.
pub async fn q9_overlap_wait_wakes_when_time_ends_the_run(c: &Case) {
    let planned = c.planned(crate::Schedule { kind: c.own("expires"), overlap: Overlap::Wait, ..c.schedule("expires") }).await;
    let expires_at = Some(c.now().await + 300);
    let before = carry_out(&planned, NewJob { expires_at, ..own(&planned).await }).await.job.expect("a job");
    let held = planned.run().await;
    together(c, before, State::Cancelled, held).await;
    c.cancel(held).await.expect("cancelled");

    for repeatable in [true, false] {
        let c = &if repeatable { c.beside().await } else { c.durable().await };
        let planned = c.plan(Overlap::Wait).await;
        let policy = Policy { crashes_max: 1, repeatable, ..Policy::default() };
        let before = carry_out(&planned, NewJob { policy, ..own(&planned).await }).await.job.expect("a job");
        let held = planned.run().await;
        assert_eq!(only(c.lease_by("w1", 1, SHORT).await).job.id, before);
        together(c, before, State::Dead, held).await;
    }
}

/// A held job that is cancelled frees its place; the run before is still the one that it stood behind.
pub async fn q9_overlap_wait_a_held_job_may_be_cancelled(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    let first = planned.run().await;
    let gone = planned.run().await;
    let lease = c.one().await;
    c.cancel(gone).await.expect("cancelled");
    let record = planned.once().await;
    assert_eq!(record.outcome, TickOutcome::Held, "the first still runs");
    let told = planned.state().await;
    assert_eq!((told.last_job, told.held_job), (Some(first), record.job));
    assert!(c.lease(1).await.is_empty());
    c.ack(&lease, complete()).await;
    assert_eq!((c.state(gone).await, c.one().await.job.id), (State::Cancelled, record.job.expect("a job")));
}

/// A run that is not there any more has ended; so has one that a replay repeats.
pub async fn q9_overlap_a_run_that_is_purged_or_replayed_has_ended(c: &Case) {
    for overlap in [Overlap::Skip, Overlap::Wait, Overlap::Cancel] {
        let (planned, before, _) = after(c, overlap, State::Completed).await;
        assert_eq!(c.broker.purge(&Scope::All, &[before]).await.expect("an answer"), [true]);
        assert_eq!(planned.once().await.outcome, TickOutcome::Started, "{overlap:?}");
        let (planned, before, _) = after(c, overlap, State::Dead).await;
        let new = Replay { id: before, new_id: c.id(), args: None };
        let new = only(c.broker.replay(&Scope::All, vec![new]).await.expect("an answer")).expect("replayed");
        let record = planned.once().await;
        assert_eq!((record.outcome, c.state(new).await), (TickOutcome::Started, State::Ready), "{overlap:?}");
    }
}

/// Cancel ends a run that nobody works on, and starts.
pub async fn q9_overlap_cancel_ends_what_does_not_run(c: &Case) {
    for state in [State::Ready, State::Retrying, State::Waiting, State::Scheduled] {
        let (planned, before, _) = after(c, Overlap::Cancel, state).await;
        let record = planned.once().await;
        assert_eq!((record.outcome, c.state(record.job.expect("a job")).await), (TickOutcome::Started, State::Ready), "{state}");
        assert!(names(&record, before), "{record:?}");
        let was = c.get(before).await;
        assert_eq!((was.state, was.reason), (State::Cancelled, Some(Reason::Cancelled)), "{state}");
        assert_eq!(planned.state().await.last_job, record.job);
    }
    for state in ENDED {
        let (planned, before, _) = after(c, Overlap::Cancel, state).await;
        let record = planned.once().await;
        assert_eq!((record.outcome, record.detail.as_deref(), c.state(before).await), (TickOutcome::Started, None, state));
    }
}

/// Cancel tells the open children of the run that it ends.
pub async fn q9_overlap_cancel_tells_open_children(c: &Case) {
    let planned = c.plan(Overlap::Cancel).await;
    let before = planned.run().await;
    let run = c.one().await;
    let link = Parent { id: before, key: "child".into() };
    let child = link.child_id(c.home);
    let opened = Delivery::ChildOpened { parent: before, token: run.token, key: link.key.clone(), child };
    only(c.broker.deliver(vec![opened]).await.expect("an answer")).expect("opened");
    c.put(NewJob { id: child, parent: Some(link), due: Due::In(LONG), ..c.job() }).await;
    c.ack(&run, Outcome::Wait(Wait { on: crate::WaitOn::AllChildren, ..for_signal("") })).await;
    assert_eq!(planned.once().await.outcome, TickOutcome::Started);
    assert_eq!(c.state(before).await, State::Cancelled);
    c.until_state(child, State::Cancelled).await;
}

/// Cancel asks a running one to stop, and holds its job until it has; a later tick takes the held one's place.
pub async fn q9_overlap_cancel_asks_a_running_one_to_stop(c: &Case) {
    for (outcome, state) in [(Outcome::Cancel, State::Cancelled), (complete(), State::Completed), (retry(LONG), State::Cancelled)] {
        let c = &c.beside().await;
        let planned = c.plan(Overlap::Cancel).await;
        let before = planned.run().await;
        let run = c.one().await;
        let second = planned.once().await;
        let held = second.job.expect("a job");
        assert_eq!((second.outcome, c.state(held).await), (TickOutcome::Held, State::Waiting));
        assert!(names(&second, before), "{second:?}");
        let asked = c.get(before).await;
        assert_eq!((asked.state, asked.cancel_requested), (State::Running, true));
        let token = [Held { id: before, token: run.token }];
        assert_eq!(c.broker.extend(&c.queue, "w1", &token, 0, LONG).await.expect("a reply").cancel, [before]);
        let third = planned.once().await;
        let next = third.job.expect("a job");
        assert_eq!((third.outcome, c.state(held).await, c.state(next).await), (TickOutcome::Held, State::Cancelled, State::Waiting));
        assert!(names(&third, held), "{third:?}");
        let told = planned.state().await;
        assert_eq!((told.last_job, told.held_job), (Some(before), Some(next)));
        assert!(c.lease(1).await.is_empty());
        assert_eq!(c.ack(&run, outcome).await, state);
        assert_eq!(c.one().await.job.id, next);
    }
}

/// However many ticks come while a run does not stop: the last one runs after it, the others are cancelled.
pub async fn q9_overlap_cancel_outlives_a_stubborn_run(c: &Case) {
    let planned = c.plan(Overlap::Cancel).await;
    planned.run().await;
    let run = c.one().await;
    let ticks = crate::FOLLOWERS_MAX + 10;
    let fired = planned.fire(ticks).await;
    assert!(outcomes(&fired).iter().all(|outcome| *outcome == TickOutcome::Held));
    let record = planned.once().await;
    assert_eq!(record.outcome, TickOutcome::Held);
    assert_eq!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").cancelled, ticks as u64);
    c.ack(&run, complete()).await;
    assert_eq!(only(c.lease(10).await).job.id, record.job.expect("a job"));
}

/// The ticks of one decision see each other.
pub async fn q9_overlap_ticks_of_one_fire_see_each_other(c: &Case) {
    use TickOutcome::{Held as Hold, Overlapped, Started};
    for (overlap, wanted) in [
        (Overlap::Allow, [Started, Started, Started]),
        (Overlap::Skip, [Started, Overlapped, Overlapped]),
        (Overlap::Wait, [Started, Hold, Overlapped]),
        (Overlap::Cancel, [Started, Started, Started]),
    ] {
        let c = &c.beside().await;
        let planned = c.plan(overlap).await;
        let fired = planned.fire(3).await;
        assert_eq!(outcomes(&fired), wanted, "{overlap:?}");
        let ids: Vec<_> = fired.iter().filter_map(|record| record.job).collect();
        let told = planned.state().await;
        match overlap {
            Overlap::Allow | Overlap::Cancel => assert_eq!((told.last_job, told.held_job), (Some(ids[2]), None)),
            Overlap::Skip => assert_eq!((told.last_job, told.held_job), (Some(ids[0]), None)),
            Overlap::Wait => assert_eq!((told.last_job, told.held_job), (Some(ids[0]), Some(ids[1]))),
        }
        let ready = if overlap == Overlap::Allow { ids.clone() } else { vec![if overlap == Overlap::Cancel { ids[2] } else { ids[0] }] };
        assert_eq!(c.lease(10).await.iter().map(|lease| lease.job.id).collect::<Vec<_>>(), ready, "{overlap:?}");
        if overlap == Overlap::Cancel {
            let states = [c.state(ids[0]).await, c.state(ids[1]).await];
            assert_eq!(states, [State::Cancelled; 2]);
            // And once more, with one that runs.
            let fired = planned.fire(3).await;
            assert_eq!(outcomes(&fired), [Hold, Hold, Hold]);
            let ids: Vec<_> = fired.iter().filter_map(|record| record.job).collect();
            assert_eq!(planned.state().await.held_job, Some(ids[2]));
            assert_eq!((c.state(ids[0]).await, c.state(ids[2]).await), (State::Cancelled, State::Waiting));
        }
    }
}

/// The rule that holds is the one that the schedule has now.
pub async fn q9_overlap_rule_may_change_while_a_job_is_held(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    planned.run().await;
    let held = planned.run().await;
    let run = c.one().await;
    let allow = planned.with(|schedule| schedule.overlap = Overlap::Allow);
    allow.change(allow.put()).await;
    let record = allow.once().await;
    assert_eq!((record.outcome, c.state(held).await), (TickOutcome::Started, State::Waiting));
    let told = allow.state().await;
    assert_eq!((told.last_job, told.held_job), (record.job, Some(held)));
    c.ack(&run, complete()).await;
    assert_eq!(c.state(held).await, State::Ready, "it follows the run that it was held for");
    let cancel = planned.with(|schedule| schedule.overlap = Overlap::Cancel);
    cancel.change(cancel.put()).await;
    let last = cancel.once().await;
    assert_eq!(last.outcome, TickOutcome::Started);
    assert!(names(&last, held) && names(&last, record.job.expect("a job")), "{last:?}");
    assert_eq!(c.state(held).await, State::Cancelled);
    assert_eq!(only(c.lease(10).await).job.id, last.job.expect("a job"));
}

/// With a unique key: a held tick merges into the run that has the key; cancel frees it first.
pub async fn q9_overlap_comes_before_the_unique_key(c: &Case) {
    let unique = Some(Unique { key: "k".into(), mode: UniqueMode::Keep });
    let wait = c.planned(crate::Schedule { overlap: Overlap::Wait, ..c.schedule("wait") }).await;
    let first = carry_out(&wait, NewJob { unique: unique.clone(), ..own(&wait).await }).await;
    let second = carry_out(&wait, NewJob { unique: unique.clone(), ..own(&wait).await }).await;
    assert_eq!((second.outcome, second.job), (TickOutcome::Merged, first.job));
    let told = wait.state().await;
    assert_eq!((told.last_job, told.held_job), (first.job, None));
    let kind = Name::literal(super::OTHER);
    let cancel = c.planned(crate::Schedule { overlap: Overlap::Cancel, kind, ..c.schedule("cancel") }).await;
    let first = carry_out(&cancel, NewJob { unique: unique.clone(), ..own(&cancel).await }).await;
    let second = carry_out(&cancel, NewJob { unique: unique.clone(), ..own(&cancel).await }).await;
    assert_eq!(second.outcome, TickOutcome::Started);
    assert_eq!((c.state(first.job.expect("a job")).await, cancel.state().await.last_job), (State::Cancelled, second.job));
    let skip = cancel.with(|schedule| schedule.overlap = Overlap::Skip);
    skip.change(skip.put()).await;
    assert_eq!(carry_out(&skip, NewJob { unique, ..own(&skip).await }).await.outcome, TickOutcome::Overlapped);
}

/// A held job keeps what its tick asked for, and is told as held.
pub async fn q9_overlap_wait_keeps_what_the_tick_asked_for(c: &Case) {
    let planned = c.plan(Overlap::Wait).await;
    planned.run().await;
    let new = NewJob {
        args: args("held"),
        tags: vec![Name::literal("t")],
        priority: crate::Priority::new(9).expect("at most 9"),
        client: Some(Name::literal("acme")),
        ..own(&planned).await
    };
    let held = carry_out(&planned, new.clone()).await.job.expect("a job");
    let job = c.get(held).await;
    assert_eq!((job.state, job.due_at, job.tick), (State::Waiting, None, new.tick.clone()));
    assert_eq!((job.args.get(), &job.tags, job.priority, &job.client), (new.args.get(), &new.tags, new.priority, &new.client));
    assert!(c.broker.edit(&Scope::All, held, job.revision, crate::Edit::default()).await.is_err(), "nobody edits what waits");
    assert!(c.broker.retry_now(&Scope::All, held).await.is_err());
    assert_eq!(c.broker.stats(&Scope::All, &c.queue).await.expect("stats").waiting, 1);
    c.ack(&c.one().await, complete()).await;
    let lease = c.one().await;
    assert_eq!((lease.job.id, lease.job.tick, lease.job.counters.runs), (held, new.tick, 1));
}
