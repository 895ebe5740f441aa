//! `PutAuditEvents`: from the request to the outcome of each event.
//!
//! Source: the service model `cloudtrail-data` 2021-08-11 and its API reference. The model does not
//! say how a request above 1 MB is refused; as AWS's front doors do, this one answers 413
//! `RequestEntityTooLargeException`, and takes a MB as 1,000,000 bytes, the stricter reading.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderName, HeaderValue, request::Parts};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{ServiceError, THROTTLING};
use super::faults::Struck;
use super::sigv4::Scope;
use super::{SERVICE, State, schema};
use crate::caller::authenticate;
use crate::front::lock;
use crate::server::Connection;

const MAX_BODY: usize = 1_000_000;
const MAX_EVENTS: usize = 100;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

#[derive(Deserialize)]
struct PutAuditEvents {
    #[serde(rename = "auditEvents")]
    audit_events: Option<Vec<AuditEvent>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuditEvent {
    id: Option<String>,
    event_data: Option<String>,
    event_data_checksum: Option<String>,
}

#[derive(Serialize)]
struct Outcome {
    failed: Vec<Failed>,
    successful: Vec<Successful>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    id: String,
    error_code: String,
    error_message: String,
}

#[derive(Serialize)]
struct Successful {
    id: String,
    #[serde(rename = "eventID")]
    event_id: String,
}

/// The handler.
pub(super) async fn put_audit_events(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    request: http::Request<Body>,
) -> Response {
    let number = state.counts.requests.fetch_add(1, Ordering::Relaxed);
    let (head, body) = request.into_parts();
    let outcome = answer(&state, &head, body).await;
    let mut response = match outcome {
        Ok(Put { outcome, answer_lost }) => {
            // The events are kept by now; the caller will never know.
            if answer_lost {
                connection.reset().await;
            }
            Json(outcome).into_response()
        }
        Err(error) => {
            let counter = if error.kind == THROTTLING {
                &state.counts.throttled
            } else {
                &state.counts.refused
            };
            counter.fetch_add(1, Ordering::Relaxed);
            error.into_response()
        }
    };
    if let Ok(id) = HeaderValue::from_str(&super::request_id(number)) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// What a call came to, and whether its caller gets to know.
struct Put {
    outcome: Outcome,
    answer_lost: bool,
}

async fn answer(state: &State, head: &Parts, body: Body) -> Result<Put, ServiceError> {
    // Read well beyond the limit, so that the caller gets to see the refusal.
    let body = to_bytes(body, 64 * MAX_BODY).await.ok().filter(|body| body.len() <= MAX_BODY);
    let body = body.ok_or_else(|| {
        ServiceError::new("RequestEntityTooLargeException", "Request body is larger than 1 MB")
    })?;
    let access_key_id = state.authenticate(head, &body)?;
    if let Some(error) = lock(&state.faults).error() {
        return Err(error);
    }
    if !lock(&state.throttle).admits() {
        return Err(ServiceError::usual(THROTTLING));
    }
    state.check_channel(head.uri.query().unwrap_or_default())?;
    let events = read(&body)?;
    Ok(state.put(events, access_key_id))
}

/// The events of a request, as the service model allows them.
fn read(body: &[u8]) -> Result<Vec<(String, String, Option<String>)>, ServiceError> {
    const NOT_NULL: &str = "Member must not be null";
    let request: PutAuditEvents = serde_json::from_slice(body)
        .map_err(|error| ServiceError::new("SerializationException", error.to_string()))?;
    let events =
        request.audit_events.ok_or_else(|| ServiceError::validation("auditEvents", NOT_NULL))?;
    if events.is_empty() || events.len() > MAX_EVENTS {
        let constraint = "Member must have length between 1 and 100";
        return Err(ServiceError::validation("auditEvents", constraint));
    }
    let mut ids = HashSet::new();
    let mut read = Vec::with_capacity(events.len());
    for (number, event) in (1..).zip(events) {
        let member = |name: &str| format!("auditEvents.{number}.member.{name}");
        let missing = |name: &str| ServiceError::validation(&member(name), NOT_NULL);
        let id = event.id.ok_or_else(|| missing("id"))?;
        let event_data = event.event_data.ok_or_else(|| missing("eventData"))?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > 128 || !id.chars().all(allowed) {
            let constraint =
                "Member must satisfy regular expression pattern: ^[-_A-Za-z0-9]{1,128}$";
            return Err(ServiceError::validation(&member("id"), constraint));
        }
        if !ids.insert(id.clone()) {
            return Err(ServiceError::usual("DuplicatedAuditEventId"));
        }
        read.push((id, event_data, event.event_data_checksum));
    }
    Ok(read)
}

impl State {
    /// The access key that signed the request.
    fn authenticate(&self, head: &Parts, body: &[u8]) -> Result<String, ServiceError> {
        let now = self.front.clock.now();
        let scope = Scope { region: &self.channel.region, service: SERVICE, now };
        let keys = lock(&self.credentials).clone();
        authenticate((head, body), &scope, keys, self.issuer.as_ref())
    }

    /// The channel may be named by its ARN or by the ARN's suffix (API reference).
    fn check_channel(&self, query: &str) -> Result<(), ServiceError> {
        let (mut channel, mut external_id) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "channelArn" => channel = Some(value.into_owned()),
                "externalId" => external_id = Some(value.into_owned()),
                _ => {}
            }
        }
        let channel = channel.unwrap_or_default();
        if channel != self.channel.arn && channel != self.channel.id {
            let well_formed = super::Channel::parse(&channel).is_some()
                || uuid::Uuid::parse_str(&channel).is_ok();
            return Err(ServiceError::usual(if well_formed {
                "ChannelNotFound"
            } else {
                "InvalidChannelARN"
            }));
        }
        if let Some(id) = &external_id {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
            if !(2..=1224).contains(&id.len()) || !id.chars().all(allowed) {
                let constraint = r"2 to 1224 characters of the pattern ^[\w+=,.@:\/-]*$";
                return Err(ServiceError::validation("externalId", constraint));
            }
        }
        if self.external_id.is_some() && self.external_id != external_id {
            return Err(ServiceError::usual("ChannelInsufficientPermission"));
        }
        Ok(())
    }

