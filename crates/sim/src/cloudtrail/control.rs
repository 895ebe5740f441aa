//! The endpoint's routes, and its control endpoints below `/_sim/`.

use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::error::ServiceError;
use super::put::put_audit_events;
use super::{Event, Faults, State, Status};
use crate::front::{lock, stand_before};

pub(super) fn router(state: &Arc<State>) -> Router {
    let unknown = async || ServiceError::new("UnknownOperationException", "Unknown operation");
    let api = Router::new()
        .route("/PutAuditEvents", post(put_audit_events))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(from_fn_with_state(state.front.clone(), stand_before));
    Router::new()
        .route("/_sim/status", get(status))
        .route("/_sim/faults", post(faults))
        .route("/_sim/clock", post(clock))
        .route("/_sim/events", get(events))
        .route("/_sim/ids", get(ids))
        .merge(api)
        .with_state(state.clone())
}

async fn status(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    Json(state.status())
}

async fn faults(Shared(state): Shared<Arc<State>>, Json(faults): Json<Faults>) -> Json<Status> {
    state.set_faults(faults);
    Json(state.status())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockOffset {
    offset_secs: i64,
}

async fn clock(Shared(state): Shared<Arc<State>>, Json(clock): Json<ClockOffset>) -> Json<Status> {
    state.front.clock.set_offset(clock.offset_secs);
    Json(state.status())
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    from: usize,
    #[serde(default = "thousand")]
    limit: usize,
}

fn thousand() -> usize {
    1000
}

async fn events(
    Shared(state): Shared<Arc<State>>,
    Query(listing): Query<Listing>,
) -> Json<Vec<Event>> {
    Json(lock(&state.accepted).events(listing.from, listing.limit))
}

async fn ids(Shared(state): Shared<Arc<State>>) -> Json<Vec<String>> {
    Json(lock(&state.accepted).ids())
}
