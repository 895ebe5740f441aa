//! What becomes of entries that the destination does not take at once.

use super::world::UNMENTIONED;
use super::*;
use crate::report::{Attention, Outcome};
use crate::terms::Stream::{Objects, Requests};

#[test]
fn an_event_that_fails_holds_the_watermark_and_is_a_dead_letter_after_a_day() {
    let world = World::new();
    world.request("ok", NOON - 20);
    world.run_ok();
    world.pass(300);
    world.request("fails", NOON + 100);
    world.ends.borrow_mut().codes.insert("fails".to_owned(), "InternalFailure");
    let mut report = world.run();
    assert_eq!(report.outcome, Outcome::Partial);
    assert!(report.error.as_ref().unwrap().contains("InternalFailure"), "{:?}", report.error);
    let requests = report.stream(Requests).clone();
    assert_eq!((requests.pending, requests.rejected), (1, 0));
    let told = "1 events of requests are pending: InternalFailure";
    assert!(world.messages().iter().any(|text| text.starts_with(told)), "{:?}", world.messages());
    assert!(requests.watermark <= Some(NOON + 100), "{:?}", requests.watermark);
    world.pass(DAY - 600);
    assert_eq!(world.run().stream(Requests).pending, 1);
    world.pass(700);
    let mut report = world.run();
    assert_eq!((report.stream(Requests).pending, report.stream(Requests).rejected), (0, 1));
    assert_eq!(report.dead_letters, Some(1));
    assert!(report.error.unwrap().contains("refused 1 requests entries for good"));
    assert_eq!(report.outcome, Outcome::Partial);
    let mut report = world.run_ok();
    assert_eq!((report.dead_letters, report.stream(Requests).rejected), (Some(1), 0));
}

#[test]
fn a_comparison_waits_for_what_it_met_itself_and_not_for_what_a_window_met() {
    for has_time in [true, false] {
        let world = World::new();
        world.run_ok();
        world.pass(DAY);
        let now = world.now();
        // No window holds a row without a time.
        let time = has_time.then_some(now - 10);
        let fields =
            serde_json::json!({"dao_name": "services", "operation": "create", "entity": "{}"});
        world.row(Objects, "fails", time, fields);
        world.ends.borrow_mut().codes.insert("fails".to_owned(), "InternalFailure");
        let mut report = world.run();
        assert_eq!(report.stream(Objects).mode, Some("reconcile"));
        assert_eq!(report.stream(Objects).pending, 1);
        let compared = world.head().stream(Objects).coverage.compared();
        assert_eq!(compared, Some(if has_time { now } else { NOON }));
        world.ends.borrow_mut().codes.clear();
        assert_eq!(world.run_ok().stream(Objects).shipped, 1);
    }
}

/// Marks a dead letter to be sent again.
fn mark_letter(world: &World, id: &str) {
    world.on_letters(|letters| {
        let chunk = letters.chunks()[0];
        let mut read = letters.read(chunk).unwrap();
        let letter = read.iter_mut().find(|letter| letter.id.contains(id)).unwrap();
        letter.replay = true;
        letters.replace(&[chunk], &read).unwrap();
    });
}

fn mark(world: &World) {
    mark_letter(world, "refused");
}

#[test]
fn of_the_dead_letters_those_alone_are_sent_again_that_are_marked_and_can_be() {
    let world = World::new();
    world.requests("refused", 3, NOON - 20, 1);
    let row = (Some(NOON - 30), "no entry".into());
    world.ends.borrow_mut().rows[0].push(row);
    let codes = (0..3).map(|n| (format!("refused{n:05}"), "InvalidData"));
    world.ends.borrow_mut().codes.extend(codes);
    world.request("taken", NOON - 20);
    world.run();
    world.pass(DAY + 60);
    assert_eq!(world.run().dead_letters, Some(4));
    world.ends.borrow_mut().codes.clear();
    mark_letter(&world, "refused00001");
    mark_letter(&world, "unreadable");
    assert_eq!(world.run().dead_letters, Some(3));
    assert_eq!(world.accepted().into_iter().collect::<Vec<_>>(), ["refused00001", "taken"]);
    world.on_letters(|letters| {
        let read = letters.read(letters.chunks()[0]).unwrap();
        assert!(read.iter().all(|letter| !letter.id.contains("00001")), "{read:?}");
    });
}

