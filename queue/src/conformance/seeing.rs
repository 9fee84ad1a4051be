//! What can be seen: get, list, stats, and whose.

use super::{Case, args, complete};
use crate::{BrokerError, Edit, Filter, Home, Job, JobId, NewJob, Replay, ScheduleFilter, Scope, State};
use longshore_base::Name;

fn two() -> Scope {
    Scope::Tenant(Name::literal("two"))
}

pub(super) async fn pages(c: &Case, scope: &Scope, filter: &Filter, limit: usize) -> Vec<Job> {
    let (mut jobs, mut cursor) = (Vec::new(), None);
    for _ in 0..1_000 {
        let page = c.broker.list(scope, filter, limit, cursor.as_deref()).await.expect("a page");
        assert!(page.items.len() <= limit && page.scanned >= page.items.len() as u64);
        jobs.extend(page.items);
        cursor = page.cursor;
        if cursor.is_none() {
            return jobs;
        }
    }
    panic!("the list has no end");
}

pub(super) fn ids(jobs: &[Job]) -> Vec<JobId> {
    let mut ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
    ids.sort();
    ids
}

/// Jobs by id, in the order asked; what is not there is None.
pub async fn q6_contract_get_answers_in_the_order_asked(c: &Case) {
    let there = c.add(2).await;
    let unknown = c.id();
    let got = c.broker.get(&Scope::All, &[there[1], unknown, there[0], there[1]]).await.expect("an answer");
    let got: Vec<_> = got.into_iter().map(|job| job.map(|job| job.id)).collect();
    assert_eq!(got, [Some(there[1]), None, Some(there[0]), Some(there[1])]);
    assert!(c.broker.get(&Scope::All, &[]).await.expect("an answer").is_empty());
}

/// An id whose home nobody has registered is not there.
pub async fn q7_ids_of_unknown_homes_are_not_there(c: &Case) {
    let id = JobId::derived(1_800_000_000_000, Home(u16::MAX), b"nowhere");
    assert!(c.broker.get(&Scope::All, &[id]).await.expect("an answer")[0].is_none());
    assert!(matches!(c.refused(c.cancel(id)).await, BrokerError::NotFound));
    assert!(matches!(c.refused(c.broker.retry_now(&Scope::All, id)).await, BrokerError::NotFound));
    assert!(matches!(c.refused(c.broker.logs(&Scope::All, id)).await, BrokerError::NotFound));
}

/// A queue's number is permanent, and its own.
pub async fn q7_ids_homes_are_permanent(c: &Case) {
    let other = c.beside().await;
    assert_ne!(c.home, other.home);
    assert_eq!(c.broker.home(&c.queue).await.expect("a home"), c.home);
    let queues = c.broker.queues().await.expect("queues");
    assert!(queues.contains(&c.queue) && queues.contains(&other.queue));
}

/// Another tenant's job does not exist, whatever is asked about it.
pub async fn q6_contract_another_tenants_job_does_not_exist(c: &Case) {
    for state in [State::Scheduled, State::Retrying, State::Dead] {
        let (id, _) = c.in_state(state).await;
        let revision = c.get(id).await.revision;
        assert!(c.broker.get(&two(), &[id]).await.expect("an answer")[0].is_none());
        let cancel = async { super::only(c.broker.cancel(&two(), &[id]).await?) };
        assert!(matches!(c.refused(cancel).await, BrokerError::NotFound));
        let edit = Edit { args: Some(args("x")), ..Edit::default() };
        assert!(matches!(c.refused(c.broker.edit(&two(), id, revision, edit)).await, BrokerError::NotFound));
        assert!(matches!(c.refused(c.broker.retry_now(&two(), id)).await, BrokerError::NotFound));
        assert!(matches!(c.refused(c.broker.give_up(&two(), id)).await, BrokerError::NotFound));
        assert!(matches!(c.refused(c.broker.logs(&two(), id)).await, BrokerError::NotFound));
        let replay = async { super::only(c.broker.replay(&two(), vec![Replay { id, new_id: c.id(), args: None }]).await?) };
        assert!(matches!(c.refused(replay).await, BrokerError::NotFound));
    }
}

