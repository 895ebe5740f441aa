//! The routes of the endpoints, and their control endpoints.
//!
//! - `GET /_sim/status`: what they have done ([`Status`]).
//! - `POST /_sim/settings`: [`Settings`]; what is left out has its default again.
//! - `POST /_sim/faults`: [`Faults`]; `{}` clears them.
//! - `POST /_sim/rotate`: container and instance hand out new credentials.
//! - `POST /_sim/clock` `{"offset_secs": n}`

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;

use super::{Faults, Settings, State, Status, container, instance, sts};
use crate::control::{ClockOffset, Posted};
use crate::front::{lock, stand_before};

pub(super) fn router(state: &Arc<State>) -> Router {
    let api = Router::new()
        .route("/", post(sts::assume_role_with_web_identity))
        .route("/v1/{*path}", get(container::credentials))
        .route("/v2/{*path}", get(container::credentials))
        .route("/latest/api/token", put(instance::token))
        .route("/latest/meta-data/{*path}", get(instance::metadata))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(from_fn_with_state(state.front.clone(), stand_before));
    Router::new()
        .route("/_sim/status", get(status))
        .route("/_sim/settings", post(settings))
        .route("/_sim/faults", post(faults))
        .route("/_sim/rotate", post(rotate))
        .route("/_sim/clock", post(clock))
        .merge(api)
        .with_state(state.clone())
}

async fn status(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    Json(state.status())
}

async fn settings(
    Shared(state): Shared<Arc<State>>,
    Posted(settings): Posted<Settings>,
) -> Json<Status> {
    *lock(&state.settings) = settings;
    Json(state.status())
}

async fn faults(Shared(state): Shared<Arc<State>>, Posted(faults): Posted<Faults>) -> Json<Status> {
    state.set_faults(faults);
    Json(state.status())
}

async fn rotate(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    lock(&state.issued).standing = None;
    Json(state.status())
}

async fn clock(
    Shared(state): Shared<Arc<State>>,
    Posted(clock): Posted<ClockOffset>,
) -> Json<Status> {
    state.front.clock.set_offset(clock.offset_secs);
    Json(state.status())
}
