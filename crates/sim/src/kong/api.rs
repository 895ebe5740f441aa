//! The Admin API's answers.
//!
//! Sources: 401 and the 403 for a user without the right from Kong's RBAC guide; the 403 without a
//! licence from what operators of Kong report. That the audit log is among what a licence is asked
//! for is likely. With `audit_log` off Kong Gateway does
//! not set up the audit routes at all (its Admin API is Lua source, and the module of these routes
//! is empty then), so `/audit/*` is as unknown to it as to the open-source Kong: 404.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{RawQuery, Request, State as Shared};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::activity::{Called, READER};
use super::options::Rbac;
use super::{State, Stream, control, root};
use crate::front::{lock, stand_before};

/// The Admin API, and the controls beside it.
pub(super) fn router(state: &Arc<State>) -> Router {
    let api = Router::new()
        .route("/", get(async |Shared(state): Shared<Arc<State>>| root::answer(&state)))
        .route("/audit/requests", get(requests))
        .route("/audit/objects", get(objects))
        .fallback(async || message(StatusCode::NOT_FOUND, "Not found"))
        .method_not_allowed_fallback(async || {
            message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
        })
        .layer(from_fn_with_state(state.clone(), administer))
        .with_state(state.clone());
    let api = match state.options.admin_path.as_str() {
        "" => api,
        // As a service it also answers at the prefix with a slash behind it.
        prefix => Router::new().nest_service(prefix, api),
    };
    api.layer(from_fn_with_state(state.front.clone(), stand_before)).merge(control::router(state))
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, axum::Json(json!({ "message": text }))).into_response()
}

/// Who calls, as far as Kong can tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// RBAC is off, or there is no token to give.
    Anybody,
    /// The user of the token.
    Reader,
    /// None of Kong's users.
    Stranger,
}

/// What Kong does around every Admin API call: asks for the token, and audits the call.
async fn administer(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let caller = state.caller(&request);
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let path = path.to_owned();
    let mut response = match state.refusal(caller, request.uri().path()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    // Kong audits a call once it is answered, so no page shows the call that fetched it.
    if state.options.audit_readers && state.audits() {
        let authenticated = caller == Caller::Reader;
        let status = response.status().as_u16();
        state.add_reader_call(Called { method, path, status, authenticated });
    }
    if state.options.shape.byte_order_mark {
        response = marked(response).await;
    }
    if let Ok(server) = HeaderValue::from_str(&format!("kong/{}", state.version())) {
        response.headers_mut().insert(header::SERVER, server);
    }
    response
}

impl State {
    fn caller(&self, request: &Request) -> Caller {
        let node = &self.options.node;
        match &self.options.token {
            Some(wanted) if node.enforce_rbac != Some(Rbac::Off) => {
                let given = request.headers().get(node.rbac_auth_header.as_str());
                let fits = given.is_some_and(|token| token.as_bytes() == wanted.as_bytes());
                if fits { Caller::Reader } else { Caller::Stranger }
            }
            _ => Caller::Anybody,
        }
    }

    /// How Kong refuses the call, if it does.
    fn refusal(&self, caller: Caller, path: &str) -> Option<Response> {
        if caller == Caller::Stranger {
            return Some(message(StatusCode::UNAUTHORIZED, "Invalid RBAC credentials"));
        }
        let faults = lock(&self.faults);
        if faults.no_permission.iter().any(|forbidden| forbidden == path) {
            let text = format!("{READER}, you do not have permissions to read this resource");
            return Some(message(StatusCode::FORBIDDEN, &text));
        }
        (faults.licence_missing && path.starts_with("/audit/"))
            .then(|| message(StatusCode::FORBIDDEN, "Enterprise license missing or expired"))
    }
}

/// The answer with a byte order mark before its body.
async fn marked(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let mut marked = "\u{feff}".as_bytes().to_vec();
    marked.extend_from_slice(&to_bytes(body, usize::MAX).await.unwrap_or_default());
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(marked))
}

async fn requests(Shared(state): Shared<Arc<State>>, RawQuery(query): RawQuery) -> Response {
    page(&state, Stream::Requests, &query.unwrap_or_default())
}

async fn objects(Shared(state): Shared<Arc<State>>, RawQuery(query): RawQuery) -> Response {
    page(&state, Stream::Objects, &query.unwrap_or_default())
}

fn page(state: &State, stream: Stream, query: &str) -> Response {
    if !state.audits() {
        return message(StatusCode::NOT_FOUND, "Not found");
    }
    match state.page(stream, query) {
        Ok(answer) => answer,
        Err(refusal) => (StatusCode::BAD_REQUEST, axum::Json(refusal)).into_response(),
    }
}