/// Lists are filtered by state, tenant, client, kind and tag.
pub async fn q5_listed_by_every_filter(c: &Case) {
    let name = Name::literal;
    let plain = c.put(c.job()).await;
    let client = c.put(NewJob { client: Some(name("acme")), ..c.job() }).await;
    let kind = c.put(NewJob { kind: name(super::OTHER), ..c.job() }).await;
    let tag = c.put(NewJob { tags: vec![name("red"), name("blue")], ..c.job() }).await;
    let tenant = c.put(NewJob { tenant: name("two"), ..c.job() }).await;
    let late = c.put(NewJob { due: crate::Due::In(super::LONG), ..c.job() }).await;
    let base = || Filter { queue: Some(c.queue.clone()), ..Filter::default() };
    let list = async |filter: Filter| ids(&pages(c, &Scope::All, &filter, 2).await);
    assert_eq!(list(Filter { client: Some(name("acme")), ..base() }).await, [client]);
    assert_eq!(list(Filter { kind: Some(name(super::OTHER)), ..base() }).await, [kind]);
    assert_eq!(list(Filter { tag: Some(name("blue")), ..base() }).await, [tag]);
    assert_eq!(list(Filter { tenant: Some(name("two")), ..base() }).await, [tenant]);
    assert_eq!(list(Filter { state: Some(State::Scheduled), ..base() }).await, [late]);
    let nobody = Filter { tag: Some(name("red")), client: Some(name("acme")), ..base() };
    assert!(list(nobody).await.is_empty());
    let mut every = vec![plain, client, kind, tag, tenant, late];
    every.sort();
    assert_eq!(list(base()).await, every);
}

/// Every state can be listed, with exactly its jobs.
pub async fn q5_listed_by_state(c: &Case) {
    let mut jobs = Vec::new();
    for state in State::ALL {
        for _ in 0..3 {
            jobs.push((state, c.in_state(state).await.0));
        }
    }
    for state in State::ALL {
        let filter = Filter { queue: Some(c.queue.clone()), state: Some(state), ..Filter::default() };
        let mut wanted: Vec<_> = jobs.iter().filter(|(s, _)| *s == state).map(|(_, id)| *id).collect();
        wanted.sort();
        let listed = pages(c, &Scope::All, &filter, 2).await;
        assert_eq!(ids(&listed), wanted, "{state}");
        let listed = pages(c, &Scope::Tenant(Name::literal("one")), &filter, 2).await;
        assert_eq!(ids(&listed), wanted, "{state}, as its tenant");
        assert!(pages(c, &two(), &filter, 2).await.is_empty(), "{state}, as another tenant");
    }
}

/// Pages follow each other without a gap or a repeat.
pub async fn q5_listed_page_by_page(c: &Case) {
    let mut wanted = c.add(25).await;
    for lease in c.lease(10).await {
        c.ack(&lease, complete()).await;
    }
    wanted.sort();
    for limit in [1, 7, 25, 100] {
        let filter = Filter { queue: Some(c.queue.clone()), ..Filter::default() };
        let listed = pages(c, &Scope::All, &filter, limit).await;
        assert_eq!(listed.len(), 25, "no job twice, limit {limit}");
        assert_eq!(ids(&listed), wanted);
        let filter = Filter { state: Some(State::Completed), tenant: Some(Name::literal("one")), ..filter };
        assert_eq!(pages(c, &Scope::All, &filter, limit).await.len(), 10);
    }
}

/// No page shows a job twice, though jobs are leased and end while it is read.
pub async fn q5_listed_once_while_they_move(c: &Case) {
    const JOBS: usize = 300;
    let filter = Filter { queue: Some(c.queue.clone()), ..Filter::default() };
    c.fill(JOBS, || c.job()).await;
    let work = async {
        let mut left = JOBS;
        while left > 0 {
            let leases = c.lease(3).await;
            left -= leases.len();
            c.finish(&leases, |_| std::time::Duration::from_millis(1)).await;
        }
    };
    let look = async {
        loop {
            let page = c.broker.list(&Scope::All, &filter, 1_000, None).await.expect("a page");
            let mut ids: Vec<_> = page.items.iter().map(|job| job.id).collect();
            ids.sort_unstable();
            assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "a page shows a job twice");
            if page.items.iter().filter(|job| job.state == State::Completed).count() == JOBS {
                return;
            }
        }
    };
    tokio::join!(work, look);
}

