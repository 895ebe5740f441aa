//! What an auditor gets back of an entry that went out in parts.

use kong_cloudtrail::event::rebuild;
use kong_cloudtrail::terms::Event;
use kong_cloudtrail::terms::Stream;
use rusqlite::types::Value as Column;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Place, Row, awkward_text, events, integer, request, text};

/// A field, its encoding, and the whole text.
type Expected<'e> = (&'e str, &'e str, &'e str);

/// Asserts that the query over these events gives these values of one of them, and no others.
fn assert_assembled<'e>(
    events: impl IntoIterator<Item = &'e Event>,
    event_id: &str,
    expected: &[Expected<'_>],
) {
    let events: Vec<&Event> = events.into_iter().collect();
    for place in Place::HASHING {
        let rows = place.with(events.iter().copied()).rows("parts", event_id);
        let fields: Vec<_> = rows.iter().map(|row| text(row, "field")).collect();
        let expected_fields: Vec<_> = expected.iter().map(|(field, ..)| *field).collect();
        assert_eq!(fields, expected_fields, "{place:?}");
        for (row, (field, encoding, whole)) in rows.iter().zip(expected) {
            assert!(
                text(row, "text") == *whole,
                "{field} in {place:?}: {:.200}",
                text(row, "text")
            );
            assert_eq!(text(row, "encoding"), *encoding, "{field} in {place:?}");
            assert_eq!(integer(row, "bytes"), i64::try_from(whole.len()).unwrap(), "{field}");
            assert_eq!(text(row, "sha256"), hex::encode(Sha256::digest(whole)), "{field}");
            assert_eq!(row["intact"], Column::Integer(1), "{field} in {place:?}");
        }
    }
}

/// What an entry is rebuilt from, as a place gives it: eventData out of an event's JSON, or the whole line.
fn event_json(place: Place, events: &[Event], event_id: &str) -> Vec<String> {
    let data = |row: &Row| match place {
        Place::Lake => {
            serde_json::from_str::<Value>(text(row, "eventjson")).unwrap()["eventData"].to_string()
        }
        Place::LogGroup => text(row, "message").to_owned(),
        Place::Bucket => text(row, "line").to_owned(),
    };
    place.with(events).rows("event-json", event_id).iter().map(data).collect()
}

/// The index of a payload's part.
fn part_at(events: &[Event], number: usize) -> usize {
    let suffix = format!("-p{number}");
    events.iter().position(|event| event.id.ends_with(&suffix)).unwrap()
}

#[test]
fn a_payload_of_5_mb_comes_out_byte_for_byte() {
    let payload = awkward_text(5_000_000);
    let events = events(Stream::Requests, &request("r1", json!({"payload": payload})));
    assert!(events.len() > 50, "{} events", events.len());
    assert_assembled(&events, "r1", &[("requestParameters.payload", "text", &payload)]);
}

