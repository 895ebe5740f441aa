//! The command line, as docs/cli.md and docs/spin.md give it: the host's, or Spin's.

use std::path::Path;

use kong_cloudtrail_sim::kong;

use super::driver::Verb;
use super::support::{Answer, Store, World};

fn run(world: &World, verb: Verb, extra: &[&str]) -> Answer {
    let manifest = if verb == Verb::Command { "spin-command.toml" } else { "spin.toml" };
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest);
    let start = world.start(verb, &manifest);
    let mut command = start.command();
    // Where no `.env` is.
    command.current_dir(start.state_dir);
    Answer::of(&command.args(extra).envs(world.environment()).output().unwrap())
}

fn small() -> World {
    World::new(Store::Sqlite, kong::Options { requests: 5, objects: 5, ..Default::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn once_prints_the_report_and_its_status_tells_the_outcome() {
    let mut world = small();
    let Answer { status, stdout, stderr } = run(&world, Verb::Once, &["--quiet"]);
    assert_eq!(status, 0, "{stdout}{stderr}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert!(stdout.contains(r#""outcome":"ok""#), "{stdout}");

    world.set("page_size", "0");
    let Answer { status, stdout, .. } = run(&world, Verb::Once, &[]);
    assert_eq!(status, 1);
    assert!(stdout.contains(r#""outcome":"failed""#) && stdout.contains("page_size"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_admin_api_is_refused_by_the_host_as_by_spin() {
    let mut world = small();
    world.variables.remove("kong_admin_api");
    let answer = run(&world, Verb::Once, &[]);
    assert_eq!((answer.status, answer.outcomes()), (1, vec![]), "{answer:?}");
    assert!(answer.stderr.contains("kong_admin_api"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_trigger_runs_the_same_component_and_succeeds() {
    let world = small();
    let answer = run(&world, Verb::Command, &[]);
    assert_eq!((answer.status, answer.outcomes()), (0, vec!["ok".to_owned()]), "{answer:?}");
    assert_eq!(world.cloudtrail.status().accepted, 10);
}

/// A returned error would be a success to the command trigger in SpinKube's shim.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_of_the_command_trigger_exits_with_a_status_after_its_report() {
    let mut world = small();
    world.set("page_size", "0");
    let answer = run(&world, Verb::Command, &[]);
    assert_eq!((answer.status, answer.outcomes()), (1, vec!["failed".to_owned()]), "{answer:?}");
}
