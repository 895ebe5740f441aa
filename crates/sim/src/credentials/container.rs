//! What ECS and EKS Pod Identity give a container.
//!
//! Sources: Amazon ECS developer guide, "Task IAM role"; AWS SDKs and tools reference guide,
//! "Container credential provider", for the `Authorization` header, the JSON and its error form.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::{State, rfc3339};
use crate::front::lock;

/// `GET /v1/credentials`, `GET /v2/credentials/<id>`
pub(super) async fn credentials(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let wanted = lock(&state.settings).authorization.clone();
    let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes().to_vec());
    if wanted.is_some() && wanted.map(String::into_bytes) != given {
        let body = json!({
            "code": "AccessDenied",
            // What it was given, as a careless server would: nobody may print it.
            "message": format!("Authorization {:?} is not valid", given.map(|given| String::from_utf8_lossy(&given).into_owned())),
        });
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    let temporary = state.standing();
    let credentials = temporary.credentials;
    Json(json!({
        "RoleArn": lock(&state.settings).role_arn,
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": rfc3339(temporary.expires),
    }))
    .into_response()
}
