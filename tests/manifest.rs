//! The two Spin manifests keep the contract that users rely on: the origins that the component may
//! reach, what it receives, and where it is built. Their variables are held by `tests/variables.rs`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use kong_cloudtrail::variables::{VARIABLES, Variable};
use toml::{Table, Value};

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
fn the_component_receives_every_variable_under_its_own_name() {
    for name in MANIFESTS {
        let manifest = manifest(name);
        let passed: BTreeMap<&str, &str> = component(&manifest)["variables"]
            .as_table()
            .unwrap()
            .iter()
            .map(|(name, template)| (name.as_str(), template.as_str().unwrap()))
            .collect();
        let templates = VARIABLES.map(|Variable { name, .. }| (name, format!("{{{{ {name} }}}}")));
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
    for name in ["spin.toml", "spin-command.toml", "spin-status.toml"] {
        let version = manifest(name)["application"]["version"].as_str().unwrap().to_owned();
        assert_eq!(version, env!("CARGO_PKG_VERSION"), "{name}");
    }
}

#[test]
fn the_status_page_serves_all_paths_and_reaches_nothing_but_the_store() {
    let manifest = manifest("spin-status.toml");
    let expected = "[[http]]\nroute = '/...'\ncomponent = 'status'";
    assert_eq!(manifest["trigger"], Value::Table(expected.parse().unwrap()));
    let component = manifest["component"]["status"].as_table().unwrap();
    assert_eq!(component["allowed_outbound_hosts"], Value::Array(Vec::new()));
    assert_eq!(component["key_value_stores"], Value::from(vec!["default"]));
    assert!(!component.contains_key("files"));
    let path = "target/wasm32-wasip2/release/kong_cloudtrail_status.wasm";
    assert_eq!(component["source"].as_str(), Some(path));
    for (name, template) in component["variables"].as_table().unwrap() {
        assert_eq!(template.as_str().unwrap(), format!("{{{{ {name} }}}}"));
        assert!(manifest["variables"].get(name).is_some(), "{name}");
    }
    let declared = manifest["variables"].as_table().unwrap().len();
    assert_eq!(component["variables"].as_table().unwrap().len(), declared);
}