#[test]
fn an_event_refused_among_others_is_a_dead_letter_at_once_and_is_sent_again_when_marked() {
    let world = World::new();
    for id in ["a", "b", "refused"] {
        world.request(id, NOON - 20);
    }
    world.ends.borrow_mut().codes.insert("refused".to_owned(), "InvalidData");
    let mut report = world.run();
    assert_eq!(report.outcome, Outcome::Partial);
    let requests = report.stream(Requests);
    assert_eq!((requests.shipped, requests.rejected, requests.pending), (2, 1, 0));
    assert_eq!(requests.watermark, Some(NOON));
    mark(&world);
    world.ends.borrow_mut().codes.insert("refused".to_owned(), "FieldTooLong");
    assert_eq!(world.run().dead_letters, Some(1));
    world.on_letters(|letters| {
        let read = letters.read(letters.chunks()[0]).unwrap();
        assert_eq!((read[0].error.as_str(), read[0].replay), ("FieldTooLong why", false));
    });
    mark(&world);
    world.ends.borrow_mut().codes.insert("refused".to_owned(), "InternalFailure");
    let report = world.run();
    assert_eq!((report.outcome, report.dead_letters), (Outcome::Partial, Some(1)));
    assert!(report.error.unwrap().contains("InternalFailure"));
    assert!(!world.messages().iter().any(|text| text.contains("were sent again")));
    world.ends.borrow_mut().codes.clear();
    assert_eq!(world.run_ok().dead_letters, Some(0));
    assert!(world.accepted().contains("refused"));
    assert!(world.messages().iter().any(|text| text.contains("1 dead letters were sent again")));
}

#[test]
fn two_batches_that_are_refused_whole_are_a_flood_and_no_dead_letters() {
    let world = World::new();
    world.requests("r", 250, NOON - 1000, 1);
    let ids = (0..250).map(|n| (format!("r{n:05}"), "InvalidData"));
    world.ends.borrow_mut().codes.extend(ids);
    let mut report = world.run();
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.error.as_ref().unwrap().contains("two batches in a row"));
    assert_eq!((report.stream(Requests).rejected, report.dead_letters), (0, Some(0)));
    assert_eq!(report.stream(Requests).pending, 250);
    assert_eq!(report.stream(Requests).batches, 2);
    assert_eq!(report.generation, Some(2), "the preflight and the end: nothing else to record");
    let told = "events of requests are pending: CloudTrail refused every event of two batches";
    assert!(world.messages().iter().any(|text| text.contains(told)), "{:?}", world.messages());
    world.ends.borrow_mut().codes.clear();
    world.run_ok();
    assert_eq!(world.accepted().len(), 250);
}

#[test]
fn one_batch_that_is_refused_whole_is_its_entries_fault_where_the_next_is_taken() {
    let world = World::new();
    world.requests("r", 150, NOON - 1000, 1);
    // Newest first: these are the first batch.
    let ids = (50..150).map(|n| (format!("r{n:05}"), "InvalidData"));
    world.ends.borrow_mut().codes.extend(ids);
    let mut report = world.run();
    assert_eq!((report.stream(Requests).rejected, report.stream(Requests).shipped), (100, 50));
    assert_eq!(report.dead_letters, Some(100));
}

