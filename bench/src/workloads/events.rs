//! `events`: what a thousand readers of events, some of which hang, cost whoever enqueues, in interleaved pairs.

use crate::{
    api::Api,
    clock::now_us,
    deployment::Setup,
    figure::{Sample, Spread, Taken, median},
    host::Loud,
    pairs::{again, in_turn},
    workload::Tell,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

pub(crate) const PAYLOAD: &str = "demo.echo, one call for each job";

/// Of each job: enqueued, leased, completed.
const EVENTS: u64 = 3;
/// Looks, 50 ms apart, for the last events of a run.
const LOOKS: usize = 100;

/// Of one run.
const JOBS: u64 = 2_000;
const PER_SECOND: u64 = 100;
/// Jobs of a run before those, which are told apart: a thousand readers that connect within a second are a burst, from which a virtual
/// machine may take seconds to recover, whether anything is written to them or not.
const FIRST: u64 = 300;
const PAIRS: usize = 5;
/// Runs with readers in a pair, and as many without, in turn: the p99 of one run is that of its twenty slowest calls.
const TURNS: usize = 3;
/// Of a half's calls, those in seconds that the host left to this machine; with less a pair says nothing, and is done again.
const QUIET_MIN: f64 = 0.25;
/// Pairs tried at most, for each that is wanted.
const TRIES: usize = 3;
const READERS: usize = 1_000;
/// Of these, how many never read.
const HANG: usize = 10;

/// A call, the how manieth of its run, and how long it took.
#[derive(Debug, Clone, Copy)]
struct Call {
    n: u64,
    ms: f64,
    /// Made in a second that the host left to this machine.
    quiet: bool,
}

/// Of one half of a pair, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Half {
    quiet_share: f64,
    quiet_p50: f64,
    quiet_p99: f64,
    p99: f64,
    first_p99: f64,
}

impl Half {
    /// None: it says nothing.
    fn of(calls: &[Call]) -> Option<Self> {
        let ms = |calls: &[&Call]| Spread::of(calls.iter().map(|call| call.ms).collect());
        let (first, then): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| call.n < FIRST);
        let quiet: Vec<_> = then.iter().copied().filter(|call| call.quiet).collect();
        let quiet_share = quiet.len() as f64 / then.len().max(1) as f64;
        if quiet_share < QUIET_MIN {
            return None;
        }
        let (first, all, quiet) = (ms(&first), ms(&then), ms(&quiet));
        let p99 = |spread: &Spread| spread.at(0.99).max(f64::EPSILON);
        Some(Self { quiet_share, quiet_p50: quiet.at(0.5), quiet_p99: p99(&quiet), p99: p99(&all), first_p99: p99(&first) })
    }
}

/// Single enqueues with readers over the same without: p99, of each pair.
pub(crate) async fn take(setup: &Setup, tell: &Tell) -> Result<Taken, String> {
    let deployment = setup.start().await?;
    let (api, options) = (&deployment.api, &setup.options);
    let (jobs, readers) = (options.jobs.unwrap_or(JOBS), options.size.unwrap_or(READERS));
    // One that is not counted warms everything up.
    run(api, "warm", jobs.min(200)).await?;
    let wanted = options.rounds.unwrap_or(PAIRS);
    let (halves, _) = again((wanted, TRIES, tell), async |n| {
        let (with, without) = pair(api, n, jobs, readers).await?;
        let disturbed = || format!("the host left this machine less than {:.0} % of the seconds of half a pair", QUIET_MIN * 100.0);
        Ok(Half::of(&with).zip(Half::of(&without)).ok_or_else(disturbed))
    })
    .await?;
    let (with, without): (Vec<_>, Vec<_>) = halves.into_iter().unzip();
    let of = |halves: &[Half], which: fn(&Half) -> f64| median(&halves.iter().map(which).collect::<Vec<_>>());
    let ratio = |which: fn(&Half) -> f64| {
        let ratios: Vec<f64> = with.iter().zip(&without).map(|(with, without)| which(with) / which(without)).collect();
        median(&ratios)
    };
    let mut taken = Taken::default();
    taken.put(Sample::less(format!("p99 with {readers} readers over without"), "ratio", ratio(|half| half.quiet_p99)));
    taken.put(Sample::less("the same with all seconds", "ratio", ratio(|half| half.p99)));
    for (name, halves) in [("with", &with), ("without", &without)] {
        taken.put(Sample::less(format!("one enqueue p50, {name}"), "ms", of(halves, |half| half.quiet_p50)));
        taken.put(Sample::less(format!("one enqueue p99, {name}"), "ms", of(halves, |half| half.quiet_p99)));
        taken.put(Sample::less(format!("the same with all seconds, {name}"), "ms", of(halves, |half| half.p99)));
        taken.put(Sample::less(format!("one of the first {FIRST} p99, {name}"), "ms", of(halves, |half| half.first_p99)));
        taken.put(Sample::more(
            format!("calls in seconds that the host left alone, {name}"),
            "%",
            of(halves, |half| half.quiet_share * 1e2),
        ));
    }
    Ok(taken)
}