    fn put(&self, events: Vec<(String, String, Option<String>)>, access_key_id: String) -> Put {
        let mut outcome = Outcome { failed: Vec::new(), successful: Vec::new() };
        let mut faults = lock(&self.faults);
        let mut accepted = lock(&self.accepted);
        let first = accepted.len();
        for (id, event_data, checksum) in events {
            let judged = match faults.event(&id) {
                Some(Struck::LeftOut) => continue,
                Some(Struck::Failed(code)) => Err((code, "Refused by a fault".to_owned())),
                None => check(&event_data, checksum.as_deref(), &self.channel.account)
                    .map_err(|(code, message)| (code.to_owned(), message)),
            };
            if let Err((error_code, error_message)) = judged {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                outcome.failed.push(Failed { id, error_code, error_message });
            } else {
                let event_id = accepted.accept(&id, &event_data);
                outcome.successful.push(Successful { id, event_id });
            }
        }
        let answer_lost = faults.loses_answer();
        accepted.close_call(access_key_id, first, answer_lost);
        Put { outcome, answer_lost }
    }
}

fn check(event_data: &str, checksum: Option<&str>, account: &str) -> Result<(), schema::Refusal> {
    let calculated = || BASE64_STANDARD.encode(Sha256::digest(event_data));
    if checksum.is_some_and(|checksum| checksum != calculated()) {
        let message = "The checksum does not match the event's data".to_owned();
        return Err(("InvalidChecksum", message));
    }
    schema::check(event_data, account)
}
