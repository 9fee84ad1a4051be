//! A router with three tenants' keys, and requests to it.

use super::flaky::Flaky;
use crate::{ApiState, Limits, router};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use longshore_base::{ManualClock, Name, SeededRandom};
use longshore_jobs::{Blobs, Catalog, Checker};
use longshore_queue::{
    Ack, Broker, Job, JobId, KindRecord, LeaseRequest, Outcome, Policy, SqliteBroker, SqliteOptions, model::ModelBroker,
};
use longshore_store::{Files, FilesOptions, Role, Store, StoreOptions};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tower::ServiceExt;

/// When every test begins.
pub(super) const NOW: longshore_base::Millis = 1_800_000_000_000;

/// `on_both!(a, b)`: the cases by name on the model and on SQLite, each with a fresh API.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod on_model {
            $(#[tokio::test] async fn $case() { super::$case($crate::tests::harness::Harness::new().await).await; })*
        }
        mod on_sqlite {
            $(#[tokio::test] async fn $case() { super::$case($crate::tests::harness::Harness::sqlite().await).await; })*
        }
    };
}
pub(super) use on_both;

pub(super) struct Harness {
    pub(super) state: ApiState,
    pub(super) router: Router,
    pub(super) broker: Arc<Flaky>,
    pub(super) clock: ManualClock,
    /// An operator's key.
    pub(super) operator: String,
    /// Keys of two tenants.
    pub(super) acme: String,
    pub(super) other: String,
    /// Valid once.
    pub(super) revoked: String,
    pub(super) dir: TempDir,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
    /// The pointers of the faults, sorted.
    pub(super) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        let mut pointers: Vec<_> = errors.filter_map(|fault| fault["pointer"].as_str()).collect();
        pointers.sort_unstable();
        pointers
    }
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
    /// A problem with everything that one must have.
    #[track_caller]
    pub(super) fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        for field in ["type", "title", "status", "code", "detail", "errors", "request_id"] {
            assert!(!self.body[field].is_null(), "{field} is missing: {}", self.text);
        }
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["request_id"].as_str(), self.headers["x-request-id"].to_str().ok());
        self
    }
    pub(super) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }
}

impl Harness {
    pub(super) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(super) async fn with(limits: Limits) -> Self {
        let clock = ManualClock::at(NOW);
        let broker = Arc::new(ModelBroker::new(clock.clone()));
        Self::on(broker, clock, limits, TempDir::new().expect("a temporary folder")).await
    }

    /// On the broker that one machine runs on.
    pub(super) async fn sqlite() -> Self {
        let (clock, dir) = (ManualClock::at(NOW), TempDir::new().expect("a temporary folder"));
        let options = SqliteOptions::new(dir.path().join("queue.db"), Arc::new(clock.clone()), SeededRandom::new(8));
        let broker = SqliteBroker::open(options).expect("a fresh file opens");
        Self::on(broker, clock, Limits::default(), dir).await
    }

    async fn on(broker: Arc<dyn Broker>, clock: ManualClock, limits: Limits, dir: TempDir) -> Self {
        let url = format!("sqlite:{}", dir.path().join("store.db").display());
        let store = Store::open(&url, &StoreOptions::default()).await.expect("a store");
        let broker = Arc::new(Flaky::before(broker));
        let random = SeededRandom::new(7);
        let files = Files::open(&format!("file://{}", dir.path().join("files").display()), FilesOptions::default()).expect("a folder");
        let checker = Checker::new(Arc::clone(&broker) as Arc<dyn Broker>, Arc::new(clock.clone()));
        let checker = Arc::new(checker.with_blobs(Blobs::new(files)));
        checker.register(Catalog::standard().records()).await.expect("kinds are registered");
        let now = NOW;
        let mut keys = Vec::new();
        for role in [Role::Operator, tenant("acme"), tenant("other"), Role::Operator] {
            let made = store.create_key(&Name::literal("test"), &role, now, &*random).await.expect("a key");
            keys.push((made.key.id, made.text.reveal().to_owned()));
        }
        store.revoke_key(keys[3].0, now).await.expect("revoked");
        let key = |n: usize| keys[n].1.clone();
        let state = ApiState {
            broker: Arc::clone(&broker) as Arc<dyn Broker>,
            store,
            checker,
            clock: Arc::new(clock.clone()),
            random,
            limits,
            last_lease: None,
            own_metrics: None,
        };
        let (operator, acme, other, revoked) = (key(0), key(1), key(2), key(3));
        Self { router: router(state.clone()), state, broker, clock, operator, acme, other, revoked, dir }
    }

