//! `PutObject`, and `GetObject` for whoever reads what is there: from the request to the answer.
//!
//! Sources: S3 API reference, PutObject and Error responses; S3 user guide, conditional writes, Object Lock,
//! checking object integrity. Where they leave room, this takes the reading that forgives least.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use http::request::Parts;
use http::{HeaderName, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::{Keep, Listed, Object, SEED, State, lock};
use crate::caller::authenticate;
use crate::cloudtrail::error::{ServiceError, THROTTLING};
use crate::cloudtrail::sigv4::Scope;
use crate::cloudwatch::identified;
use crate::random::{generator, mix, uuid};
use crate::server::Connection;

/// Read well beyond what is ever sent.
const MOST_READ: usize = 64 << 20;
const SLOW_DOWN: &str = "SlowDown";

/// The handler.
pub(super) async fn put_object(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    request: http::Request<Body>,
) -> Response {
    let number = state.counts.requests.fetch_add(1, Ordering::Relaxed);
    let (head, body) = request.into_parts();
    let request_id = uuid(&mut generator(mix(SEED, 4000), number)).to_string();
    let mut response = match answer(&state, &head, body).await {
        Ok(Done { etag, answer_lost, body }) => {
            // The object is kept by now; the caller will never know.
            if answer_lost {
                connection.reset().await;
            }
            ([(header::ETAG, etag)], body).into_response()
        }
        Err(error) => {
            let counts = &state.counts;
            match error.kind.as_ref() {
                SLOW_DOWN => counts.throttled.fetch_add(1, Ordering::Relaxed),
                "PreconditionFailed" => counts.taken.fetch_add(1, Ordering::Relaxed),
                _ => counts.refused.fetch_add(1, Ordering::Relaxed),
            };
            let xml = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>\
                 <RequestId>{request_id}</RequestId></Error>",
                error.kind,
                error.message.replace('&', "&amp;").replace('<', "&lt;")
            );
            (error.status, [(header::CONTENT_TYPE, "application/xml")], xml).into_response()
        }
    };
    if let Ok(id) = request_id.parse() {
        response.headers_mut().insert(HeaderName::from_static("x-amz-request-id"), id);
    }
    response
}

/// What a call came to, and whether its caller gets to know.
struct Done {
    etag: String,
    answer_lost: bool,
    /// What was asked for.
    body: Vec<u8>,
}

/// An error of S3's.
fn error(kind: &'static str, message: &str) -> ServiceError {
    in_this_protocol(ServiceError::new(kind, message))
}

