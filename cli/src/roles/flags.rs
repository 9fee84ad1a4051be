//! The flags of the roles, as settings of the last and strongest layer.

use crate::{host::Host, stop::Stop};
use clap::Args;
use longshore_config::{Flag, Settings};
use std::path::{Path, PathBuf};

/// Flags that every role has.
#[derive(Debug, Clone, Args)]
pub(crate) struct RoleFlags {
    /// The folder for everything that does not live elsewhere [default: ./longshore-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Where the API listens [default: 127.0.0.1:7171]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where jobs live: sqlite:PATH, redis://…, rediss://…, unix://…, redis+cluster://…, redis+sentinel://… [default: sqlite:DIR/queue.db]
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Where records live: sqlite:PATH, postgres://… [default: sqlite:DIR/store.db]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Where files live: file:///folder, s3://bucket/prefix [default: file://DIR/files]
    #[arg(long, value_name = "URL")]
    files: Option<String>,
    /// A TOML file of secrets, mode 0600
    #[arg(long, value_name = "FILE")]
    secrets: Option<String>,
    /// Private networks that jobs may call
    #[arg(long, value_name = "CIDR,…")]
    allow_outbound: Option<String>,
    /// Where /healthz, /readyz and /metrics are served without a key
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<String>,
    /// The configuration file [default: longshore.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Flags of the roles that run jobs.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WorkerFlags {
    /// The queues to serve [default: all, later ones too]
    #[arg(long, value_name = "A,B")]
    queues: Option<String>,
    /// Jobs at once over all queues of this process [default: 32]
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
}

/// Every flag, for a role that runs jobs and for checking a configuration.
#[derive(Debug, Clone, Args)]
pub(crate) struct AllFlags {
    #[command(flatten)]
    role: RoleFlags,
    #[command(flatten)]
    worker: WorkerFlags,
}

/// Flags of commands that open the store alone.
#[derive(Debug, Clone, Args)]
pub(crate) struct Records {
    /// The store to open [default: sqlite:DIR/store.db]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The configuration file [default: longshore.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl RoleFlags {
    /// The checked settings.
    ///
    /// # Errors
    /// Every fault, with exit code 78.
    pub(crate) fn settings(&self, host: &Host) -> Result<Settings, Stop> {
        Ok(Settings::load(self.config.as_deref(), &host.environment, &self.flags())?)
    }

    fn flags(&self) -> Vec<Flag> {
        given([
            ("--data", "data", self.data.as_ref()),
            ("--listen", "listen", self.listen.as_ref()),
            ("--broker", "broker", self.broker.as_ref()),
            ("--store", "store", self.store.as_ref()),
            ("--files", "files", self.files.as_ref()),
            ("--secrets", "secrets", self.secrets.as_ref()),
            ("--allow-outbound", "allow_outbound", self.allow_outbound.as_ref()),
            ("--metrics-listen", "metrics_listen", self.metrics_listen.as_ref()),
        ])
    }
}

impl AllFlags {
    /// As [`RoleFlags::settings`].
    pub(crate) fn settings(&self, host: &Host) -> Result<Settings, Stop> {
        let mut flags = self.role.flags();
        flags.extend(given([
            ("--queues", "worker.queues", self.worker.queues.as_ref()),
            ("--concurrency", "worker.concurrency", self.worker.concurrency.as_ref()),
        ]));
        Ok(Settings::load(self.role.config.as_deref(), &host.environment, &flags)?)
    }
}

impl Records {
    /// As [`RoleFlags::settings`], for the data folder of another flag.
    pub(crate) fn settings(&self, host: &Host, data: Option<&Path>) -> Result<Settings, Stop> {
        let data = data.map(|path| path.display().to_string());
        let flags = given([("--data", "data", data.as_ref()), ("--store", "store", self.store.as_ref())]);
        Ok(Settings::load(self.config.as_deref(), &host.environment, &flags)?)
    }
}

fn given<const N: usize>(flags: [(&'static str, &'static str, Option<&String>); N]) -> Vec<Flag> {
    flags.into_iter().filter_map(|(flag, key, value)| Some(Flag { flag, key, value: value?.clone() })).collect()
}
