//! How streams are read.

use std::time::Duration;

use super::*;
use crate::ports::HttpRequest;
use crate::report::{Attention, Note, Outcome, Report};
use crate::terms::BUCKET_SECS;
use crate::terms::Stream::{self, Objects, Requests};

fn counts(report: &mut Report, stream: Stream) -> (Option<&'static str>, u64, u64, u64) {
    let report = report.stream(stream);
    (report.mode, report.fetched, report.duplicates, report.shipped)
}

#[test]
fn a_first_run_ships_all_and_later_ones_what_is_new() {
    let world = World::new();
    for n in 0..3 {
        world.request(&format!("r{n}"), NOON - 200 - n * DAY);
    }
    world.object("o", NOON - 200);
    let mut first = world.run_ok();
    assert_eq!(counts(&mut first, Requests), (Some("incremental"), 3, 0, 3));
    let requests = first.stream(Requests).clone();
    assert_eq!((requests.pages, requests.batches, requests.late), (1, 1, 0));
    assert_eq!((requests.watermark, requests.lag_secs), (Some(NOON), Some(0)));
    assert!(first.attention.contains(&Attention::NewLedger));
    assert_eq!(first.calls.kong, 3, "the root, and a page of each stream");
    assert_eq!(first.calls.destination, 2);
    world.pass(300);
    world.request("new", world.now() - 1);
    let mut second = world.run_ok();
    assert_eq!(counts(&mut second, Requests), (Some("incremental"), 1, 0, 1));
    assert_eq!(counts(&mut second, Objects), (Some("incremental"), 0, 0, 0));
    assert!(second.attention.is_empty());
    world.pass(60);
    assert_eq!(counts(&mut world.run_ok(), Requests), (Some("incremental"), 1, 1, 0));
    assert_eq!(world.accepted().len(), 5);
}

#[test]
fn a_kong_without_filters_is_read_as_a_whole_once_an_hour() {
    let world = World::new();
    world.ends.borrow_mut().version = "2.8.1.1-enterprise-edition";
    world.request("r", NOON - DAY);
    assert_eq!(counts(&mut world.run_ok(), Requests), (Some("full"), 1, 0, 1));
    world.pass(3500);
    let mut idle = world.run_ok();
    assert_eq!(counts(&mut idle, Requests), (Some("full"), 0, 0, 0));
    assert_eq!(idle.stream(Requests).watermark, Some(NOON));
    world.pass(100);
    assert_eq!(counts(&mut world.run_ok(), Requests), (Some("full"), 1, 1, 0));
    assert!(world.windows(Requests).iter().all(|window| *window == (None, None)));
}

#[test]
fn a_proxy_that_drops_the_filters_is_noticed_and_told() {
    let world = World::new();
    world.requests("old", 3, NOON - 20 * DAY, 1);
    world.run_ok();
    world.pass(3600);
    world.ends.borrow_mut().filters_dropped = true;
    world.request("new", world.now());
    world.object("old object", world.now() - 20 * DAY);
    let mut report = world.run_ok();
    let sent = world.ports.sent.borrow();
    let unix_seconds =
        |uri: &http::Uri| uri.query().is_some_and(|query| query.contains("after=17"));
    assert!(
        sent.iter().any(|(_, request)| unix_seconds(request.uri())),
        "the other way to write it"
    );
    for stream in Stream::ALL {
        assert_eq!(counts(&mut report, stream).0, Some("full"));
        let warning = format!("ignored before and after on /audit/{}", stream.name());
        assert!(world.messages().iter().any(|message| message.contains(&warning)));
    }
    assert_eq!(world.accepted().len(), 5);
}

#[test]
fn a_daily_comparison_finds_what_is_late_and_says_so() {
    let world = World::new();
    world.run_ok();
    world.pass(300);
    world.request("late", NOON - 7200);
    world.object("late", NOON - 7200);
    assert_eq!(counts(&mut world.run_ok(), Requests), (Some("incremental"), 0, 0, 0));
    world.pass(DAY);
    // Where the window begins, which looks back an hour from the last time.
    world.request("not late", NOON - 3600);
    world.object("not late", NOON - 3600);
    let mut report = world.run_ok();
    for stream in Stream::ALL {
        assert_eq!(counts(&mut report, stream), (Some("reconcile"), 3, 1, 2));
        assert_eq!(report.stream(stream).late, 1);
    }
    assert!(report.attention.contains(&Attention::Late));
}

