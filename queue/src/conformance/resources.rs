//! Resources: outside quotas over queues and tenants. A broker may lend slices of them, so a queue may have to ask twice; never more
//! than there is may be in use.

use super::rules::RAN;
use super::{Case, KIND, LONG, complete, only};
use crate::{BrokerError, Lease, NewJob, Obstacle, Pause, Points, Quota, Rate, ResourceChange, ResourceState, Scope, State};
use longshore_base::{Code, Name};
use std::time::Duration;

async fn change(c: &Case, name: &Name, change: ResourceChange) -> ResourceState {
    c.broker.resource(name, change, None).await.expect("the resource is changed")
}

async fn put(c: &Case, name: &Name, quota: Quota) -> ResourceState {
    change(c, name, ResourceChange::Put(quota)).await
}

async fn find(c: &Case, name: &Name) -> Option<ResourceState> {
    c.broker.resources().await.expect("resources").into_iter().find(|resource| resource.name == *name)
}

fn uses(c: &Case, name: &Name) -> NewJob {
    NewJob { resources: vec![name.clone()], ..c.job() }
}

/// Leases in all the queues, again and again, until so many are held; then nobody gets one more.
async fn gather(cases: &[&Case], wanted: usize) -> Vec<Lease> {
    let mut held = Vec::new();
    cases[0]
        .until(&format!("{wanted} run"), async || {
            for case in cases {
                case.tick().await;
                held.extend(case.lease(10).await);
            }
            assert!(held.len() <= wanted, "{} run, {wanted} may", held.len());
            held.len() == wanted
        })
        .await;
    for case in cases {
        case.tick().await;
        assert!(case.lease(10).await.is_empty(), "{wanted} run, and no more may");
    }
    held
}

fn is_held(obstacles: &[Obstacle], by: &Name) -> bool {
    obstacles.iter().any(|obstacle| matches!(obstacle, Obstacle::Resource { name, .. } if name == by))
}

/// max_running holds over two queues and two tenants; what one queue frees another may have.
pub async fn q2_resources_max_running_over_queues(c: &Case) {
    let (other, name) = (c.beside().await, c.own("quota"));
    put(c, &name, Quota { max_running: Some(3), ..Quota::default() }).await;
    c.fill(6, || uses(c, &name)).await;
    other.fill(6, || NewJob { tenant: Name::literal("two"), ..uses(&other, &name) }).await;
    let cases = [c, &other];
    let mut held = gather(&cases, 3).await;
    for _ in 0..3 {
        let lease = held.remove(0);
        let case = cases[usize::from(lease.job.queue == other.queue)];
        case.finish(std::slice::from_ref(&lease), |_| RAN).await;
        held.extend(gather(&cases, 1).await);
    }
    let used = find(c, &name).await.expect("it is there").running;
    assert!(used == 3, "{used} leases and lent slots");
    for lease in &held {
        let case = cases[usize::from(lease.job.queue == other.queue)];
        case.finish(std::slice::from_ref(lease), |_| RAN).await;
    }
    change(c, &name, ResourceChange::Pause(Pause { until: None, reason: None, by: None })).await;
    other
        .until("everything is given back", async || {
            for case in cases {
                case.tick().await;
            }
            find(c, &name).await.expect("it is there").running == 0
        })
        .await;
    change(c, &name, ResourceChange::Resume).await;
    // All of it may go where the work is.
    other.fill(6, || uses(&other, &name)).await;
    gather(&[&other], 3).await;
}

/// A rate: a burst over all queues together, then nothing for long.
pub async fn q2_resources_rate_over_queues(c: &Case) {
    let (other, name) = (c.beside().await, c.own("quota"));
    put(c, &name, Quota { rate: Some(Rate { count: 1, period_ms: 3_600_000, burst: 3 }), ..Quota::default() }).await;
    c.fill(4, || uses(c, &name)).await;
    other.fill(4, || uses(&other, &name)).await;
    let held = gather(&[c, &other], 3).await;
    for lease in &held {
        let case = if lease.job.queue == other.queue { &other } else { c };
        case.ack(lease, complete()).await;
    }
    assert!(c.lease(10).await.is_empty() && other.lease(10).await.is_empty(), "an end gives no start back");
}

/// Points by the cost of the jobs: never more in the window, over both queues.
pub async fn q2_resources_points_are_taken_by_cost(c: &Case) {
    let (other, name) = (c.beside().await, c.own("quota"));
    put(c, &name, Quota { points: Some(Points { count: 10, period_ms: 3_600_000 }), ..Quota::default() }).await;
    c.fill(4, || NewJob { cost: 5, ..uses(c, &name) }).await;
    other.fill(4, || NewJob { cost: 5, ..uses(&other, &name) }).await;
    let held = gather(&[c, &other], 2).await;
    assert_eq!(find(c, &name).await.expect("it is there").points_used, 10);
    for lease in &held {
        let case = if lease.job.queue == other.queue { &other } else { c };
        case.ack(lease, complete()).await;
    }
    assert!(c.lease(10).await.is_empty() && other.lease(10).await.is_empty(), "points are never given back");
    let waiting = c.all().await.into_iter().find(|job| job.state == State::Ready).expect("some wait");
    assert!(is_held(&c.obstacles(waiting.id).await, &name));
}

