//! Rules of the four scopes of a queue: what may run (limits), what is closed (gates). Read `limits.rs` for what a rule may be, `place.rs`
//! for how a path names a scope, `routes.rs` for the routes.

mod etag;
mod gate;
mod limits;
mod place;
mod routes;

pub(crate) use etag::{IfMatch, etag};
pub(crate) use gate::{FailuresView, GateView, PauseBody};
pub(crate) use limits::{LimitsBody, RateBody};
pub(crate) use place::{Place, nowhere};
pub(crate) use routes::{key, kind, queue, tenant};

use crate::{
    calls::{Deadline, Repeat},
    problem::Problem,
    state::Api,
};
use longshore_base::{Code, Name};
use longshore_queue::{BrokerError, RuleChange, RuleScope, ScopeState};

/// Changes a scope's rules. `expected`: only from this revision.
pub(crate) async fn change(
    api: &Api,
    deadline: Deadline,
    place: &Place,
    change: RuleChange,
    expected: Option<u64>,
) -> Result<ScopeState, Problem> {
    // With a revision, a repeat of what took effect would be refused by its own effect.
    let repeat = if expected.is_some() { Repeat::Once } else { Repeat::Write };
    let (Place { queue, scope }, what) = (place, word(&change));
    let done = api.call(deadline, repeat, || api.broker.rule(queue, scope, change.clone(), expected)).await;
    metrics::counter!("longshore_rule_changes_total", "scope" => level(scope), "change" => what).increment(1);
    done.map_err(mismatch)
}

/// The rules of a scope, and how it stands.
pub(crate) async fn state(api: &Api, deadline: Deadline, queue: &Name, scope: &RuleScope) -> Result<ScopeState, BrokerError> {
    api.call(deadline, Repeat::Read, || api.broker.rules(queue, scope)).await
}

/// The broker speaks of a job's revision and of a rule's alike; people are told which it was.
pub(crate) fn mismatch(error: BrokerError) -> Problem {
    match error {
        BrokerError::Conflict { code: Code::RevisionMismatch, detail } => Problem::new(Code::RuleMismatch).detail(detail),
        error => error.into(),
    }
}

/// The level of a scope as a word: in codes, labels and sentences.
pub(crate) const fn level(scope: &RuleScope) -> &'static str {
    match scope {
        RuleScope::Queue => "queue",
        RuleScope::Tenant(_) => "tenant",
        RuleScope::Kind(_) => "kind",
        RuleScope::Key { .. } => "key",
    }
}

const fn word(change: &RuleChange) -> &'static str {
    match change {
        RuleChange::Limits(_) => "limits",
        RuleChange::Clear => "clear",
        RuleChange::Pause(_) => "pause",
        RuleChange::Resume => "resume",
        RuleChange::Scale(_) => "scale",
        RuleChange::Auto(_) => "auto",
    }
}
