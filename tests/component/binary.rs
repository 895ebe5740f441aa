//! The program with the host in it.

use std::path::PathBuf;

/// Cargo puts it beside the folder of the tests'.
pub fn host() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let host = path.join("kong-cloudtrail");
    let found = host.display();
    assert!(host.exists(), "no program at {found}: run `cargo build -p kong-cloudtrail-cli`");
    host
}
