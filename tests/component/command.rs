//! The host's command line, as the README gives it.

use std::path::Path;
use std::process::Command;

use kong_cloudtrail_sim::kong;

use super::support::{Store, World};

fn once(world: &World, manifest: &str, extra: &[&str]) -> (i32, String, String) {
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(host());
    command.arg("once").arg("--from").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest));
    command.arg("--state-dir").arg(state.path()).args(extra);
    for (name, value) in &world.variables {
        command.env(format!("SPIN_VARIABLE_{}", name.to_uppercase()), value);
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// The host's binary, which cargo puts two folders above the tests'.
fn host() -> std::path::PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let host = path.join("kong-cloudtrail-host");
    assert!(
        host.exists(),
        "no host at {}: run `cargo build -p kong-cloudtrail-host`",
        host.display()
    );
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn once_prints_the_report_and_its_status_tells_the_outcome() {
    let mut world =
        World::new(Store::Sqlite, kong::Options { requests: 5, objects: 5, ..Default::default() });
    let (status, stdout, stderr) = once(&world, "spin.toml", &["--quiet"]);
    assert_eq!(status, 0, "{stdout}{stderr}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert!(stdout.contains(r#""outcome":"ok""#), "{stdout}");

    world.set("page_size", "0");
    let (status, stdout, _) = once(&world, "spin.toml", &[]);
    assert_eq!(status, 1);
    assert!(stdout.contains(r#""outcome":"failed""#) && stdout.contains("page_size"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_admin_api_is_refused_by_the_host_as_by_spin() {
    let mut world = World::new(Store::Sqlite, kong::Options::default());
    world.variables.remove("kong_admin_api");
    let (status, stdout, stderr) = once(&world, "spin.toml", &[]);
    assert_eq!(status, 1);
    assert_eq!(stdout, "");
    assert!(stderr.contains("kong_admin_api"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_trigger_runs_the_same_component() {
    let world =
        World::new(Store::Sqlite, kong::Options { requests: 5, objects: 5, ..Default::default() });
    let (status, stdout, stderr) = once(&world, "spin-command.toml", &[]);
    assert_eq!(status, 0, "{stdout}{stderr}");
    assert_eq!(world.cloudtrail.status().accepted, 10);
}
