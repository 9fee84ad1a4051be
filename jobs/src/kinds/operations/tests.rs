//! Operations on the model broker.

mod bulk;
mod letters;
mod undo;

use crate::{
    Catalog, Context, Failure, JobRequest,
    operations::Tally,
    testing::{House, LEASE, NOW, name},
};
use longshore_base::Clock;
use longshore_queue::{Ack, Broker, ErrorInfo, JobId, Lease, OPERATIONS, Outcome, Reason, Scope, State};
use serde_json::{Value, json};
use std::time::Duration;

/// After everything in a test.
const LATER: i64 = NOW + 1_000_000_000;

/// An operation as the API begins it.
async fn begin(house: &House, tenant: &'static str, kind: &'static str, args: Value) -> JobId {
    house.clock.advance(Duration::from_millis(1));
    let request = JobRequest { tenant: Some(name(tenant)), internal: true, ..JobRequest::new(name(kind), args) };
    house.enqueue(request).await.id
}

/// Leases the operation.
async fn leased(house: &House, id: JobId) -> Context {
    for _ in 0..200 {
        house.broker.tick(&name(OPERATIONS), LEASE).await.unwrap();
        match house.lease(&name(OPERATIONS)).await {
            Some(lease) if lease.job.id == id => return house.context(lease),
            Some(other) => panic!("{:?} was leased first", other.job),
            None => house.clock.advance(Duration::from_secs(1)),
        }
    }
    panic!("the operation was not leased: {:?}", house.job(id).await);
}

async fn end(house: &House, lease: &Lease, outcome: Outcome) -> State {
    let ack = Ack { id: lease.job.id, token: lease.token, ran: Duration::ZERO, used: None, outcome };
    house.broker.ack(&lease.job.queue, "w1", vec![ack]).await.unwrap().remove(0).unwrap().state
}

async fn close(house: &House, cx: &Context, outcome: Outcome) {
    let ack = Ack { id: cx.id(), token: cx.token(), ran: Duration::ZERO, used: None, outcome };
    house.broker.ack(&cx.job().queue, "w1", vec![ack]).await.unwrap().remove(0).unwrap();
}

async fn run(cx: &Context) -> Result<Tally, Failure> {
    let output = Catalog::standard().run(cx).await.unwrap()?;
    Ok(serde_json::from_str(output.get()).unwrap())
}

/// One run; Some: it was the last.
async fn once(house: &House, id: JobId) -> Option<Tally> {
    let cx = leased(house, id).await;
    match run(&cx).await {
        Ok(tally) => {
            let output = longshore_queue::json(&serde_json::to_value(&tally).unwrap());
            close(house, &cx, Outcome::Complete { output: Some(output) }).await;
            Some(tally)
        }
        Err(Failure::Snooze(after)) => {
            cx.flush().await;
            close(house, &cx, Outcome::Snooze { after }).await;
            None
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// Runs it to its end; answers how it stands then, and how often it slept.
async fn finish(house: &House, id: JobId) -> (Tally, usize) {
    for sleeps in 0..1_000 {
        if let Some(tally) = once(house, id).await {
            return (tally, sleeps);
        }
    }
    panic!("it does not end");
}

fn fatal(end: Result<Tally, Failure>) -> (String, String) {
    match end {
        Err(Failure::Fatal(cause)) => (cause.code, cause.message),
        other => panic!("{other:?}"),
    }
}

/// What a tally says, for comparing.
fn told(tally: &Tally) -> Value {
    let mut told = serde_json::to_value(tally).unwrap();
    told.as_object_mut().unwrap().remove("refused");
    told
}

fn error(fingerprint: &str) -> ErrorInfo {
    ErrorInfo { code: "demo.failed".into(), message: format!("it was {fingerprint}"), fingerprint: fingerprint.into() }
}

async fn put(house: &House, queue: &'static str, tenant: &'static str, kind: &'static str, args: Value) -> JobId {
    house.clock.advance(Duration::from_millis(1));
    house.enqueue(JobRequest { queue: Some(name(queue)), tenant: Some(name(tenant)), ..JobRequest::new(name(kind), args) }).await.id
}

/// A job that died.
async fn letter(house: &House, tenant: &'static str, args: Value, fingerprint: &str) -> JobId {
    letter_in(house, "dying", tenant, args, fingerprint).await
}

/// The same in another queue, where no repeats wait.
async fn letter_in(house: &House, queue: &'static str, tenant: &'static str, args: Value, fingerprint: &str) -> JobId {
    let id = put(house, queue, tenant, "demo.sleep", args).await;
    let lease = house.lease(&name(queue)).await.unwrap();
    assert_eq!(lease.job.id, id);
    end(house, &lease, Outcome::Dead { reason: Reason::Fatal, error: error(fingerprint) }).await;
    id
}

async fn letters(house: &House, n: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for ms in 0..n {
        ids.push(letter(house, "acme", json!({ "ms": ms }), "alpha").await);
    }
    assert!(house.clock.now() < LATER);
    ids
}

/// The repeats of these letters so far.
async fn repeats(house: &House) -> Vec<JobId> {
    let page = house.broker.list(&Scope::All, &Default::default(), 100_000, None).await.unwrap();
    page.items.iter().filter(|job| job.replay_of.is_some()).map(|job| job.id).collect()
}
