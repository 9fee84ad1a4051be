//! `bench events`: what a thousand readers of events, some of which hang, cost whoever enqueues, in interleaved pairs.

use crate::{
    api::Api,
    mark::now_us,
    measure::{Quantiles, deployment, quantiles},
    place::Place,
};
use reqwest::Method;
use serde::Serialize;
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

/// How much of it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Of each run.
    pub(crate) jobs: u64,
    pub(crate) per_second: u64,
    pub(crate) pairs: usize,
    pub(crate) readers: usize,
    /// Of these, how many never read.
    pub(crate) hang: usize,
    pub(crate) concurrency: usize,
}

/// Runs of one broker. The ratio is of the p99 of single enqueues, with readers over without, of one pair; 1 is no loss.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) broker: String,
    pub(crate) readers: usize,
    pub(crate) hanging: usize,
    pub(crate) jobs: u64,
    pub(crate) per_second: u64,
    pub(crate) with_ms: Vec<Quantiles>,
    pub(crate) without_ms: Vec<Quantiles>,
    pub(crate) ratio_p99_median: f64,
}

pub(crate) async fn all(name: &str, plan: &Plan) -> Result<Figures, String> {
    let mut place = Place::new()?;
    let api = deployment(&mut place, name, plan.concurrency).await?;
    let (mut with_ms, mut without_ms, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // One that is not counted warms everything up.
    run(&api, "warm", plan.jobs.min(200), plan.per_second).await?;
    for n in 0..plan.pairs {
        let with = async || {
            let queue = format!("with-{n}");
            api.enqueue(&queue, 1).await?;
            let readers = Readers::start(&api, &queue, plan)?;
            let figures = run(&api, &queue, plan.jobs, plan.per_second).await?;
            readers.end()?;
            Ok::<_, String>(figures)
        };
        let without = async || run(&api, &format!("without-{n}"), plan.jobs, plan.per_second).await;
        // The first of each pair changes, so that what slowly changes on the machine does not favour one of them.
        let (a, b) = if n % 2 == 0 {
            let a = with().await?;
            (a, without().await?)
        } else {
            let b = without().await?;
            (with().await?, b)
        };
        eprintln!("bench: {name}, pair {n}: p99 {:.2} ms with, {:.2} ms without", a.p99, b.p99);
        ratios.push(a.p99 / b.p99.max(f64::EPSILON));
        with_ms.push(a);
        without_ms.push(b);
    }
    ratios.sort_by(f64::total_cmp);
    let ratio_p99_median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
    let Plan { readers, hang: hanging, jobs, per_second, .. } = *plan;
    Ok(Figures { broker: name.into(), readers, hanging, jobs, per_second, with_ms, without_ms, ratio_p99_median })
}

/// So many jobs, one by one at an even rate; how long each call took, in milliseconds.
async fn run(api: &Api, queue: &str, jobs: u64, per_second: u64) -> Result<Quantiles, String> {
    let mut every = tokio::time::interval(Duration::from_micros(1_000_000 / per_second.max(1)));
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
    Ok(quantiles(took))
}

/// The readers: a process of its own that yields to everything else, as readers are elsewhere and their work is not what is measured.
#[derive(Debug)]
struct Readers(Child);

impl Readers {
    fn start(api: &Api, queue: &str, plan: &Plan) -> Result<Self, String> {
        let binary = std::env::current_exe().map_err(|error| error.to_string())?;
        let (readers, hang, events) = (plan.readers.to_string(), plan.hang.to_string(), (plan.jobs * EVENTS).to_string());
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "nice", "-n", "19"]).arg(binary).args(["readers", queue, &readers, &hang, &events]);
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

/// The role of the readers' process: `readers QUEUE COUNT HANGING EVENTS`, with `HOST:PORT KEY` on stdin; they go when stdin ends.
pub(crate) async fn readers(args: &[String]) -> Result<(), String> {
    let [queue, count, hang, events] = args else { return Err("readers QUEUE COUNT HANGING EVENTS".into()) };
    let number = |text: &String| text.parse::<usize>().map_err(|error| error.to_string());
    let (count, hang, events) = (number(count)?, number(hang)?, number(events)? as u64);
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
    println!("{}", json!({ "ready": count }));
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
    println!("{}", json!({ "heard_all": least() >= events, "least": least(), "of": events, "hanging": stuck.len() }));
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
