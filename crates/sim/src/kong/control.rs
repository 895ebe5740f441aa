//! The control endpoints of the Kong simulator.
//!
//! - `GET /_sim/status`: what it holds and has been asked ([`Status`]).
//! - `POST /_sim/faults`: [`Faults`]; `{}` clears them.
//! - `POST /_sim/clock` `{"offset_secs": n}`
//! - `POST /_sim/record_ttl` `{"secs": n}`: another `audit_log_record_ttl`, for what is written now.
//! - `POST /_sim/upgrade` `{"version": "3.10.0.0", "leaves": "one"}`: turns it into another version.
//!   [`Leaves`] says what object entries that are there show for a time; `one` when absent.
//! - `POST /_sim/activity` `{"requests": n, "objects": n}`: adds fresh activity, stamped now.
//! - `POST /_sim/entries` `{"stream": "requests", "entries": [{…}]}`: adds entries as they stand.
//! - `GET /_sim/entries?stream=requests&from=0&limit=1000`: retained entries, oldest first.
//! - `GET /_sim/ids?stream=requests`: the ids of all retained entries, oldest first.

use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::trail::Added;
use super::version::Version;
use super::{Faults, Leaves, State, Status, Stream};
use crate::control::{ClockOffset, Part, Posted};

pub(super) fn router(state: &Arc<State>) -> Router {
    Router::new()
        .route("/_sim/status", get(status))
        .route("/_sim/faults", post(faults))
        .route("/_sim/clock", post(clock))
        .route("/_sim/record_ttl", post(record_ttl))
        .route("/_sim/upgrade", post(upgrade))
        .route("/_sim/activity", post(activity))
        .route("/_sim/entries", post(add_entries).get(entries))
        .route("/_sim/ids", get(ids))
        .with_state(state.clone())
}

impl Added {
    /// The entry's id, empty where it has none that is a string.
    pub(super) fn id(&self, stream: Stream) -> String {
        #[derive(Deserialize)]
        struct Ids {
            request_id: Option<serde_json::Value>,
            id: Option<serde_json::Value>,
        }
        let ids: Option<Ids> = serde_json::from_str(self.json.get()).ok();
        let id = ids.and_then(|ids| match stream {
            Stream::Requests => ids.request_id,
            Stream::Objects => ids.id,
        });
        id.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordTtl {
    secs: u32,
}

async fn record_ttl(
    Shared(state): Shared<Arc<State>>,
    Posted(ttl): Posted<RecordTtl>,
) -> Json<Status> {
    state.set_record_ttl(ttl.secs);
    Json(state.status())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upgraded {
    version: Version,
    #[serde(default)]
    leaves: Leaves,
}

async fn upgrade(
    Shared(state): Shared<Arc<State>>,
    Posted(upgraded): Posted<Upgraded>,
) -> Json<Status> {
    state.upgrade(upgraded.version, upgraded.leaves);
    Json(state.status())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Activity {
    #[serde(default)]
    requests: u32,
    #[serde(default)]
    objects: u32,
}

async fn activity(
    Shared(state): Shared<Arc<State>>,
    Posted(activity): Posted<Activity>,
) -> Json<Status> {
    state.add_activity(activity.requests, activity.objects);
    Json(state.status())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    stream: Stream,
    entries: Vec<Box<RawValue>>,
}

async fn add_entries(
    Shared(state): Shared<Arc<State>>,
    Posted(added): Posted<Entries>,
) -> Json<Status> {
    state.add_entries(added.stream, added.entries);
    Json(state.status())
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

async fn ids(
    Shared(state): Shared<Arc<State>>,
    Query(Of { stream }): Query<Of>,
) -> Json<Vec<String>> {
    Json(state.ids(stream))
}
