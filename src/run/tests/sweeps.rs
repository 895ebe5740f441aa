//! Readings of all that Kong retains, in one run and spread over several.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::ledger::SegmentMeta;
use crate::report::{Note, Outcome};
use crate::run::messages::MOST_WITHOUT_FILTERS;
use crate::terms::Stream::{self, Objects, Requests};
use crate::terms::{BUCKET_SECS, LedgerTime};

const OLD: &str = "2.8.1.1-enterprise-edition";

/// A Kong without filters that has so many request entries on pages of ten, and is read alone.
fn old_kong(entries: i64) -> World {
    let mut world = World::new();
    world.set("audit_streams", "requests").set("page_size", "10");
    world.ends.borrow_mut().version = OLD;
    world.requests("r", entries, NOON - 10_000, 10);
    world
}

/// From now on each answer takes a second, and a run may take that long.
fn slow(world: &mut World, budget_secs: u32) {
    world.ports.latency = Duration::from_secs(1);
    world.set("run_budget_secs", &budget_secs.to_string());
}

/// From now on a run has time for everything.
fn quick(world: &mut World) {
    world.ports.latency = Duration::from_millis(10);
    world.set("run_budget_secs", "3000");
}

#[test]
fn a_sweep_that_takes_several_runs_reads_each_page_once_and_says_up_to_when_it_has_come() {
    let mut world = old_kong(300);
    slow(&mut world, 12);
    let (mut pages, mut runs) = (Vec::new(), Vec::new());
    while runs.is_empty() || world.sweep(Requests).is_some() {
        let mut report = world.run();
        assert_eq!(report.outcome, Outcome::Partial, "{:?}", report.error);
        pages.push(report.stream(Requests).pages);
        runs.push(report.error.unwrap());
        assert!(runs.len() < 5, "{runs:?}");
    }
    assert_eq!(pages, [11, 11, 8], "the root takes a second");
    assert!(runs[0].contains("run_budget_secs has passed"), "{runs:?}");
    let held = format!("all requests entries that Kong {OLD} had at 2026-11-22T12:00:01Z");
    assert!(runs[2].contains(&held), "{runs:?}");
    assert_eq!(world.accepted().len(), 300);
    assert_eq!(world.run_ok().stream(Requests).pages, 0, "nothing is due");
}

#[test]
fn each_stream_has_an_equal_share_of_the_time_that_is_left() {
    for version in ["3.9.0.0-enterprise-edition", OLD] {
        let mut world = World::new();
        world.set("page_size", "10");
        world.ends.borrow_mut().version = version;
        world.requests("r", 400, NOON - 5000, 10);
        (0..400).for_each(|n| world.object(&format!("o{n}"), NOON - 5000 + n * 10));
        slow(&mut world, 41);
        let mut report = world.run();
        let error = report.error.clone().unwrap();
        assert!(error.contains("run_budget_secs has passed"), "{version}: {error}");
        assert!(!error.contains("all objects entries that have a time"), "{version}: {error}");
        let pages = Stream::ALL.map(|stream| report.stream(stream).pages);
        assert!(pages[0] >= 18 && pages[0].abs_diff(pages[1]) <= 2, "{version}: {pages:?}");
    }
}

/// Objects of a Kong that filters, on pages of ten: those rows first, which have no time, then 285 that have one.
/// All were read.
fn compared(first: &[Value]) -> World {
    let mut world = World::new();
    world.set("audit_streams", "objects").set("page_size", "10");
    world.ends.borrow_mut().rows[1].extend(first.iter().map(|row| (None, row.clone())));
    (0..285).for_each(|n| world.object(&format!("o{n}"), NOON - 10_000 + n * 20));
    world.object("oldest", NOON - 29 * DAY);
    slow(&mut world, 200);
    world.run();
    assert_eq!(
        world.accepted().len(),
        285 + first.iter().filter(|row| row.is_object()).count() + 1
    );
    assert_eq!(world.sweep(Objects), None, "a first one may take all the time");
    world
}

fn timeless(id: &str) -> Value {
    json!({"id": id, "dao_name": "services", "operation": "create", "entity": "{}"})
}

#[test]
fn a_sweep_beside_a_window_has_a_tenth_of_the_time_and_goes_on_in_the_next_run() {
    let mut world = compared(&[timeless("t")]);
    world.pass(DAY);
    assert!(!world.told("goes on in the next run"));
    assert!(world.run_ok().stream(Objects).pages < 25);
    let began = world.sweep(Objects).unwrap().began;
    let told = "the comparison of objects with all that Kong retains, begun at 2026-11-23T12:";
    assert!(world.told(told));
    quick(&mut world);
    let report = world.run_ok();
    assert_eq!(world.head().stream(Objects).coverage.compared(), Some(began));
    assert!(report.notes.contains(&Note::DerivedTimes), "the first of the two runs met one");
}

