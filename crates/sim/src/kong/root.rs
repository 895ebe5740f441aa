//! `GET /`: who answers, and the settings in force.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::options::Configuration;
use super::state::State;

/// The answer to `GET /`.
pub(super) fn answer(state: &State) -> Response {
    let version = state.version();
    let edition = if version.is_enterprise() { "enterprise" } else { "community" };
    let mut body = json!({
        "tagline": "Welcome to kong",
        "version": version.to_string(),
        "edition": edition,
        "hostname": "kong-cp-0",
        "node_id": "6a72192c-a3a1-4c8d-95c6-efabae9fb969",
        "lua_version": "LuaJIT 2.1.0-20231117",
        "timers": { "running": 0, "pending": 8 },
        "plugins": { "available_on_server": {}, "enabled_in_cluster": ["cors", "rate-limiting"] },
    });
    match state.options.shape.configuration {
        Configuration::Shown => {
            body["configuration"] = configuration(state, version.is_enterprise());
        }
        Configuration::EmptyList => body["configuration"] = json!([]),
        Configuration::Null => body["configuration"] = Value::Null,
        Configuration::Hidden => {}
    }
    axum::Json(body).into_response()
}

fn configuration(state: &State, enterprise: bool) -> Value {
    let options = &state.options;
    let node = &options.node;
    let mut configuration = json!({
        "database": node.database, "role": node.role, "log_level": "notice",
        "prefix": "/usr/local/kong", "admin_listen": ["0.0.0.0:8001"], "plugins": ["bundled"],
    });
    if enterprise {
        configuration["audit_log"] = json!(options.audit_log);
        configuration["audit_log_record_ttl"] = json!(state.record_ttl_secs());
        configuration["audit_log_ignore_methods"] = lua_list(&[]);
        configuration["audit_log_ignore_paths"] = lua_list(&options.ignore_paths);
        configuration["audit_log_ignore_tables"] = lua_list(&[]);
        configuration["audit_log_payload_exclude"] = json!(["token", "secret", "password"]);
        configuration["enforce_rbac"] = json!(options.enforce_rbac());
        configuration["rbac_auth_header"] = json!(node.rbac_auth_header);
    }
    configuration
}

/// Lua has one type for lists and maps; Kong's JSON shows an empty one as `{}`.
fn lua_list(values: &[String]) -> Value {
    if values.is_empty() { json!({}) } else { json!(values) }
}
