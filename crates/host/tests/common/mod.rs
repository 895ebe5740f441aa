//! What the host's integration tests share, and the command line's.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;

use kong_cloudtrail_host::application::{self, Sources};
use kong_cloudtrail_host::{App, Options};
use tempfile::TempDir;

/// The probe's manifest, without its trigger.
pub const MANIFEST: &str = r#"
spin_manifest_version = 2

[application]
name = "probe"

[variables]
act = { required = true }
greeting = { default = "hello" }

[component.probe]
source = "probe.wasm"
key_value_stores = ["default"]

[component.probe.variables]
act = "{{ act }}"
greeting = "<{{ greeting }}>"
"#;

/// A trigger that calls the timer's export.
pub const TIMER: &str = "[[trigger.timer]]\ncomponent = \"probe\"\ninterval_secs = 1\n";
/// A trigger that calls `wasi:cli/run`.
pub const COMMAND: &str = "[[trigger.command]]\ncomponent = \"probe\"\n";

/// A folder with the probe, built, and a manifest of the given text.
pub fn folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let wasm = wat::parse_str(include_str!("../guests/probe.wat"));
    std::fs::write(folder.path().join("probe.wasm"), wasm.unwrap()).unwrap();
    std::fs::write(folder.path().join("spin.toml"), manifest).unwrap();
    folder
}

/// Options for the application in `folder`, with its variable `act`.
pub fn options(folder: &TempDir, act: &str) -> Options {
    Options {
        application: application::Options {
            manifest: folder.path().to_owned(),
            variables: Sources {
                given: [("act".to_owned(), act.to_owned())].into(),
                ..Sources::default()
            },
            ..application::Options::default()
        },
        cache_dir: Some(cache_dir()),
        ..Options::default()
    }
}

/// One cache for all tests of a build.
pub fn cache_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("component-cache")
}

/// The probe, loaded from `folder`, with its variable `act`.
pub fn probe(folder: &TempDir, act: &str) -> App {
    App::load(options(folder, act)).unwrap()
}