/// The window slides: in no stretch of its length more than there is, and as it goes on, more.
pub async fn q2_resources_points_come_back_with_the_window(c: &Case) {
    let name = c.own("quota");
    put(c, &name, Quota { points: Some(Points { count: 2, period_ms: 1_000 }), ..Quota::default() }).await;
    c.fill(10, || uses(c, &name)).await;
    let mut starts = Vec::new();
    c.until("five have started", async || {
        starts.extend(c.lease(10).await.into_iter().map(|lease| lease.job.started_at.expect("it runs")));
        starts.len() >= 5
    })
    .await;
    for window in starts.windows(3) {
        assert!(window[2] - window[0] >= 999, "three in one second: {starts:?}");
    }
}

/// A job that costs more than there ever is, is admitted when the window is empty.
pub async fn q2_resources_points_admit_a_giant_alone(c: &Case) {
    let name = c.own("quota");
    put(c, &name, Quota { points: Some(Points { count: 10, period_ms: 3_600_000 }), ..Quota::default() }).await;
    let giant = c.put(NewJob { cost: 11, ..uses(c, &name) }).await;
    c.put(uses(c, &name)).await;
    assert_eq!(only(gather(&[c], 1).await).job.id, giant);
}

/// A closed resource lends nothing, and lends again; others' jobs do not notice.
pub async fn q2_resources_pause_and_resume(c: &Case) {
    let name = c.own("quota");
    put(c, &name, Quota { max_running: Some(5), ..Quota::default() }).await;
    let told = change(c, &name, ResourceChange::Pause(Pause { until: None, reason: Some("down".into()), by: None })).await;
    assert_eq!(told.gate.expect("closed").pause.reason.as_deref(), Some("down"));
    let id = c.put(uses(c, &name)).await;
    let free = c.put(c.job()).await;
    assert_eq!(only(gather(&[c], 1).await).job.id, free);
    let obstacles = c.obstacles(id).await;
    assert!(obstacles.iter().any(|o| matches!(o, Obstacle::Resource { name: n, gate: Some(_), .. } if *n == name)), "{obstacles:?}");
    assert_eq!(change(c, &name, ResourceChange::Resume).await.gate, None);
    assert_eq!(only(gather(&[c], 1).await).job.id, id);
    let until = c.now().await + 150;
    change(c, &name, ResourceChange::Pause(Pause { until: Some(until), reason: None, by: None })).await;
    c.put(uses(c, &name)).await;
    assert!(c.one_soon().await.job.started_at.expect("it runs") >= until, "a pause with an end ends by itself");
}

/// What a provider told holds until its window ends: nothing is left.
pub async fn q2_resources_learn_that_nothing_is_left(c: &Case) {
    let name = c.own("quota");
    put(c, &name, Quota { points: Some(Points { count: 1_000, period_ms: 60_000 }), ..Quota::default() }).await;
    let id = c.put(uses(c, &name)).await;
    let until = c.now().await + 300;
    let told = change(c, &name, ResourceChange::Learn { remaining: 0, resets_in: Duration::from_millis(300) }).await;
    let (left, at) = told.learned.expect("it holds");
    assert!(left == 0 && at >= until);
    assert!(is_held(&c.obstacles(id).await, &name));
    let lease = c.one_soon().await;
    assert!(lease.job.started_at.expect("it runs") >= until);
    assert_eq!(find(c, &name).await.expect("it is there").learned, None);
}

/// What a provider told only makes less available: so many starts are left where there are no points.
pub async fn q2_resources_learn_what_is_left(c: &Case) {
    let name = c.own("quota");
    put(c, &name, Quota { max_running: Some(100), ..Quota::default() }).await;
    c.fill(6, || uses(c, &name)).await;
    change(c, &name, ResourceChange::Learn { remaining: 2, resets_in: LONG }).await;
    let held = gather(&[c], 2).await;
    c.finish(&held, |_| RAN).await;
    assert!(c.lease(10).await.is_empty());
    put(c, &name, Quota { max_running: Some(1), ..Quota::default() }).await;
    change(c, &name, ResourceChange::Learn { remaining: 100, resets_in: LONG }).await;
    gather(&[c], 1).await;
}

