//! Args and outputs that lie in files.

use super::house::{House, last_code, options};
use crate::{Options, Worker};
use longshore_base::{Clock, Name, Scope};
use longshore_jobs::{BLOB_MAX, Blobs, Catalog, Context, Failure, Kind, Retry};
use longshore_queue::{Backoff, Claim, Job, JobId, NewJob, Policy, Reason, State, json};
use longshore_store::{Files, FilesOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;

/// Returns its text so often.
struct Many;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    text: String,
    times: usize,
}

impl Kind for Many {
    const NAME: &'static str = "test.many";
    const RETRY: Retry = Retry::times(3);
    type Args = Args;
    type Output = String;

    async fn run(args: Args, cx: &Context) -> Result<String, Failure> {
        assert!(!Claim::is(&cx.job().args), "a handler sees its args, wherever they lie");
        Ok(args.text.repeat(args.times))
    }
}

struct Stage {
    house: House,
    dir: TempDir,
    blobs: Blobs,
    worker: Worker,
}

impl Stage {
    async fn new(test: &'static str) -> Self {
        let (house, dir) = (House::new(test).await, TempDir::new().unwrap());
        let files = Files::open(&format!("file://{}", dir.path().display()), FilesOptions::default()).unwrap();
        let blobs = Blobs::new(files);
        let options = Options { blobs: blobs.clone(), ..options() };
        let catalog = Catalog::empty().with::<Many>();
        let worker = Worker::start(options, house.broker.clone(), catalog, house.clock.clone(), house.random.clone()).unwrap();
        Self { house, dir, blobs, worker }
    }

    async fn enqueue(&self, text: usize, times: usize, change: impl FnOnce(&mut NewJob)) -> JobId {
        let house = &self.house;
        let id = JobId::new(house.clock.now(), house.broker.home(&house.queue).await.unwrap(), &*house.random);
        let args = json(&serde_json::to_value(Args { text: "x".repeat(text), times }).unwrap());
        let mut job = NewJob::new(id, house.queue.clone(), Name::literal("test.many"), Name::literal("default"), args);
        job.policy = Policy { attempts_max: 3, backoff: Backoff { base_ms: 1, max_ms: 2 }, ..Policy::default() };
        change(&mut job);
        self.blobs.keep_new(&mut job).await.unwrap();
        house.broker.enqueue(vec![job]).await.unwrap().remove(0).unwrap().id
    }

    async fn ended(&self, id: JobId) -> Job {
        self.house.until_job(id, "it has ended", |job| job.state.is_ended()).await
    }

    /// Where the args of a job lie.
    fn file(&self, job: &Job) -> PathBuf {
        let claim = Claim::of(&job.args).unwrap().expect("a claim");
        self.dir.path().join(format!("jobs/{}/{}/{}", job.queue, job.id, claim.sha256))
    }
}

#[tokio::test]
async fn large_args_reach_the_handler_and_a_large_output_is_kept() {
    let stage = Stage::new("large").await;
    let id = stage.enqueue(300_000, 2, |_| {}).await;
    let job = stage.ended(id).await;
    assert_eq!((job.state, job.counters.attempts, job.counters.runs), (State::Completed, 1, 1), "{job:?}");
    let claim = Claim::of(job.output.as_ref().unwrap()).unwrap().expect("a claim");
    assert_eq!(claim.bytes, 600_002);
    let output = stage.blobs.output(&job).await.unwrap().unwrap();
    assert_eq!(output.get(), format!("\"{}\"", "x".repeat(600_000)));
    let small = stage.enqueue(10, 1, |_| {}).await;
    assert_eq!(stage.ended(small).await.output.unwrap().get(), format!("\"{}\"", "x".repeat(10)));
    stage.worker.stop_now().await;
}

#[tokio::test]
async fn an_output_over_the_cap_ends_the_job() {
    let stage = Stage::new("over the cap").await;
    let id = stage.enqueue(1 << 20, (BLOB_MAX >> 20) + 1, |_| {}).await;
    let job = stage.ended(id).await;
    assert_eq!((job.state, job.reason, last_code(&job)), (State::Dead, Some(Reason::OutputTooLarge), Some("jobs.output_too_large")));
    assert!(job.history.last().unwrap().error.as_ref().unwrap().message.contains(&BLOB_MAX.to_string()));
    stage.worker.stop_now().await;
}

#[tokio::test]
async fn args_that_are_lost_spend_attempts_and_say_so() {
    let stage = Stage::new("lost args").await;
    let later = longshore_queue::Due::In(Duration::from_millis(200));
    let id = stage.enqueue(300_000, 1, |job| job.due = later).await;
    let file = stage.file(&stage.house.job(id).await);
    std::fs::remove_file(&file).unwrap();
    let job = stage.ended(id).await;
    assert_eq!((job.state, job.counters.attempts, last_code(&job)), (State::Dead, 3, Some("files.missing")));
    let told = &job.last_error().unwrap().message;
    assert!(told.contains("--files"), "whoever reads it learns what to look at: {told}");
    stage.worker.stop_now().await;
}

#[tokio::test]
async fn work_that_is_done_waits_for_a_place_for_its_output() {
    let stage = Stage::new("no place").await;
    // Where the output's folder would be there is a file: nothing can be written there.
    let blocked = stage.dir.path().join("jobs");
    std::fs::write(&blocked, "").unwrap();
    let id = stage.enqueue(100_000, 3, |job| job.policy.repeatable = false).await;
    let house = &stage.house;
    let worker = &stage.worker;
    house.eventually("the work is done, and its output has no place", async || (worker.status().running == 1).then_some(())).await;
    house.until_job(id, "it runs", |job| job.state == State::Running).await;
    std::fs::remove_file(&blocked).unwrap();
    let job = stage.ended(id).await;
    assert_eq!((job.state, job.counters.attempts, job.counters.runs), (State::Completed, 1, 1), "{job:?}");
    assert_eq!(stage.blobs.output(&job).await.unwrap().unwrap().get().len(), 300_002);
    assert_eq!(house.broker.get(&Scope::All, &[id]).await.unwrap().len(), 1);
    stage.worker.stop_now().await;
}
