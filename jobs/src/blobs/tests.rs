//! Large args and outputs on the model broker and a folder: where they lie, who has them, what is told when they are gone.

use super::{BLOB_MAX, Blobs, is_large};
use crate::{
    Failure, JobRequest, RequestError,
    testing::{House, name},
};
use longshore_base::{Code, Name};
use longshore_queue::{Ack, Broker, Claim, Job, JobId, Json, Outcome, Relocation, Replay, Scope, Unique, UniqueMode, json as raw};
use longshore_store::{Files, FilesOptions};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

/// Args that do not fit into a record, and differ by `n`.
fn large(n: u64) -> Value {
    json!({ "n": n, "text": "x".repeat(300_000) })
}

fn echo(args: Value) -> JobRequest {
    JobRequest { queue: Some(name("q")), ..JobRequest::new(name("demo.echo"), args) }
}

fn replacing(n: u64) -> JobRequest {
    let unique = Unique { key: "k".into(), mode: UniqueMode::Replace { wait_max: None } };
    JobRequest { unique: Some(unique), delay: Some(Duration::from_secs(60)), ..echo(large(n)) }
}

async fn house() -> (TempDir, House) {
    let dir = TempDir::new().unwrap();
    let house = House::standard().await.with_files(dir.path());
    (dir, house)
}

/// Every file, by its path below the folder.
fn files(dir: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path.strip_prefix(dir).unwrap().display().to_string()) }
        }
    }
    found.sort();
    found
}

/// Where the args of a job lie.
fn file(dir: &Path, job: &Job) -> PathBuf {
    let claim = Claim::of(&job.args).unwrap().expect("a claim");
    dir.join(format!("jobs/{}/{}/{}", job.queue, job.id, claim.sha256))
}

async fn args(house: &House, id: JobId) -> Value {
    serde_json::from_str(house.checker.blobs().args(&house.job(id).await).await.unwrap().get()).unwrap()
}

async fn die(house: &House, queue: &'static str) -> JobId {
    let lease = house.lease(&name(queue)).await.expect("a job");
    let error = longshore_queue::ErrorInfo { code: "demo.failed".into(), message: "no".into(), fingerprint: "f".into() };
    let outcome = Outcome::Dead { reason: longshore_queue::Reason::Fatal, error };
    let ack = Ack { id: lease.job.id, token: lease.token, ran: Duration::ZERO, used: None, outcome };
    house.broker.ack(&name(queue), "w1", vec![ack]).await.unwrap().remove(0).unwrap();
    lease.job.id
}

