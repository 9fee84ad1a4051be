//! What the tests of this crate stand on: the model broker, a clock that they move, and jobs leased from it.

use crate::{Blobs, Catalog, Checker, Context, Headers, JobRequest, Outbound, Parts, SecretKeeper, Tools};
use longshore_base::{ManualClock, Millis, Name, SeededRandom};
use longshore_queue::{Broker, Enqueued, Job, JobId, Lease, LeaseRequest, LogLine, NewJob, Scope, model::ModelBroker};
use longshore_store::{Files, FilesOptions};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// 2026-11-22T00:00:00Z.
pub(crate) const NOW: Millis = 1_795_305_600_000;
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// A broker with the kinds of a catalog, and what is around it.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) clock: ManualClock,
    pub(crate) broker: Arc<ModelBroker>,
    pub(crate) random: Arc<SeededRandom>,
    pub(crate) checker: Arc<Checker>,
    pub(crate) outbound: Outbound,
    pub(crate) headers: Headers,
    pub(crate) secrets: SecretKeeper,
    /// What backups work with; none unless a test gives some.
    pub(crate) backups: Option<Arc<longshore_backup::Means>>,
    calls: AtomicU64,
}

pub(crate) fn name(text: &'static str) -> Name {
    Name::literal(text)
}

impl House {
    pub(crate) async fn with(catalog: &Catalog) -> Self {
        let clock = ManualClock::at(NOW);
        let broker = Arc::new(ModelBroker::new(clock.clone()));
        let checker = Arc::new(Checker::new(broker.clone(), Arc::new(clock.clone())));
        assert_eq!(checker.register(catalog.records()).await.unwrap(), vec![]);
        let outbound = Outbound::new(["127.0.0.0/8".parse().unwrap()]);
        let headers = Headers::new(broker.clone(), Arc::new(clock.clone()));
        Self {
            clock,
            broker,
            random: SeededRandom::new(7),
            checker,
            outbound,
            headers,
            secrets: SecretKeeper::none(),
            backups: None,
            calls: AtomicU64::new(1),
        }
    }

    pub(crate) async fn standard() -> Self {
        Self::with(&Catalog::standard()).await
    }

    /// The same house with files, in this folder.
    pub(crate) fn with_files(mut self, folder: &std::path::Path) -> Self {
        let files = Files::open(&format!("file://{}", folder.display()), FilesOptions::default()).unwrap();
        let checker = Checker::new(self.broker.clone(), Arc::new(self.clock.clone()));
        self.checker = Arc::new(checker.with_blobs(Blobs::new(files)));
        self
    }

    pub(crate) async fn check(&self, request: JobRequest) -> Result<NewJob, crate::RequestError> {
        self.checker.check(request, &*self.random).await
    }

    pub(crate) async fn enqueue(&self, request: JobRequest) -> Enqueued {
        let job = self.check(request).await.unwrap();
        self.broker.enqueue(vec![job]).await.unwrap().remove(0).unwrap()
    }

    pub(crate) async fn lease(&self, queue: &Name) -> Option<Lease> {
        let kinds = self.broker.kinds().await.unwrap().into_iter().map(|record| record.name).collect();
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let request = LeaseRequest { queue: queue.clone(), worker: "w1".into(), call, n: 1, kinds, lease: LEASE };
        self.broker.lease(&request).await.unwrap().leases.pop()
    }

    /// Enqueues a job of this kind and leases it.
    pub(crate) async fn leased(&self, kind: &'static str, args: Value) -> Lease {
        let mut request = JobRequest::new(name(kind), args);
        request.queue = Some(name("q"));
        let id = self.enqueue(request).await.id;
        let lease = self.lease(&name("q")).await.unwrap();
        assert_eq!(lease.job.id, id);
        lease
    }

    pub(crate) fn context(&self, lease: Lease) -> Context {
        self.context_with(lease, CancellationToken::new())
    }

    pub(crate) fn context_with(&self, lease: Lease, cancelled: CancellationToken) -> Context {
        let tools = Tools {
            broker: self.broker.clone(),
            clock: Arc::new(self.clock.clone()),
            random: self.random.clone(),
            checker: Arc::clone(&self.checker),
            outbound: self.outbound.clone(),
            headers: self.headers.clone(),
            secrets: self.secrets.clone(),
            backups: self.backups.clone(),
        };
        Context::new(Parts { lease: Arc::new(lease), cancelled, trace: None, tools: Arc::new(tools) })
    }

    /// The context of a fresh job of this kind.
    pub(crate) async fn running(&self, kind: &'static str, args: Value) -> Context {
        self.context(self.leased(kind, args).await)
    }

    /// Lets the lease run out, and leases the job again for somebody else.
    pub(crate) async fn take_over(&self, cx: &Context) -> Lease {
        for _ in 0..20 {
            self.clock.advance(LEASE);
            self.broker.tick(&cx.job().queue, LEASE).await.unwrap();
            if let Some(lease) = self.lease(&cx.job().queue).await {
                assert_eq!(lease.job.id, cx.id());
                return lease;
            }
        }
        panic!("the job was not leased again");
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.broker.get(&Scope::All, &[id]).await.unwrap().remove(0).unwrap()
    }

    pub(crate) async fn logs(&self, id: JobId) -> Vec<LogLine> {
        self.broker.logs(&Scope::All, id).await.unwrap().lines
    }
}

/// Lets every task that can go on do so, on a runtime of one thread.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
