//! The endpoint's routes, and its control endpoints.
//!
//! - `GET /_sim/status`: what it holds and has been asked ([`Status`]).
//! - `GET /_sim/objects`: the objects ([`Listed`]).
//! - `GET /_sim/object/<key>`: the bytes of one.
//! - `GET /_sim/events?from=0&limit=1000`: accepted events in the order of acceptance ([`Event`]).

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};
use axum::{Json, Router};
use http::StatusCode;

use super::put::put_object;
use super::{Event, Listed, State, Status};
use crate::control::Part;
use crate::front::{lock, stand_before};

pub(super) fn router(state: &Arc<State>) -> Router {
    let api = Router::new()
        .route("/{*path}", any(put_object))
        .layer(from_fn_with_state(state.front.clone(), stand_before));
    Router::new()
        .route("/_sim/status", get(status))
        .route("/_sim/objects", get(objects))
        .route("/_sim/object/{*key}", get(object))
        .route("/_sim/events", get(events))
        .merge(api)
        .with_state(state.clone())
}

async fn status(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    Json(state.status())
}

async fn objects(Shared(state): Shared<Arc<State>>) -> Json<Vec<Listed>> {
    Json(state.objects())
}

async fn object(
    Shared(state): Shared<Arc<State>>,
    Path(key): Path<String>,
) -> Result<Vec<u8>, StatusCode> {
    let kept = lock(&state.kept);
    kept.objects.get(&key).map(|object| object.body.clone()).ok_or(StatusCode::NOT_FOUND)
}

async fn events(Shared(state): Shared<Arc<State>>, Query(part): Query<Part>) -> Json<Vec<Event>> {
    Json(lock(&state.kept).accepted.events(part.from, part.limit))
}
