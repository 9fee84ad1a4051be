//! Which files go, and which stay.

use super::SweepFiles;
use crate::{Chore, ChoreError, Done, History, HistoryError, Options};
use async_trait::async_trait;
use longshore_base::{ManualClock, Millis, Name, SeededRandom};
use longshore_jobs::Blobs;
use longshore_queue::{
    Broker, Incarnation, Job, JobId, Json, NewJob, Schedule, ScheduleChange, Scope, Timing, Unique, UniqueMode, When, json,
    model::ModelBroker,
};
use longshore_store::{Files, FilesOptions};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, UNIX_EPOCH},
};
use tempfile::TempDir;

const DAY: Duration = Duration::from_hours(24);

/// Of the machine's clock, which files are stamped with; read from a file.
fn now(dir: &TempDir) -> Millis {
    let probe = dir.path().join("probe");
    std::fs::write(&probe, "").unwrap();
    let now = std::fs::metadata(&probe).and_then(|meta| meta.modified()).unwrap().duration_since(UNIX_EPOCH).unwrap();
    std::fs::remove_file(probe).unwrap();
    Millis::try_from(now.as_millis()).unwrap()
}

#[derive(Debug, Default)]
struct Memory {
    kept: Mutex<BTreeMap<JobId, Job>>,
    broken: AtomicBool,
}

#[async_trait]
impl History for Memory {
    async fn keep(&self, jobs: &[Job]) -> Result<(), HistoryError> {
        self.kept.lock().unwrap().extend(jobs.iter().map(|job| (job.id, job.clone())));
        Ok(())
    }
    async fn find(&self, id: JobId) -> Result<Option<Job>, HistoryError> {
        if self.broken.load(SeqCst) {
            Err(HistoryError("broken by the test".into()))
        } else {
            Ok(self.kept.lock().unwrap().get(&id).cloned())
        }
    }
    async fn deployment(&self, _: &str) -> Result<String, HistoryError> {
        Ok("this-one".to_owned())
    }
}

struct Stage {
    dir: TempDir,
    broker: Arc<ModelBroker>,
    memory: Arc<Memory>,
    time: ManualClock,
    blobs: Blobs,
    chore: SweepFiles,
    random: Arc<SeededRandom>,
}

fn name(text: &'static str) -> Name {
    Name::literal(text)
}

fn large(n: usize) -> Json {
    json(&serde_json::json!({ "n": n, "text": "x".repeat(300_000) }))
}

impl Stage {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let time = ManualClock::at(now(&dir));
        let (broker, memory, random) = (Arc::new(ModelBroker::new(time.clone())), Arc::<Memory>::default(), SeededRandom::new(6));
        let files = Files::open(&format!("file://{}", dir.path().display()), FilesOptions::default()).unwrap();
        let blobs = Blobs::new(files);
        let clock = Arc::new(time.clone());
        let chore = SweepFiles::new(broker.clone(), memory.clone(), blobs.clone(), clock, &*random, Options::default());
        Self { dir, broker, memory, time, blobs, chore, random }
    }

    /// A job that is about to be enqueued, with its file.
    async fn job(&self, n: usize) -> NewJob {
        let home = self.broker.home(&name("q")).await.unwrap();
        let mut job = NewJob::new(JobId::new(1, home, &*self.random), name("q"), name("k"), name("acme"), large(n));
        self.blobs.keep_new(&mut job).await.unwrap();
        job
    }

    async fn enqueue(&self, job: NewJob) -> Job {
        let id = self.broker.enqueue(vec![job]).await.unwrap().remove(0).unwrap().id;
        self.broker.get(&Scope::All, &[id]).await.unwrap().remove(0).unwrap()
    }

    /// One whole look.
    async fn look(&self) -> Result<(), ChoreError> {
        while self.chore.run(&name("q")).await? == Done::More {}
        Ok(())
    }

    fn files(&self) -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![self.dir.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        // The mark is no file of a job.
        found.retain(|path| path.file_name().unwrap() != "longshore");
        found
    }
}

#[tokio::test]
async fn a_file_lives_as_long_as_somebody_claims_it() {
    let stage = Stage::new();
    let job = stage.job(1).await;
    let job = stage.enqueue(job).await;
    let failed = stage.job(2).await;
    assert_eq!(stage.files().len(), 2);
    stage.look().await.unwrap();
    assert_eq!(stage.files().len(), 2, "the enqueue may still be on its way");

    stage.time.advance(DAY + Duration::from_secs(60));
    stage.look().await.unwrap();
    assert_eq!(stage.files().len(), 1, "an enqueue that failed leaves nothing for good");
    assert!(stage.blobs.args(&job).await.is_ok());
    assert!(!stage.files()[0].to_string_lossy().contains(&failed.id.to_string()));

    // Retention: to the history, then out of the queue.
    stage.broker.cancel(&Scope::All, &[job.id]).await.unwrap().remove(0).unwrap();
    let ended = stage.broker.get(&Scope::All, &[job.id]).await.unwrap().remove(0).unwrap();
    stage.memory.keep(&[ended]).await.unwrap();
    assert_eq!(stage.broker.purge(&Scope::All, &[job.id]).await.unwrap(), [true]);
    stage.look().await.unwrap();
    assert!(stage.blobs.args(&job).await.is_ok(), "the history still tells the args");

    stage.memory.broken.store(true, SeqCst);
    stage.memory.kept.lock().unwrap().clear();
    assert!(stage.look().await.is_err());
    assert_eq!(stage.files().len(), 1, "who does not answer has not said no");
    stage.memory.broken.store(false, SeqCst);
    stage.look().await.unwrap();
    assert_eq!(stage.files().len(), 0, "the job is gone, and its file with it");
}