#[test]
fn single_events_that_are_refused_in_batch_after_batch_are_no_flood() {
    let world = World::new();
    world.requests("r", 350, NOON - 1000, 1);
    let refused = ["r00010", "r00120", "r00230", "r00340"];
    world.ends.borrow_mut().codes.extend(refused.map(|id| (id.to_owned(), "InvalidData")));
    let mut report = world.run();
    assert_eq!(report.outcome, Outcome::Partial);
    assert_eq!((report.stream(Requests).rejected, report.stream(Requests).shipped), (4, 346));
}

#[test]
fn an_entry_that_fills_batches_by_itself_is_no_flood() {
    let world = World::new();
    let large = serde_json::json!({"method": "POST", "path": "/x", "status": 201,
        "payload": "x".repeat(3_000_000)});
    world.row(Requests, "large", Some(NOON - 10), large);
    let parts = (1..100).map(|part| format!("large-p{part}")).chain(["large".to_owned()]);
    world.ends.borrow_mut().codes.extend(parts.map(|id| (id, "InvalidData")));
    let mut report = world.run();
    assert!(report.stream(Requests).batches > 2);
    assert_eq!((report.outcome, report.stream(Requests).rejected), (Outcome::Partial, 1));
    assert!(report.dead_letters.unwrap() > 10, "each part by itself");
}

#[test]
fn a_ledger_is_bound_by_a_dead_letter_that_is_accepted_at_last() {
    let world = World::new();
    world.request("refused", NOON - 10);
    world.ends.borrow_mut().codes.insert("refused".to_owned(), "InvalidData");
    assert_eq!(world.run().dead_letters, Some(1));
    assert_eq!(world.head().target, None, "nothing was accepted");
    mark(&world);
    world.run();
    assert_eq!(world.head().target, None);
    world.ends.borrow_mut().codes.clear();
    mark(&world);
    world.run_ok();
    assert!(world.head().target.is_some());
}

#[test]
fn an_answer_that_leaves_an_event_out_is_doubted_and_the_event_sent_again() {
    let world = World::new();
    world.request("a", NOON - 10);
    let report = world.run_ok();
    assert!(!world.told("events were in calls"));
    assert_eq!(
        (report.duration_ms, report.calls.retries),
        (30, 0),
        "the batch beside a page of Kong's"
    );
    world.request("b", NOON - 5);
    world.ends.borrow_mut().codes.insert("b".to_owned(), UNMENTIONED);
    assert_eq!(world.run_ok().calls.retries, 1);
    assert!(world.told("1 events were in calls"));
    assert_eq!(world.accepted().len(), 2);
}

#[test]
fn an_entry_in_parts_is_one_entry_and_parts_that_are_there_are_not_sent_again() {
    let world = World::new();
    let large = serde_json::json!({"method": "POST", "path": "/x", "status": 201, "payload": "x".repeat(600_000)});
    world.row(Requests, "large", Some(NOON - 10), large);
    world.ends.borrow_mut().codes.insert("large-p2".to_owned(), "InternalFailure");
    let mut report = world.run();
    assert_eq!((report.stream(Requests).shipped, report.stream(Requests).pending), (0, 1));
    let parts = world.accepted().len();
    assert!(parts > 3, "{parts}");
    world.ends.borrow_mut().codes.clear();
    let mut report = world.run_ok();
    assert_eq!(report.stream(Requests).shipped, 1);
    assert_eq!(world.accepted().len(), parts + 1, "the one that was missing");
}

#[test]
fn what_is_accepted_is_recorded_when_half_of_what_may_be_unrecorded_has_gathered() {
    for (max_in_flight, records) in [("1", 21), ("4", 11), ("10", 5)] {
        let mut world = World::new();
        world.set("max_in_flight", max_in_flight);
        world.requests("r", 2100, NOON - 5000, 1);
        let report = world.run_ok();
        assert_eq!(world.accepted().len(), 2100);
        // Of 21 batches the first is recorded by itself; and there are the preflight and the end.
        assert_eq!(report.generation, Some(records + 2), "max_in_flight {max_in_flight}");
    }
}

