//! Explain: every reason that holds, and no other. The lanes as people see them.

use super::rules::{at_once, burst_of, every_scope, is_gated, key, pause};
use super::{Case, KIND, LONG, OTHER, SHORT, complete, only};
use crate::{
    BrokerError, Budget, Due, Hard, JobId, LeaseRequest, Limits, NewJob, Obstacle, Outcome, Period, Policy, RuleChange, RuleScope, Scope,
    State, WaitOn,
};
use longshore_base::Name;
use std::time::Duration;

fn has(obstacles: &[Obstacle], is: impl Fn(&Obstacle) -> bool) -> bool {
    obstacles.iter().any(is)
}

/// Nothing is in the way of a job that a worker would get now; nothing in the way of one that runs.
pub async fn q2_explain_names_nothing_where_nothing_is_in_the_way(c: &Case) {
    c.serve("w", 10).await;
    let id = c.put(c.keyed("a")).await;
    let why = c.unchanged(c.why(id)).await;
    assert_eq!((why.state, why.obstacles, why.ahead), (State::Ready, vec![], 0));
    let lease = c.one().await;
    let why = c.why(id).await;
    assert_eq!((why.state, why.obstacles), (State::Running, vec![]));
    c.ack(&lease, complete()).await;
}

/// Every closed gate, in the order in which the lease looks: queue, tenant, kind, key.
pub async fn q2_explain_names_every_gate_in_order(c: &Case) {
    c.serve("w", 10).await;
    let id = c.put(c.keyed("a")).await;
    let until = c.now().await + 600_000;
    for scope in every_scope() {
        c.change(&scope, pause(Some(until))).await;
    }
    let why = c.why(id).await;
    let told = why.obstacles.iter().filter_map(|obstacle| match obstacle {
        Obstacle::Gated { scope, gate } => Some((scope.clone(), gate.pause.until, gate.pause.by.clone())),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let wanted = every_scope().map(|scope| (scope, Some(until), Some("somebody".to_owned())));
    assert_eq!(told, wanted);
    assert!(why.estimated_start.is_some_and(|at| at >= until), "{:?}", why.estimated_start);
    for (at, scope) in every_scope().iter().enumerate() {
        assert!(is_gated(&c.obstacles(id).await, scope));
        c.change(scope, RuleChange::Resume).await;
        assert!(!is_gated(&c.obstacles(id).await, scope), "{scope:?} is open");
        assert_eq!(c.lease(1).await.len(), usize::from(at == 3));
    }
}

/// A limit with the jobs that hold it; the queue's scale and a tenant's share are told as what they are.
pub async fn q2_explain_names_limits_and_who_holds_them(c: &Case) {
    c.serve("w", 10).await;
    let running = c.run(c.keyed("a")).await.job.id;
    let id = c.put(c.keyed("a")).await;
    for scope in every_scope() {
        c.limit(&scope, at_once(1)).await;
        let obstacles = c.obstacles(id).await;
        let wanted = Obstacle::Limit { scope: scope.clone(), max: 1, rule: "max_running", by: vec![running] };
        assert!(obstacles.contains(&wanted), "{obstacles:?}");
        c.change(&scope, RuleChange::Clear).await;
        assert!(!has(&c.obstacles(id).await, |o| matches!(o, Obstacle::Limit { .. })));
    }
    c.change(&RuleScope::Queue, RuleChange::Scale(Some(1))).await;
    let wanted = Obstacle::Limit { scope: RuleScope::Queue, max: 1, rule: "scale", by: vec![running] };
    assert!(c.obstacles(id).await.contains(&wanted));
    c.change(&RuleScope::Queue, RuleChange::Scale(None)).await;
    let tenant = RuleScope::Tenant(Name::literal("one"));
    c.limit(&tenant, Limits { max_share: Some(0.1), ..Limits::default() }).await;
    let wanted = Obstacle::Limit { scope: tenant.clone(), max: 1, rule: "max_share", by: vec![running] };
    assert!(c.obstacles(id).await.contains(&wanted));
    c.limit(&tenant, Limits { max_share: Some(0.2), ..Limits::default() }).await;
    assert_eq!(c.one().await.job.id, id, "two of ten slots");
}

/// A rate with the time of the next start, a budget with its period's end.
pub async fn q2_explain_names_rates_and_budgets(c: &Case) {
    c.serve("w", 10).await;
    let tenant = RuleScope::Tenant(Name::literal("one"));
    for scope in every_scope() {
        let c = &c.beside().await;
        c.serve("w", 10).await;
        c.limit(&scope, burst_of(1)).await;
        let (first, id) = (c.put(c.keyed("a")).await, c.put(c.keyed("a")).await);
        assert!(!has(&c.obstacles(first).await, |o| matches!(o, Obstacle::Rate { .. })));
        c.one().await;
        let obstacles = c.obstacles(id).await;
        let until = obstacles.iter().find_map(|obstacle| match obstacle {
            Obstacle::Rate { scope: at, until } if *at == scope => Some(*until),
            _ => None,
        });
        let left = until.unwrap_or_else(|| panic!("{obstacles:?}")) - c.now().await;
        assert!((3_000_000..=3_600_000).contains(&left), "{left} ms in {scope:?}");
    }
    let budget = Budget { units: 1, period: Period::Month, hard: Hard::At(true), soft: None };
    c.limit(&tenant, Limits { budget: Some(budget), ..Limits::default() }).await;
    let id = c.add(2).await[1];
    assert!(!has(&c.obstacles(id).await, |o| matches!(o, Obstacle::Budget { .. })));
    c.one().await;
    assert!(has(&c.obstacles(id).await, |o| matches!(o, Obstacle::Budget { used: 1, units: 1, .. })));
    let estimate = c.why(id).await.estimated_start.expect("the next period begins some time");
    assert!(estimate >= c.rules(&tenant).await.budget.expect("a budget").resets_at);
}

/// Its own state: not due, waiting for children or a signal, ended and why.
pub async fn q2_explain_names_the_jobs_own_state(c: &Case) {
    c.serve("w", 10).await;
    let late = c.put(NewJob { due: Due::In(LONG), ..c.job() }).await;
    let due = c.get(late).await.due_at.expect("it is scheduled");
    let why = c.why(late).await;
    assert_eq!((why.state, why.obstacles.first()), (State::Scheduled, Some(&Obstacle::NotDue { until: due })));
    assert!(why.estimated_start.is_some_and(|at| at >= due));
    let (retrying, _) = c.in_state(State::Retrying).await;
    assert!(matches!(c.obstacles(retrying).await[..], [Obstacle::NotDue { .. }, ..]));

    let (waiting, _) = c.in_state(State::Waiting).await;
    let obstacles = c.obstacles(waiting).await;
    assert!(matches!(&obstacles[..], [Obstacle::Waiting { what, by, until: None }, ..] if what.contains("go") && by.is_empty()));
    let parent = c.running().await;
    let link = crate::Parent { id: parent.job.id, key: "k".into() };
    let child = link.child_id(c.home);
    let opened = crate::Delivery::ChildOpened { parent: link.id, token: parent.token, key: link.key.clone(), child };
    only(c.broker.deliver(vec![opened]).await.expect("an answer")).expect("kept");
    let wait = crate::Wait { on: WaitOn::AllChildren, timeout: Some(LONG), ..super::for_signal("") };
    assert_eq!(c.ack(&parent, Outcome::Wait(wait)).await, State::Waiting);
    let obstacles = c.obstacles(parent.job.id).await;
    assert!(matches!(&obstacles[..], [Obstacle::Waiting { by, until: Some(_), .. }, ..] if *by == [child]), "{obstacles:?}");

    for state in [State::Completed, State::Cancelled, State::Dead] {
        let (id, _) = c.in_state(state).await;
        let (reason, why) = (c.get(id).await.reason, c.why(id).await);
        assert_eq!((why.state, why.obstacles), (state, vec![Obstacle::Ended { state, reason }]));
        assert_eq!(why.estimated_start, None);
    }
}

/// What holds for a job that is not due yet is told with it.
pub async fn q2_explain_looks_beyond_the_first_reason(c: &Case) {
    c.serve("w", 10).await;
    let late = c.put(NewJob { due: Due::In(LONG), ..c.keyed("a") }).await;
    c.change(&key("a"), pause(None)).await;
    c.limit(&RuleScope::Queue, burst_of(1)).await;
    c.run(c.job()).await;
    let obstacles = c.obstacles(late).await;
    assert!(has(&obstacles, |o| matches!(o, Obstacle::NotDue { .. })) && is_gated(&obstacles, &key("a")), "{obstacles:?}");
    assert!(has(&obstacles, |o| matches!(o, Obstacle::Rate { scope: RuleScope::Queue, .. })), "{obstacles:?}");
    assert_eq!(c.why(late).await.estimated_start, None, "nobody knows when the pause ends");
}

/// Others before it in its lane, by priority and enqueue.
pub async fn q2_explain_names_who_is_before_it(c: &Case) {
    c.serve("w", 10).await;
    let ids = c.fill(4, || c.keyed("a")).await;
    let urgent = c.put(NewJob { priority: crate::Priority::new(9).expect("at most 9"), ..c.keyed("a") }).await;
    c.fill(3, || c.keyed("b")).await;
    let behind = async |id: JobId| {
        let why = c.why(id).await;
        let told = why.obstacles.iter().find_map(|obstacle| match obstacle {
            Obstacle::Behind { ahead, first } => Some((*ahead, *first)),
            _ => None,
        });
        assert!(told.is_none_or(|(ahead, _)| why.ahead >= ahead), "{why:?}");
        told
    };
    assert_eq!(behind(urgent).await, None);
    assert_eq!(behind(ids[0]).await, Some((1, urgent)));
    assert_eq!(behind(ids[3]).await, Some((4, urgent)));
    c.cancel(urgent).await.expect("cancelled");
    assert_eq!(behind(ids[3]).await, Some((3, ids[0])));
}

/// Its tenant's turn comes later, and it comes.
pub async fn q2_explain_names_the_turn_of_others(c: &Case) {
    c.serve("w", 10).await;
    c.fill(1, || c.job()).await;
    c.share(1, 1, |_| Duration::from_secs(9)).await;
    // Of a kind that is not known to take long.
    c.fill(3, || NewJob { kind: Name::literal(OTHER), ..c.of("two") }).await;
    let id = c.put(c.job()).await;
    let why = c.why(id).await;
    assert!(matches!(why.obstacles[..], [Obstacle::Turn { behind_ms }] if behind_ms > 1_000.0), "{why:?}");
    let two = c.lease(3).await;
    assert!(two.iter().all(|lease| lease.job.tenant.as_str() == "two"));
    assert_eq!(c.obstacles(id).await, vec![], "nobody else waits");
    assert_eq!(c.one().await.job.id, id);
}

/// Nobody takes jobs of this queue; or nobody knows this kind. A worker that comes, and leaves, changes it.
pub async fn q2_explain_names_missing_workers(c: &Case) {
    let (id, strange) = (c.put(c.job()).await, c.put(NewJob { kind: c.own("strange"), ..c.job() }).await);
    let no_worker = |o: &Obstacle| matches!(o, Obstacle::NoWorker);
    assert!(has(&c.obstacles(id).await, no_worker));
    let worker = c.serve("w", 10).await;
    // The other job may have its turn before, as far as turns know.
    assert!(c.obstacles(id).await.iter().all(|o| matches!(o, Obstacle::Turn { .. })));
    let unknown = Obstacle::UnknownKind { kind: c.own("strange") };
    let obstacles = c.obstacles(strange).await;
    assert!(obstacles.contains(&unknown) && !has(&obstacles, no_worker), "{obstacles:?}");
    c.broker.leave(&worker).await.expect("good-bye");
    assert!(has(&c.obstacles(id).await, no_worker));
    // Whoever carries the kind and asks gets it, announced or not.
    let request = LeaseRequest { kinds: [c.own("strange")].into(), ..c.request("w1", 5, LONG) };
    assert_eq!(only(c.ask(&request).await.leases).job.id, strange);
}

/// Each worker runs one suspect at most; while all do, the next one waits.
pub async fn q2_explain_names_running_suspects(c: &Case) {
    let worker = c.serve("w", 10).await;
    let policy = Policy { crashes_max: 2, ..Policy::default() };
    let ids = c.fill(2, || NewJob { policy: policy.clone(), ..c.keyed("a") }).await;
    assert_eq!(c.lease_by(&worker, 2, SHORT).await.len(), 2);
    for id in &ids {
        c.until("it is ready again", async || c.state(*id).await == State::Ready).await;
    }
    let first = only(c.lease_by(&worker, 5, LONG).await);
    let other = *ids.iter().find(|id| **id != first.job.id).expect("two");
    assert!(c.obstacles(other).await.contains(&Obstacle::Suspect { by: vec![first.job.id] }));
    c.serve("idle", 1).await;
    assert_eq!(c.obstacles(other).await, vec![], "another worker could take it");
}

/// Another tenant's job does not exist.
pub async fn q2_explain_keeps_to_its_scope(c: &Case) {
    let id = c.put(c.job()).await;
    let two = Scope::Tenant(Name::literal("two"));
    assert!(matches!(c.refused(c.broker.explain(&two, id)).await, BrokerError::NotFound));
    assert!(matches!(c.refused(c.broker.explain(&Scope::All, c.id())).await, BrokerError::NotFound));
    c.broker.explain(&Scope::Tenant(Name::literal("one")), id).await.expect("its own");
}

/// Lanes that have something ready or running, in order, with their rules and shares; a tenant sees its own.
pub async fn q2_lane_views_tell_what_waits_and_runs(c: &Case) {
    let two = RuleScope::Tenant(Name::literal("two"));
    c.limit(&two, Limits { weight: Some(3.0), ..Limits::default() }).await;
    c.limit(&key("a"), at_once(1)).await;
    c.fill(3, || c.keyed("a")).await;
    c.put(NewJob { kind: Name::literal(OTHER), ..c.keyed("a") }).await;
    c.put(NewJob { tenant: Name::literal("two"), ..c.keyed("é/a") }).await;
    c.put(NewJob { due: Due::In(LONG), ..c.keyed("later") }).await;
    let held = c.lease(10).await;
    assert_eq!(held.len(), 2);
    let lanes = c.unchanged(c.broker.lanes(&Scope::All, &c.queue, 100)).await.expect("lanes");
    let told: Vec<_> = lanes.iter().map(|l| (l.tenant.as_str(), l.kind.as_str(), l.key.as_str(), l.ready + l.running)).collect();
    assert_eq!(told, [("one", KIND, "a", 3), ("one", OTHER, "a", 1), ("two", KIND, "é/a", 1)]);
    assert_eq!(lanes.iter().map(|lane| lane.running).sum::<u64>(), 2);
    assert_eq!(lanes.iter().map(|lane| lane.limits.clone()).collect::<Vec<_>>(), [Some(at_once(1)), Some(at_once(1)), None]);
    for (lane, share) in lanes.iter().zip([0.25, 0.25, 0.75]) {
        assert!((lane.share - share).abs() < 1e-9 && lane.gate.is_none() && lane.failures.is_none(), "{lane:?}");
    }
    assert_eq!(c.broker.lanes(&Scope::All, &c.queue, 1).await.expect("lanes")[..], lanes[..1]);
    let own = c.broker.lanes(&Scope::Tenant(Name::literal("two")), &c.queue, 100).await.expect("lanes");
    assert_eq!(own[..], lanes[2..]);
    c.change(&RuleScope::Queue, pause(None)).await;
    let lanes = c.broker.lanes(&Scope::All, &c.queue, 100).await.expect("lanes");
    assert!(lanes.iter().all(|lane| lane.gate.is_some()), "the queue's gate is the first");
    c.finish(&held, |_| super::rules::RAN).await;
    assert_eq!(c.broker.lanes(&Scope::All, &c.queue, 100).await.expect("lanes").len(), 2, "what is empty is not told");
}

/// What an autoscaler reads: slots that live workers announce, how the queue scales, and since when.
pub async fn q6_contract_stats_tell_slots_and_auto(c: &Case) {
    let stats = async || c.broker.stats(&Scope::All, &c.queue).await.expect("stats");
    let first = stats().await;
    assert_eq!((first.slots_live, first.auto, first.scaled_at, first.mean_ms), (0, None, None, None));
    assert!(first.rate_per_s.abs() < 1e-9);
    assert_eq!([c.tick().await.follows, c.tick().await.follows], [false; 2]);
    c.serve("a", 6).await;
    let b = c.serve("b", 4).await;
    let auto = crate::Auto { min: 0, max: 9, clear_in_ms: 30_000, step: None, cool_down_ms: Some(5) };
    c.change(&RuleScope::Queue, RuleChange::Auto(Some(auto))).await;
    assert_eq!((stats().await.slots_live, stats().await.auto, stats().await.scaled_at), (10, Some(auto), None));
    assert_eq!([c.tick().await.follows, c.tick().await.follows], [true; 2], "schedulers look at what ticks tell");
    let before = c.now().await;
    c.change(&RuleScope::Queue, RuleChange::Scale(Some(2))).await;
    let told = stats().await;
    assert!(told.slots == Some(2) && told.scaled_at.is_some_and(|at| at >= before) && told.slots_live == 10);
    c.broker.leave(&b).await.expect("good-bye");
    c.change(&RuleScope::Queue, RuleChange::Auto(None)).await;
    let told = stats().await;
    assert_eq!((told.slots_live, told.auto, told.slots), (6, None, Some(2)));
    assert!(!c.tick().await.follows);
}
