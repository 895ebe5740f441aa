//! The control endpoints of the Kong simulator, below `/_sim/`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::trail::Added;
use super::{Faults, State, Status, Stream};

pub(super) fn router(state: &Arc<State>) -> Router {
    Router::new()
        .route("/_sim/status", get(status))
        .route("/_sim/faults", post(faults))
        .route("/_sim/clock", post(clock))
        .route("/_sim/activity", post(activity))
        .route("/_sim/entries", post(add_entries).get(entries))
        .route("/_sim/ids", get(ids))
        .layer(DefaultBodyLimit::disable())
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
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Activity {
    requests: u32,
    objects: u32,
}

async fn activity(
    Shared(state): Shared<Arc<State>>,
    Json(activity): Json<Activity>,
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

/// Takes the body as bytes, since entries are kept as they stand, down to the last blank.
async fn add_entries(Shared(state): Shared<Arc<State>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Entries>(&body) {
        Ok(added) => {
            state.add_entries(added.stream, added.entries);
            Json(state.status()).into_response()
        }
        Err(error) => (http::StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
struct Listing {
    stream: Stream,
    #[serde(default)]
    from: usize,
    #[serde(default = "thousand")]
    limit: usize,
}

fn thousand() -> usize {
    1000
}

async fn entries(Shared(state): Shared<Arc<State>>, Query(listing): Query<Listing>) -> Response {
    let body = state.entries(listing.stream, listing.from, listing.limit);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn ids(
    Shared(state): Shared<Arc<State>>,
    Query(listing): Query<Listing>,
) -> Json<Vec<String>> {
    Json(state.ids(listing.stream))
}