/// By S3's codes and statuses.
fn in_this_protocol(error: ServiceError) -> ServiceError {
    let ServiceError { kind, message, .. } = error;
    let kind = match kind.as_ref() {
        "InvalidSignatureException" if message.contains("valid Region") => {
            "AuthorizationHeaderMalformed".into()
        }
        "InvalidSignatureException" if message.starts_with("Signature expired") => {
            "RequestTimeTooSkewed".into()
        }
        "InvalidSignatureException" if message.starts_with("Signature not yet") => {
            "RequestTimeTooSkewed".into()
        }
        "InvalidSignatureException" => "SignatureDoesNotMatch".into(),
        "UnrecognizedClientException" => "InvalidAccessKeyId".into(),
        "ExpiredTokenException" => "ExpiredToken".into(),
        "MissingAuthenticationTokenException"
        | "IncompleteSignatureException"
        | "AccessDeniedException" => "AccessDenied".into(),
        "InternalServerError" | "InternalFailure" => "InternalError".into(),
        THROTTLING => SLOW_DOWN.into(),
        _ => kind,
    };
    let status = match kind.as_ref() {
        "AccessDenied"
        | "InvalidAccessKeyId"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch" => StatusCode::FORBIDDEN,
        "NoSuchBucket" | "NoSuchKey" => StatusCode::NOT_FOUND,
        "MethodNotAllowed" => StatusCode::METHOD_NOT_ALLOWED,
        "ConditionalRequestConflict" | "OperationAborted" => StatusCode::CONFLICT,
        "PreconditionFailed" => StatusCode::PRECONDITION_FAILED,
        "InternalError" => StatusCode::INTERNAL_SERVER_ERROR,
        "NotImplemented" => StatusCode::NOT_IMPLEMENTED,
        SLOW_DOWN | "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    ServiceError { kind, status, message }
}

async fn answer(state: &State, head: &Parts, body: Body) -> Result<Done, ServiceError> {
    let body = to_bytes(body, MOST_READ)
        .await
        .map_err(|_| error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed"))?;
    let now = state.front.clock.now();
    let scope = Scope { region: &state.region, service: "s3", now };
    let keys = lock(&state.credentials).clone();
    let access_key_id = authenticate((head, &body), &scope, keys, state.issuer.as_ref())
        .map_err(in_this_protocol)?;
    let hash = Sha256::digest(&body);
    if text(head, "x-amz-content-sha256") != Some(&hex::encode(hash)) {
        return Err(error(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ));
    }
    if let Some(struck) = lock(&state.faults).error() {
        return Err(in_this_protocol(struck));
    }
    if !lock(&state.throttle).admits() {
        return Err(error(SLOW_DOWN, "Please reduce your request rate."));
    }
    let key = state.find(head)?;
    if head.method == Method::GET {
        return state.get(&key);
    }
    State::check(head, &STANDARD.encode(hash))?;
    state.put(key, body.to_vec(), access_key_id)
}

fn text<'h>(head: &'h Parts, name: &str) -> Option<&'h str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

impl State {
    /// The key in the path.
    fn find(&self, head: &Parts) -> Result<String, ServiceError> {
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((&path, ""));
        if bucket != self.bucket {
            return Err(error("NoSuchBucket", "The specified bucket does not exist"));
        }
        let owner = text(head, "x-amz-expected-bucket-owner");
        if owner.is_some_and(|owner| owner != *lock(&self.account)) {
            return Err(error("AccessDenied", "Access Denied"));
        }
        // The bucket's policy denies deletion.
        match head.method {
            Method::PUT | Method::GET if !key.is_empty() && head.uri.query().is_none() => {
                Ok(key.to_owned())
            }
            Method::DELETE => Err(error("AccessDenied", "Access Denied")),
            _ => Err(error(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
            )),
        }
    }

    /// What Object Lock and the bucket's policy ask for.
    fn check(head: &Parts, hash: &str) -> Result<(), ServiceError> {
        match text(head, "if-none-match") {
            Some("*") => {}
            Some(_) => {
                return Err(error(
                    "NotImplemented",
                    "A header you provided implies functionality that is not implemented",
                ));
            }
            None => return Err(error("AccessDenied", "Access Denied")),
        }
        if text(head, "content-encoding").is_some() {
            return Err(error("NotImplemented", "Encodings are not simulated"));
        }
        match (text(head, "x-amz-checksum-sha256"), text(head, "x-amz-sdk-checksum-algorithm")) {
            (Some(told), _) if told != hash => Err(error(
                "BadDigest",
                "The SHA256 you specified did not match the calculated checksum.",
            )),
            (Some(_), None | Some("SHA256")) => Ok(()),
            _ => Err(error(
                "InvalidRequest",
                "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock \
                 parameters",
            )),
        }
    }

    fn get(&self, key: &str) -> Result<Done, ServiceError> {
        let kept = lock(&self.kept);
        let object = kept.objects.get(key);
        let body = object.ok_or_else(|| error("NoSuchKey", "The specified key does not exist."))?;
        let body = body.body.clone();
        Ok(Done { etag: etag(&body), answer_lost: false, body })
    }

    fn put(&self, key: String, body: Vec<u8>, access_key_id: String) -> Result<Done, ServiceError> {
        let mut kept = lock(&self.kept);
        if kept.objects.contains_key(&key) {
            return Err(error(
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
            ));
        }
        let mut lines = String::new();
        // What is no such file is an object like any other.
        let _ = MultiGzDecoder::new(&body[..]).read_to_string(&mut lines);
        let first = kept.accepted.len();
        for (id, data) in lines.lines().map(identified) {
            kept.accepted.accept(&id, &data);
        }
        let answer_lost = lock(&self.faults).loses_answer();
        kept.accepted.close_call(access_key_id, first, answer_lost);
        let listed = Listed { key: key.clone(), bytes: body.len(), lines_bytes: lines.len() };
        let etag = etag(&body);
        let body = if self.keep == Keep::Ids { Vec::new() } else { body };
        kept.objects.insert(key, Object { listed, body });
        Ok(Done { etag, answer_lost, body: Vec::new() })
    }
}

fn etag(body: &[u8]) -> String {
    format!("\"{}\"", hex::encode(&Sha256::digest(body)[..16]))
}