#[test]
fn a_sweep_that_left_entries_behind_begins_again_but_not_twice_in_an_hour() {
    for (age, begins_again) in [(3599, false), (3600, true)] {
        let mut world = compared(&[]);
        world.pass(DAY);
        world.ends.borrow_mut().rows[1].insert(0, (None, timeless("fails")));
        world.ends.borrow_mut().codes.insert("fails".to_owned(), "InternalFailure");
        let report = world.run();
        assert!(!report.error.unwrap().contains("run_budget_secs"), "the window had time");
        let sweep = world.sweep(Objects).unwrap();
        assert!(sweep.left_behind);
        world.ends.borrow_mut().codes.clear();
        quick(&mut world);
        world.pass(sweep.began + age - world.now());
        let mut report = world.run();
        let began = world.sweep(Objects).map(|sweep| sweep.began);
        assert_eq!(began, (!begins_again).then_some(sweep.began), "{age}");
        assert_eq!(report.stream(Objects).shipped, u64::from(begins_again), "{age}");
        let told = report
            .error
            .is_some_and(|error| error.contains("when this comparison ends, a new one starts"));
        assert_eq!(told, !begins_again, "{age}");
    }
}

#[test]
fn nothing_is_forgotten_after_a_sweep_that_left_out_a_row_of_unknown_bucket_in_whatever_run() {
    for (first, buckets) in [(json!("no entry"), 2), (timeless("t"), 1)] {
        let mut world = compared(&[first]);
        quick(&mut world);
        world.pass(DAY + 60);
        world.run();
        world.ends.borrow_mut().rows[1].pop();
        world.pass(2 * DAY);
        slow(&mut world, 200);
        world.run_ok();
        assert!(world.sweep(Objects).is_some());
        quick(&mut world);
        world.run_ok();
        assert_eq!(world.sweep(Objects), None);
        let of_time =
            |time: i64| world.buckets(Objects).contains_key(&LedgerTime::Written(time).bucket());
        assert!(of_time(NOON - 10_000));
        assert_eq!(of_time(NOON - 29 * DAY), buckets == 2);
    }
}

#[test]
fn where_kong_no_longer_knows_a_stored_offset_the_sweep_begins_again() {
    for (status, begins_again) in [(400, true), (500, true), (403, false), (502, false)] {
        let mut world = old_kong(300);
        slow(&mut world, 12);
        world.run();
        let place = world.sweep(Requests).unwrap();
        let offset = place.offset.clone().unwrap();
        world.ends.borrow_mut().lost_offset = Some((offset.clone(), status));
        quick(&mut world);
        world.set("run_budget_secs", "60");
        let mut report = world.run();
        let (pages, error) = (report.stream(Requests).pages, report.error.clone().unwrap());
        match status {
            // It comes to the same place once more.
            400 => assert!(error.contains("Kong answered 400 on /audit/requests"), "{error}"),
            403 => assert_eq!(report.outcome, Outcome::Failed, "{error}"),
            500 => assert!(error.contains("behind the entry r00190"), "{error}"),
            _ => assert!(error.contains(&format!("behind the offset {offset}")), "{error}"),
        }
        assert_eq!(pages, if begins_again { 11 } else { 0 }, "{status}: {error}");
        if status == 403 {
            assert_eq!(world.sweep(Requests), Some(place), "its place stays");
        }
    }
}

#[test]
fn a_ledger_too_large_to_be_read_as_a_whole_is_told_where_it_is_read_so() {
    for (case, version, passes, kept, told) in [
        ("too large", OLD, 3700, MOST_WITHOUT_FILTERS + 1, true),
        ("just not too large", OLD, 3700, MOST_WITHOUT_FILTERS, false),
        ("nothing is due", OLD, 60, MOST_WITHOUT_FILTERS + 1, false),
        ("Kong filters", "3.9.0.0-enterprise-edition", DAY, MOST_WITHOUT_FILTERS + 1, false),
    ] {
        let world = old_kong(1);
        world.run_ok();
        let (mut head, time) = (world.head(), NOON - DAY);
        let meta = SegmentMeta { count: kept - 1, from: time, to: time };
        let bucket = LedgerTime::Written(time).bucket();
        head.stream(Requests).buckets.insert(bucket, vec![meta]);
        world.on_store(|store| {
            let value = store.seal("head", *b"kch2", &head.encode());
            store.set_many(vec![("head".to_owned(), value)]).unwrap();
        });
        world.ends.borrow_mut().version = version;
        world.pass(passes);
        let error = world.run().error.unwrap_or_default();
        let expected = format!("the ledger holds {kept} fingerprints of them");
        assert_eq!(error.contains(&expected), told, "{case}: {error}");
    }
}

