//! `events`: what a thousand readers of events, some of which hang, cost whoever enqueues, in interleaved pairs.

use crate::{
    api::Api,
    clock::now_us,
    deployment::Setup,
    figure::{Sample, Spread, Taken, median},
    pairs::in_turn,
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
const PAIRS: usize = 5;
const READERS: usize = 1_000;
/// Of these, how many never read.
const HANG: usize = 10;

/// Calls that took so many milliseconds at their median and their 99th percentile.
type Took = (f64, f64);

/// Single enqueues with readers over the same without: p99, of each pair.
pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let deployment = setup.start().await?;
    let (api, options) = (&deployment.api, &setup.options);
    let (jobs, readers) = (options.jobs.unwrap_or(JOBS), options.size.unwrap_or(READERS));
    // One that is not counted warms everything up.
    run(api, "warm", jobs.min(200)).await?;
    let (mut with_ms, mut without_ms, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..options.rounds.unwrap_or(PAIRS) {
        let with = async || {
            let queue = format!("with-{n}");
            api.enqueue(&queue, 1).await?;
            let readers = Readers::start(api, &queue, jobs, readers)?;
            let took = run(api, &queue, jobs).await?;
            readers.end()?;
            Ok::<_, String>(took)
        };
        let without = async || run(api, &format!("without-{n}"), jobs).await;
        let (one, other) = in_turn(n, with, without).await?;
        ratios.push(one.1 / other.1);
        with_ms.push(one);
        without_ms.push(other);
    }
    let of = |took: &[Took], which: fn(&Took) -> f64| median(&took.iter().map(which).collect::<Vec<_>>());
    let mut taken = Taken::default();
    taken.put(Sample::less(format!("p99 with {readers} readers over without"), "ratio", median(&ratios)));
    for (name, took) in [("with", &with_ms), ("without", &without_ms)] {
        taken.put(Sample::less(format!("one enqueue p50, {name}"), "ms", of(took, |took| took.0)));
        taken.put(Sample::less(format!("one enqueue p99, {name}"), "ms", of(took, |took| took.1)));
    }
    Ok(taken)
}

/// So many jobs, one by one at an even rate; how long each call took, in milliseconds.
async fn run(api: &Api, queue: &str, jobs: u64) -> Result<Took, String> {
    let mut every = tokio::time::interval(Duration::from_micros(1_000_000 / PER_SECOND));
    let mut calls = JoinSet::new();
    for n in 0..jobs {
        every.tick().await;
        let (api, body) = (api.clone(), json!({ "kind": "demo.echo", "queue": queue, "args": { "n": n } }));
        calls.spawn(async move {
            let began = now_us();
            api.call(Method::POST, "/v1/jobs", Some(&body)).await.map(|_| now_us().saturating_sub(began) as f64 / 1e3)
        });
    }
    let took = calls.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    api.completed(queue, jobs).await?;
    let spread = Spread::of(took);
    Ok((spread.at(0.5), spread.at(0.99).max(f64::EPSILON)))
}

/// The readers: a process of its own that yields to everything else, as readers are elsewhere and their work is not what is measured.
#[derive(Debug)]
struct Readers(Child);

impl Readers {
    fn start(api: &Api, queue: &str, jobs: u64, readers: usize) -> Result<Self, String> {
        let binary = std::env::current_exe().map_err(|error| error.to_string())?;
        let (hang, events) = (HANG.min(readers).to_string(), (jobs * EVENTS).to_string());
        let readers = readers.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "nice", "-n", "19"]).arg(binary).args([
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

/// Counts events by their data lines.
async fn listen(mut stream: TcpStream, heard: Arc<AtomicU64>) {
    let (mut part, mut before) = (vec![0; 64 * 1024], [0_u8; 5]);
    while let Ok(n @ 1..) = stream.read(&mut part).await {
        let all: Vec<u8> = before.iter().chain(&part[..n]).copied().collect();
        let lines = all.windows(6).filter(|six| *six == b"\ndata:").count();
        heard.fetch_add(lines as u64, Ordering::Relaxed);
        before.copy_from_slice(&all[all.len() - 5..]);
    }
}
