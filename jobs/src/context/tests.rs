//! A handler's view: what it writes arrives once, in order, under its token, and never after its lease is gone.

use crate::{
    Failure, JobRequest, Level,
    testing::{House, LEASE, name, settle},
};
use longshore_queue::{
    Ack, Broker, Change, ChildOutcome, Delivery, FeedEntry, LOGS_MAX, Outcome, PAYLOAD_MAX, Scope, State, WaitOn, WaitPolicy, json as raw,
};
use serde_json::json;
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

fn code(failure: &Failure) -> &str {
    match failure {
        Failure::Retry(cause) | Failure::RetryAfter(_, cause) | Failure::Fatal(cause) => &cause.code,
        Failure::Cancelled => "cancelled",
        _ => "other",
    }
}

#[tokio::test]
async fn a_context_tells_whose_job_it_is() {
    let house = House::standard().await;
    let lease = house.leased("demo.echo", json!({"a": 1})).await;
    let (id, token) = (lease.job.id, lease.token);
    let cx = house.context(lease);
    assert_eq!((cx.id(), cx.token(), cx.attempt()), (id, token, 1));
    assert_eq!((cx.tenant().as_str(), cx.client(), cx.woken()), ("default", None, None));
    assert_eq!(cx.idempotency_key(), id.to_string());
}

