//! Logs to stderr, for people or for programs: one line for each event, which names the job that it is about, without the values of secrets.

use crate::{
    host::Host,
    roles::veiled::{self, Veiled},
};
use longshore_config::{Log, LogFormat};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::{EnvFilter, Layer, Registry, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

/// Libraries whose every step at `info` says nothing to an operator. A filter that names one wins.
const QUIET: &str = "sqlx=warn,hyper=warn,h2=warn,rustls=warn,apalis=warn,apalis_core=warn";
/// Crates whose spans are not the handlers'. Ours make their spans themselves (`longshore_jobs::traces`), and what sends them must not make any.
const NOT_HANDLERS: [&str; 9] = ["longshore", "apalis", "sqlx", "redis", "hyper", "h2", "reqwest", "rustls", "tower"];

/// Sends logs to stderr from now on, and the spans of handlers to `tracer`. A second call in one process changes nothing.
pub(super) fn start(log: &Log, host: &Host, tracer: Option<SdkTracer>) {
    let named = log.level.contains('=');
    let filter = EnvFilter::new(if named { log.level.clone() } else { format!("{},{QUIET}", log.level) });
    let lines = tracing_subscriber::fmt::layer().with_writer(Veiled::stderr(&host.veil));
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Pretty => lines.with_ansi(crate::print::colours(&host.environment, &std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(true).boxed(),
    };
    let started = match tracer {
        // One filter for all is cheaper than one for each.
        None => tracing_subscriber::registry().with(lines).with(filter).try_init(),
        Some(tracer) => {
            let spans =
                tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false).with_tracked_inactivity(false);
            let spans = spans.with_filter(filter_fn(of_a_handler).with_max_level_hint(LevelFilter::INFO));
            tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).try_init()
        }
    };
    // A program that has set up its own logs keeps them.
    if started.is_ok() {
        veiled::panics();
    }
}

/// Spans that a team's own kinds make are parts of their attempts. Their events are not told: those are lines of a log, with whatever text.
fn of_a_handler(metadata: &Metadata<'_>) -> bool {
    let of = metadata.target().split("::").next().unwrap_or_default();
    metadata.is_span() && *metadata.level() <= Level::INFO && !NOT_HANDLERS.iter().any(|name| of.starts_with(name))
}
