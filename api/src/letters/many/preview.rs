//! What a replay with a patch would do, on some of its letters.

use crate::{
    auth::Principal,
    calls::Repeat,
    letters::{
        list::{is_meant, letters_of},
        view::DifferenceView,
    },
    problem::Problem,
    state::Api,
};
use longshore_dlq::{DeadLetters, diff, merge};
use longshore_jobs::{ReplayArgs, RequestError};
use longshore_queue::{BrokerError, Job, JobId, State};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// Letters that are shown.
const PREVIEW: usize = 5;

/// What a replay would come to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLettersPreview)]
pub(crate) struct Preview {
    /// So many letters it is about.
    count: usize,
    /// With `args_patch`: what it does to the args of some of them, at most five.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    preview: Option<Vec<Patched>>,
}

impl Preview {
    pub(super) const fn new(count: usize, preview: Vec<Patched>) -> Self {
        Self { count, preview: Some(preview) }
    }
}

/// What a patch does to a letter's args.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterPatched)]
pub(super) struct Patched {
    #[schema(schema_with = crate::view::id)]
    id: JobId,
    diff: Vec<DifferenceView>,
    /// Why the kind refuses the result; the letter would be left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refused: Option<String>,
}

/// What `patch` does to some of the letters of `args`.
pub(super) async fn preview(api: &Api, caller: &Principal, args: &ReplayArgs, patch: &Value) -> Result<Vec<Patched>, Problem> {
    let (scope, deadline) = (caller.scope(), api.deadline());
    let letters: Vec<Job> = match (&args.ids, &args.filter) {
        (Some(ids), _) => {
            DeadLetters::new(Arc::clone(&api.broker), scope).get(&ids[..ids.len().min(PREVIEW)]).await?.into_iter().flatten().collect()
        }
        (None, filter) => {
            let wanted = filter.clone().unwrap_or_default();
            let filter = letters_of(&wanted);
            let page = api.call(deadline, Repeat::Read, || api.broker.list(&scope, &filter, PREVIEW, None)).await;
            let page = page.map_err(|error: BrokerError| error)?;
            page.items.into_iter().filter(|job| is_meant(&wanted, job)).collect()
        }
    };
    let mut patched = Vec::new();
    for letter in letters.iter().filter(|job| job.state == State::Dead && !job.replayed) {
        let before: Value = serde_json::from_str(api.checker.blobs().args(letter).await?.get()).unwrap_or_default();
        let mut after = before.clone();
        merge(&mut after, patch);
        let refused = match api.call(deadline, Repeat::Read, || api.checker.check_args(&letter.kind, &after)).await {
            Ok(_) => None,
            Err(faults @ RequestError::Faults { .. }) => Some(faults.told()),
            Err(error) => return Err(error.into()),
        };
        patched.push(Patched { id: letter.id, diff: diff(&before, &after).into_iter().map(Into::into).collect(), refused });
    }
    Ok(patched)
}