#[tokio::test]
async fn args_that_were_replaced_go_and_outputs_stay() {
    let stage = Stage::new();
    let job = stage.job(1).await;
    let job = stage.enqueue(job).await;
    let edited = stage.blobs.keep(&job.queue, job.id, &large(2)).await.unwrap();
    let edit = longshore_queue::Edit { args: Some(edited), ..longshore_queue::Edit::default() };
    stage.broker.edit(&Scope::All, job.id, job.revision, edit).await.unwrap();
    let late = stage.blobs.keep(&job.queue, job.id, &large(3)).await.unwrap();
    assert_eq!(stage.files().len(), 3);
    stage.time.advance(DAY * 2);
    stage.look().await.unwrap();
    assert_eq!(stage.files().len(), 1);
    let job = stage.broker.get(&Scope::All, &[job.id]).await.unwrap().remove(0).unwrap();
    assert!(stage.blobs.args(&job).await.is_ok());
    let ended = Job { output: Some(late), ..job.clone() };
    assert!(stage.blobs.output(&ended).await.is_err(), "nobody had acked that output");

    let output = stage.blobs.keep(&job.queue, job.id, &large(4)).await.unwrap();
    stage.broker.cancel(&Scope::All, &[job.id]).await.unwrap().remove(0).unwrap();
    assert_eq!(stage.broker.purge(&Scope::All, &[job.id]).await.unwrap(), [true]);
    stage.memory.keep(&[Job { output: Some(output), ..job.clone() }]).await.unwrap();
    stage.time.advance(DAY * 2);
    stage.look().await.unwrap();
    assert_eq!(stage.files().len(), 2, "args and output of a job in the history");
}

#[tokio::test]
async fn what_waits_to_be_merged_waits_longer() {
    let stage = Stage::new();
    let unique = Some(Unique { key: "k".into(), mode: UniqueMode::Replace { wait_max: None } });
    let first = stage.enqueue(NewJob { unique: unique.clone(), due: longshore_queue::Due::In(DAY), ..stage.job(1).await }).await;
    let mut second = NewJob { args: large(2), unique: unique.clone(), due: longshore_queue::Due::In(DAY), ..stage.job(3).await };
    stage.blobs.keep_new(&mut second).await.unwrap();
    let merged = stage.enqueue(second.clone()).await;
    assert_eq!(merged.id, first.id);
    stage.time.advance(DAY * 2);
    stage.look().await.unwrap();
    assert!(stage.blobs.args(&merged).await.is_ok(), "nobody settled it, and the job still finds its args");
    stage.time.advance(DAY * 30);
    stage.look().await.unwrap();
    assert!(stage.blobs.args(&merged).await.is_err());
    assert_eq!(stage.files().len(), 0);
}

#[tokio::test]
async fn a_schedules_args_go_when_it_says_others() {
    let stage = Stage::new();
    let timing = Timing {
        when: When::EveryMs(3_600_000),
        timezone: "UTC".into(),
        gap: Default::default(),
        repeated_hour: Default::default(),
        spread_ms: 0,
        starts_at: None,
        ends_at: None,
    };
    let schedule = |n: usize| Schedule {
        name: name("nightly"),
        tenant: name("acme"),
        timing: timing.clone(),
        kind: name("k"),
        args: large(n),
        queue: name("q"),
        client: None,
        priority: None,
        tags: Vec::new(),
        missed: Default::default(),
        overlap: Default::default(),
        managed_by: None,
    };
    let mut states = Vec::new();
    for n in [1, 2] {
        let mut schedule = schedule(n);
        stage.blobs.keep_schedule(&mut schedule).await.unwrap();
        let put = ScheduleChange::Put { schedule: Box::new(schedule), paused: None, incarnation: Incarnation(7) };
        states.push(stage.broker.schedule(&name("acme"), &name("nightly"), put, None).await.unwrap());
    }
    stage.time.advance(DAY * 2);
    stage.look().await.unwrap();
    assert!(stage.blobs.schedule_args(&states[0].schedule).await.is_err());
    assert_eq!(stage.blobs.schedule_args(&states[1].schedule).await.unwrap().get(), large(2).get());
    stage.broker.schedule(&name("acme"), &name("nightly"), ScheduleChange::Remove, None).await.unwrap();
    stage.look().await.unwrap();
    assert_eq!(stage.files().len(), 0);
}

#[tokio::test]
async fn another_deployments_files_are_left_alone() {
    let stage = Stage::new();
    stage.job(1).await;
    assert!(stage.blobs.belong_to("another-one").await.unwrap(), "it was there first");
    stage.time.advance(DAY * 60);
    stage.look().await.unwrap();
    assert_eq!(stage.files().len(), 1);
    std::fs::remove_file(stage.dir.path().join("longshore")).unwrap();
    stage.look().await.unwrap();
    assert_eq!(stage.files().len(), 0);
    assert!(!stage.blobs.belong_to("another-one").await.unwrap(), "the place is taken");
}

#[tokio::test]
async fn many_files_are_looked_through_piece_by_piece() {
    let stage = Stage::new();
    let id = stage.job(1).await.id;
    let folder = stage.dir.path().join(format!("jobs/q/{id}"));
    for n in 0..1_200 {
        std::fs::write(folder.join(format!("{n:064x}")), "x").unwrap();
    }
    stage.time.advance(DAY * 2);
    let mut pieces = 0;
    while stage.chore.run(&name("q")).await.unwrap() == Done::More {
        pieces += 1;
    }
    assert_eq!((pieces, stage.files().len()), (3, 0));
}