/// Runs with readers and runs without, in turn.
async fn pair(api: &Api, n: usize, jobs: u64, readers: usize) -> Result<(Vec<Call>, Vec<Call>), String> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for turn in n * TURNS..(n + 1) * TURNS {
        let beside = async || {
            let queue = format!("with-{turn}");
            api.enqueue(&queue, 1).await?;
            let readers = Readers::start(api, &queue, FIRST + jobs, readers)?;
            let took = run(api, &queue, FIRST + jobs).await?;
            readers.end()?;
            Ok::<_, String>(took)
        };
        let alone = async || run(api, &format!("without-{turn}"), FIRST + jobs).await;
        let (one, other) = in_turn(turn, beside, alone).await?;
        with.extend(one);
        without.extend(other);
    }
    Ok((with, without))
}

/// So many jobs, one by one at an even rate; how long each call took.
async fn run(api: &Api, queue: &str, jobs: u64) -> Result<Vec<Call>, String> {
    let mut every = tokio::time::interval(Duration::from_micros(1_000_000 / PER_SECOND));
    let mut calls = JoinSet::new();
    let (over, watched) = oneshot::channel();
    let loud = tokio::spawn(Loud::watch(watched));
    for n in 0..jobs {
        every.tick().await;
        let (api, body) = (api.clone(), json!({ "kind": "demo.echo", "queue": queue, "args": { "n": n } }));
        calls.spawn(async move {
            let began = now_us();
            api.call(Method::POST, "/v1/jobs", Some(&body)).await.map(|_| (n, began, now_us()))
        });
    }
    let took = calls.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    api.completed(queue, jobs).await?;
    drop(over);
    let loud = loud.await.map_err(|error| error.to_string())?;
    let call =
        |(n, began, ended): (u64, u64, u64)| Call { n, ms: ended.saturating_sub(began) as f64 / 1e3, quiet: !loud.hears(began, ended) };
    Ok(took.into_iter().map(call).collect())
}

/// The readers: a process of its own that yields to everything else, as readers are elsewhere and their work is not what is measured. That
/// takes the idle class (sched(7)): Linux lets a process of low priority that has begun go on for a while before others.
#[derive(Debug)]
struct Readers(Child);

