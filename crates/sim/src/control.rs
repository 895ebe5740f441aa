//! What the control endpoints of both simulators share.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A body of JSON, whatever its content type says and however long it is; an empty one is `{}`.
pub(crate) struct Posted<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Posted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let refusal = |why: String| (StatusCode::BAD_REQUEST, why).into_response();
        let body = axum::body::to_bytes(request.into_body(), usize::MAX)
            .await
            .map_err(|error| refusal(error.to_string()))?;
        let json: &[u8] = if body.is_empty() { b"{}" } else { &body };
        serde_json::from_slice(json).map(Self).map_err(|error| refusal(error.to_string()))
    }
}

/// `POST /_sim/clock`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockOffset {
    pub(crate) offset_secs: i64,
}

/// The part of a list that is asked for.
#[derive(Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    pub(crate) from: usize,
    #[serde(default = "thousand")]
    pub(crate) limit: usize,
}

fn thousand() -> usize {
    1000
}
