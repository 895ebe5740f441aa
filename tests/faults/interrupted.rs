//! SIGINT and SIGTERM: what they interrupt frees its lease, says so, and ends with a status that
//! tells; the next run begins at once and goes on.

use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use kong_cloudtrail_sim::cloudtrail::{EventFault, Faults};
use kong_cloudtrail_sim::fault::When;
use kong_cloudtrail_sim::kong;

use super::destination::Kind;
use super::driver::{self, Verb};
use super::host::signal;
use super::redis::Redis;
use super::redis::wait_until;
use super::verdict::Verdict;
use super::world::{World, total};

const MAX_IN_FLIGHT: usize = 2;
const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];
/// Longer than anything takes on a busy machine, and less than a lease.
const SOON: Duration = Duration::from_mins(2);
/// How late an answer comes that a test does not wait for: a signal is there long before, and the component waits
/// longer for a byte.
const NEVER_MS: u64 = 25_000;

fn span_days() -> u32 {
    Kind::of_environment().span_days()
}

/// A world on each kind of store, with leases of five minutes.
fn worlds(options: &kong::Options, test: impl Fn(&mut World, &str)) {
    let redis = Redis::start(None);
    for store in ["Redis", "SQLite"] {
        let mut world = World::new(options.clone());
        match (store, &redis) {
            ("Redis", Some(redis)) => world.store_at(&redis.url()),
            ("Redis", None) => continue,
            _ => world.store_in("kv.db"),
        }
        world.set("max_in_flight", &MAX_IN_FLIGHT.to_string());
        test(&mut world, store);
    }
}

/// Interrupts a run between the acceptance of a batch and its answer.
fn interrupt(world: &World, verb: Verb, name: &str) -> (Option<i32>, String) {
    let before = world.cloudtrail.calls().len();
    world.answer_late(NEVER_MS);
    let mut host = world.spawn(verb, |_| {});
    wait_until("a batch is accepted", || world.cloudtrail.calls().len() > before);
    host.send(name);
    let status = host.ended_by(Instant::now() + SOON);
    let status = status.unwrap_or_else(|| panic!("SIG{name} does not end it: {}", host.said()));
    world.cloudtrail.set_faults(Faults::default());
    (status.code(), host.said())
}

fn next_run(world: &World) -> serde_json::Value {
    let mut host = world.once();
    host.ended_by(Instant::now() + SOON).expect("a run hangs");
    host.report()
}

#[test]
fn an_interrupted_run_frees_its_lease_and_the_next_begins_at_once() {
    let options =
        kong::Options { requests: 500, objects: 100, span_days: span_days(), ..Default::default() };
    worlds(&options, |world, store| {
        for (name, status) in SIGNALS {
            for verb in [Verb::Once, Verb::Up] {
                world.kong.add_activity(300, 50);
                let case = format!("{store}, {verb:?}, SIG{name}");
                let (ended, said) = interrupt(world, verb, name);
                assert_eq!(ended, Some(status), "{case}: {said}");
                let word = format!("Interrupted by SIG{name}: its lease is freed");
                assert_eq!(said.matches(&word).count(), 1, "{case}: {said}");
                assert!(!said.contains("\"event\":\"run\""), "{case}: it came to its end: {said}");
                let report = next_run(world);
                assert_eq!(report["outcome"], "ok", "{case}: {report}");
                assert!(total(&report, "shipped") > 0, "{case}: {report}");
            }
        }
        let verdict = Verdict::of(world);
        verdict.assert_nothing_is_lost();
        let batches = SIGNALS.len() * 2 * MAX_IN_FLIGHT;
        assert!(verdict.forgotten().len() <= batches, "{store}: {:?}", verdict.forgotten());
    });
}

/// The host gives the lease back; a Spin that is interrupted leaves it behind.
#[test]
fn after_sigint_the_next_run_that_finds_the_lease_free_goes_on() {
    let options =
        kong::Options { requests: 300, objects: 50, span_days: span_days(), ..Default::default() };
    worlds(&options, |world, store| {
        world.set("lease_secs", "20").answer_late(3000);
        let mut host = world.once();
        wait_until("a batch is accepted", || !world.cloudtrail.calls().is_empty());
        host.end_by("INT");
        let report = next_run(world);
        if driver::is_spin() {
            assert_eq!(report["outcome"], "skipped", "{store}: {report}");
            wait_until("the lease has run out", || next_run(world)["outcome"] == "ok");
        } else {
            assert_eq!(report["outcome"], "ok", "{store}: {report}");
        }
        Verdict::of(world).assert_nothing_is_lost();
    });
}

#[test]
fn between_two_runs_a_signal_ends_it_without_a_word_and_leaves_the_store_alone() {
    worlds(&kong::Options { requests: 5, ..Default::default() }, |world, store| {
        for (name, status) in SIGNALS {
            let mut host = world.spawn(Verb::Up, |_| {});
            wait_until("a run has ended", || !host.reports().is_empty());
            host.send(name);
            let ended = host.ended_by(Instant::now() + SOON).expect("it does not end");
            let case = format!("{store}, SIG{name}: {}", host.said());
            assert_eq!(ended.code(), Some(status), "{case}");
            assert!(!host.said().contains("Interrupted"), "{case}");
        }
    });
}

#[test]
fn a_run_that_is_skipped_has_a_status_of_its_own() {
    worlds(&kong::Options { requests: 50, ..Default::default() }, |world, store| {
        world.answer_late(NEVER_MS);
        let first = world.once();
        wait_until("a batch is accepted", || !world.cloudtrail.calls().is_empty());
        let mut second = world.once();
        let status = second.ended_by(Instant::now() + SOON).expect("it does not end");
        assert_eq!(second.report()["outcome"], "skipped", "{store}");
        assert_eq!(status.code(), Some(75), "{store}: {}", second.said());
        drop(first);
    });
}

/// The tool in the middle of `drop`: what it prints before it deletes has filled the pipe, which
/// nobody reads.
fn drop_that_is_held_up(world: &World) -> Child {
    let mut command = world.command(&["dead-letters", "drop", "--all", "--yes", "--reason", "x"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut held_up = command.spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(held_up.try_wait().unwrap(), None, "the pipe holds it all");
    held_up
}

#[test]
fn an_interrupted_tool_frees_its_lease_and_has_changed_nothing() {
    let Some(code) = Kind::of_environment().refusal() else { return };
    let options = kong::Options {
        requests: 8,
        payload_bytes: 60_000,
        span_days: span_days(),
        ..Default::default()
    };
    worlds(&options, |world, store| {
        let code = Some(code.into());
        let fault =
            EventFault { code, when: When::default(), ids: world.kong.ids(kong::Stream::Requests) };
        world.cloudtrail.set_faults(Faults { events: vec![fault], ..Faults::default() });
        assert_eq!(next_run(world)["dead_letters"], 8, "{store}");
        for (name, status) in SIGNALS {
            let mut tool = drop_that_is_held_up(world);
            assert_eq!(next_run(world)["outcome"], "skipped", "{store}: it holds the lease");
            signal(&tool, name);
            assert_eq!(tool.wait().unwrap().code(), Some(status), "{store}, SIG{name}");
            let mut said = String::new();
            tool.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            assert!(said.contains("its lease is freed"), "{store}, SIG{name}: {said}");
            let report = next_run(world);
            assert_eq!(
                (&report["outcome"], &report["dead_letters"]),
                (&"ok".into(), &8.into()),
                "{store}"
            );
        }
    });
}
