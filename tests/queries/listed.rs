//! The list of events that have parts.

use kong_cloudtrail::terms::Event;
use kong_cloudtrail::terms::Stream;
use serde_json::json;

use super::{Place, awkward_text, derived_twice, events, integer, request, text};

fn large(id: &str, timestamp: i64) -> Vec<Event> {
    let fields = json!({
        "request_timestamp": timestamp,
        "payload": awkward_text(250_000),
        "trace": awkward_text(30_000),
    });
    events(Stream::Requests, &request(id, fields))
}

#[test]
fn only_events_with_parts_are_listed_the_newest_first() {
    let (older, newer) = (large("r1", 1_676_424_702), large("r2", 1_676_424_703));
    let small = events(Stream::Requests, &request("r3", json!({"payload": "{}"})));
    for place in Place::ALL {
        let store = place.with(older.iter().chain(&newer).chain(&newer).chain(&small));
        let rows = store.rows("events-with-parts", "");
        let ids: Vec<_> = rows.iter().map(|row| text(row, "event_id")).collect();
        assert_eq!(ids, ["r2", "r1"], "{place:?}");
        for row in &rows {
            if place == Place::Lake {
                let fields = "additionalEventData.trace, requestParameters.payload";
                assert_eq!(text(row, "fields"), fields);
            }
            assert_eq!(text(row, "event_name"), "POSTservices");
            let parts = i64::try_from(older.len() - 1).unwrap();
            assert_eq!((integer(row, "parts"), integer(row, "parts_expected")), (parts, parts));
        }
    }
}

#[test]
fn an_event_that_was_shipped_twice_is_listed_once_though_its_derived_time_moved() {
    let [first, second] = derived_twice(&awkward_text(150_000));
    for place in Place::ALL {
        let rows = place.with(first.iter().chain(&second)).rows("events-with-parts", "");
        assert_eq!(rows.len(), 1, "{place:?}");
        assert_eq!(text(&rows[0], "event_time"), "2023-02-15 01:31:42");
        let parts = i64::try_from(first.len() - 1).unwrap();
        let found = (integer(&rows[0], "parts"), integer(&rows[0], "parts_expected"));
        assert_eq!(found, (parts, parts), "{place:?}");
    }
}

#[test]
fn a_missing_part_shows_in_the_list() {
    let mut events = large("r1", 1_676_424_702);
    let total = events.len() - 1;
    events.remove(2);
    for place in Place::ALL {
        let rows = place.with(&events).rows("events-with-parts", "");
        assert_eq!(rows.len(), 1, "{place:?}");
        assert_eq!(integer(&rows[0], "parts"), i64::try_from(total - 1).unwrap());
        assert_eq!(integer(&rows[0], "parts_expected"), i64::try_from(total).unwrap());
    }
}

#[test]
fn events_outside_the_span_of_time_are_not_listed() {
    let january = large("r1", 1_675_209_599);
    let march = large("r2", 1_677_628_800);
    for place in Place::ALL {
        let store = place.with(january.iter().chain(&march));
        assert_eq!(store.rows("events-with-parts", ""), [], "{place:?}");
    }
}

#[test]
fn parts_that_were_sent_later_or_that_no_event_has_are_not_counted() {
    let shipped = large("r1", 1_676_424_702);
    let forged = |event: &Event, id: &str, number: i64| {
        let mut data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
        data["eventName"] = json!("DELETEforged");
        data["UID"] = json!(id);
        let part = &mut data["requestParameters"]["part"];
        (part["number"], part["total"], part["slice"]) =
            (json!(number), json!(99), json!("forged"));
        Event { id: id.to_owned(), data: data.to_string(), ..event.clone() }
    };
    let later = [
        forged(&shipped[1], "r1-p1", 1),
        forged(&shipped[1], "forged-p1", 1),
        forged(&shipped[1], "forged", 2),
    ];
    for place in Place::ALL {
        let store = place.with(shipped.iter().chain(&later));
        let rows = store.rows("events-with-parts", "");
        assert_eq!(rows.len(), 1, "{place:?}");
        assert_eq!(text(&rows[0], "event_name"), "POSTservices", "{place:?}");
        let parts = i64::try_from(shipped.len() - 1).unwrap();
        let found = (integer(&rows[0], "parts"), integer(&rows[0], "parts_expected"));
        assert_eq!(found, (parts, parts), "{place:?}");
        let rows = store.rows("part-slices", "r1");
        assert_eq!(rows.len(), shipped.len() - 1, "{place:?}");
        assert!(rows.iter().all(|row| text(row, "slice") != "forged"), "{place:?}");
    }
}
