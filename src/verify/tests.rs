#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{Counts, Outcome, Table, Verify, verify};
use crate::event::id_sum;
use crate::run::tests::world::{DAY, NOON, World};
use crate::terms::Stream;
use crate::testing::answer;

fn compare(world: &World) -> Verify {
    let before = world.ports.store.values.borrow().clone();
    let found =
        world.ports.clock.run(verify(&world.ports, |name| Ok(world.variables.get(name).cloned())));
    assert_eq!(*world.ports.store.values.borrow(), before, "nothing is changed");
    found
}

fn table(found: &Verify, stream: Stream) -> &Table {
    &found.streams.iter().find(|(of, _)| *of == stream).unwrap().1
}

fn sum<'i>(ids: impl IntoIterator<Item = &'i str>) -> u64 {
    ids.into_iter().map(|id| u64::from(id_sum(id))).sum()
}

/// Three requests a day for three days, and a row of each.
fn of_three_days() -> World {
    let world = World::new();
    for day in 1..=3 {
        for n in 0..3 {
            world.request(&format!("r{day}-{n}"), NOON - day * DAY + n);
        }
        world.object(&format!("o{day}"), NOON - day * DAY);
    }
    world
}

#[test]
fn all_that_was_shipped_is_counted_by_stream_and_day() {
    let world = of_three_days();
    world.run_ok();
    let found = compare(&world);
    assert_eq!((found.outcome, &found.error), (Outcome::Ok, &None));
    let requests = table(&found, Stream::Requests);
    assert_eq!(requests.watermark, Some(NOON));
    assert_eq!(requests.days.len(), 3);
    let expected =
        Counts { kong: 3, recorded: 3, id_sum: sum(["r1-0", "r1-1", "r1-2"]), ..Counts::default() };
    assert_eq!(requests.days[&(NOON / DAY - 1)], expected);
    assert_eq!(requests.derived, Counts::default());
    let line: Value = serde_json::from_str(&found.line()).unwrap();
    assert_eq!(line["streams"]["objects"]["days"][0]["day"], "2026-11-19");
    assert_eq!(line["streams"]["objects"]["days"][0]["id_sum"], json!(sum(["o3"])));
    assert_eq!((&line["event"], &line["outcome"]), (&json!("verify"), &json!("ok")));
}

#[test]
fn what_kong_holds_and_the_ledger_does_not_is_missing_by_name() {
    let world = of_three_days();
    world.run_ok();
    world.request("r-late", NOON - 2 * DAY);
    let found = compare(&world);
    assert_eq!(found.outcome, Outcome::Missing);
    let requests = table(&found, Stream::Requests);
    let missing: Vec<_> =
        requests.missing.iter().map(|missing| (missing.id.as_str(), missing.time)).collect();
    assert_eq!(missing, [("r-late", Some(NOON - 2 * DAY))]);
    let day = requests.days[&(NOON / DAY - 2)];
    assert_eq!((day.kong, day.recorded, day.missing), (4, 3, 1));
    assert_eq!(day.id_sum, sum(["r2-0", "r2-1", "r2-2", "r-late"]), "the destination must hold it");
}

#[test]
fn a_hundred_that_are_missing_are_named_and_all_are_counted() {
    let world = of_three_days();
    world.run_ok();
    world.requests("late", 150, NOON - DAY, 1);
    let found = compare(&world);
    let requests = table(&found, Stream::Requests);
    assert_eq!((requests.missing.len(), requests.days[&(NOON / DAY - 1)].missing), (100, 150));
}

#[test]
fn what_came_after_the_watermark_is_left_out() {
    let world = of_three_days();
    world.run_ok();
    world.request("new", NOON);
    let found = compare(&world);
    assert_eq!((found.outcome, table(&found, Stream::Requests).later), (Outcome::Ok, 1));
    world.request("a second before", NOON - 1);
    assert_eq!(compare(&world).outcome, Outcome::Missing);
}

#[test]
fn dead_letters_are_told_from_what_the_destination_holds() {
    let world = of_three_days();
    world.ends.borrow_mut().codes.insert("r2-1".to_owned(), "FieldTooLong");
    world.run();
    let found = compare(&world);
    assert_eq!(found.outcome, Outcome::Ok, "{:?}", found.error);
    let day = table(&found, Stream::Requests).days[&(NOON / DAY - 2)];
    assert_eq!((day.kong, day.recorded, day.dead_letters, day.missing), (3, 2, 1, 0));
    assert_eq!(day.id_sum, sum(["r2-0", "r2-2"]));
}

#[test]
fn an_entry_of_which_a_part_was_refused_is_incomplete() {
    let world = of_three_days();
    let payload = "x".repeat(300_000);
    let fields = json!({"method": "POST", "path": "/x", "status": 201, "payload": payload});
    world.row(Stream::Requests, "large", Some(NOON - DAY + 5), fields);
    world.ends.borrow_mut().codes.insert("large-p1".to_owned(), "FieldTooLong");
    world.run();
    let found = compare(&world);
    assert_eq!(found.outcome, Outcome::Ok, "{:?}", found.error);
    let day = table(&found, Stream::Requests).days[&(NOON / DAY - 1)];
    assert_eq!((day.recorded, day.incomplete, day.dead_letters), (4, 1, 0));
    assert_eq!(day.id_sum, sum(["r1-0", "r1-1", "r1-2", "large"]), "the event itself is there");
}

