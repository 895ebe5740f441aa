//! The endpoint's routes, and its control endpoints.
//!
//! - `GET /_sim/status`: what it holds and has been asked ([`Status`]).
//! - `GET /_sim/sts`: how many calls STS had.
//! - `GET /_sim/events?from=0&limit=1000`: accepted events in the order of acceptance ([`Event`]).

use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;

use super::put::{get_caller_identity, put_log_events};
use super::{Event, State, Status};
use crate::control::Part;
use crate::front::{lock, stand_before};

pub(super) fn router(state: &Arc<State>) -> Router {
    let api = Router::new()
        .route("/", post(put_log_events))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(from_fn_with_state(state.front.clone(), stand_before));
    Router::new()
        .route("/_sim/status", get(status))
        .route("/_sim/sts", get(sts))
        .route("/_sim/events", get(events))
        .merge(api)
        .with_state(state.clone())
}

pub(super) fn sts_router(state: &Arc<State>) -> Router {
    Router::new()
        .route("/", post(get_caller_identity))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(from_fn_with_state(state.sts_front.clone(), stand_before))
        .with_state(state.clone())
}

async fn status(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    Json(state.status())
}

async fn sts(Shared(state): Shared<Arc<State>>) -> Json<u64> {
    Json(state.sts_front.calls().values().sum())
}

async fn events(Shared(state): Shared<Arc<State>>, Query(part): Query<Part>) -> Json<Vec<Event>> {
    Json(lock(&state.accepted).events(part.from, part.limit))
}
