//! The host's binary.

use std::path::PathBuf;

/// Cargo puts it beside the folder of the tests'.
pub fn host() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let host = path.join("kong-cloudtrail-host");
    let found = host.display();
    assert!(host.exists(), "no host at {found}: run `cargo build -p kong-cloudtrail-host`");
    host
}
