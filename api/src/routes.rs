//! The one table of routes: axum serves it and OpenAPI is made of it, so neither can know a route that the other does not.

use crate::{
    ApiState, auth, envelope, events, health, jobs, keys, kinds, lanes, letters, metrics, openapi, operations, pages, queues, resources,
    rules, scaling, schedules, state::Api, why, workers,
};
use crate::{events::Hub, intake::KnownQueues};
use axum::{Router, middleware::from_fn_with_state};
use longshore_store::KeyRing;
use std::sync::Arc;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The API as a service. [`crate::serve`] puts it behind a listener.
pub fn router(state: ApiState) -> Router {
    wired(state).0
}

/// The router, and what its handlers work with.
pub(crate) fn wired(state: ApiState) -> (Router, Arc<Api>) {
    let (router, document) = table().split_for_parts();
    let keys = KeyRing::new(state.store.clone(), Arc::clone(&state.clock));
    let readers_max = state.limits.readers_max.min(state.limits.connections_max / 2);
    let hub = Hub::new(Arc::clone(&state.broker), Arc::clone(&state.clock), readers_max);
    let api = Arc::new(Api { state, keys, document: openapi::Document::new(document), queues: KnownQueues::default(), hub });
    let router = router
        .fallback(rules::nowhere)
        .layer(from_fn_with_state(Arc::clone(&api), auth::authenticate))
        .layer(from_fn_with_state(Arc::clone(&api), envelope::envelope))
        .with_state(Arc::clone(&api));
    (router, api)
}

/// Every route.
pub(crate) fn table() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(jobs::create, jobs::list))
        .routes(routes!(jobs::create_batch))
        .routes(routes!(jobs::bulk))
        .routes(routes!(jobs::get, jobs::edit))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::logs))
        .routes(routes!(events::job))
        .routes(routes!(events::all))
        .routes(routes!(why::why))
        .routes(routes!(queues::list))
        .routes(routes!(queues::get))
        .routes(routes!(queues::pause))
        .routes(routes!(queues::resume))
        .routes(routes!(scaling::scale))
        .routes(routes!(scaling::facts))
        .routes(routes!(lanes::list))
        .routes(routes!(rules::queue::read, rules::queue::put, rules::queue::clear))
        .routes(routes!(rules::tenant::read, rules::tenant::put, rules::tenant::clear))
        .routes(routes!(rules::tenant::pause))
        .routes(routes!(rules::tenant::resume))
        .routes(routes!(rules::kind::read, rules::kind::put, rules::kind::clear))
        .routes(routes!(rules::kind::pause))
        .routes(routes!(rules::kind::resume))
        .routes(routes!(rules::key::read, rules::key::put, rules::key::clear))
        .routes(routes!(rules::key::pause))
        .routes(routes!(rules::key::resume))
        .routes(routes!(resources::list))
        .routes(routes!(resources::get, resources::put, resources::remove))
        .routes(routes!(resources::pause))
        .routes(routes!(resources::resume))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::get, schedules::put, schedules::remove))
        .routes(routes!(schedules::run))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(schedules::backfill))
        .routes(routes!(schedules::next))
        .routes(routes!(schedules::ticks))
        .routes(routes!(letters::list))
        .routes(routes!(letters::groups))
        .routes(routes!(letters::say))
        .routes(routes!(letters::replay))
        .routes(routes!(letters::undo))
        .routes(routes!(letters::purge))
        .routes(routes!(letters::export))
        .routes(routes!(letters::import))
        .routes(routes!(letters::get, letters::edit))
        .routes(routes!(operations::get))
        .routes(routes!(operations::cancel))
        .routes(routes!(kinds::list))
        .routes(routes!(kinds::get, kinds::put))
        .routes(routes!(workers::list))
        .routes(routes!(workers::quiet))
        .routes(routes!(workers::resume))
        .routes(routes!(workers::drain))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openapi::document))
        .routes(routes!(pages::home))
        .routes(routes!(pages::docs))
        .routes(routes!(pages::error))
}