#[test]
fn rows_without_a_time_have_a_row_of_their_own() {
    let world = of_three_days();
    // The last one may be from after the watermark, by its time alone.
    let rows = [
        ("old", json!(null), 20 * DAY),
        ("upgraded", json!(1), 20 * DAY),
        ("young", json!(null), 30 * DAY - 100),
    ];
    for (id, time, ttl) in rows {
        let fields = json!({"dao_name": "routes", "operation": "create", "ttl": ttl});
        world.row(Stream::Objects, id, None, fields);
        let mut ends = world.ends.borrow_mut();
        ends.rows[1].last_mut().unwrap().1["request_timestamp"] = time;
    }
    world.run();
    let found = compare(&world);
    assert_eq!(found.outcome, Outcome::Ok, "{:?}", found.streams);
    let objects = table(&found, Stream::Objects);
    let derived = Counts {
        kong: 3,
        recorded: 3,
        id_sum: sum(["old", "upgraded", "young"]),
        ..Counts::default()
    };
    assert_eq!((objects.derived, objects.days.len()), (derived, 3));

    let fields = json!({"dao_name": "routes", "operation": "create", "ttl": 20 * DAY});
    world.row(Stream::Objects, "lost", None, fields);
    let found = compare(&world);
    let objects = table(&found, Stream::Objects);
    assert_eq!((objects.derived.missing, objects.missing[0].time), (1, None));
    // One that was written just now is from after the watermark.
    let fields = json!({"dao_name": "routes", "operation": "create", "ttl": 30 * DAY});
    world.row(Stream::Objects, "new", None, fields);
    assert_eq!(table(&compare(&world), Stream::Objects).later, 1);
}

#[test]
fn what_cannot_be_read_is_no_proof() {
    let world = of_three_days();
    let found = compare(&world);
    assert_eq!((found.outcome, found.streams.len()), (Outcome::Failed, 0));
    assert!(found.error.unwrap().contains("there is no ledger"));

    world.run_ok();
    let failing = Ok(answer(500, "{}"));
    world.ends.borrow_mut().kong_says.insert("/audit/objects", failing);
    let found = compare(&world);
    assert_eq!(found.outcome, Outcome::Failed);
    assert!(table(&found, Stream::Objects).error.as_ref().unwrap().contains("500"));
    assert_eq!(table(&found, Stream::Requests).error, None, "the other stream is compared");

    world.ends.borrow_mut().kong_says.clear();
    world.ends.borrow_mut().rows[0].push((Some(NOON - DAY), json!("no entry")));
    let found = compare(&world);
    let requests = table(&found, Stream::Requests);
    assert_eq!((found.outcome, requests.unreadable), (Outcome::Failed, 1));
    assert!(requests.error.as_ref().unwrap().contains("not a JSON object"));

    world.ends.borrow_mut().configuration["audit_log"] = json!(false);
    let found = compare(&world);
    assert!(found.error.unwrap().contains("audit_log = on"));
}

#[test]
fn a_stream_that_no_run_has_read_through_proves_nothing() {
    let mut world = of_three_days();
    world.set("audit_streams", "requests").run_ok();
    world.set("audit_streams", "requests,objects");
    let found = compare(&world);
    assert_eq!(found.outcome, Outcome::Failed);
    assert!(table(&found, Stream::Objects).error.as_ref().unwrap().contains("no run has read"));
}

#[test]
fn letters_that_the_store_has_lost_prove_nothing() {
    let world = of_three_days();
    world.ends.borrow_mut().codes.insert("r2-1".to_owned(), "FieldTooLong");
    world.run();
    let lost =
        world.ports.store.values.borrow_mut().remove("kong-cloudtrail:default:{0}dead-letters:0");
    assert!(lost.is_some());
    assert!(compare(&world).error.unwrap().contains("has lost the dead letters at"));
    let index =
        world.ports.store.values.borrow_mut().remove("kong-cloudtrail:default:{0}dead-letters");
    assert!(index.is_some());
    assert!(compare(&world).error.unwrap().contains("has lost the index"));
}

#[test]
fn many_pages_are_read_and_one_that_leads_in_a_circle_ends_it() {
    let mut world = World::new();
    world.set("page_size", "10").requests("r", 95, NOON - DAY, 1);
    world.run_ok();
    let found = compare(&world);
    let requests = table(&found, Stream::Requests);
    assert_eq!(requests.days.values().map(|day| day.recorded).sum::<u64>(), 95);
    let line: Value = serde_json::from_str(&found.line()).unwrap();
    assert_eq!(line["calls"]["kong"], 1 + 10 + 1);
    let page = json!({"data": [{"request_id": "r00001", "request_timestamp": NOON - DAY}],
        "offset": "again", "next": "/next"});
    let page = Ok(answer(200, page.to_string()));
    world.ends.borrow_mut().kong_says.insert("/audit/requests", page);
    let found = compare(&world);
    assert!(table(&found, Stream::Requests).error.as_ref().unwrap().contains("has no new entry"));
}
