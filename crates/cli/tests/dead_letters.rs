//! What works on the store alone. `dead-letters` finds the ledger as the component would, without the component and
//! without its other variables; what it does with letters is shown by `tests/component`. `status` is in a module of
//! its own.
#![allow(clippy::unwrap_used)]

mod scene;
mod status;

use std::process::{Command, Output};

use tempfile::TempDir;

const MANIFEST: &str = r#"
spin_manifest_version = 2

[application]
name = "shipper"

[variables]
kong_admin_api = { required = true }
ledger = { default = "" }
key = { required = true }

[[trigger.timer]]
component = "shipper"
interval_secs = 1

[component.shipper]
source = "absent.wasm"
key_value_stores = ["default"]

[component.shipper.variables]
kong_admin_api = "{{ kong_admin_api }}"
ledger = "{{ ledger }}"
"#;

fn folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spin.toml"), manifest).unwrap();
    folder
}

/// What `dead-letters list` says on stderr; it fails, since no run has used any ledger here.
fn told(folder: &TempDir, arguments: &[&str]) -> String {
    let mut cli = Command::new(env!("CARGO_BIN_EXE_kong-cloudtrail"));
    cli.current_dir(folder.path()).env_clear().args(["dead-letters", "list"]).args(arguments);
    let Output { status, stdout, stderr } = cli.output().unwrap();
    assert_eq!((status.code(), stdout), (Some(1), Vec::new()));
    String::from_utf8(stderr).unwrap()
}

#[test]
fn they_are_looked_for_where_the_component_would() {
    let folder = folder(MANIFEST);
    let by_default = told(&folder, &[]);
    assert!(by_default.contains("no run has used the ledger \"default\""), "{by_default}");
    assert!(by_default.contains(".spin/sqlite_key_value.db"), "{by_default}");
    std::fs::write(folder.path().join(".env"), "SPIN_VARIABLE_LEDGER=blue\n").unwrap();
    assert!(told(&folder, &[]).contains("\"blue\""));
    let given = told(&folder, &["--variable", "ledger=green", "--state-dir", ""]);
    assert!(given.contains("the ledger \"green\" in memory"), "{given}");
}

#[test]
fn a_mistake_about_the_components_network_does_not_matter() {
    let folder = folder(MANIFEST);
    let config = "[[client_tls]]\nhosts = ['kong.internal']\n";
    std::fs::write(folder.path().join("runtime-config.toml"), config).unwrap();
    let told = told(&folder, &["--runtime-config-file", "runtime-config.toml"]);
    assert!(told.contains("no run has used"), "{told}");
}

#[test]
fn a_key_that_the_manifest_wants_and_nobody_gives_is_asked_for() {
    let folder = folder(&format!("{MANIFEST}ledger_key = \"{{{{ key }}}}\"\n"));
    let missing = told(&folder, &[]);
    assert!(missing.contains("SPIN_VARIABLE_KEY"), "{missing}");
    let key = format!("key={}", "k".repeat(32));
    assert!(told(&folder, &["--variable", &key]).contains("no run has used"));
}

#[test]
fn a_setting_that_sets_nothing_is_told_with_the_nearest_that_does() {
    let folder = folder(MANIFEST);
    std::fs::write(folder.path().join(".env"), "SPIN_VARIABLE_LEGDER=blue\nLEDGER=green\n")
        .unwrap();
    let told = told(&folder, &["--variable", "ledgre=red", "--variable", "key=x"]);
    for warning in [
        "warning: --variable ledgre sets nothing, since no variable has that name: the nearest is ledger\n",
        "warning: LEDGER in .env sets nothing: write SPIN_VARIABLE_LEDGER\n",
        "warning: SPIN_VARIABLE_LEGDER in .env sets nothing, since no variable has that name: the nearest is SPIN_VARIABLE_LEDGER\n",
    ] {
        assert!(told.contains(warning), "{warning}: {told}");
    }
    assert_eq!(told.matches("warning:").count(), 3, "{told}");
}
