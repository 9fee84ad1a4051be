//! Which jobs somebody asks for.

use crate::{Claim, Job, State};
use longshore_base::{Millis, Name};
use serde_json::Value;

/// Which jobs to list. `None` and empty: any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this queue.
    pub queue: Option<Name>,
    /// In this state. Dead: letters that were not repeated.
    pub state: Option<State>,
    /// Of this tenant.
    pub tenant: Option<Name>,
    /// For this client.
    pub client: Option<Name>,
    /// Of this kind.
    pub kind: Option<Name>,
    /// With this tag.
    pub tag: Option<Name>,
    /// Whose last error has this fingerprint.
    pub fingerprint: Option<String>,
    /// That ended at or after this time; for living jobs, that were enqueued then.
    pub from: Option<Millis>,
    /// That ended (were enqueued) before this time.
    pub to: Option<Millis>,
    /// With this text, whatever its case, in the last error's code or message, or in the args; args that lie in a file are not looked into.
    pub text: Option<String>,
    /// Whose args have these values at these places (JSON pointers, RFC 6901); args that lie in a file have none.
    pub args: Vec<(String, Value)>,
    /// Letters that were repeated, and nothing else.
    pub replayed: bool,
}

impl Filter {
    /// Whether `job` is one of those asked for.
    #[must_use]
    pub fn matches(&self, job: &Job) -> bool {
        self.matches_labels(job)
            && self.fingerprint.as_ref().is_none_or(|f| job.last_error().is_some_and(|error| error.fingerprint == *f))
            && self.matches_time(job)
            && (!self.replayed || job.replayed)
            && self.text.as_ref().is_none_or(|text| has_text(job, text))
            && self.matches_args(job)
    }

    fn matches_labels(&self, job: &Job) -> bool {
        self.queue.as_ref().is_none_or(|q| *q == job.queue)
            && self.state.is_none_or(|s| s == job.state)
            && self.tenant.as_ref().is_none_or(|t| *t == job.tenant)
            && self.client.as_ref().is_none_or(|c| Some(c) == job.client.as_ref())
            && self.kind.as_ref().is_none_or(|k| *k == job.kind)
            && self.tag.as_ref().is_none_or(|t| job.tags.contains(t))
    }

    fn matches_time(&self, job: &Job) -> bool {
        let at = job.ended_at.unwrap_or(job.created_at);
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }

    fn matches_args(&self, job: &Job) -> bool {
        if self.args.is_empty() {
            return true;
        }
        if Claim::is(&job.args) {
            return false;
        }
        let Ok(args) = serde_json::from_str::<Value>(job.args.get()) else { return false };
        self.args.iter().all(|(pointer, value)| args.pointer(pointer) == Some(value))
    }
}

fn has_text(job: &Job, text: &str) -> bool {
    let text = text.to_lowercase();
    let has = |part: &str| part.to_lowercase().contains(&text);
    job.last_error().is_some_and(|error| has(&error.code) || has(&error.message)) || !Claim::is(&job.args) && has(job.args.get())
}

/// Some of the jobs that a filter matches.
#[derive(Debug, Default)]
pub struct Page {
    /// The jobs.
    pub items: Vec<Job>,
    /// Where the next page starts; None: that was all.
    pub cursor: Option<String>,
    /// How many were looked at.
    pub scanned: u64,
}
