//! When events say that they happened, above all those of object rows, of which many Kongs do not tell it.

use std::collections::BTreeMap;

use kong_cloudtrail_sim::kong::{self, Leaves, Stream, Upgrade};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::support::{Store, World};

const MONTH: i64 = 30 * 86_400;
const OLD: &str = "2.8.1.1-enterprise-edition";
const NEW: &str = "3.10.0.0-enterprise-edition";

/// When each row was written in truth: Kong keeps it for a month from then on.
fn written(world: &World) -> BTreeMap<String, i64> {
    let now = world.kong.status().now;
    let rows = world.kong.entries(Stream::Objects, 0, usize::MAX);
    let written = |row: Value| {
        let id = row["id"].as_str().unwrap().to_owned();
        (id, now + row["ttl"].as_i64().unwrap() - MONTH)
    };
    rows.into_iter().map(written).collect()
}

/// Of each object's event: its time, and from what that was derived.
fn told(world: &World) -> BTreeMap<String, (i64, Value)> {
    let events = world.cloudtrail.events(0, usize::MAX).into_iter();
    let objects =
        events.filter(|event| event.event_data["additionalEventData"]["dao_name"].is_string());
    objects
        .map(|event| {
            let time = event.event_data["eventTime"].as_str().unwrap();
            let time = OffsetDateTime::parse(time, &Rfc3339).unwrap().unix_timestamp();
            let derived = &event.event_data["additionalEventData"]["derivedTime"]["source"];
            (event.id, (time, derived.clone()))
        })
        .collect()
}

/// Each row's event has the time at which the row was written, derived from `source`.
fn assert_true(world: &World, source: &Value) {
    let (written, told) = (written(world), told(world));
    assert_eq!(written.keys().collect::<Vec<_>>(), told.keys().collect::<Vec<_>>());
    for (id, written) in written {
        let (time, derived) = &told[&id];
        assert!((time - written).abs() <= 2, "{id}: {time} and not {written}");
        assert_eq!(derived, source, "{id}");
    }
}

fn old(requests: u32, objects: u32) -> kong::Options {
    kong::Options { version: OLD.parse().unwrap(), requests, objects, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_2_8_are_from_when_their_request_was_made() {
    let world = World::new(Store::Sqlite, old(500, 300));
    assert_eq!(world.tick_ok().await.shipped(), (500, 300));
    assert_true(&world, &json!("request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_their_requests_rows_of_2_8_are_from_a_retention_before_they_expire() {
    let mut world = World::new(Store::Sqlite, old(0, 300));
    let report = world.set("audit_streams", "objects").tick_ok().await;
    assert_eq!(report.shipped(), (0, 300));
    assert_true(&world, &json!("ttl"));
    assert!(report["notes"].as_array().unwrap().contains(&json!("derived-times")), "{report:?}");
    // Their place in the ledger does not move as the ttl falls.
    world.set("full_secs", "0");
    world.kong.set_clock(3600);
    let report = world.tick_ok().await;
    assert_eq!((report.shipped(), report.stream("objects", "duplicates")), ((0, 0), 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_forgets_rows_of_2_8_once_kong_has() {
    let mut world = World::new(Store::Sqlite, old(0, 300));
    world.set("full_secs", "0").tick_ok().await;
    let prefix = world.key("segment:objects:");
    let segments = async |world: &World| {
        let keys = world.store().await.keys().await.unwrap();
        keys.iter().filter(|key| key.starts_with(&prefix)).count()
    };
    assert!(segments(&world).await > 50, "they expire over a month");
    world.kong.set_clock(MONTH + 86_400);
    world.tick_ok().await;
    assert_eq!(segments(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_before_an_upgrade_are_not_from_1970() {
    for leaves in [Leaves::One, Leaves::Null] {
        let upgraded = Some(Upgrade { from: OLD.parse().unwrap(), leaves });
        let version = NEW.parse().unwrap();
        let options = kong::Options { version, upgraded, objects: 300, ..Default::default() };
        let world = World::new(Store::Sqlite, options);
        let report = world.tick_ok().await;
        assert_eq!(report.shipped(), (0, 300), "{leaves:?}");
        assert!(report["notes"].as_array().unwrap().contains(&json!("derived-times")));
        assert_true(&world, &json!("ttl"));
        world.kong.add_activity(0, 5);
        let report = world.tick_ok().await;
        assert_eq!((report.shipped(), &report["attention"]), ((0, 5), &json!([])), "{leaves:?}");
        let own = told(&world).into_values().filter(|(_, derived)| derived.is_null()).count();
        assert_eq!(own, 5, "{leaves:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_between_runs_ships_nothing_again() {
    for leaves in [Leaves::One, Leaves::Null] {
        let world = World::new(Store::Sqlite, old(200, 300));
        assert_eq!(world.tick_ok().await.shipped(), (200, 300));
        world.kong.add_activity(20, 30);
        world.kong.upgrade(NEW.parse().unwrap(), leaves);
        world.kong.add_activity(2, 3);
        let report = world.tick_ok().await;
        assert_eq!(report.shipped(), (22, 33), "{leaves:?}");
        assert_eq!(world.tick_ok().await.shipped(), (0, 0), "{leaves:?}");
        let status = world.cloudtrail.status();
        assert_eq!((status.accepted, status.distinct), (555, 555), "{leaves:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retention_that_was_raised_dates_no_row_a_year_back() {
    let mut world = World::new(Store::Sqlite, old(0, 100));
    world.set("audit_streams", "objects").set("full_secs", "0").tick_ok().await;
    let shipped = told(&world);
    world.kong.add_activity(0, 10);
    world.kong.set_record_ttl(365 * 86_400);
    assert_eq!(world.tick_ok().await.shipped(), (0, 10));
    let now = world.kong.status().now;
    for (id, (time, derived)) in told(&world) {
        if !shipped.contains_key(&id) {
            assert!((now - 60..=now).contains(&time), "{id} is said to be from {time}");
            assert_eq!(derived, "run");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn milliseconds_are_read_as_such() {
    let world = World::new(Store::Sqlite, kong::Options::default());
    let row = json!({"id": "m", "request_timestamp": 1_542_130_367_699_i64, "dao_name": "routes", "ttl": MONTH});
    world.kong.add_entries(Stream::Objects, [row]);
    assert_eq!(world.tick_ok().await.shipped(), (0, 1));
    assert_eq!(told(&world)["m"], (1_542_130_367, Value::Null));
    world.assert_exactly_once();
}
