//! A process of one or all roles: started in the order in which the parts need each other, ended in the reverse one.
//!
//! The end is three words: quiet, drain, release. The API answers until the worker has drained, so that people can watch it.

use crate::{
    host::Host,
    roles::{
        health, parts, ready,
        signals::Signals,
        telemetry::{self, Telemetry},
    },
    stop::Stop,
};
use longshore_api::{ApiState, LastLease, Limits, OwnMetrics};
use longshore_config::Settings;
use longshore_jobs::{Checker, SecretKeeper};
use longshore_queue::Broker;
use longshore_scheduler::Scheduler;
use longshore_store::Store;
use longshore_worker::{Queues, Worker};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Which roles a process has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Roles {
    /// The subcommand.
    pub(crate) name: &'static str,
    pub(crate) api: bool,
    pub(crate) worker: bool,
    pub(crate) scheduler: bool,
    /// Migrate PostgreSQL at start.
    pub(crate) migrate: bool,
}

/// What the second signal leaves the worker to give its jobs back.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Bounds of the histograms of batches, in jobs.
const BATCHES: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0];
/// Bounds of every other histogram, in seconds: buckets of several processes can be added up, quantiles cannot.
const SECONDS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3600.0];
/// How often the metrics' windows are moved on.
const UPKEEP: Duration = Duration::from_secs(5);

/// Runs until a signal comes or a part ends.
pub(crate) async fn run(roles: Roles, settings: Settings, host: &Host) -> Result<(), Stop> {
    host.veil.hide_all(settings.secrets.all());
    let telemetry = telemetry::start(&settings, host)?;
    let done = serve(roles, settings, host, &telemetry).await;
    telemetry.stop().await;
    done
}

async fn serve(roles: Roles, settings: Settings, host: &Host, telemetry: &Telemetry) -> Result<(), Stop> {
    let mut signals = Signals::new()?;
    let mut process = tokio::select! {
        started = Process::start(roles, settings, host, telemetry) => started?,
        signal = signals.next() => return Err(Stop::failed(format!("{signal} came before the start was complete"))),
    };
    process.tell_ready(host);
    tokio::select! {
        signal = signals.next() => tracing::info!(signal, grace = ?process.settings.worker.grace, "stopping: quiet, drain, release"),
        why = process.ended() => tracing::info!(why, "stopping"),
    }
    let worker = process.worker.clone();
    tokio::select! {
        done = process.stop() => done,
        signal = signals.next() => {
            tracing::warn!(signal, "stopping at once");
            if let Some(worker) = worker {
                tokio::select! {
                    _ = worker.stop_now() => {}
                    () = host.clock.sleep(AT_ONCE) => {}
                }
            }
            Err(Stop::failed("stopped at once by a second signal; what was not given back runs again when its lease is over"))
        }
    }
}

/// The running parts.
struct Process {
    roles: Roles,
    settings: Settings,
    store: Option<Store>,
    worker: Option<Worker>,
    scheduler: Option<Scheduler>,
    /// The API's, where there is one, then that of metrics.
    servers: Vec<Server>,
    /// A key was made at this start.
    new_key: bool,
}

/// A listener that is being served.
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Server {
    fn start<F: Future<Output = ()> + Send + 'static>(address: SocketAddr, serve: impl FnOnce(CancellationToken) -> F) -> Self {
        let stop = CancellationToken::new();
        Self { address, served: tokio::spawn(serve(stop.clone())), stop }
    }
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Process {
    async fn start(roles: Roles, settings: Settings, host: &Host, telemetry: &Telemetry) -> Result<Self, Stop> {
        let api = if roles.api { Some(bind("--listen", settings.listen).await?) } else { None };
        let open = match settings.metrics_listen {
            Some(wanted) => Some(bind("--metrics-listen", wanted).await?),
            None => None,
        };
        parts::folder(&settings, host)?;
        let broker = parts::broker(&settings, host).await?;
        let blobs = parts::blobs(&settings, host)?;
        let checker = Arc::new(Checker::new(broker.clone(), host.clock.clone()).with_blobs(blobs));
        if roles.api || roles.worker {
            parts::register(&settings, host, &*broker, &checker).await?;
        }
        let store = if roles.api || roles.scheduler { Some(parts::store(&settings, roles.migrate).await?) } else { None };
        let new_key = match &store {
            Some(store) if roles.api => parts::admin_key(&settings, host, store).await?,
            _ => false,
        };
        let own_metrics = metrics(host)?;
        let worker = if roles.worker { Some(work(&settings, host, &broker, &checker, telemetry)?) } else { None };
        let scheduler = store.as_ref().filter(|_| roles.scheduler).map(|store| time(&settings, host, &broker, &checker, store));
        let last_lease = worker.clone().map(|worker| Arc::new(move || Some(worker.status().unanswered)) as LastLease);
        let watched = health::Watched {
            broker: broker.clone(),
            store: store.clone(),
            blobs: checker.blobs().clone(),
            last_lease: last_lease.clone(),
            own_metrics: own_metrics.clone(),
        };
        let mut servers = Vec::new();
        if let (Some((listener, address)), Some(store)) = (api, store.clone()) {
            let (clock, random, limits) = (host.clock.clone(), host.random.clone(), limits(&settings));
            let own_metrics = Some(own_metrics);
            let state = ApiState { broker, store, checker, clock, random, limits, last_lease, own_metrics };
            servers.push(Server::start(address, |stop| longshore_api::serve(listener, state, stop.cancelled_owned())));
        }
        if let Some((listener, address)) = open {
            servers.push(Server::start(address, |stop| health::serve(listener, watched, stop)));
        }
        Ok(Self { roles, settings, store, worker, scheduler, servers, new_key })
    }

    fn tell_ready(&self, host: &Host) {
        let urls: Vec<_> = self.servers.iter().map(Server::url).collect();
        ready::tell(&self.roles, &self.settings, host, &urls, self.worker.as_ref().map(Worker::id), self.new_key);
    }

    /// Completes when a part that the process exists for has ended by itself; tells which and why.
    async fn ended(&self) -> &'static str {
        match &self.worker {
            Some(worker) => {
                worker.ended().await;
                if self.roles.api {
                    tracing::warn!("the worker was told to drain and has ended; this process goes on without it until it is started again");
                    std::future::pending().await
                }
                "the worker was told to drain and has ended"
            }
            None => std::future::pending().await,
        }
    }

    async fn stop(&mut self) -> Result<(), Stop> {
        if let Some(worker) = &self.worker {
            worker.drain(self.settings.worker.grace).await;
        }
        if let Some(scheduler) = &self.scheduler {
            scheduler.stop().await;
        }
        for server in &self.servers {
            server.stop.cancel();
        }
        for server in self.servers.drain(..) {
            if server.served.await.is_err() {
                tracing::error!("the listener ended with a panic");
            }
        }
        if let Some(store) = &self.store {
            store.close().await;
        }
        Ok(())
    }
}