#[test]
fn a_payload_of_json_comes_out_as_the_text_that_kong_holds() {
    let payload = format!(r#"{{"b": 1.0, "note": {}, "a": []}}"#, json!(awkward_text(300_000)));
    let fields = json!({"payload": payload, "path": "/services?q=1"});
    let events = events(Stream::Requests, &request("r1", fields));
    assert_assembled(&events, "r1", &[("requestParameters.payload", "text", &payload)]);
}

#[test]
fn an_entity_of_200_kb_comes_out_byte_for_byte() {
    let entity = json!({"id": "e1", "cert": awkward_text(200_000)}).to_string();
    let entry = json!({
        "id": "7ebabee7-2b09-445d-bc1f-2092c4ddc4be",
        "request_timestamp": 1_676_424_702,
        "dao_name": "certificates",
        "operation": "create",
        "entity": entity,
    });
    let events = events(Stream::Objects, &entry);
    let event_id = "7ebabee7-2b09-445d-bc1f-2092c4ddc4be";
    assert_assembled(&events, event_id, &[("responseElements.entity", "text", &entity)]);
}

#[test]
fn large_fields_of_any_type_come_out_as_the_json_that_kong_sent() {
    let trace = json!({"spans": [awkward_text(24_000), 1e21, null]});
    let notes = json!(awkward_text(22_000));
    let fields = json!({"trace": trace, "notes": notes, "small": {"kept": "in the event"}});
    let events = events(Stream::Requests, &request("r1", fields));
    let (trace, notes) = (trace.to_string(), notes.to_string());
    let expected = [
        ("additionalEventData.notes", "json", notes.as_str()),
        ("additionalEventData.trace", "json", trace.as_str()),
    ];
    assert_assembled(&events, "r1", &expected);
}

#[test]
fn forty_kb_of_small_unknown_fields_come_out_as_a_list_of_all() {
    let fields: serde_json::Map<String, Value> =
        (0..2000).map(|n| (format!("x-field-{n:04}"), json!(n))).collect();
    let others: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!(r#"{{"name":"{name}","value":{value}}}"#))
        .collect();
    let others = format!("[{}]", others.join(","));
    let events = events(Stream::Requests, &request("r1", Value::Object(fields)));
    assert_assembled(&events, "r1", &[("additionalEventData.otherFields", "json", &others)]);
}

#[test]
fn parts_of_two_entries_that_lie_mixed_up_come_out_apart() {
    let (first, second) = (awkward_text(700_000), awkward_text(1_200_000).to_uppercase());
    let trace = json!(awkward_text(40_000));
    let of_first = events(Stream::Requests, &request("r1", json!({"payload": first})));
    let fields = json!({"payload": second, "trace": trace});
    let of_second = events(Stream::Requests, &request("r10", fields));
    let lookalike = json!({"part": {"of": "r1", "field": "requestParameters.payload",
        "number": 1, "total": 1, "encoding": "text", "slice": "not r1's"}});
    let bystander =
        events(Stream::Requests, &request("r2", json!({"payload": lookalike.to_string()})));

    let mut mixed: Vec<&Event> = of_first.iter().chain(&of_second).chain(&bystander).collect();
    // By a hash, so that neither the entries nor the numbers are in any order.
    mixed.sort_by_key(|event| Sha256::digest(&event.id));
    let mixed = mixed.into_iter();
    assert_assembled(mixed.clone(), "r1", &[("requestParameters.payload", "text", &first)]);
    let trace = trace.to_string();
    let expected = [
        ("additionalEventData.trace", "json", trace.as_str()),
        ("requestParameters.payload", "text", second.as_str()),
    ];
    assert_assembled(mixed.clone(), "r10", &expected);
    assert_assembled(mixed, "r2", &[]);
}

#[test]
fn an_entry_that_was_shipped_twice_comes_out_once() {
    let payload = awkward_text(300_000);
    let of_age = |ttl: u64| request("r1", json!({"payload": payload, "ttl": ttl}));
    let first = events(Stream::Requests, &of_age(2_591_899));
    let second = events(Stream::Requests, &of_age(2_591_000));
    assert_ne!(first[0], second[0]);
    assert_assembled(
        first.iter().chain(&second),
        "r1",
        &[("requestParameters.payload", "text", &payload)],
    );
}

#[test]
fn a_text_that_lacks_a_part_is_not_intact() {
    let payload = awkward_text(300_000);
    let mut events = events(Stream::Requests, &request("r1", json!({"payload": payload})));
    events.remove(part_at(&events, 2));
    for place in Place::HASHING {
        let rows = place.with(&events).rows("parts", "r1");
        assert_eq!(rows.len(), 1);
        assert!(text(&rows[0], "text").len() < payload.len());
        assert_eq!(text(&rows[0], "sha256"), hex::encode(Sha256::digest(&payload)));
        assert_eq!(rows[0]["intact"], Column::Integer(0), "{place:?}");
    }
}

#[test]
fn an_id_that_cloudtrail_refuses_leaves_lake_without_the_texts_check() {
    let payload = awkward_text(300_000);
    let events = events(Stream::Requests, &request("no/such id", json!({"payload": payload})));
    let rows = Place::Bucket.with(&events).rows("parts", &events[0].id);
    assert_eq!(rows[0]["intact"], Column::Integer(1), "lines bear the id that replaced it");
    let rows = Place::Lake.with(&events).rows("parts", &events[0].id);
    assert_eq!(rows.len(), 1);
    assert!(text(&rows[0], "text") == payload);
    // The event bears Kong's own id, and its parts the one that replaced it.
    assert_eq!((&rows[0]["sha256"], &rows[0]["intact"]), (&Column::Null, &Column::Null));
}

#[test]
fn the_slices_in_their_order_are_the_text() {
    let payload = awkward_text(1_000_000);
    let mut events = events(Stream::Requests, &request("r1", json!({"payload": payload})));
    events.reverse();
    for place in Place::ALL {
        let rows = place.with(events.iter().chain(&events)).rows("part-slices", "r1");
        assert_eq!(rows.len(), events.len() - 1, "{place:?}");
        assert!(rows.iter().all(|row| text(row, "field") == "requestParameters.payload"));
        assert!(rows.iter().all(|row| text(row, "slice").len() <= 100_000));
        assert!(rows.iter().map(|row| text(row, "slice")).collect::<String>() == payload);
    }
}

#[test]
fn the_json_of_an_event_and_its_parts_is_what_an_entry_is_rebuilt_from() {
    let entry = request("r1", json!({"payload": awkward_text(300_000), "new_field": [1.5, null]}));
    let other = request("r2", json!({"payload": awkward_text(200_000)}));
    let of_entry = events(Stream::Requests, &entry);
    let all = [events(Stream::Requests, &other), of_entry.clone()].concat();
    for place in Place::ALL {
        let data = event_json(place, &all, "r1");
        assert_eq!(data.len(), of_entry.len(), "{place:?}");
        let rebuilt = rebuild::entry(Stream::Requests, &data).unwrap();
        assert!(serde_json::from_str::<Value>(&rebuilt).unwrap() == entry, "{place:?}");
    }
}

#[test]
fn an_entry_that_was_shipped_twice_is_rebuilt_as_it_was_the_first_time() {
    let payload = awkward_text(300_000);
    let of_age = |ttl: u64| request("r1", json!({"payload": payload, "ttl": ttl}));
    let (first, second) = (of_age(2_591_899), of_age(2_591_000));
    let all = [&first, &second].map(|entry| events(Stream::Requests, entry)).concat();
    for place in Place::ALL {
        let data = event_json(place, &all, "r1");
        let rebuilt = rebuild::entry(Stream::Requests, &data).unwrap();
        assert!(serde_json::from_str::<Value>(&rebuilt).unwrap() == first, "{place:?}");
    }
}

#[test]
fn an_entry_of_which_another_was_forged_later_comes_out_as_it_was() {
    let payload = awkward_text(300_000);
    let entry = request("r1", json!({"payload": payload}));
    let forged =
        request("r1", json!({"payload": awkward_text(250_000).to_uppercase(), "status": 500}));
    let shipped = events(Stream::Requests, &entry);
    let mut later = events(Stream::Requests, &forged);
    // A part that no event has.
    let mut stray = later[1].clone();
    stray.data = stray.data.replace(r#""UID":"r1-p1""#, r#""UID":"stray""#);
    stray.id = "stray".to_owned();
    later.push(stray);
    let all = [shipped, later].concat();
    assert_assembled(&all, "r1", &[("requestParameters.payload", "text", &payload)]);
    for place in Place::ALL {
        let data = event_json(place, &all, "r1");
        let rebuilt = rebuild::entry(Stream::Requests, &data).unwrap();
        assert!(serde_json::from_str::<Value>(&rebuilt).unwrap() == entry, "{place:?}");
        let rows = place.with(&all).rows("part-slices", "r1");
        assert!(rows.iter().map(|row| text(row, "slice")).collect::<String>() == payload);
    }
}