#[tokio::test]
async fn large_args_are_in_their_file_before_there_is_a_job() {
    let (dir, house) = house().await;
    let small = house.enqueue(echo(json!({ "n": 1 }))).await.id;
    assert_eq!(house.job(small).await.args.get(), r#"{"n":1}"#);
    assert_eq!(files(dir.path()), [""; 0]);

    let checked = house.check(echo(large(1))).await.unwrap();
    assert_eq!(files(dir.path()).len(), 1, "nothing is enqueued yet");
    house.broker.enqueue(vec![checked.clone()]).await.unwrap().remove(0).unwrap();
    let job = house.job(checked.id).await;
    assert!(job.args.get().len() < 200 && file(dir.path(), &job).exists(), "{}", job.args);
    assert_eq!(args(&house, job.id).await, large(1));
    let derived = |seed: &'static [u8]| house.checker.check_derived(echo(large(2)), 5, seed);
    assert_eq!(derived(b"s").await.unwrap().args.get(), derived(b"s").await.unwrap().args.get());
    assert_eq!(files(dir.path()).len(), 2, "a repeated call writes the same file");
}

#[tokio::test]
async fn sizes_end_where_a_job_could_not_be_run_any_more() {
    let (dir, house) = house().await;
    let of = |bytes: usize| echo(json!({ "a": "x".repeat(bytes - 8) }));
    assert!(!is_large(&house.check(of(262_144)).await.unwrap().args), "what fits into a record stays there");
    assert_eq!(files(dir.path()), [""; 0]);
    let most = house.check(of(BLOB_MAX)).await.unwrap();
    assert_eq!(Claim::of(&most.args).unwrap().expect("a claim").bytes, BLOB_MAX as u64);
    let refused = house.check(of(BLOB_MAX + 1)).await.unwrap_err();
    assert_eq!((refused.code(), refused.told()), (Code::ArgsTooLarge, format!("/args: the args have {} bytes", BLOB_MAX + 1)));
    let ids: Vec<_> = (0..10_000).map(|n| JobId::derived(n, longshore_queue::Home(1), b"x").to_string()).collect();
    let operation = JobRequest::new(name("dead_letters.purge"), json!({ "ids": ids, "before": 0 }));
    let operation = JobRequest { internal: true, tenant: Some(name("operations")), ..operation };
    assert_eq!(house.check(operation).await.unwrap_err().code(), Code::ArgsTooLarge, "operations are read without files");
}

#[tokio::test]
async fn nobody_can_write_a_claim() {
    let (dir, house) = house().await;
    let victim = house.enqueue(echo(large(1))).await.id;
    let claim: Value = serde_json::from_str(house.job(victim).await.args.get()).unwrap();
    let thief = house.enqueue(echo(claim.clone())).await.id;
    assert_eq!(files(dir.path()).len(), 2, "what looks like a claim goes to a file");
    assert_eq!(args(&house, thief).await, claim, "and comes back as it was, not as what it names");
    let lease = house.lease(&name("q")).await.unwrap();
    let kept = house.checker.blobs().keep(&name("q"), lease.job.id, &raw(&claim)).await.unwrap();
    assert_ne!(kept.get(), claim.to_string(), "an output as well");
}

#[tokio::test]
async fn what_is_lost_or_changed_is_told_and_never_taken_for_args() {
    let (dir, house) = house().await;
    let id = house.enqueue(echo(large(1))).await.id;
    let lease = Arc::new(house.lease(&name("q")).await.unwrap());
    let (blobs, job) = (house.checker.blobs(), house.job(id).await);
    let path = file(dir.path(), &job);
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[200_000] ^= 1;
    let longer = [whole.as_slice(), b" "].concat();
    for bad in [flipped, whole[..100].to_vec(), longer, Vec::new()] {
        std::fs::write(&path, bad).unwrap();
        let error = blobs.args(&job).await.unwrap_err();
        assert_eq!((error.code(), error.is_transient()), (Code::FilesDamaged, false), "{error}");
        match blobs.lease(&lease).await {
            Err(Failure::Retry(cause)) => assert_eq!(cause.code, "files.damaged"),
            other => panic!("{other:?}"),
        }
    }
    std::fs::remove_file(&path).unwrap();
    let error = blobs.args(&job).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), (Code::FilesMissing, false));
    assert!(error.to_string().contains(&dir.path().display().to_string()) && error.to_string().contains("--files"), "{error}");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(blobs.lease(&lease).await.unwrap().job.args.get().len(), whole.len());

    let error = Blobs::none().args(&job).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), (Code::FilesUnavailable, false), "{error}");
}

#[tokio::test]
async fn a_job_rests_while_its_file_cannot_be_reached() {
    let (_dir, house) = house().await;
    house.enqueue(echo(large(1))).await;
    let lease = Arc::new(house.lease(&name("q")).await.unwrap());
    // Nobody listens on port 9 of this machine.
    let aws = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    let aws = aws.map(|(name, value)| (name.to_owned(), longshore_config::Secret::new(value.to_owned()))).into_iter().collect();
    let options = FilesOptions { aws, patience: Duration::ZERO, ..FilesOptions::default() };
    let away = Blobs::new(Files::open("s3://bucket", options).unwrap());
    assert!(matches!(away.lease(&lease).await, Err(Failure::Snooze(_))), "no attempt is spent");
    let checker = crate::Checker::new(house.broker.clone(), Arc::new(house.clock.clone())).with_blobs(away);
    let refused = checker.check(echo(large(2)), &*house.random).await.unwrap_err();
    assert_eq!(refused.code(), Code::FilesUnavailable);
    let RequestError::Blob(error) = refused else { panic!("{refused:?}") };
    let told = longshore_queue::BrokerError::from(error);
    assert_eq!((told.code(), told.is_transient()), (Code::FilesUnavailable, true), "also where a broker's failure is told");
    checker.check(echo(json!({})), &*house.random).await.expect("small args need no files");
}

