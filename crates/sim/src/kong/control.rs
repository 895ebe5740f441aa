//! The control endpoints of the Kong simulator.
//!
//! - `GET /_sim/status`: what it holds and has been asked ([`Status`]).
//! - `POST /_sim/clock` `{"offset_secs": n}`
//! - `POST /_sim/activity` `{"requests": n, "objects": n}`: adds fresh activity, stamped now.
//! - `GET /_sim/entries?stream=requests&from=0&limit=1000`: retained entries, oldest first.

use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header;
use serde::Deserialize;

use super::{State, Status, Stream};
use crate::control::Part;

pub(super) fn router(state: &Arc<State>) -> Router {
    Router::new()
        .route("/_sim/status", get(status))
        .route("/_sim/clock", post(clock))
        .route("/_sim/activity", post(activity))
        .route("/_sim/entries", get(entries))
        .with_state(state.clone())
}

async fn status(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    Json(state.status())
}

#[derive(Deserialize)]
struct ClockOffset {
    offset_secs: i64,
}

async fn clock(Shared(state): Shared<Arc<State>>, Json(clock): Json<ClockOffset>) {
    state.front.clock.set_offset(clock.offset_secs);
}

#[derive(Deserialize)]
struct Activity {
    requests: u32,
    objects: u32,
}

async fn activity(Shared(state): Shared<Arc<State>>, Json(activity): Json<Activity>) {
    state.add_activity(activity.requests, activity.objects);
}

#[derive(Deserialize)]
struct Of {
    stream: Stream,
}

async fn entries(
    Shared(state): Shared<Arc<State>>,
    Query(Of { stream }): Query<Of>,
    Query(part): Query<Part>,
) -> Response {
    let body = state.entries(stream, part.from, part.limit);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
