//! Rows of Kong that cannot be read, and what lies around them.

use serde_json::{Value, json};

use super::*;
use crate::report::{Attention, Outcome};
use crate::terms::Stream::Requests;

/// A Kong with forty request entries on pages of ten, of which these fail.
fn failing(version: &'static str, ids: &[&str]) -> World {
    let mut world = World::new();
    world.set("audit_streams", "requests").set("page_size", "10");
    world.ends.borrow_mut().version = version;
    world.requests("r", 40, NOON - 2000, 10);
    let statuses = ids.iter().map(|id| ((*id).to_owned(), 500));
    world.ends.borrow_mut().fails.extend(statuses);
    world
}

const FILTERS: &str = "3.9.0.0-enterprise-edition";
const NO_FILTERS: &str = "2.8.1.1-enterprise-edition";

/// Pending and rejected requests of a run, what it says, and whether it asks for attention.
fn told(world: &World) -> (u64, u64, String, bool) {
    let mut report = world.run();
    let attention = report.attention.contains(&Attention::Unreadable);
    let requests = report.stream(Requests);
    (requests.pending, requests.rejected, report.error.clone().unwrap_or_default(), attention)
}

#[test]
fn around_a_row_that_fails_all_is_shipped_and_its_second_is_a_dead_letter_after_a_day() {
    let world = failing(FILTERS, &["r00020"]);
    let (pending, rejected, error, attention) = told(&world);
    assert_eq!((pending, rejected, attention), (1, 0, false), "{error}");
    let second = "a row of requests of 2026-11-22T11:30:00Z cannot be read";
    assert!(error.contains(second), "{error}");
    assert!(world.told(&format!("1 events of requests are pending: {second}")));
    assert_eq!(world.accepted().len(), 39);
    let watermark = world.head().watermarks()[0];
    assert!(watermark <= Some(NOON - 1800), "{watermark:?}");
    let probe = (Some(NOON + DAY), Some(NOON + DAY + 1));
    assert!(world.windows(Requests).contains(&probe), "a second that is ahead has no rows");
    world.pass(DAY - 60);
    assert_eq!(told(&world).0, 1);
    world.pass(120);
    world.request("refused", world.now() - 5);
    world.request("taken", world.now() - 5);
    world.ends.borrow_mut().codes.insert("refused".to_owned(), "InvalidData");
    let (pending, rejected, error, attention) = told(&world);
    assert_eq!((pending, rejected, attention), (0, 2, true), "{error}");
    assert!(error.contains("CloudTrail refused 1 requests entries for good"), "{error}");
    assert!(error.contains("1 places in requests (single entries, all of one second"));
    world.pass(60);
    assert_eq!(told(&world), (0, 0, String::new(), false));
}

#[test]
fn once_a_row_is_mended_it_is_shipped_and_nobody_remembers_that_it_failed() {
    let spoilt =
        json!({"request_id": "spoilt", "request_timestamp": NOON - 5, "method": "\u{fffd}"});
    for (case, version, fails, rows) in [
        ("a second", FILTERS, &["r00020"][..], vec![]),
        ("what lies behind a row", NO_FILTERS, &["r00020"], vec![]),
        ("a row that arrives", FILTERS, &[], vec![(Some(NOON - 5), spoilt)]),
    ] {
        let world = failing(version, fails);
        world.ends.borrow_mut().rows[0].extend(rows);
        assert_eq!(told(&world).0, 1, "{case}");
        assert!(world.remembers_failing(), "{case}");
        world.pass(3600);
        world.ends.borrow_mut().fails.clear();
        for (_, row) in &mut world.ends.borrow_mut().rows[0] {
            row["method"] = "GET".into();
        }
        world.run_ok();
        assert!(!world.remembers_failing(), "{case}");
        assert!(world.accepted().len() >= 40, "{case}");
    }
}

#[test]
fn so_many_seconds_with_rows_that_fail_are_gone_around_in_a_run_and_no_more() {
    for (rows, outcome) in [(100, Outcome::Partial), (101, Outcome::Failed)] {
        let mut world = World::new();
        world.set("audit_streams", "requests");
        world.requests("r", rows, NOON - 500, 1);
        let statuses = (0..rows).map(|n| (format!("r{n:05}"), 500));
        world.ends.borrow_mut().fails.extend(statuses);
        let mut report = world.run();
        assert_eq!(report.outcome, outcome, "{:?}", report.error);
        assert_eq!(report.stream(Requests).pending, 100);
        let told = report.error.unwrap().contains("rows of more than 100 different seconds");
        assert_eq!(told, rows == 101);
    }
}

#[test]
fn a_window_without_a_beginning_is_cut_first_where_kongs_rows_begin() {
    let world = failing(FILTERS, &["oldest"]);
    let oldest = NOON - 30 * DAY;
    world.request("oldest", oldest + 100);
    world.run();
    let windows = world.windows(Requests);
    assert!(windows.contains(&(None, Some(oldest))), "{windows:?}");
}

#[test]
fn without_filters_what_lies_behind_a_row_that_fails_cannot_be_had_and_is_told_all_the_time() {
    let world = failing(NO_FILTERS, &["r00015"]);
    let (pending, rejected, error, attention) = told(&world);
    assert_eq!((pending, rejected, attention), (1, 0, false), "{error}");
    let behind = "a row of requests behind the entry r00016 cannot be read";
    assert!(error.contains(behind) && error.contains("until that row is corrected"), "{error}");
    assert_eq!(world.accepted().len(), 24, "what is newer");
    assert!(world.windows(Requests).iter().all(|window| *window == (None, None)));
    world.pass(DAY + 60);
    let (pending, rejected, error, attention) = told(&world);
    assert_eq!((pending, rejected, attention), (0, 1, true), "{error}");
    assert!(error.contains("could not be read for 24 hours"), "{error}");
    world.pass(60);
    let (pending, rejected, error, attention) = told(&world);
    assert_eq!((pending, rejected, attention), (0, 0, true), "{error}");
    assert!(error.contains("until that row is corrected"), "{error}");
}

#[test]
fn where_the_row_before_has_no_name_it_is_the_offset_that_has_one() {
    let world = failing(NO_FILTERS, &["r00029"]);
    for (_, row) in &mut world.ends.borrow_mut().rows[0] {
        if row["request_id"] != "r00029" {
            row["request_id"] = Value::Null;
        }
    }
    let error = told(&world).2;
    assert!(error.contains("a row of requests behind the offset "), "{error}");
}
