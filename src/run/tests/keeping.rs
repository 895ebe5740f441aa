//! What is kept from run to run, and for how long.

use serde_json::json;

use super::*;
use crate::kong::DEFAULT_RETENTION_SECS;
use crate::terms::Stream::Requests;

/// How many buckets of six hours the ledger has of the requests.
fn buckets(world: &World) -> usize {
    world.buckets(Requests).len()
}

/// A ledger without comparisons of a Kong that keeps an entry for `ttl`, which it shows as `retention` or in the
/// entry alone.
fn without_comparisons(ttl: i64, retention: Option<i64>) -> World {
    let mut world = World::new();
    world.set("reconcile_secs", "0");
    let configuration = json!({"audit_log": true, "audit_log_record_ttl": retention});
    world.ends.borrow_mut().configuration = configuration;
    let fields = json!({"method": "GET", "path": "/x", "status": 200, "ttl": ttl});
    world.row(Requests, "r", Some(NOON), fields);
    world.run_ok();
    assert_eq!(buckets(&world), 1);
    world.clear();
    world
}

#[test]
fn without_comparisons_fingerprints_go_after_twice_the_retention() {
    let world = without_comparisons(5 * DAY, Some(5 * DAY));
    world.pass(9 * DAY);
    world.run_ok();
    assert_eq!(buckets(&world), 1);
    let segments = |world: &World| {
        let values = world.ports.store.values.borrow();
        values.keys().filter(|key| key.contains("segment:requests")).count()
    };
    assert_eq!(segments(&world), 1);
    world.pass(2 * DAY);
    world.run_ok();
    assert_eq!((buckets(&world), segments(&world)), (0, 0));
}

#[test]
fn the_longest_ttl_that_was_ever_seen_is_the_retention_of_later_runs() {
    let world = without_comparisons(90 * DAY, None);
    for days in [70, 100] {
        world.pass(days * DAY);
        world.run_ok();
        assert_eq!(buckets(&world), 1, "after {days} days more, and that is less than 180");
    }
    world.pass(11 * DAY);
    world.run_ok();
    assert_eq!(buckets(&world), 0);
    // Where the longest is short, Kong may keep others for longer.
    let world = without_comparisons(DAY, None);
    world.pass(2 * DEFAULT_RETENTION_SECS - DAY);
    world.run_ok();
    assert_eq!(buckets(&world), 1);
}

#[test]
fn with_comparisons_fingerprints_go_when_kong_no_longer_holds_their_entries() {
    let world = World::new();
    world.request("kept", NOON - 40 * DAY);
    world.request("gone", NOON - 29 * DAY);
    world.run_ok();
    assert_eq!(buckets(&world), 2);
    world.ends.borrow_mut().rows[0].pop();
    world.pass(2 * DAY);
    world.run_ok();
    let left: Vec<_> = world.buckets(Requests).into_keys().collect();
    let of_kept = crate::terms::LedgerTime::Written(NOON - 40 * DAY).bucket();
    assert_eq!(left, [of_kept], "what Kong still shows stays, however old");
}

#[test]
fn where_nothing_tells_the_retention_it_is_kongs_default() {
    for (age, kept) in [(27, 1), (29, 0)] {
        let world = World::new();
        world.ends.borrow_mut().configuration = json!({"audit_log": true});
        world.request("r", NOON - age * DAY);
        world.run_ok();
        world.clear();
        world.pass(2 * DAY);
        world.run_ok();
        assert_eq!(buckets(&world), kept, "{} days old", age + 2);
    }
}

#[test]
fn a_long_retention_is_believed() {
    let mut world = World::new();
    world.set("page_size", "10");
    let fifty_years = 50 * 365 * DAY;
    world.ends.borrow_mut().configuration["audit_log_record_ttl"] = json!(fifty_years);
    world.requests("r", 11, NOON - 1000, 1);
    world.run_ok();
    let first = (None, Some(NOON - fifty_years + crate::terms::BUCKET_SECS));
    assert_eq!(world.windows(Requests)[1], first, "the first slice");
}

#[test]
fn since_when_an_event_has_been_failing_is_forgotten_after_twice_the_retention() {
    let world = World::new();
    world.ends.borrow_mut().configuration["audit_log_record_ttl"] = json!(5 * DAY);
    world.ends.borrow_mut().codes.insert("r".to_owned(), "InternalFailure");
    world.request("r", NOON - 10);
    world.run();
    let since = |world: &World| world.on_letters(|letters| letters.failing_since("r", world.now()));
    assert_eq!(since(&world), NOON);
    // Kong has deleted it.
    world.clear();
    world.pass(9 * DAY);
    world.run();
    assert_eq!(since(&world), NOON, "it is remembered for a while");
    world.pass(2 * DAY);
    world.run();
    assert_eq!(since(&world), world.now(), "it has only begun to fail");
}

#[test]
fn what_kong_hides_is_told_once_a_day_and_noted_always() {
    let world = World::new();
    world.ends.borrow_mut().configuration["audit_log_ignore_methods"] = json!(["GET"]);
    let told = |world: &World| {
        let report = world.run_ok();
        assert!(report.notes.contains(&crate::report::Note::IgnoredSettings));
        let lines = world.messages().iter().filter(|text| text.contains("= GET")).count();
        world.ports.lines.borrow_mut().clear();
        lines
    };
    assert_eq!(told(&world), 1);
    world.pass(DAY - 60);
    assert_eq!(told(&world), 0);
    world.pass(60);
    assert_eq!(told(&world), 1);
    // Kong does not answer: what was noted stays.
    world.ends.borrow_mut().kong_status = 401;
    let report = world.run();
    assert!(report.notes.contains(&crate::report::Note::IgnoredSettings));
    assert!(!report.attention.contains(&crate::report::Attention::NotesChanged));
}

#[test]
fn a_change_of_kongs_ignore_settings_is_told_whatever_a_line_has_room_for() {
    let world = World::new();
    let run = |methods: &[&str]| {
        world.ends.borrow_mut().configuration["audit_log_ignore_methods"] = json!(methods);
        let report = world.run_ok();
        let changed = report.attention.contains(&crate::report::Attention::NotesChanged);
        (report.ignored_settings.unwrap(), changed)
    };
    assert_eq!(run(&[]), (vec![], false));
    let named = |methods: &str| vec![format!("audit_log_ignore_methods = {methods}")];
    assert_eq!(run(&["GET"]), (named("GET"), true));
    assert_eq!(run(&["GET"]), (named("GET"), false));
    assert_eq!(run(&["GET", "DELETE"]), (named("GET,DELETE"), true));
    let long = "X".repeat(400);
    assert!(run(&[&long]).1);
    let (shown, changed) = run(&[&long, "DELETE"]);
    assert!(changed && shown[0].chars().count() == 300, "{shown:?}");
    world.ends.borrow_mut().kong_status = 401;
    assert_eq!(world.run().ignored_settings, None);
}