/// Binds early: a taken port should be told before anything else is touched.
async fn bind(flag: &str, wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), Stop> {
    let failed = |error: std::io::Error| {
        Stop::failed(format!("{wanted} cannot be listened on: {error}\n  what to do: choose another with {flag}; port 0 takes a free one"))
    };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn work(settings: &Settings, host: &Host, broker: &Arc<dyn Broker>, checker: &Checker, telemetry: &Telemetry) -> Result<Worker, Stop> {
    let chosen = &settings.worker;
    let options = longshore_worker::Options {
        queues: if chosen.queues.is_empty() { Queues::All } else { Queues::Named(chosen.queues.clone()) },
        concurrency: chosen.concurrency,
        lease_ms: ms(chosen.lease),
        heartbeat_ms: ms(chosen.heartbeat),
        grace_ms: ms(chosen.grace),
        allow_outbound: settings.allow_outbound.clone().into(),
        report: telemetry.reporter(),
        secrets: SecretKeeper::new(Arc::new(settings.secrets.clone()), host.veil.clone()),
        backups: Some(Arc::new(longshore_backup::Means {
            aws: host.environment.aws.clone(),
            scratch: settings.data.join("scratch"),
            path: host.environment.path.clone(),
            clock: host.clock.clone(),
        })),
        blobs: checker.blobs().clone(),
        host: machine(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..longshore_worker::Options::default()
    };
    let started = Worker::start(options, broker.clone(), host.catalog.clone(), host.clock.clone(), host.random.clone());
    started.map_err(|error| Stop::failed(format!("the worker cannot be started: {error}")))
}

fn time(settings: &Settings, host: &Host, broker: &Arc<dyn Broker>, checker: &Arc<Checker>, store: &Store) -> Scheduler {
    let options = longshore_scheduler::Options {
        tick_ms: ms(settings.scheduler.tick),
        lease_ms: ms(settings.worker.lease),
        keep_ms: ms(settings.keep.completed),
        keep_count: settings.keep.completed_max,
        dead_keep_ms: settings.keep.dead.map_or(0, ms),
        dead_alert: settings.keep.dead_alert.unwrap_or(0),
        ..longshore_scheduler::Options::default()
    };
    Scheduler::start(options, broker.clone(), Arc::new(store.clone()), checker.clone(), host.clock.clone(), host.random.clone())
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        body_bytes_max: settings.api.body_bytes_max,
        batch_max: settings.api.batch_max,
        request_time: settings.api.request,
        connections_max: settings.api.connections_max,
        ..Limits::default()
    }
}

/// Installs the recorder of this process's metrics, and answers what renders them.
fn metrics(host: &Host) -> Result<OwnMetrics, Stop> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_jobs".into()), &BATCHES);
    let recorder = builder.and_then(|builder| builder.set_buckets(&SECONDS)?.install_recorder());
    let handle = recorder.map_err(|error| Stop::failed(format!("metrics cannot be recorded: {error}")))?;
    let (clock, upkeep) = (host.clock.clone(), handle.clone());
    tokio::spawn(async move {
        loop {
            clock.sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(Arc::new(move || handle.render()))
}

/// The machine's name, for the worker's id.
pub(super) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".into() } else { name.trim().to_owned() }
}

fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