#[test]
fn the_next_page_is_asked_for_before_the_entries_of_one_are_looked_up() {
    let mut world = World::new();
    world.set("page_size", "10").set("audit_streams", "requests");
    world.run_ok();
    world.requests("r", 20, NOON + 10, 1);
    world.pass(60);
    world.run_ok();
    world.pass(3600);
    let before = world.ports.reads.borrow().len();
    assert_eq!(world.run_ok().stream(Requests).pages, 2);
    // `GET /` and two pages; a segment is read for the first entry.
    let reads = &world.ports.reads.borrow()[before..];
    assert_eq!((reads.len(), reads[1]), (3, reads[2]));
    assert!(world.ports.store.reads.get() > reads[2]);
}

#[test]
fn a_window_that_turns_out_dense_is_given_up_and_cut_narrower() {
    let mut world = World::new();
    // A reading that begins the same slice for ever ends with its time.
    world.set("page_size", "10").set("run_budget_secs", "30");
    world.request("oldest", NOON - 29 * DAY);
    world.requests("dense", 600, NOON - 2 * DAY, 200);
    world.run_ok();
    assert_eq!(world.accepted().len(), 601);
    let windows = world.windows(Requests);
    let given_up = windows.windows(2).find(|pair| {
        let [(after, before), (after_next, before_next)] = [pair[0], pair[1]];
        after.is_some() && after == after_next && before_next < before
    });
    let given_up = given_up.expect("a slice that was begun, and begun again with an earlier end");
    let width = given_up[1].1.unwrap() - given_up[1].0.unwrap();
    assert_eq!(width, BUCKET_SECS, "back to the first width");
}

#[test]
fn a_wide_slice_with_few_entries_too_many_is_read_to_its_end() {
    let mut world = World::new();
    world.set("page_size", "10").set("audit_streams", "requests");
    let oldest = NOON - 30 * DAY;
    world.request("oldest", oldest + 100);
    // In the third slice, of 24 hours. It is given up at the first page after 200.
    world.requests("r", 205, oldest + 4 * BUCKET_SECS, 10);
    let mut report = world.run_ok();
    assert_eq!(counts(&mut report, Requests), (Some("incremental"), 216, 10, 206));
    let third = (Some(oldest + 3 * BUCKET_SECS), Some(oldest + 7 * BUCKET_SECS));
    assert!(world.windows(Requests).contains(&third), "{:?}", world.windows(Requests));
}

#[test]
fn where_entries_are_dense_slices_become_narrower_and_their_ends_are_progress() {
    let mut world = World::new();
    world.set("page_size", "10").set("run_budget_secs", "70").set("audit_streams", "requests");
    world.ports.latency = Duration::from_millis(400);
    // 1,080 in six hours.
    world.requests("dense", 3240, NOON - 3 * BUCKET_SECS, 20);
    world.ends.borrow_mut().configuration["audit_log_record_ttl"] = (3 * BUCKET_SECS + 1).into();
    let mut report = world.run();
    assert_eq!(report.outcome, Outcome::Partial);
    let first = report.stream(Requests).clone();
    let reached = first.watermark.unwrap();
    assert!((NOON - 3 * BUCKET_SECS..NOON - BUCKET_SECS).contains(&reached), "{reached}");
    world.set("run_budget_secs", "3000");
    world.run_ok();
    assert_eq!(world.accepted().len(), 3240);
    let widths = world.windows(Requests);
    let widths: Vec<_> =
        widths.iter().filter_map(|(after, before)| Some((*before)? - (*after)?)).collect();
    assert!(
        widths.contains(&(BUCKET_SECS / 2)) && widths.contains(&(BUCKET_SECS / 4)),
        "{widths:?}"
    );
}

#[test]
fn a_run_without_time_for_all_says_so_and_the_next_goes_on() {
    let mut world = World::new();
    world.set("page_size", "10").set("run_budget_secs", "12").set("audit_streams", "requests");
    world.ports.latency = Duration::from_secs(1);
    world.requests("r", 100, NOON - 20 * DAY, 6 * 3600);
    let reports: Vec<_> = std::iter::from_fn(|| {
        let report = world.run();
        (report.outcome != Outcome::Ok).then_some(report)
    })
    .take(40)
    .collect();
    assert!((2..40).contains(&reports.len()), "{} runs", reports.len());
    assert!(reports.iter().all(|report| report.outcome == Outcome::Partial));
    assert!(reports[0].error.as_ref().unwrap().contains("run_budget_secs has passed"));
    assert_eq!(world.accepted().len(), 100);
}

