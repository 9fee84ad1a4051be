//! The application: a catalog of kinds, and `main`.

use crate::{command::Line, host::Host, stop::Stop};
use clap::Parser;
use longshore_base::{SystemClock, SystemRandom};
use longshore_config::{Environment, Veil};
use longshore_jobs::{Catalog, Kind};
use std::process::ExitCode;

/// A binary with every role and command, for the kinds that it carries.
#[derive(Debug, Clone)]
pub struct App {
    catalog: Catalog,
}

/// An application that carries the kinds that ship with Longshore.
#[must_use]
pub fn app() -> App {
    App { catalog: Catalog::standard() }
}

impl App {
    /// Carries one more kind. A kind of the same name that was there before is replaced.
    #[must_use]
    pub fn kind<K: Kind>(mut self) -> Self {
        self.catalog = self.catalog.with::<K>();
        self
    }

    /// Only the kinds that are added after this: for a worker that should leave the shipped kinds to others.
    #[must_use]
    pub fn without_standard_kinds(mut self) -> Self {
        self.catalog = Catalog::empty();
        self
    }

    /// Reads the command line and does what it says. Answers the exit code: 0 ok · 1 failed · 2 usage · 69 unreachable ·
    /// 77 refused · 78 configuration.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let line = Line::parse();
        // Every connection with TLS in this process uses ring; a second installation would be refused, and changes nothing.
        drop(rustls::crypto::ring::default_provider().install_default());
        let host = Host {
            clock: SystemClock::new(),
            random: SystemRandom::new(),
            environment: Environment::read(),
            veil: Veil::default(),
            catalog: if line.command.measures() { longshore_bench::kinds(self.catalog) } else { self.catalog },
            name: binary_name(),
            json: line.json,
        };
        let mut builder = if line.command.is_role() {
            tokio::runtime::Builder::new_multi_thread()
        } else {
            tokio::runtime::Builder::new_current_thread()
        };
        let done = match builder.enable_all().build() {
            Ok(runtime) => runtime.block_on(line.command.run(&host)),
            Err(error) => Err(Stop::failed(format!("the runtime cannot be started: {error}"))),
        };
        done.map_or_else(|stop| stop.tell(line.json), |()| ExitCode::SUCCESS)
    }
}

/// As it was typed, so that a command to try can be pasted.
fn binary_name() -> String {
    let typed = std::env::args_os().next().unwrap_or_default().to_string_lossy().into_owned();
    if typed.is_empty() { "longshore".into() } else { typed }
}