#[tokio::test]
async fn a_replay_and_a_move_have_files_of_their_own() {
    let (dir, house) = house().await;
    let letter = house.enqueue(echo(large(1))).await.id;
    die(&house, "q").await;
    let (job, blobs) = (house.job(letter).await, house.checker.blobs());
    let new_id = JobId::derived(1, letter.home(), b"replay");
    blobs.share(&job, &job.queue, new_id).await.unwrap();
    let replay = Replay { id: letter, new_id, args: None };
    house.broker.replay(&Scope::All, vec![replay]).await.unwrap().remove(0).unwrap();
    let there: Name = name("elsewhere");
    let moved = JobId::derived(1, house.broker.home(&there).await.unwrap(), b"move");
    blobs.share(&house.job(new_id).await, &there, moved).await.unwrap();
    let relocation = Relocation { id: new_id, new_id: moved, queue: there };
    house.broker.relocate(&Scope::All, vec![relocation]).await.unwrap().remove(0).unwrap();
    assert_eq!(files(dir.path()).len(), 3);
    for id in [letter, new_id, moved] {
        assert_eq!(args(&house, id).await, large(1));
        std::fs::remove_file(file(dir.path(), &house.job(id).await)).unwrap();
    }
    let lost = blobs.share(&job, &job.queue, new_id).await.unwrap_err();
    assert_eq!(lost.code(), Code::FilesMissing);
    assert_eq!(files(dir.path()), [""; 0], "nothing was made from nothing");
}

#[tokio::test]
async fn merged_args_are_found_by_the_job_that_has_them() {
    let (dir, house) = house().await;
    let blobs = house.checker.blobs();
    let first = house.check(replacing(1)).await.unwrap();
    assert_eq!(files(dir.path()).len(), 2, "the job's own, and one that waits under the key");
    let into = house.broker.enqueue(vec![first.clone()]).await.unwrap().remove(0).unwrap().id;
    blobs.settle(&first, into).await;
    assert_eq!((into, files(dir.path()).len()), (first.id, 1));

    let second = house.check(replacing(2)).await.unwrap();
    let merged = house.broker.enqueue(vec![second.clone()]).await.unwrap().remove(0).unwrap().id;
    assert_eq!(merged, first.id);
    // Whoever enqueued it died here: the job finds its args all the same, and can be repeated and moved.
    assert_eq!(args(&house, into).await, large(2));
    let new = JobId::derived(1, into.home(), b"copy");
    blobs.share(&house.job(into).await, &name("q"), new).await.unwrap();
    assert_eq!(blobs.args(&Job { id: new, unique: None, ..house.job(into).await }).await.unwrap().get().len(), large(2).to_string().len());

    blobs.settle(&second, merged).await;
    let left = files(dir.path());
    assert!(left.iter().all(|file| !file.starts_with("merging") && !file.contains(&second.id.to_string())), "{left:?}");
    assert_eq!(args(&house, into).await, large(2));
}

#[tokio::test]
async fn what_led_to_another_job_leaves_no_file() {
    let (dir, house) = house().await;
    let keep = |n: u64| JobRequest { unique: Some(Unique { key: "k".into(), mode: UniqueMode::Keep }), ..echo(large(n)) };
    let cx = house.running("demo.echo", json!({})).await;
    let first = cx.enqueue(keep(1)).await.unwrap();
    let again = cx.enqueue(keep(2)).await.unwrap();
    assert_eq!((again.id, again.duplicate), (first.id, true));
    assert_eq!(args(&house, first.id).await, large(1));
    assert_eq!(files(dir.path()).len(), 1);
}

#[tokio::test]
async fn edited_args_and_an_output_lie_beside_the_first() {
    let (dir, house) = house().await;
    let id = house.enqueue(echo(large(1))).await.id;
    let other = house.checker.check_other_args(&house.job(id).await, id, &large(2)).await.unwrap();
    let edit = longshore_queue::Edit { args: Some(other), ..longshore_queue::Edit::default() };
    house.broker.edit(&Scope::All, id, house.job(id).await.revision, edit).await.unwrap();
    assert_eq!(args(&house, id).await, large(2));

    let lease = house.lease(&name("q")).await.unwrap();
    let blobs = house.checker.blobs();
    let output: Json = blobs.keep(&name("q"), id, &raw(&large(3))).await.unwrap();
    let outcome = Outcome::Complete { output: Some(output) };
    let ack = Ack { id, token: lease.token, ran: Duration::ZERO, used: None, outcome };
    house.broker.ack(&name("q"), "w1", vec![ack]).await.unwrap().remove(0).unwrap();
    let job = house.job(id).await;
    assert_eq!(blobs.output(&job).await.unwrap().map(|output| output.get().to_owned()), Some(large(3).to_string()));
    assert_eq!(args(&house, id).await, large(2));
    assert_eq!(files(dir.path()).len(), 3);
}
