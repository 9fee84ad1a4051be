//! Which queues there are. A queue takes one of 65,536 numbers for ever when it is first named, so a tenant's key names only those that
//! exist or that a kind goes to.

use crate::{
    auth::Principal,
    calls::{Deadline, Repeat},
    problem::Problem,
    state::Api,
};
use longshore_base::{Name, Scope};
use longshore_queue::BrokerError;
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};
use tokio::sync::OnceCell;

/// The queues that are known to exist; none ever goes away.
#[derive(Debug, Default)]
pub(crate) struct KnownQueues(Mutex<BTreeSet<Name>>);

impl KnownQueues {
    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one request has looked up: a batch of ten thousand unknown queues asks the broker once.
#[derive(Debug, Default)]
pub(super) struct Looked(OnceCell<BTreeSet<Name>>);

impl Looked {
    /// Refuses a queue that a tenant's key may not make.
    pub(super) async fn check(&self, api: &Api, deadline: Deadline, queue: &Name) -> Result<(), Problem> {
        if api.queues.names().contains(queue) {
            return Ok(());
        }
        let kinds = self.0.get_or_try_init(|| read(api, deadline)).await?;
        if api.queues.names().contains(queue) || kinds.contains(queue) {
            return Ok(());
        }
        let names: Vec<_> = kinds.iter().map(Name::as_str).collect();
        let allowed = format!("the kind's own queue (no `queue`), a queue of a kind ({}), or one that exists", names.join(", "));
        Err(Problem::fault("/queue", format!("there is no queue `{queue}`, and a tenant's key makes none"), allowed))
    }
}

/// Refuses a queue that the caller may not make by naming it.
pub(crate) async fn may_name(api: &Api, caller: &Principal, deadline: Deadline, queue: &Name) -> Result<(), Problem> {
    if caller.scope() == Scope::All { Ok(()) } else { Looked::default().check(api, deadline, queue).await }
}

/// Learns the queues that exist, and answers those that the kinds go to.
async fn read(api: &Api, deadline: Deadline) -> Result<BTreeSet<Name>, BrokerError> {
    let queues = api.call(deadline, Repeat::Read, || api.broker.queues()).await?;
    let kinds = api.call(deadline, Repeat::Read, || api.broker.kinds()).await?;
    api.queues.names().extend(queues);
    Ok(kinds.into_iter().map(|kind| kind.queue).collect())
}