    /// Sends one request in process.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router never fails");
        let (parts, mut body) = response.into_parts();
        if parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
            // It has no end; whoever wants to hear it opens an `Ear`.
            body = Body::empty();
        }
        let bytes = body.collect().await.expect("the body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, text, body }
    }

    pub(super) async fn call(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request(key, method, path).body(body).expect("a request")).await
    }

    pub(super) async fn get(&self, key: &str, path: &str) -> Answer {
        self.call(key, "GET", path, Value::Null).await
    }

    pub(super) async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.call(key, "POST", path, body).await
    }

    /// Enqueues a demo.echo job and answers its id.
    pub(super) async fn echo(&self, key: &str, more: Value) -> String {
        let mut body = json!({ "kind": "demo.echo", "args": { "hello": "world" } });
        for (field, value) in more.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        self.post(key, "/v1/jobs", body).await.expect(202).id()
    }

    /// Leases whatever is ready in `queue` and ends it so.
    pub(super) async fn run(&self, queue: &str, outcome: impl Fn(&Job) -> Outcome) -> usize {
        let queue = Name::new(queue).expect("a name");
        let request = LeaseRequest {
            queue: queue.clone(),
            worker: "worker-1".into(),
            call: self.broker.next_call(),
            n: 100,
            kinds: Catalog::standard().names(),
            lease: Duration::from_secs(15),
        };
        let reply = self.broker.lease(&request).await.expect("a lease");
        let count = reply.leases.len();
        self.clock.advance(Duration::from_millis(25));
        let ended = |lease: longshore_queue::Lease| Ack {
            id: lease.job.id,
            token: lease.token,
            ran: Duration::from_millis(25),
            used: None,
            outcome: outcome(&lease.job),
        };
        self.broker.ack(&queue, "worker-1", reply.leases.into_iter().map(ended).collect()).await.expect("acks");
        count
    }

    /// The brokers' time.
    pub(super) fn clock_now(&self) -> longshore_base::Millis {
        longshore_base::Clock::now(&self.clock)
    }

    /// Makes a queue, as an operator's first job in it would.
    pub(super) async fn make_queue(&self, name: &'static str) {
        self.broker.home(&Name::literal(name)).await.expect("a home");
    }

    pub(super) async fn job(&self, id: &str) -> Job {
        let id: JobId = id.parse().expect("an id");
        let found = self.broker.get(&longshore_base::Scope::All, &[id]).await.expect("the broker answers");
        found.into_iter().next().flatten().expect("the job is there")
    }
}

fn tenant(name: &'static str) -> Role {
    Role::Tenant(Name::literal(name))
}

/// A request with a key, if it is not empty.
pub(super) fn request(key: &str, method: &str, path: &str) -> axum::http::request::Builder {
    let request = Request::builder().method(method).uri(path);
    if key.is_empty() { request } else { request.header(header::AUTHORIZATION, format!("Bearer {key}")) }
}

/// A kind that keeps no schema to itself.
pub(super) fn kind(name: &'static str, repeatable: bool) -> KindRecord {
    KindRecord {
        schedule: None,
        name: Name::literal(name),
        version: 1,
        args_schema: json!({ "type": "object", "required": ["n"], "additionalProperties": false, "properties": { "n": { "type": "integer" } } }),
        output_schema: None,
        queue: Name::literal("default"),
        policy: Policy { repeatable, ..Policy::default() },
        lane_by: Vec::new(),
        cost: None,
        unique_by: Vec::new(),
        resources: Vec::new(),
        keep: None,
        owner: None,
        refused: None,
        internal: false,
        operators: false,
    }
}

/// Whether a status says that the request was understood and done.
pub(super) fn fine(status: u16) -> bool {
    StatusCode::from_u16(status).is_ok_and(|status| status.is_success())
}
