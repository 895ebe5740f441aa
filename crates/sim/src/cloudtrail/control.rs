//! The endpoint's routes, and its control endpoints.
//!
//! - `GET /_sim/status`: what it holds and has been asked ([`Status`]).
//! - `POST /_sim/faults`: [`Faults`]; `{}` clears them.
//! - `POST /_sim/clock` `{"offset_secs": n}`
//! - `GET /_sim/events?from=0&limit=1000`: accepted events in the order of acceptance ([`Event`]).
//! - `GET /_sim/ids`: the ids of all accepted events, repeats included.
//! - `GET /_sim/calls`: the calls of which events were accepted, in that order ([`Call`]).

use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::error::ServiceError;
use super::put::put_audit_events;
use super::{Call, Event, Faults, State, Status};
use crate::control::{ClockOffset, Part, Posted};
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
        .route("/_sim/calls", get(calls))
        .merge(api)
        .with_state(state.clone())
}

async fn status(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    Json(state.status())
}

async fn faults(Shared(state): Shared<Arc<State>>, Posted(faults): Posted<Faults>) -> Json<Status> {
    state.set_faults(faults);
    Json(state.status())
}

async fn clock(
    Shared(state): Shared<Arc<State>>,
    Posted(clock): Posted<ClockOffset>,
) -> Json<Status> {
    state.front.clock.set_offset(clock.offset_secs);
    Json(state.status())
}

async fn events(Shared(state): Shared<Arc<State>>, Query(part): Query<Part>) -> Json<Vec<Event>> {
    Json(lock(&state.accepted).events(part.from, part.limit))
}

async fn ids(Shared(state): Shared<Arc<State>>) -> Json<Vec<String>> {
    Json(lock(&state.accepted).ids())
}

async fn calls(Shared(state): Shared<Arc<State>>) -> Json<Vec<Call>> {
    Json(lock(&state.accepted).calls())
}
