//! The endpoint's routes, and its control endpoints.
//!
//! - `GET /_sim/status`: what it holds and has been asked ([`Status`]).
//! - `GET /_sim/events?from=0&limit=1000`: accepted events in the order of acceptance ([`Event`]).

use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::error::ServiceError;
use super::put::put_audit_events;
use super::{Event, State, Status};
use crate::control::Part;
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
        .route("/_sim/events", get(events))
        .merge(api)
        .with_state(state.clone())
}

async fn status(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    Json(state.status())
}

async fn events(Shared(state): Shared<Arc<State>>, Query(part): Query<Part>) -> Json<Vec<Event>> {
    Json(lock(&state.accepted).events(part.from, part.limit))
}
