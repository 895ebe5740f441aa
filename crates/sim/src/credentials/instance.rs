//! EC2's instance metadata, version 2 required.
//!
//! Sources: Amazon EC2 user guide, "Use the Instance Metadata Service to access instance metadata"
//! (400, 401, 403 and 404 there; no token for requests with `X-Forwarded-For`) and "Retrieve security
//! credentials from instance metadata". A `PUT` without `Content-Length` is refused with 411: the
//! guide does not say what becomes of one in chunks, so this takes the stricter reading.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::json;

use super::{State, rfc3339};
use crate::front::lock;

const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const MOST_SECS: i64 = 21_600;

/// `PUT /latest/api/token`
pub(super) async fn token(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let settings = lock(&state.settings).clone();
    if settings.beyond_hop_limit {
        std::future::pending::<()>().await;
    }
    if settings.instance_metadata_disabled || headers.contains_key("x-forwarded-for") {
        return StatusCode::FORBIDDEN.into_response();
    }
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return StatusCode::LENGTH_REQUIRED.into_response();
    }
    let ttl = headers.get(TTL).and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
    match ttl.filter(|ttl| (1..=MOST_SECS).contains(ttl)) {
        Some(ttl) => {
            let until = state.front.clock.now() + ttl;
            let sealed = state.issuer.issue(u64::MAX, until).credentials.session_token;
            ([(TTL, ttl.to_string())], sealed.unwrap_or_default()).into_response()
        }
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// `GET /latest/meta-data/iam/security-credentials/[<role>]`
pub(super) async fn metadata(
    Shared(state): Shared<Arc<State>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let settings = lock(&state.settings).clone();
    if settings.instance_metadata_disabled {
        return StatusCode::FORBIDDEN.into_response();
    }
    let token = headers.get(TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = state.front.clock.now();
    if state.issuer.recognize(token).is_none_or(|token| token.expires <= now) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (Some(name), Some(role)) =
        (path.strip_prefix("iam/security-credentials/"), settings.instance_role)
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if name.is_empty() {
        return role.into_response();
    }
    if name != role {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Some(code) = settings.instance_error {
        let message = "EC2 cannot assume the role";
        return Json(json!({ "Code": code, "Message": message, "LastUpdated": rfc3339(now) }))
            .into_response();
    }
    let temporary = state.standing();
    let credentials = temporary.credentials;
    Json(json!({
        "Code": "Success",
        "LastUpdated": rfc3339(now),
        "Type": "AWS-HMAC",
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": rfc3339(temporary.expires),
    }))
    .into_response()
}