#[test]
fn the_first_batch_goes_alone_whatever_was_recorded_before() {
    let world = adopting(10_000);
    world.requests("new", 400, NOON - 60_000, 1);
    world.run_ok();
    let sent = world.ports.sent.borrow();
    let calls = sent.iter().filter(|(_, request)| request.method() == http::Method::POST);
    let times: Vec<_> = calls.map(|(at, _)| *at).collect();
    assert_eq!(times.len(), 4);
    assert!(times[1] >= times[0] + world.ports.latency, "{times:?}");
    assert!(times[3] < times[1] + world.ports.latency, "and the others together: {times:?}");
}

#[test]
fn after_throttling_fewer_batches_are_under_way_at_once() {
    let mut world = World::new();
    world.set("max_in_flight", "4");
    world.requests("r", 500, NOON - 1000, 1);
    world.ends.borrow_mut().throttled = 3;
    world.run_ok();
    let sent = world.ports.sent.borrow();
    let calls = sent.iter().filter(|(_, request)| request.method() == http::Method::POST);
    let times: Vec<_> = calls.map(|(at, _)| *at).collect();
    // The first batch is refused thrice. One may be under way then, and two when it is taken.
    let first = times[4]..times[4] + world.ports.latency;
    let together = times.iter().filter(|at| first.contains(*at));
    assert_eq!((times.len(), together.count()), (8, 2), "{times:?}");
}

/// A Kong with so many request entries of which the Lambda has a key of each.
fn adopting(entries: i64) -> World {
    let mut world = World::new();
    world.set("adopt_lambda_keys", "true");
    let mut values = world.ports.store.values.borrow_mut();
    for n in 0..entries {
        let id = format!("{n:032}");
        world.request(&id, NOON - 50_000 + n);
        values.insert(id, b"1".to_vec());
    }
    drop(values);
    world
}

#[test]
fn what_is_adopted_is_recorded_every_ten_thousand_entries() {
    for (entries, records) in [(9_999, 0), (10_000, 1), (20_050, 2)] {
        let report = adopting(entries).run_ok();
        assert_eq!(
            report.generation,
            Some(records + 1),
            "{entries} entries, and the end of the run"
        );
    }
}

#[test]
fn what_adoption_did_is_told() {
    let world = adopting(3);
    world.run_ok();
    assert!(world.told("3 request entries count as shipped"));
    world.run_ok();
    assert!(world.told("adopt_lambda_keys can be switched off"));
    world.request("fails", NOON - 10);
    world.ends.borrow_mut().codes.insert("fails".to_owned(), "InternalFailure");
    world.run();
    assert!(!world.told("adopt_lambda_keys can be switched off"), "one is pending");
    assert_eq!(world.accepted().len(), 0);
    let mut world = World::new();
    world.set("adopt_lambda_keys", "true");
    world.object("o", NOON - 10);
    world.run_ok();
    assert!(!world.told("adopt_lambda_keys: "), "the Lambda read no objects");
    world.request("late", NOON - 10);
    world.run_ok();
    assert!(!world.told("adopt_lambda_keys: "), "that is told of a first run alone");
    let mut world = World::new();
    world.set("adopt_lambda_keys", "true");
    world.request("r", NOON - 10);
    world.run_ok();
    assert!(world.told("a key for none of the 1 request entries"));
    world.set("adopt_lambda_keys", "false");
    world.run_ok();
    assert!(!world.told("adopt_lambda_keys"));
}

#[test]
fn lost_fingerprints_are_told_and_their_entries_shipped_again() {
    let world = World::new();
    world.request("r", NOON - 10);
    world.run_ok();
    world.ends.borrow_mut().accepted.clear();
    world.ports.store.values.borrow_mut().retain(|key, _| !key.contains("segment"));
    let report = world.run_ok();
    assert!(report.attention.contains(&Attention::StoreLost));
    assert!(world.messages().iter().any(|text| text.contains("has lost fingerprints at")));
    assert_eq!(world.accepted().len(), 1);
}