#[test]
fn objects_of_an_older_kong_have_the_time_of_their_request() {
    for (version, of_that_time) in
        [("2.8.1.1-enterprise-edition", 2), ("3.9.0.0-enterprise-edition", 1)]
    {
        let world = World::new();
        world.ends.borrow_mut().version = version;
        world.request("call", NOON - 5 * DAY);
        // It says nothing of its time.
        let row = serde_json::json!({"request_id": "call", "dao_name": "services", "operation": "create",
            "entity": "{}"});
        world.row(Objects, "row", None, row);
        world.run_ok();
        let sent = world.ports.sent.borrow();
        let of_call = format!(r#"\"eventTime\":\"{}\""#, crate::wire::rfc3339(NOON - 5 * DAY));
        let events = sent.iter().filter(|(_, request)| request.method() == http::Method::POST);
        let is_dated =
            |request: &HttpRequest| String::from_utf8_lossy(request.body()).contains(&of_call);
        let dated = events.filter(|(_, request)| is_dated(request)).count();
        assert_eq!(dated, of_that_time, "the call, and with {version} the row");
    }
}

#[test]
fn the_place_in_a_long_reading_is_recorded_every_fifty_pages_although_nothing_is_new() {
    for (pages, records) in [(50, 0), (51, 1), (101, 2)] {
        let mut world = World::new();
        world.ends.borrow_mut().version = "2.8.1.1-enterprise-edition";
        world.set("audit_streams", "requests").set("page_size", "10");
        world.requests("r", 10 * pages, NOON - 5 * DAY, 1);
        let shipped = world.run_ok().generation.unwrap();
        world.pass(3600);
        let mut report = world.run_ok();
        assert_eq!(report.stream(Requests).pages, u64::try_from(pages).unwrap());
        assert_eq!(report.generation, Some(shipped + records + 1), "{pages} pages, and the end");
    }
}

#[test]
fn that_kong_holds_rows_without_a_time_is_noted() {
    for (time, is_noted) in [(Some(NOON - 10), false), (None, true)] {
        let world = World::new();
        let fields =
            serde_json::json!({"dao_name": "services", "operation": "create", "entity": "{}"});
        world.row(Objects, "row", time, fields);
        for _ in 0..2 {
            let report = world.run_ok();
            assert_eq!(report.notes.contains(&Note::DerivedTimes), is_noted, "{time:?}");
            world.pass(300);
        }
    }
}

#[test]
fn a_row_without_a_time_is_known_again_by_when_kong_deletes_it() {
    let world = World::new();
    world.ends.borrow_mut().version = "2.8.1.1-enterprise-edition";
    let row = |ttl: i64| {
        let fields = serde_json::json!({"dao_name": "services", "operation": "create", "entity": "{}", "ttl": ttl});
        world.clear();
        world.row(Objects, "row", None, fields);
    };
    row(20 * DAY);
    assert_eq!(world.run_ok().stream(Objects).shipped, 1);
    // In another bucket by the host's clock, and in the same by Kong's.
    world.pass(7 * 3600);
    row(20 * DAY - 7 * 3600);
    let mut again = world.run_ok();
    assert_eq!(counts(&mut again, Objects), (Some("full"), 1, 1, 0));
    let buckets: Vec<_> = world.buckets(Objects).into_keys().collect();
    assert_eq!(buckets, [crate::terms::LedgerTime::Expires(NOON + 20 * DAY).bucket()]);
}

#[test]
fn what_is_odd_about_an_entry_is_told_and_it_is_shipped_all_the_same() {
    let mut world = World::new();
    world.set("log_level", "debug");
    let fields = |time: serde_json::Value| {
        serde_json::json!({"method": "GET", "path": "/x", "status": 200,
        "request_timestamp": time})
    };
    let count = |world: &World, text: &str| {
        world.messages().iter().filter(|message| message.contains(text)).count()
    };
    world.request("plain", NOON - 10);
    world.run_ok();
    assert_eq!(
        (
            count(&world, "is shipped under the hash"),
            count(&world, "which is no number of seconds")
        ),
        (0, 0)
    );
    let mut odd = fields("yesterday".into());
    odd["request_id"] = "odd".into();
    let mut nameless = fields((NOON - 5).into());
    nameless["request_id"] = serde_json::Value::Null;
    world.ends.borrow_mut().rows[0].extend([(Some(NOON - 6), odd), (Some(NOON - 5), nameless)]);
    let mut report = world.run_ok();
    assert_eq!(report.stream(Requests).shipped, 2);
    assert_eq!(count(&world, "is shipped under the hash"), 1, "{:?}", world.messages());
    assert_eq!(count(&world, "which is no number of seconds"), 1, "{:?}", world.messages());
}

#[test]
fn one_stream_alone_is_read_where_only_that_is_asked_for() {
    let mut world = World::new();
    world.set("audit_streams", "objects");
    world.request("r", NOON - 1);
    world.object("o", NOON - 1);
    let mut report = world.run_ok();
    assert_eq!(counts(&mut report, Requests), (None, 0, 0, 0));
    assert_eq!(counts(&mut report, Objects), (Some("incremental"), 1, 0, 1));
}
