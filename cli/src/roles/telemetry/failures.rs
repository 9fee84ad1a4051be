//! Failures to Sentry: panics, and attempts that failed for good. Each attempt has a hub of its own, so that whatever a handler reports is told
//! with its job. Never args, output, headers or the machine's name; what is told is scrubbed before.

use super::{outbox::Outbox, scrub};
use crate::{host::Host, stop::Stop};
use futures::future::BoxFuture;
use longshore_base::Code;
use longshore_config::Sentry;
use longshore_queue::{ErrorInfo, Job, Reason};
use longshore_worker::{Reporter, Returned};
use sentry::{
    Client, ClientOptions, Hub, Level, Scope, SentryFutureExt,
    integrations::backtrace::current_stacktrace,
    protocol::{Event, Exception, Mechanism},
    types::Dsn,
};
use std::{panic::PanicHookInfo, sync::Arc, time::Duration};

/// Reports failures.
#[derive(Debug)]
pub(crate) struct Failures {
    client: Arc<Client>,
    outbox: Outbox,
    /// Those that will be tried again too.
    retries: bool,
}

impl Failures {
    /// Starts it, if there is somebody to report to. Must be called in the runtime that shall do the sending.
    pub(super) fn start(settings: &Sentry, host: &Host) -> Result<Option<Arc<Self>>, Stop> {
        let Some(dsn) = &settings.dsn else { return Ok(None) };
        let dsn: Dsn = dsn.expose().as_str().parse().map_err(|error| Stop::config(format!("sentry.dsn is no DSN: {error}")))?;
        let outbox = Outbox::start(&dsn, host.clock.clone())?;
        let veil = host.veil.clone();
        let mut options = ClientOptions::default()
            .release(concat!("longshore@", env!("CARGO_PKG_VERSION")))
            .environment(settings.environment.clone())
            .default_integrations(false)
            .max_breadcrumbs(0)
            .send_default_pii(false)
            .before_send(move |event| Some(scrub::event(event, &veil)))
            .transport(Arc::new(outbox.clone()));
        options.dsn = Some(dsn);
        let client = Arc::new(Client::with_options(options));
        Hub::main().bind_client(Some(client.clone()));
        tell_panics();
        Ok(Some(Arc::new(Self { client, outbox, retries: settings.retries })))
    }

    /// Waits until what was reported is sent, for `at_most`.
    pub(super) async fn flush(&self, at_most: Duration) {
        if tokio::time::timeout(at_most, self.outbox.emptied()).await.is_err() {
            tracing::warn!("the last failures could not be reported");
        }
    }

    /// An attempt's own hub.
    fn hub(&self, job: &Job) -> Arc<Hub> {
        let mut scope = Scope::default();
        scope.set_transaction(Some(job.kind.as_str()));
        for (tag, value) in [("kind", job.kind.as_str()), ("queue", job.queue.as_str()), ("tenant", job.tenant.as_str())] {
            scope.set_tag(tag, value);
        }
        scope.set_tag("job", job.id);
        scope.set_tag("run", job.counters.runs);
        if let Some(trace) = &job.trace {
            scope.set_tag("trace", trace.id_text());
        }
        Arc::new(Hub::new(Some(self.client.clone()), Arc::new(scope)))
    }
}

impl Reporter for Failures {
    fn around<'a>(&self, job: &Job, handler: BoxFuture<'a, Returned>) -> BoxFuture<'a, Returned> {
        Box::pin(handler.bind_hub(self.hub(job)))
    }

    fn failed(&self, job: &Job, error: &ErrorInfo, dead: Option<Reason>) {
        // The panic itself was reported, from where it happened.
        if error.code == Code::AttemptPanicked.as_str() || dead.is_none() && !self.retries {
            return;
        }
        let hub = self.hub(job);
        hub.configure_scope(|scope| scope.set_tag("ended", dead.map_or("retry", Reason::as_str)));
        hub.capture_event(Event {
            level: if dead.is_some() { Level::Error } else { Level::Warning },
            // Like errors are one issue, as they are one group of dead letters.
            fingerprint: vec![job.kind.to_string().into(), error.fingerprint.clone().into()].into(),
            exception: vec![Exception { ty: error.code.clone(), value: Some(error.message.clone()), ..Exception::default() }].into(),
            ..Event::default()
        });
    }
}

/// Reports every panic of this process from now on, without waiting for anything, and then does what was done before.
fn tell_panics() {
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        Hub::with_active(|hub| hub.capture_event(told(panic)));
        next(panic);
    }));
}

fn told(panic: &PanicHookInfo<'_>) -> Event<'static> {
    let said = panic.payload_as_str().unwrap_or("without a message").to_owned();
    let mechanism = Mechanism { ty: "panic".into(), handled: Some(false), ..Mechanism::default() };
    let exception = Exception {
        ty: "panic".into(),
        value: Some(said),
        stacktrace: current_stacktrace(),
        mechanism: Some(mechanism),
        ..Exception::default()
    };
    Event { level: Level::Fatal, exception: vec![exception].into(), ..Event::default() }
}
