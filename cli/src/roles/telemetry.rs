//! What a role tells about itself while it runs: lines in a log, spans to a collector, failures to Sentry. What is not configured costs nothing.
//!
//! Nothing that listens can hold up a worker: what is told waits in bounded buffers, and what does not fit is dropped and counted.

mod failures;
mod logs;
mod outbox;
mod scrub;
mod spans;

use crate::{host::Host, stop::Stop};
use failures::Failures;
use longshore_config::Settings;
use longshore_worker::Reporter;
use spans::Spans;
use std::{sync::Arc, time::Duration};

/// At the end, what was not sent after this long is lost.
const FLUSH_MAX: Duration = Duration::from_secs(3);
/// How long a connection to a collector may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Everything that has been started. [`Telemetry::stop`] sends what is left.
#[derive(Debug)]
pub(crate) struct Telemetry {
    spans: Option<Spans>,
    failures: Option<Arc<Failures>>,
}

/// Starts what `settings` ask for. Logs go to stderr from now on; a second call in one process changes nothing of that.
pub(crate) fn start(settings: &Settings, host: &Host) -> Result<Telemetry, Stop> {
    let spans = Spans::start(&settings.traces, &host.veil)?;
    logs::start(&settings.log, host, spans.as_ref().map(Spans::tracer));
    let failures = Failures::start(&settings.sentry, host)?;
    Ok(Telemetry { spans, failures })
}

impl Telemetry {
    /// Who hears of failed attempts.
    pub(crate) fn reporter(&self) -> Option<Arc<dyn Reporter>> {
        self.failures.clone().map(|failures| failures as Arc<dyn Reporter>)
    }

    /// Sends what was told and not sent yet, for [`FLUSH_MAX`] at most.
    pub(crate) async fn stop(self) {
        let spans = async {
            if let Some(spans) = self.spans {
                spans.stop(FLUSH_MAX).await;
            }
        };
        let failures = async {
            if let Some(failures) = &self.failures {
                failures.flush(FLUSH_MAX).await;
            }
        };
        tokio::join!(spans, failures);
    }
}

/// A client for collectors, whose addresses are the operator's: no proxy from the environment, no redirects.
fn client(timeout: Duration) -> Result<reqwest::Client, Stop> {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).referer(false);
    let built = builder.user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION"))).connect_timeout(CONNECT_MAX).timeout(timeout).build();
    built.map_err(|error| Stop::failed(format!("the client for traces and reports cannot be made: {error}")))
}