#[tokio::test]
async fn lines_and_progress_are_written_in_batches() {
    let house = House::standard().await;
    let cx = house.running("demo.echo", json!({})).await;
    cx.log(Level::Info, "one");
    cx.progress(json!({"done": 1})).unwrap();
    cx.progress(json!({"done": 2})).unwrap();
    cx.log(Level::Warn, "two");
    settle().await;
    assert_eq!(house.logs(cx.id()).await, [], "they linger for more");
    house.clock.advance(Duration::from_millis(250));
    settle().await;
    let lines: Vec<_> = house.logs(cx.id()).await.into_iter().map(|line| (line.level, line.message)).collect();
    assert_eq!(lines, [("info".into(), "one".into()), ("warn".into(), "two".into())]);
    assert_eq!(house.job(cx.id()).await.progress.unwrap().get(), r#"{"done":2}"#);
    for n in 0..100 {
        cx.log(Level::Debug, format!("line {n}"));
    }
    settle().await;
    assert_eq!(house.logs(cx.id()).await.len(), 102, "a hundred lines do not linger");
}

#[tokio::test]
async fn output_is_told_in_pieces_and_kept_nowhere() {
    let house = House::standard().await;
    let cx = house.running("demo.echo", json!({})).await;
    let mut place = house.broker.feed(&cx.job().queue, None, 10).await.unwrap().next;
    let mut told = async || {
        settle().await;
        let feed = house.broker.feed(&cx.job().queue, Some(&place), 10).await.unwrap();
        place = feed.next;
        let output = |entry: FeedEntry| match entry.what {
            Change::Told { progress: None, logs, output: Some(output) } if logs.is_empty() => output,
            other => panic!("{other:?}"),
        };
        feed.entries.into_iter().map(output).collect::<Vec<_>>()
    };
    for piece in ["one ", "", "two"] {
        cx.output(piece);
    }
    assert!(told().await.is_empty(), "they linger for more");
    house.clock.advance(Duration::from_millis(250));
    assert_eq!(told().await, ["one two"]);
    cx.output("x".repeat(LOGS_MAX / 2));
    assert_eq!(told().await, ["x".repeat(LOGS_MAX / 2)], "much does not linger");
    cx.output("ü".repeat(LOGS_MAX));
    let much = told().await.pop().unwrap();
    let (note, text) = much.split_once('\n').unwrap();
    let lost: usize = note.trim_start_matches('[').split(' ').next().unwrap().parse().unwrap();
    assert!(text.chars().all(|c| c == 'ü') && lost + text.len() == LOGS_MAX * 2 && much.len() <= LOGS_MAX, "{note}");
    cx.output("last words");
    cx.close().await;
    assert_eq!(told().await, ["last words"]);
    assert!(house.job(cx.id()).await.output.is_none() && house.logs(cx.id()).await.is_empty());
}

#[tokio::test]
async fn lines_that_are_too_many_at_once_are_counted() {
    let house = House::standard().await;
    let cx = house.running("demo.echo", json!({})).await;
    for n in 0..20 {
        cx.log(Level::Info, format!("{n:02}{}", "x".repeat(8_000)));
    }
    cx.flush().await;
    let lines = house.logs(cx.id()).await;
    let lost: usize = lines[0].message.split(' ').next().unwrap().parse().unwrap();
    assert_eq!((lines[0].level.as_str(), lost + lines.len() - 1), ("warn", 20));
    assert!(lines.last().unwrap().message.starts_with("19"));
}

#[tokio::test]
async fn units_add_up_and_need_no_write_of_their_own_at_the_end() {
    let house = House::standard().await;
    let cx = house.running("demo.echo", json!({})).await;
    assert_eq!(cx.used_in_all(), None, "nothing said: the estimate holds");
    cx.used(0);
    assert_eq!(cx.used_in_all(), Some(0));
    cx.used(3);
    cx.clone().used(4);
    assert_eq!(cx.used_in_all(), Some(7));
    let end = Ack { id: cx.id(), token: cx.token(), ran: Duration::ZERO, used: cx.used_in_all(), outcome: Outcome::Cancel };
    house.broker.ack(&cx.job().queue, "w1", vec![end]).await.unwrap().remove(0).unwrap();
    cx.close().await;
    assert!(!cx.lease_lost(), "the ack told it; a write now would have been refused");
    let cx = house.context(house.leased("demo.echo", json!({})).await);
    cx.used(1);
    house.take_over(&cx).await;
    cx.flush().await;
    assert!(cx.lease_lost(), "a long attempt tells it while it runs");
}

#[tokio::test]
async fn close_writes_what_is_left_and_nothing_comes_after_it() {
    let house = House::standard().await;
    let cx = house.running("demo.echo", json!({})).await;
    cx.log(Level::Info, "last words");
    cx.close().await;
    assert_eq!(house.logs(cx.id()).await.len(), 1);
    cx.log(Level::Info, "from a leaked piece of work");
    settle().await;
    house.clock.advance(Duration::from_secs(1));
    settle().await;
    assert_eq!(house.logs(cx.id()).await.len(), 1);
    assert!(!cx.lease_lost());
}

#[tokio::test]
async fn a_lost_lease_stops_the_attempt_whatever_it_writes() {
    let house = House::standard().await;
    let first = house.running("demo.echo", json!({})).await;
    let second = house.context(house.take_over(&first).await);
    second.save("from the second").await.unwrap();

    first.log(Level::Info, "too late");
    first.flush().await;
    assert!(first.lease_lost() && first.is_cancelled());
    first.cancelled().await;
    assert_eq!(house.logs(first.id()).await, [], "nothing of it arrived");
    assert_eq!(code(&first.save("from the first").await.unwrap_err()), "cancelled");
    let child = JobRequest::new(name("demo.echo"), json!({}));
    assert_eq!(code(&first.child("a", child).await.unwrap_err()), "cancelled");
    assert_eq!(second.resume::<String>().await.unwrap().as_deref(), Some("from the second"));
    assert!(!second.lease_lost());
}

#[tokio::test]
async fn a_cursor_is_kept_over_a_crash() {
    let house = House::standard().await;
    let first = house.running("demo.echo", json!({})).await;
    assert_eq!(first.resume::<u32>().await.unwrap(), None);
    first.save(41).await.unwrap();
    first.save(42).await.unwrap();
    assert_eq!(first.resume::<u32>().await.unwrap(), Some(42));
    let second = house.context(house.take_over(&first).await);
    assert_eq!(second.resume::<u32>().await.unwrap(), Some(42));
    assert_eq!(code(&second.resume::<String>().await.unwrap_err()), "handler.failed", "another type");
    assert_eq!(code(&second.save("x".repeat(PAYLOAD_MAX)).await.unwrap_err()), "jobs.output_too_large");
}

#[tokio::test]
async fn a_step_is_done_once_for_a_job() {
    let house = House::standard().await;
    let first = house.running("demo.echo", json!({})).await;
    let done = AtomicU32::new(0);
    let step = |cx: crate::Context, key: &'static str| {
        let done = &done;
        async move { cx.step(key, async || Ok(done.fetch_add(1, Ordering::Relaxed))).await.unwrap() }
    };
    assert_eq!(step(first.clone(), "a").await, 0);
    assert_eq!(step(first.clone(), "a").await, 0);
    assert_eq!(step(first.clone(), "b").await, 1);
    let both = tokio::join!(step(first.clone(), "c"), step(first.clone(), "c"));
    assert_eq!(both, (2, 2), "beside each other too");
    let failed: Result<u32, _> = first.step("d", async || Err(Failure::retry("not yet"))).await;
    assert_eq!(code(&failed.unwrap_err()), "handler.failed");
    let second = house.context(house.take_over(&first).await);
    assert_eq!(step(second.clone(), "a").await, 0, "kept over a crash");
    assert_eq!(step(second.clone(), "d").await, 3, "a failure is not kept");
    assert_eq!(done.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_job_makes_jobs_of_its_tenant_only() {
    let house = House::standard().await;
    let mut request = JobRequest::new(name("demo.echo"), json!({"n": 1}));
    (request.tenant, request.client, request.queue) = (Some(name("acme")), Some(name("shop")), Some(name("q")));
    house.enqueue(request).await;
    let cx = house.context(house.lease(&name("q")).await.unwrap());

    let made = cx.enqueue(JobRequest::new(name("demo.echo"), json!({"n": 2}))).await.unwrap();
    let job = house.job(made.id).await;
    assert_eq!((job.tenant.as_str(), job.client.as_ref().unwrap().as_str(), job.args.get()), ("acme", "shop", r#"{"n":2}"#));
    let again = cx.enqueue(JobRequest::new(name("demo.echo"), json!({"n": 2}))).await.unwrap();
    assert_ne!(made.id, again.id, "each call makes one");

    let once = cx.enqueue_once("mail", JobRequest::new(name("demo.echo"), json!({}))).await.unwrap();
    let twice = cx.enqueue_once("mail", JobRequest::new(name("demo.echo"), json!({}))).await.unwrap();
    assert_eq!((once.id, once.duplicate, twice.duplicate), (twice.id, false, true));

    let mut foreign = JobRequest::new(name("demo.echo"), json!({}));
    foreign.tenant = Some(name("other"));
    assert_eq!(code(&cx.enqueue(foreign).await.unwrap_err()), "request.invalid");
    let faulty = cx.enqueue(JobRequest::new(name("demo.sleep"), json!({"ms": "long"}))).await.unwrap_err();
    let Failure::Fatal(cause) = &faulty else { panic!("{faulty:?}") };
    assert_eq!((cause.code.as_str(), cause.message.as_str()), ("jobs.args_invalid", "/args/ms: \"long\" has the wrong type"));
}

#[tokio::test]
async fn a_parent_that_repeats_itself_makes_no_second_child() {
    let house = House::standard().await;
    let first = house.running("demo.echo", json!({})).await;
    let request = || JobRequest { queue: Some(name("children")), ..JobRequest::new(name("demo.echo"), json!({})) };
    let child = first.child("mail", request()).await.unwrap();
    let second = house.context(house.take_over(&first).await);
    assert_eq!(second.child("mail", request()).await.unwrap(), child);
    let other = second.child("report", request()).await.unwrap();
    assert_ne!(other, child);
    let keys: Vec<_> = second.children().await.unwrap().into_iter().map(|c| (c.key, c.id, c.outcome.is_some())).collect();
    assert_eq!(keys, [("mail".into(), child, false), ("report".into(), other, false)]);
    let mut unique = request();
    unique.unique = Some(longshore_queue::Unique { key: "k".into(), mode: longshore_queue::UniqueMode::Keep });
    assert_eq!(code(&second.child("third", unique).await.unwrap_err()), "request.invalid");
}

#[tokio::test]
async fn a_wait_frees_the_slot_and_ends_when_it_is_met() {
    let house = House::standard().await;
    let cx = house.running("demo.echo", json!({})).await;
    let child =
        cx.child("only", JobRequest { queue: Some(name("children")), ..JobRequest::new(name("demo.echo"), json!({})) }).await.unwrap();
    let Failure::Wait(wait) = cx.wait_children() else { panic!() };
    let ack = Ack { id: cx.id(), token: cx.token(), ran: Duration::ZERO, used: None, outcome: Outcome::Wait(wait) };
    let acked = house.broker.ack(&name("q"), "w1", vec![ack]).await.unwrap().remove(0).unwrap();
    assert_eq!(acked.state, State::Waiting);
    let outcome = ChildOutcome { state: State::Completed, output: Some(raw(&json!(7))), error: None };
    let ended = Delivery::ChildEnded { parent: cx.id(), key: "only".into(), child, outcome };
    house.broker.deliver(vec![ended]).await.unwrap().remove(0).unwrap();
    let again = house.context(house.lease(&name("q")).await.expect("it is ready again"));
    assert_eq!(again.woken(), Some(longshore_queue::Woken::Met));
    let children = again.children().await.unwrap();
    assert_eq!(children[0].outcome.as_ref().unwrap().output.as_ref().unwrap().get(), "7");
}

#[tokio::test]
async fn signals_arrive_in_the_mailbox() {
    let house = House::standard().await;
    let cx = house.running("demo.echo", json!({})).await;
    let Failure::Wait(wait) = cx.wait_signal("approved", Some(LEASE)) else { panic!() };
    assert_eq!((wait.on, wait.timeout, wait.on_child_failed), (WaitOn::Signal("approved".into()), Some(LEASE), WaitPolicy::Ignore));
    let signal = Delivery::Signal { job: cx.id(), once: "1".into(), name: "approved".into(), payload: raw(&json!({"by": "me"})) };
    house.broker.deliver(vec![signal]).await.unwrap().remove(0).unwrap();
    let signals = cx.signals().await.unwrap();
    assert_eq!((signals.len(), signals[0].payload.get()), (1, r#"{"by":"me"}"#));
    assert!(house.broker.get(&Scope::All, &[cx.id()]).await.unwrap()[0].is_some());
}