/// A resource that nobody has put holds nobody; one that is removed neither.
pub async fn q2_resources_unknown_ones_hold_nobody(c: &Case) {
    let name = c.own("quota");
    c.fill(2, || uses(c, &name)).await;
    gather(&[c], 2).await;
    put(c, &name, Quota { max_running: Some(1), ..Quota::default() }).await;
    change(c, &name, ResourceChange::Pause(Pause { until: None, reason: None, by: None })).await;
    c.fill(2, || uses(c, &name)).await;
    assert!(c.lease(5).await.is_empty());
    change(c, &name, ResourceChange::Remove).await;
    assert_eq!(find(c, &name).await, None);
    gather(&[c], 2).await;
}

/// Jobs of one lane key that use other resources are another lane: what is closed does not hold them. A job may use several.
pub async fn q2_resources_make_lanes_of_their_own(c: &Case) {
    let (a, b) = (c.own("a"), c.own("b"));
    for name in [&a, &b] {
        put(c, name, Quota { max_running: Some(1), ..Quota::default() }).await;
    }
    change(c, &a, ResourceChange::Pause(Pause { until: None, reason: None, by: None })).await;
    let with = |resources: Vec<Name>| NewJob { resources, ..c.keyed("k") };
    let both = c.put(with(vec![a.clone(), b.clone()])).await;
    let only_a = c.put(with(vec![a.clone()])).await;
    let only_b = c.put(with(vec![b.clone()])).await;
    let none = c.put(with(vec![])).await;
    let mut got: Vec<_> = gather(&[c], 2).await.iter().map(|lease| lease.job.id).collect();
    got.sort();
    let mut wanted = [only_b, none];
    wanted.sort();
    assert_eq!(got, wanted);
    let obstacles = c.obstacles(both).await;
    assert!(is_held(&obstacles, &a) && is_held(&obstacles, &b), "{obstacles:?}");
    change(c, &a, ResourceChange::Resume).await;
    assert_eq!(only(gather(&[c], 1).await).job.id, only_a, "b is in use");
}

/// A lost lease gives its place back.
pub async fn q2_resources_places_are_free_after_a_reap(c: &Case) {
    let name = c.own("quota");
    put(c, &name, Quota { max_running: Some(1), ..Quota::default() }).await;
    c.fill(2, || uses(c, &name)).await;
    let mut doomed = Vec::new();
    c.until("one runs", async || {
        doomed.extend(c.lease_by("w1", 5, super::SHORT).await);
        !doomed.is_empty()
    })
    .await;
    let lost = only(doomed).job.id;
    c.until("it is reaped", async || c.state(lost).await != State::Running).await;
    gather(&[c], 1).await;
}

/// Each Put is a revision; a change from another one is refused and changes nothing. What is not there cannot be changed.
pub async fn q2_resources_have_revisions(c: &Case) {
    let name = c.own("quota");
    for change in [ResourceChange::Resume, ResourceChange::Remove, ResourceChange::Learn { remaining: 1, resets_in: LONG }] {
        let told = c.refused(c.broker.resource(&name, change, None)).await;
        assert!(matches!(told, BrokerError::NotFound), "{told:?}");
    }
    let quota = |n| Quota { max_running: Some(n), ..Quota::default() };
    let set = async |n, expected| c.broker.resource(&name, ResourceChange::Put(quota(n)), expected).await;
    let first = set(1, Some(0)).await.expect("it is new");
    assert_eq!((first.revision, first.name.clone(), first.quota.clone()), (1, name.clone(), quota(1)));
    assert_eq!(set(2, None).await.expect("replaced").revision, 2);
    for wrong in [0, 1, 3] {
        assert_eq!(c.refused(set(9, Some(wrong))).await.code(), Code::RevisionMismatch);
        let remove = c.broker.resource(&name, ResourceChange::Remove, Some(wrong));
        assert_eq!(c.refused(remove).await.code(), Code::RevisionMismatch);
    }
    let there = find(c, &name).await.expect("it is there");
    assert_eq!((there.revision, there.quota), (2, quota(2)));
    let later = c.fixture.reopened().await.resources().await.expect("resources");
    assert!(later.iter().any(|resource| resource.name == name && resource.quota == quota(2) && resource.revision == 2));
}

/// A job keeps its cost and its resources, over its runs and into a replay.
pub async fn q1_pointers_cost_and_resources_are_kept(c: &Case) {
    let resources = vec![c.own("a"), c.own("b")];
    let id = c.put(NewJob { cost: 4_294_967_295, resources: resources.clone(), ..c.keyed("k") }).await;
    let lease = c.one().await;
    assert_eq!((lease.job.cost, &lease.job.resources), (4_294_967_295, &resources));
    c.ack(&lease, super::dead()).await;
    let new_id = c.id();
    c.broker.replay(&Scope::All, vec![crate::Replay { id, new_id, args: None }]).await.expect("an answer");
    for id in [id, new_id] {
        let job = c.get(id).await;
        assert_eq!((job.cost, &job.resources, job.kind.as_str()), (4_294_967_295, &resources, KIND));
    }
}
