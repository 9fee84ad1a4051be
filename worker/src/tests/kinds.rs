//! One kind that does what its test says, and tells what happened to it.

use longshore_base::Name;
use longshore_jobs::{Context, Failure, Kind, Retry, SecretRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What a test sees of its handlers, by the test's name.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    pub(crate) started: AtomicUsize,
    pub(crate) running: AtomicUsize,
    pub(crate) peak: AtomicUsize,
    pub(crate) returned: AtomicUsize,
    /// Handlers that wait go on.
    pub(crate) open: AtomicBool,
    bell: tokio::sync::Notify,
    blocked: Mutex<bool>,
    unblocked: Condvar,
}

impl Probe {
    pub(crate) fn of(test: &str) -> Arc<Self> {
        static PROBES: Mutex<Option<HashMap<String, Arc<Probe>>>> = Mutex::new(None);
        let mut probes = PROBES.lock().unwrap();
        probes.get_or_insert_default().entry(test.to_owned()).or_default().clone()
    }
    /// Lets waiting and blocked handlers go on.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
        self.bell.notify_waiters();
        *self.blocked.lock().unwrap() = true;
        self.unblocked.notify_all();
    }
    async fn opened(&self) {
        loop {
            let bell = self.bell.notified();
            tokio::pin!(bell);
            bell.as_mut().enable();
            if self.open.load(Ordering::SeqCst) {
                return;
            }
            bell.await;
        }
    }
    /// Blocks the thread, for at most ten seconds should the test die.
    fn block(&self) {
        let guard = self.blocked.lock().unwrap();
        drop(self.unblocked.wait_timeout_while(guard, Duration::from_secs(10), |open| !*open).unwrap());
    }
}

struct Inside(Arc<Probe>);
impl Drop for Inside {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    pub(crate) test: String,
    pub(crate) act: Act,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Act {
    Return,
    /// Until the test opens the probe.
    Wait,
    /// The first run waits, later ones return.
    WaitOnce,
    Panic,
    /// For ever, deaf.
    Hang,
    /// Blocks the thread until the probe opens.
    Block,
    /// Returns well as soon as it is told to stop.
    ReturnWhenTold,
    /// Fails as soon as it is told to stop.
    FailWhenTold,
    /// Writes a log line and panics.
    LogAndPanic,
    /// Tells the secret `token`: in an error, then in a panic, then in the output.
    Tell,
}

#[derive(Debug)]
pub(crate) struct Play;

impl Kind for Play {
    const NAME: &'static str = "test.play";
    const QUEUE: &'static str = "default";
    const RETRY: Retry = Retry::times(3);
    type Args = Args;
    type Output = String;

    async fn run(args: Args, cx: &Context) -> Result<String, Failure> {
        let probe = Probe::of(&args.test);
        let run = probe.started.fetch_add(1, Ordering::SeqCst);
        let now = probe.running.fetch_add(1, Ordering::SeqCst) + 1;
        probe.peak.fetch_max(now, Ordering::SeqCst);
        let _inside = Inside(probe.clone());
        let mut answer = "done".to_owned();
        match args.act {
            Act::Return => {}
            Act::Wait => probe.opened().await,
            Act::WaitOnce if run == 0 => probe.opened().await,
            Act::WaitOnce => {}
            Act::Panic => panic!("the {run}th panic of {}", args.test),
            Act::Hang => std::future::pending().await,
            Act::Block => probe.block(),
            Act::ReturnWhenTold => cx.cancelled().await,
            Act::FailWhenTold => {
                cx.cancelled().await;
                return Err(Failure::retry("interrupted"));
            }
            Act::LogAndPanic => {
                cx.log(longshore_jobs::Level::Info, "before the panic");
                panic!("after the line");
            }
            Act::Tell => {
                let token = cx.secret(&SecretRef::new(Name::literal("token"))).await?;
                match run {
                    0 => return Err(Failure::retry(format!("refused with {}", token.expose()))),
                    1 => panic!("no way with {}", token.expose()),
                    _ => answer = format!("done with {}", token.expose()),
                }
            }
        }
        probe.returned.fetch_add(1, Ordering::SeqCst);
        Ok(answer)
    }
}
