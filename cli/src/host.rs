//! What `main` builds once and hands to every role and command: time, chance, the environment, the kinds.

use crate::{client::Client, client::Remote, stop::Stop};
use longshore_base::{Clock, Random};
use longshore_config::{Environment, Veil};
use longshore_jobs::Catalog;
use std::sync::Arc;

/// The process around a command.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) environment: Environment,
    /// What no log may tell.
    pub(crate) veil: Veil,
    /// The kinds that this binary carries.
    pub(crate) catalog: Catalog,
    /// What the binary is called here; shown in commands to try.
    pub(crate) name: String,
    /// `--json`: print for programs.
    pub(crate) json: bool,
}

impl Host {
    pub(crate) fn client(&self, remote: &Remote) -> Result<Client, Stop> {
        Client::new(remote, &self.environment)
    }
}
