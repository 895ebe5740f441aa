//! The host's command line, as the README gives it.

use std::path::Path;
use std::process::Command;

use kong_cloudtrail_host::{Ending, Entry};
use kong_cloudtrail_sim::kong;

use super::binary;
use super::support::{Answer, Store, World};

fn once(world: &World, manifest: &str, extra: &[&str]) -> (i32, String, String) {
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary::host());
    command.arg("once").arg("--from").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest));
    command.arg("--state-dir").arg(state.path()).args(extra);
    let Answer { status, stdout, stderr } =
        Answer::of(&command.envs(world.environment()).output().unwrap());
    (status, stdout, stderr)
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

/// A returned error would be a success to the command trigger in SpinKube's shim.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_of_the_command_trigger_exits_with_a_status_after_its_report() {
    let mut world = World::new(Store::Sqlite, kong::Options::default());
    world.set("page_size", "0");
    let outcome = world.app().call(Entry::Command, |_| {}).await.unwrap();
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(outcome.report.unwrap()["outcome"], "failed");
}
