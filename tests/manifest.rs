//! The two Spin manifests keep the contract that users rely on: the variables with their defaults,
//! the origins that the component may reach, and where it is built.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

/// Every variable with its default; none where Spin must refuse to start without a value.
const VARIABLES: [(&str, Option<&str>); 39] = [
    ("adopt_lambda_keys", Some("false")),
    ("allow_outbound", Some("https://*.amazonaws.com")),
    ("audit_streams", Some("requests,objects")),
    ("aws_access_key_id", Some("")),
    ("aws_container_authorization_token", Some("")),
    ("aws_container_authorization_token_file", Some("")),
    ("aws_container_credentials_full_uri", Some("")),
    ("aws_container_credentials_relative_uri", Some("")),
    ("aws_ec2_metadata_disabled", Some("false")),
    ("aws_ec2_metadata_service_endpoint", Some("")),
    ("aws_endpoint_url_sts", Some("")),
    ("aws_role_arn", Some("")),
    ("aws_role_session_name", Some("kong-cloudtrail")),
    ("aws_secret_access_key", Some("")),
    ("aws_session_token", Some("")),
    ("aws_web_identity_token_file", Some("")),
    ("channel_arn", Some("")),
    ("cloudtrail_endpoint", Some("")),
    ("event_source", Some("kong-gateway")),
    ("external_id", Some("")),
    ("full_secs", Some("3600")),
    ("kong_admin_api", None),
    ("kong_admin_path", Some("")),
    ("kong_admin_token", Some("")),
    ("kong_admin_token_header", Some("Kong-Admin-Token")),
    ("lease_secs", Some("300")),
    ("ledger", Some("default")),
    ("ledger_key", Some("")),
    ("ledger_key_previous", Some("")),
    ("log_level", Some("info")),
    ("lookback_secs", Some("3600")),
    ("max_calls_per_sec", Some("90")),
    ("max_in_flight", Some("16")),
    ("overlap_secs", Some("120")),
    ("page_size", Some("1000")),
    ("reconcile_secs", Some("86400")),
    ("run_budget_secs", Some("3000")),
    ("use_dualstack_endpoint", Some("false")),
    ("use_fips_endpoint", Some("false")),
];

const SECRETS: [&str; 7] = [
    "aws_access_key_id",
    "aws_container_authorization_token",
    "aws_secret_access_key",
    "aws_session_token",
    "kong_admin_token",
    "ledger_key",
    "ledger_key_previous",
];

const OUTBOUND_HOSTS: [&str; 9] = [
    "{{ kong_admin_api }}",
    "https://*.amazonaws.com",
    "https://*.amazonaws.com.cn",
    "https://*.api.aws",
    "https://*.api.amazonwebservices.com.cn",
    "http://169.254.170.2",
    "http://169.254.170.23",
    "http://169.254.169.254",
    "{{ allow_outbound }}",
];

const MANIFESTS: [&str; 2] = ["spin.toml", "spin-command.toml"];

fn manifest(name: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn component(manifest: &Table) -> &Value {
    &manifest["component"]["kong-cloudtrail"]
}

#[test]
fn every_variable_has_the_default_of_the_contract() {
    for name in MANIFESTS {
        let manifest = manifest(name);
        let variables: BTreeMap<&str, Option<&str>> = manifest["variables"]
            .as_table()
            .unwrap()
            .iter()
            .map(|(name, variable)| {
                let default = variable.get("default").map(|default| default.as_str().unwrap());
                let required = variable.get("required").and_then(Value::as_bool) == Some(true);
                assert_eq!(required, default.is_none(), "{name}: Spin wants one of the two");
                (name.as_str(), default)
            })
            .collect();
        assert_eq!(variables, BTreeMap::from(VARIABLES), "{name}");
    }
}

#[test]
fn credentials_and_the_token_are_secret_and_nothing_else_is() {
    for name in MANIFESTS {
        let manifest = manifest(name);
        let mut secrets: Vec<&str> = manifest["variables"]
            .as_table()
            .unwrap()
            .iter()
            .filter(|(_, variable)| variable.get("secret").and_then(Value::as_bool) == Some(true))
            .map(|(name, _)| name.as_str())
            .collect();
        secrets.sort_unstable();
        assert_eq!(secrets, SECRETS, "{name}");
    }
}

#[test]
fn the_component_receives_every_variable_under_its_own_name() {
    for name in MANIFESTS {
        let manifest = manifest(name);
        let passed: BTreeMap<&str, &str> = component(&manifest)["variables"]
            .as_table()
            .unwrap()
            .iter()
            .map(|(name, template)| (name.as_str(), template.as_str().unwrap()))
            .collect();
        let templates = VARIABLES.map(|(name, _)| (name, format!("{{{{ {name} }}}}")));
        let expected = templates.iter().map(|(name, template)| (*name, template.as_str()));
        assert_eq!(passed, expected.collect(), "{name}");
    }
}

#[test]
fn the_component_may_reach_kong_aws_the_credential_endpoints_and_one_more_origin() {
    for name in MANIFESTS {
        let manifest = manifest(name);
        let hosts: Vec<&str> = component(&manifest)["allowed_outbound_hosts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|host| host.as_str().unwrap())
            .collect();
        assert_eq!(hosts, OUTBOUND_HOSTS, "{name}");
    }
}

#[test]
fn the_manifests_differ_in_the_trigger_alone() {
    let [mut timer, mut command] = MANIFESTS.map(manifest);
    let expected_timer = "[[timer]]\ncomponent = 'kong-cloudtrail'\ninterval_secs = 300";
    let expected_command = "[[command]]\ncomponent = 'kong-cloudtrail'";
    assert_eq!(timer.remove("trigger"), Some(Value::Table(expected_timer.parse().unwrap())));
    assert_eq!(command.remove("trigger"), Some(Value::Table(expected_command.parse().unwrap())));
    assert_eq!(timer, command);
}

#[test]
fn spin_finds_the_component_where_the_build_command_puts_it() {
    let manifest = manifest("spin.toml");
    let component = component(&manifest);
    let path = "target/wasm32-wasip2/release/kong_cloudtrail.wasm";
    assert_eq!(component["source"].as_str(), Some(path));
    assert_eq!(component["build"]["command"].as_str(), Some("cargo xtask build"));
    assert_eq!(component["key_value_stores"], Value::from(vec!["default"]));
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = manifest("spin.toml")["application"]["version"].as_str().unwrap().to_owned();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}
