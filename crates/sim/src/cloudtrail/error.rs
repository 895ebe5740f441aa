//! The endpoint's errors, in the shape of AWS's restJson1 protocol: the status, the type in the
//! header `x-amzn-errortype`, and a body with `message`.
//!
//! Sources: the service model `cloudtrail-data` 2021-08-11 (it gives its six errors no status, so
//! they have restJson1's for a client's error, 400, and a `message` each); the IAM user guide,
//! "Troubleshoot Signature Version 4 signing", for the texts on signatures; AWS's common errors for
//! the rest.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An error that refuses a whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// Its type, such as `ChannelNotFound`.
    pub kind: Cow<'static, str>,
    /// The HTTP status.
    pub status: StatusCode,
    /// For the caller to read.
    pub message: String,
}

/// What AWS throttles with; a 400, not a 429.
pub const THROTTLING: &str = "ThrottlingException";

impl ServiceError {
    /// An error with the status that its type has.
    pub fn new(kind: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let kind = kind.into();
        let status = match kind.as_ref() {
            "AccessDeniedException"
            | "ExpiredTokenException"
            | "IncompleteSignatureException"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException"
            | "UnrecognizedClientException" => StatusCode::FORBIDDEN,
            "UnknownOperationException" => StatusCode::NOT_FOUND,
            "RequestEntityTooLargeException" => StatusCode::PAYLOAD_TOO_LARGE,
            "InternalFailure" | "InternalServerError" => StatusCode::INTERNAL_SERVER_ERROR,
            "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { kind, status, message: message.into() }
    }

    /// AWS's words for an error of this type.
    fn usual_message(kind: &str) -> &'static str {
        match kind {
            "AccessDeniedException" => "You are not authorized to perform this operation.",
            "ChannelInsufficientPermission" => {
                "The caller's account ID must be the same as the channel owner's account ID."
            }
            "ChannelNotFound" => "The channel could not be found.",
            "ChannelUnsupportedSchema" => "The schema type of the event is not supported.",
            "DuplicatedAuditEventId" => {
                "Two or more entries in the request have the same event ID."
            }
            "ExpiredTokenException" => "The security token included in the request is expired",
            "InvalidChannelARN" => "The specified channel ARN is not a valid channel ARN.",
            THROTTLING => "Rate exceeded",
            "UnrecognizedClientException" => {
                "The security token included in the request is invalid."
            }
            "UnsupportedOperationException" => {
                "The operation requested is not supported in this region or account."
            }
            _ => "The request processing has failed.",
        }
    }

    /// An error in AWS's words.
    pub fn usual(kind: impl Into<Cow<'static, str>>) -> Self {
        let kind = kind.into();
        let message = Self::usual_message(&kind);
        Self::new(kind, message)
    }

    /// A request that the service model does not allow.
    pub fn validation(member: &str, constraint: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"
        );
        Self::new("ValidationException", message)
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        let body = axum::Json(json!({ "message": self.message }));
        let mut response = (self.status, body).into_response();
        if let Ok(kind) = HeaderValue::from_str(&self.kind) {
            response.headers_mut().insert(ERROR_TYPE, kind);
        }
        response
    }
}