/// Without a queue, the list goes over all of them.
pub async fn q5_listed_over_all_queues(c: &Case) {
    let other = c.beside().await;
    let tag = c.own("tag");
    let here = c.put(NewJob { tags: vec![tag.clone()], ..c.job() }).await;
    let there = other.put(NewJob { tags: vec![tag.clone()], ..other.job() }).await;
    let client = c.own("client");
    for (case, at) in [(c, here), (&other, there)] {
        let lease = case.one().await;
        assert_eq!(lease.job.id, at);
        case.ack(&lease, complete()).await;
    }
    let late = other.put(NewJob { client: Some(client.clone()), tags: vec![tag.clone()], ..other.job() }).await;
    let mut wanted = vec![here, there, late];
    wanted.sort();
    let filter = Filter { tag: Some(tag), ..Filter::default() };
    assert_eq!(ids(&pages(c, &Scope::All, &filter, 100).await), wanted);
    let filter = Filter { client: Some(client), ..Filter::default() };
    assert_eq!(ids(&pages(c, &Scope::All, &filter, 100).await), [late]);
}

/// A wrong cursor is refused, or starts nowhere; it never breaks anything.
pub async fn q5_listed_with_a_wrong_cursor_is_harmless(c: &Case) {
    c.add(3).await;
    let filter = Filter { queue: Some(c.queue.clone()), ..Filter::default() };
    for cursor in ["", "x", "0-0", "\u{0}", "{\"a\":1}", "999999999999999999999999"] {
        match c.unchanged(c.broker.list(&Scope::All, &filter, 10, Some(cursor))).await {
            Ok(page) => assert!(page.items.len() <= 3),
            // The caller's fault: a repeat would not help.
            Err(error) => assert!(matches!(&error, BrokerError::Cursor(said) if said == cursor), "{error:?}"),
        }
        if let Err(error) = c.broker.schedules(&Scope::All, &ScheduleFilter::default(), 10, Some(cursor)).await {
            assert!(matches!(&error, BrokerError::Cursor(said) if said == cursor), "{error:?}");
        }
    }
}

/// Counts are the truth in every state, and a tenant sees its own.
pub async fn q6_contract_stats_count_every_state(c: &Case) {
    for state in State::ALL {
        c.in_state(state).await;
        c.assert_counts_are_true().await;
    }
    c.put(NewJob { tenant: Name::literal("two"), ..c.job() }).await;
    c.assert_counts_are_true().await;
    let all = c.broker.stats(&Scope::All, &c.queue).await.expect("stats");
    assert_eq!((all.scheduled, all.ready, all.running, all.retrying, all.waiting), (1, 2, 1, 1, 1));
    assert_eq!((all.completed, all.cancelled, all.dead, all.name.as_str()), (1, 1, 1, c.queue.as_str()));
    let own = c.broker.stats(&two(), &c.queue).await.expect("stats");
    assert_eq!((own.scheduled, own.ready, own.running, own.completed, own.dead), (0, 1, 0, 0, 0));
    let none = c.broker.stats(&Scope::Tenant(Name::literal("nobody")), &c.queue).await.expect("stats");
    assert_eq!((none.ready, none.running, none.dead), (0, 0, 0));
}

/// The age of the oldest ready job is told.
pub async fn q6_contract_stats_tell_the_oldest_ready(c: &Case) {
    let age = async || c.broker.stats(&Scope::All, &c.queue).await.expect("stats").oldest_ready_ms;
    assert_eq!(age().await, None);
    c.add(1).await;
    c.pass(super::SHORT).await;
    let told = age().await.expect("one is ready");
    assert!((100..60_000).contains(&told), "{told} ms");
    let lease = c.one().await;
    assert_eq!(age().await, None);
    c.ack(&lease, complete()).await;
}
