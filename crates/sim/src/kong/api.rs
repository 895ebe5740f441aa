//! The Admin API's answers.
//!
//! Sources: paging, `size`, `offset`, `next` and their errors from Kong's own source and its tests
//! (Kong/kong, `kong/api/endpoints.lua`, `kong/db/dao/init.lua`,
//! `spec/02-integration/04-admin_api/09-routes_routes_spec.lua`); `before` and `after` from the
//! Enterprise Admin API description (Kong/developer.konghq.com, `api-specs/gateway/admin-ee`), the
//! words of their refusal from what Kong Gateway answers; 401 from Kong's RBAC guide. With `audit_log`
//! off Kong Gateway does not set up the audit routes at all (its Admin API is Lua source, and the
//! module of these routes is empty then), so `/audit/*` is as unknown to it as to the open-source
//! Kong: 404.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, Request, State as Shared};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::trail::{Offset, Query};
use super::{Options, State, Stream, activity, control};
use crate::front::{lock, stand_before};

const ADMIN_TOKEN: HeaderName = HeaderName::from_static("kong-admin-token");
const MAX_SIZE: u16 = 1000;
const DEFAULT_SIZE: u16 = 100;

/// The Admin API, and the controls beside it.
pub(super) fn router(state: &Arc<State>) -> Router {
    let api = Router::new()
        .route("/", get(root))
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

/// What Kong does around every Admin API call: asks for the token, and audits the call.
async fn administer(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let token = request.headers().get(&ADMIN_TOKEN).map(|value| value.as_bytes().to_vec());
    let called = (
        request.method().to_string(),
        request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned(),
    );
    let Options { token: wanted, version, .. } = &state.options;
    let admitted = wanted.as_ref().is_none_or(|wanted| token.as_deref() == Some(wanted.as_bytes()));
    let mut response = if admitted {
        next.run(request).await
    } else {
        message(StatusCode::UNAUTHORIZED, "Invalid RBAC credentials")
    };
    // Kong audits a call once it is answered, so no page shows the call that fetched it.
    if state.options.audit_readers && state.audits() {
        let authenticated = admitted && wanted.is_some();
        state.add_reader_call(called, response.status().as_u16(), authenticated);
    }
    if let Ok(server) = HeaderValue::from_str(&format!("kong/{version}")) {
        response.headers_mut().insert(header::SERVER, server);
    }
    response
}

impl State {
    fn audits(&self) -> bool {
        self.options.audit_log && self.options.version.is_enterprise()
    }

    fn add_reader_call(&self, called: (String, String), status: u16, authenticated: bool) {
        let now = self.front.clock.now();
        let mut trails = lock(&self.trails);
        trails.reader_calls += 1;
        let number = trails.reader_calls;
        let seed = self.options.seed;
        let call = activity::reader_call(seed, number, now, called, status, authenticated);
        trails.requests.add_call(call);
    }
}

async fn root(Shared(state): Shared<Arc<State>>) -> Response {
    let options = &state.options;
    let enterprise = options.version.is_enterprise();
    let mut configuration = json!({
        "database": "postgres", "role": "traditional", "log_level": "notice", "prefix": "/usr/local/kong",
        "admin_listen": ["0.0.0.0:8001"], "plugins": ["bundled"],
    });
    if enterprise {
        configuration["audit_log"] = json!(options.audit_log);
        configuration["audit_log_record_ttl"] = json!(options.record_ttl_secs);
        configuration["audit_log_ignore_methods"] = lua_list(&options.ignore_methods);
        configuration["audit_log_ignore_paths"] = lua_list(&options.ignore_paths);
        configuration["audit_log_ignore_tables"] = lua_list(&options.ignore_tables);
        configuration["audit_log_payload_exclude"] = json!(["token", "secret", "password"]);
        configuration["enforce_rbac"] = json!(if options.token.is_some() { "on" } else { "off" });
    }
    axum::Json(json!({
        "tagline": "Welcome to kong",
        "version": options.version.to_string(),
        "edition": if enterprise { "enterprise" } else { "community" },
        "hostname": "kong-cp-0",
        "node_id": "6a72192c-a3a1-4c8d-95c6-efabae9fb969",
        "lua_version": "LuaJIT 2.1.0-20231117",
        "timers": { "running": 0, "pending": 8 },
        "plugins": { "available_on_server": {}, "enabled_in_cluster": ["cors", "rate-limiting"] },
        "configuration": configuration,
    }))
    .into_response()
}

/// Lua has one type for lists and maps; Kong's JSON shows an empty one as `{}`.
fn lua_list(values: &[String]) -> Value {
    if values.is_empty() { json!({}) } else { json!(values) }
}

async fn requests(Shared(state): Shared<Arc<State>>, RawQuery(query): RawQuery) -> Response {
    page(&state, Stream::Requests, &query.unwrap_or_default())
}

async fn objects(Shared(state): Shared<Arc<State>>, RawQuery(query): RawQuery) -> Response {
    page(&state, Stream::Objects, &query.unwrap_or_default())
}

/// The parameters that Kong knows, as given. Others it ignores.
#[derive(Default)]
struct Parameters {
    size: Option<String>,
    offset: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

impl Parameters {
    fn read(query: &str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let parameter = match name.as_ref() {
                "size" => &mut parameters.size,
                "offset" => &mut parameters.offset,
                "before" => &mut parameters.before,
                "after" => &mut parameters.after,
                _ => continue,
            };
            *parameter = Some(value.into_owned());
        }
        parameters
    }
}

fn page(state: &State, stream: Stream, query: &str) -> Response {
    if !state.audits() {
        return message(StatusCode::NOT_FOUND, "Not found");
    }
    let parameters = Parameters::read(query);
    let faults = lock(&state.faults).clone();
    let version = &state.options.version;
    let mut query = match understand(&parameters, version.filters_by_time()) {
        Ok(query) => query,
        Err(refusal) => return (StatusCode::BAD_REQUEST, axum::Json(refusal)).into_response(),
    };
    query.shifting = faults.shifting_offsets;
    let (items, mut offset) = state.with_trail(stream, |trail| trail.page(&query));
    let filtered = query.before.is_some() || query.after.is_some();
    if let (true, Some(limit)) = (filtered, faults.end_early_after_pages) {
        offset = offset.filter(|offset| offset.pages < limit);
    }

    let mut body = br#"{"data":"#.to_vec();
    state.write(stream, &items, &mut body);
    let tail = match offset.map(Offset::encode) {
        None => r#","next":null}"#.to_owned(),
        Some(offset) => {
            let keeps_filters = stream == Stream::Objects || version.next_keeps_filters();
            let next = next_link(stream, &offset, &parameters, keeps_filters);
            format!(r#","next":{},"offset":{}}}"#, json!(next), json!(offset))
        }
    };
    body.extend_from_slice(tail.as_bytes());
    ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

fn next_link(stream: Stream, offset: &str, parameters: &Parameters, keeps_filters: bool) -> String {
    let path = match stream {
        Stream::Requests => "/audit/requests",
        Stream::Objects => "/audit/objects",
    };
    let mut next = format!("{path}?offset={}", utf8_percent_encode(offset, NON_ALPHANUMERIC));
    let kept = [
        ("size", &parameters.size),
        ("before", &parameters.before.clone().filter(|_| keeps_filters)),
        ("after", &parameters.after.clone().filter(|_| keeps_filters)),
    ];
    for (name, value) in kept {
        if let Some(value) = value {
            next.extend(["&", name, "="]);
            next.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
    }
    next
}

/// The query that the parameters ask for, or the body of Kong's refusal.
fn understand(parameters: &Parameters, filters: bool) -> Result<Query, Value> {
    let mut query = Query { size: DEFAULT_SIZE.into(), ..Query::default() };
    if let Some(size) = &parameters.size {
        let refusal = |text: &str| json!({"code": 9, "name": "invalid size", "message": text});
        let size: f64 = size.trim().parse().map_err(|_| refusal("size must be a number"))?;
        query.size = (1..=MAX_SIZE)
            .find(|allowed| (f64::from(*allowed) - size).abs() < f64::EPSILON)
            .map(usize::from)
            .ok_or_else(|| refusal("size must be an integer between 1 and 1000"))?;
    }
    if let Some(offset) = &parameters.offset {
        query.offset = Some(Offset::decode(offset).map_err(|why| {
            let text = format!("'{offset}' is not a valid offset: {why}");
            json!({"code": 7, "name": "invalid offset", "message": text})
        })?);
    }
    if filters {
        query.before = parameters.before.as_deref().map(instant).transpose()?;
        query.after = parameters.after.as_deref().map(instant).transpose()?;
    }
    Ok(query)
}

/// Unix seconds, or RFC 3339 with `Z` and without fractions of a second.
fn instant(text: &str) -> Result<i64, Value> {
    if let Some(seconds) = text.trim().parse::<f64>().ok().filter(|seconds| seconds.is_finite()) {
        // Entries have whole seconds, so a bound between two is the later one's.
        #[allow(clippy::cast_possible_truncation)]
        return Ok(seconds.ceil() as i64);
    }
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time::PrimitiveDateTime::parse(text, format)
        .map(time::PrimitiveDateTime::assume_utc)
        .map(OffsetDateTime::unix_timestamp)
        .map_err(|_| {
            json!({
                "name": "invalid search query",
                "message": format!(
                    "date param: '{text}' does not match expected format: YYYY-MM-DDTHH:MI:SSZ"
                ),
            })
        })
}