impl Readers {
    fn start(api: &Api, queue: &str, jobs: u64, readers: usize) -> Result<Self, String> {
        let binary = std::env::current_exe().map_err(|error| error.to_string())?;
        let (hang, events) = (HANG.min(readers).to_string(), (jobs * EVENTS).to_string());
        let readers = readers.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "chrt", "--idle", "0"]).arg(binary).args([
            "bench-role",
            "readers",
            queue,
            &readers,
            &hang,
            &events,
        ]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| format!("setpriv: {error}"))?;
        let (host, key) = api.address();
        let told = child.stdin.as_mut().map(|stdin| writeln!(stdin, "{host} {key}"));
        told.transpose().map_err(|error| error.to_string())?;
        let mut readers = Self(child);
        readers.line()?;
        Ok(readers)
    }

    /// Lets them go, once each that does not hang has heard everything.
    fn end(mut self) -> Result<(), String> {
        drop(self.0.stdin.take());
        let line = self.line()?;
        if line["heard_all"] == true { Ok(()) } else { Err(format!("of the events of a run some readers heard too few: {line}")) }
    }

    fn line(&mut self) -> Result<Value, String> {
        let out = self.0.stdout.as_mut().ok_or("no output")?;
        let mut line = String::new();
        BufReader::with_capacity(1, out).read_line(&mut line).map_err(|error| error.to_string())?;
        serde_json::from_str(&line).map_err(|error| format!("the readers said {line:?}: {error}"))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Who listens, in a process of their own.
#[derive(Debug, Clone, clap::Args)]
pub struct ReadersArgs {
    /// Where jobs are enqueued
    queue: String,
    /// How many listen
    count: usize,
    /// Of these, how many never read
    hang: usize,
    /// What each of the others is to hear
    events: u64,
}

/// The role of the readers' process, with `HOST:PORT KEY` on stdin; they go when stdin ends. `tell` gets a line for the one who started them.
///
/// # Errors
/// A reader that is refused.
pub async fn readers(args: &ReadersArgs, tell: &(dyn Fn(&str) + Sync)) -> Result<(), String> {
    let ReadersArgs { queue, count, hang, events } = args.clone();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| error.to_string())?;
    let (host, key) = line.trim().split_once(' ').ok_or("no key")?;
    let head = format!("GET /v1/events?queue={queue} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\r\n");
    let (mut heard, mut stuck) = (Vec::new(), Vec::new());
    for n in 0..count {
        let mut stream = connect(host, n < hang).await.map_err(|error| format!("reader {n}: {error}"))?;
        stream.write_all(head.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut first = [0; 15];
        stream.read_exact(&mut first).await.map_err(|error| error.to_string())?;
        if !first.ends_with(b"200 OK") {
            return Err(format!("reader {n} was refused: {}", String::from_utf8_lossy(&first)));
        }
        if n < hang {
            stuck.push(stream);
        } else {
            let own = Arc::<AtomicU64>::default();
            heard.push(Arc::clone(&own));
            tokio::spawn(listen(stream, own));
        }
    }
    tell(&json!({ "ready": count }).to_string());
    // Until whoever started it lets go.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await.map_err(|error| error.to_string())?;
    let least = || heard.iter().map(|own| own.load(Ordering::Relaxed)).min().unwrap_or(0);
    let mut look = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..LOOKS {
        if least() >= events {
            break;
        }
        look.tick().await;
    }
    tell(&json!({ "heard_all": least() >= events, "least": least(), "of": events, "hanging": stuck.len() }).to_string());
    Ok(())
}

async fn connect(host: &str, hangs: bool) -> std::io::Result<TcpStream> {
    let address: std::net::SocketAddr = host.parse().map_err(std::io::Error::other)?;
    let socket = TcpSocket::new_v4()?;
    if hangs {
        // The kernel shall not read on its behalf.
        socket.set_recv_buffer_size(4096)?;
    }
    socket.connect(address).await
}

const LINE: &[u8] = b"\ndata:";

/// Counts events by their data lines.
async fn listen(mut stream: TcpStream, heard: Arc<AtomicU64>) {
    // A line's beginning may come in two parts.
    let (mut part, before) = (vec![0; 64 * 1024], LINE.len() - 1);
    while let Ok(n @ 1..) = stream.read(&mut part[before..]).await {
        heard.fetch_add(memchr::memmem::find_iter(&part[..before + n], LINE).count() as u64, Ordering::Relaxed);
        part.copy_within(n..n + before, 0);
    }
}
