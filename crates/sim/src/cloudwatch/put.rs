//! `PutLogEvents`: from the request to the answer, in AWS's JSON 1.1 protocol.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::rules::{LogEvent, Missing, check};
use super::{SEED, State, lock};
use crate::caller::{authenticate, identity};
use crate::cloudtrail::error::{ServiceError, THROTTLING};
use crate::cloudtrail::faults::Struck;
use crate::cloudtrail::sigv4::Scope;
use crate::random::{generator, mix, uuid};
use crate::server::Connection;

const TARGET: &str = "Logs_20140328.PutLogEvents";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// Read well beyond any limit, so that the caller gets to see the refusal.
const MOST_READ: usize = 64 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct PutLogEvents {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<LogEvent>,
}

/// What a call came to, and whether its caller gets to know.
struct Put {
    answer: Value,
    answer_lost: bool,
}

/// The handler.
pub(super) async fn put_log_events(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    request: http::Request<Body>,
) -> Response {
    let number = state.counts.requests.fetch_add(1, Ordering::Relaxed);
    let (head, body) = request.into_parts();
    let mut response = match answer(&state, &head, body).await {
        Ok(Put { answer, answer_lost }) => {
            // The events are kept by now; the caller will never know.
            if answer_lost {
                connection.reset().await;
            }
            answer.to_string().into_response()
        }
        Err(ServiceError { kind, status, message }) => {
            let counts = &state.counts;
            let counter = if kind == THROTTLING { &counts.throttled } else { &counts.refused };
            counter.fetch_add(1, Ordering::Relaxed);
            (status, json!({"__type": kind, "message": message}).to_string()).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    let id = uuid(&mut generator(mix(SEED, 4000), number)).to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

async fn answer(state: &State, head: &Parts, body: Body) -> Result<Put, ServiceError> {
    let body = to_bytes(body, MOST_READ).await.map_err(|_| {
        ServiceError::new("RequestEntityTooLargeException", "Request body is too large")
    })?;
    let key = state.authenticate("logs", head, &body).map_err(in_this_protocol)?;
    let names = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    if names(HeaderName::from_static("x-amz-target")) != Some(TARGET)
        || names(header::CONTENT_TYPE) != Some(CONTENT_TYPE)
    {
        return Err(ServiceError::new("UnknownOperationException", ""));
    }
    if let Some(error) = lock(&state.faults).error() {
        return Err(in_this_protocol(error));
    }
    if !lock(&state.throttle).admits() {
        return Err(ServiceError::usual(THROTTLING));
    }
    let request: PutLogEvents = serde_json::from_slice(&body)
        .map_err(|error| ServiceError::new("SerializationException", error.to_string()))?;
    state.find(&request)?;
    check(&request.log_events)?;
    state.put(request.log_events, key)
}

/// In the JSON protocols each error of the client's is a 400.
fn in_this_protocol(error: ServiceError) -> ServiceError {
    let ServiceError { kind, status, message } = error;
    let status = if status.is_client_error() { http::StatusCode::BAD_REQUEST } else { status };
    ServiceError { kind, status, message }
}

/// The id in a message, and the rest of it; of one without an id, its hash and all of it.
pub(crate) fn identified(message: &str) -> (String, String) {
    let mut members = match serde_json::from_str(message) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    match members.remove("id") {
        Some(Value::String(id)) => (id, Value::Object(members).to_string()),
        _ => (hex::encode(Sha256::digest(message)), json!(message).to_string()),
    }
}

impl State {
    fn authenticate(
        &self,
        service: &str,
        head: &Parts,
        body: &[u8],
    ) -> Result<String, ServiceError> {
        let now = self.front.clock.now();
        let scope = Scope { region: &self.group.region, service, now };
        let keys = lock(&self.credentials).clone();
        authenticate((head, body), &scope, keys, self.issuer.as_ref())
    }

    fn find(&self, request: &PutLogEvents) -> Result<(), ServiceError> {
        let missing = lock(&self.settings).missing;
        let not_found = |what: &str| {
            let message = format!("The specified log {what} does not exist.");
            Err(ServiceError::new("ResourceNotFoundException", message))
        };
        if missing == Missing::Group || request.log_group_name != self.group.name {
            not_found("group")
        } else if missing == Missing::Stream || request.log_stream_name != self.stream {
            not_found("stream")
        } else {
            Ok(())
        }
    }

    /// An event that a fault strikes has its whole call refused with the fault's code; or, without a code, it is
    /// refused as expired with all before it.
    fn put(&self, events: Vec<LogEvent>, access_key_id: String) -> Result<Put, ServiceError> {
        let events: Vec<_> = events.into_iter().map(|e| (identified(&e.message), e)).collect();
        let mut faults = lock(&self.faults);
        let mut struck = 0;
        for (place, ((id, _), _)) in events.iter().enumerate() {
            match faults.event(id) {
                Some(Struck::Failed(code)) => {
                    return Err(in_this_protocol(ServiceError::new(code, "Refused by a fault")));
                }
                Some(Struck::LeftOut) => struck = place + 1,
                None => {}
            }
        }
        let (named, events): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        let (rejected, from, to) = self.rules().judge(&events, struck);
        let mut accepted = lock(&self.accepted);
        let mut timestamps = lock(&self.timestamps);
        let first = accepted.len();
        for ((id, data), event) in named.iter().zip(&events).take(to).skip(from) {
            accepted.accept(id, data);
            timestamps.push(event.timestamp);
        }
        let refused = events.len() - (to - from);
        self.counts.failed.fetch_add(refused as u64, Ordering::Relaxed);
        let answer_lost = faults.loses_answer();
        accepted.close_call(access_key_id, first, answer_lost);
        let mut answer = json!({"nextSequenceToken": "49545295115971876468408574808519"});
        if refused > 0 {
            answer["rejectedLogEventsInfo"] = json!(rejected);
        }
        Ok(Put { answer, answer_lost })
    }
}

/// STS's `GetCallerIdentity`, at `POST /`.
pub(super) async fn get_caller_identity(
    Shared(state): Shared<Arc<State>>,
    request: http::Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MOST_READ).await.unwrap_or_default();
    if body != "Action=GetCallerIdentity&Version=2011-06-15" {
        return crate::credentials::sts::error("InvalidAction", "Could not find operation");
    }
    let account = lock(&state.settings).account.clone();
    let key = state.authenticate("sts", &head, &body);
    identity(key, account.as_ref().unwrap_or(&state.group.account))
}