#[test]
fn after_an_upgrade_to_a_kong_that_filters_objects_are_compared_once_more() {
    let mut world = World::new();
    world.set("reconcile_secs", "0");
    world.ends.borrow_mut().version = OLD;
    world.run_ok();
    world.ends.borrow_mut().version = "3.9.0.0-enterprise-edition";
    for objects in ["reconcile", "incremental"] {
        world.pass(60);
        let mut report = world.run_ok();
        let modes = Stream::ALL.map(|stream| report.stream(stream).mode.unwrap());
        assert_eq!(modes, ["incremental", objects]);
    }
}

/// A Kong with request entries on pages of ten, all known but one of yesterday that fails: 160 of the last day, and
/// 300 within an hour, long ago.
fn with_a_row_that_fails() -> World {
    let mut world = World::new();
    world.set("audit_streams", "requests").set("page_size", "10");
    world.requests("new", 160, NOON - 50_000, 10);
    world.requests("dense", 300, NOON - 20 * DAY - DAY / 2, 10);
    world.run_ok();
    world.pass(DAY);
    world.request("fails", NOON - DAY);
    world.ends.borrow_mut().fails.insert("fails".to_owned(), 500);
    world
}

/// The windows with an end that a run asks Kong for, where each answer takes that long.
fn windows(world: &mut World, latency_ms: u64) -> Vec<(Option<i64>, Option<i64>)> {
    world.ports.latency = Duration::from_millis(latency_ms);
    world.set("run_budget_secs", "200");
    world.ports.sent.borrow_mut().clear();
    world.run();
    let ahead = Some(world.now() + 1);
    let is_bounded =
        |(after, before): &(Option<i64>, Option<i64>)| before.is_some() && *after < ahead;
    world.windows(Requests).into_iter().filter(is_bounded).collect()
}

#[test]
fn a_sweep_that_meets_a_row_that_fails_reads_all_by_time_in_slices() {
    let mut world = with_a_row_that_fails();
    let now = world.now();
    let windows = windows(&mut world, 10);
    let by_time: Vec<_> = windows.into_iter().skip_while(|(after, _)| after.is_some()).collect();
    let began = by_time.last().unwrap().1.unwrap() - 1;
    assert!((now..=now + 1).contains(&began), "up to when it began: {by_time:?}");
    let oldest = began - 30 * DAY;
    let (six, eighteen) = (oldest + BUCKET_SECS, oldest + 3 * BUCKET_SECS);
    assert_eq!(by_time[..2], [(None, Some(six)), (Some(six), Some(eighteen))], "{by_time:?}");
    let is_narrow = |(after, before): &(Option<i64>, Option<i64>)| {
        after.is_some_and(|after| after + BUCKET_SECS / 2 == before.unwrap())
    };
    assert!(by_time.iter().any(is_narrow), "after the dense ones: {by_time:?}");
}

#[test]
fn what_a_sweep_reads_by_time_it_reads_in_several_runs_where_it_must() {
    let mut world = with_a_row_that_fails();
    let first = windows(&mut world, 450);
    assert!(first.iter().any(|(after, _)| after.is_none()), "from the beginning: {first:?}");
    let from = world.sweep(Requests).unwrap().by_time.unwrap().from;
    let second = windows(&mut world, 10);
    assert!(second.iter().any(|(after, _)| *after == Some(from)), "{from}: {second:?}");
    assert!(second.iter().all(|(after, _)| after.is_some()), "not from the beginning: {second:?}");
}

#[test]
fn what_lies_behind_a_row_that_fails_is_had_by_time_where_all_rows_have_one() {
    for (case, stream, timeless_rows, moves, behind) in [
        ("requests", Requests, 0, false, false),
        ("requests of a Kong that was not compared", Requests, 0, true, false),
        ("objects with times", Objects, 0, false, false),
        ("objects of which one has none", Objects, 1, false, true),
    ] {
        let mut world = World::new();
        world.set("audit_streams", stream.name());
        (0..timeless_rows)
            .for_each(|_| world.ends.borrow_mut().rows[1].push((None, timeless("t"))));
        let entry = |id: &str, time| match stream {
            Requests => world.request(id, time),
            Objects => world.object(id, time),
        };
        entry("known", NOON - 10);
        entry("fails", NOON - 3 * DAY);
        world.run_ok();
        world.ends.borrow_mut().fails.insert("fails".to_owned(), 500);
        world.pass(DAY);
        if moves {
            world.set("kong_admin_api", "https://other:8001");
        }
        let mut report = world.run();
        assert_eq!(report.outcome, Outcome::Partial, "{case}");
        let error = report.error.clone().unwrap();
        assert!(error.contains("of 2026-11-19T12:00:00Z cannot be read"), "{case}: {error}");
        assert_eq!(error.contains("is in no window of time"), behind, "{case}: {error}");
        assert_eq!(report.stream(stream).pending, 1 + u64::from(behind), "{case}: {error}");
        let compared = world.head().stream(stream).coverage.compared();
        assert_eq!(compared, (!moves).then_some(NOON), "{case}: one is pending");
    }
}
