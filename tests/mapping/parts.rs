//! Entries that are too large for one event, and what JSON readers disagree about: what goes out in parts,
//! in which, and how it comes together again.

use std::collections::HashMap;

use kong_cloudtrail::event::rebuild;
use kong_cloudtrail::terms::Event;
use kong_cloudtrail::terms::Stream;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::cases::{quoted, with_payload};
use super::{data, map};

/// The fields that an entry's parts belong to, with the encoding of each.
fn parted(events: &[Event]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = events[1..]
        .iter()
        .map(|event| {
            let part = &data(event)["requestParameters"]["part"];
            let text = |name: &str| part[name].as_str().unwrap().to_owned();
            (text("field"), text("encoding"))
        })
        .collect();
    fields.dedup();
    fields
}

#[test]
fn what_json_readers_disagree_about_goes_out_as_text() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    for value in [
        r#""\ud800""#,
        "1e400",
        r#"{"a":1,"a":2}"#,
        r#"{"parts":[1,1],"sha256":"","bytes":0}"#,
        &deep,
    ] {
        let events = map(Stream::Requests, &format!(r#"{{"request_id":"r1","new":{value}}}"#));
        let field = "additionalEventData.new".to_owned();
        assert_eq!(parted(&events), [(field, "json".to_owned())], "{value:.40}");
    }
}

#[test]
fn a_payload_over_the_limit_goes_out_in_parts() {
    let payload = json!({"name": "é\"\u{1}".repeat(40_000)}).to_string();
    let events = map(Stream::Requests, &with_payload(&quoted(&payload)));
    let event = data(&events[0]);
    let reference = &event["requestParameters"]["payload"];
    assert_eq!(reference["parts"], json!([1, events.len() - 1]));
    assert_eq!(reference["bytes"], payload.len());
    assert_eq!(event["requestParameters"]["queryParameters"], "q=1");
    let mut whole = String::new();
    for (number, part) in events.iter().enumerate().skip(1) {
        assert_eq!(part.id, format!("r1-p{number}"));
        let part = data(part);
        assert_eq!(part["UID"], format!("r1-p{number}"));
        for same in ["version", "userIdentity", "eventSource", "eventName", "eventTime"] {
            assert_eq!(part[same], event[same]);
        }
        let part = &part["requestParameters"]["part"];
        assert_eq!(part["of"], "r1");
        assert_eq!(part["field"], "requestParameters.payload");
        assert_eq!(part["number"], number);
        assert_eq!(part["total"], events.len() - 1);
        assert_eq!(part["encoding"], "text");
        whole += part["slice"].as_str().unwrap();
    }
    assert_eq!(whole, payload);
}

#[test]
fn what_no_cut_may_fall_anywhere_in_comes_together_byte_for_byte_signed_or_not() {
    // Quotes, escapes, and characters of one to four bytes.
    let awkward = |bytes: usize| {
        let text = "\"\\/\n\u{1}Kö€𝄞%&=+ ".repeat(bytes / 20);
        text.clone() + &"x".repeat(bytes - text.len())
    };
    let signed = |field: &str, bytes| {
        let document = json!({"text": awkward(bytes), "n": 1.50}).to_string();
        json!({field: document, "signature": "c2lnbmF0dXJl"})
    };
    let path = format!("/services/{}?tags={}", "a/ü".repeat(794), "q".repeat(602));
    assert_eq!(path.chars().count(), 3000);
    let unknown = (0..20).map(|n| (format!("unknown_{n}"), json!(awkward(2000))));
    let unknown = Value::Object(unknown.collect());
    for (stream, mut entry) in [
        (Stream::Requests, json!({"payload": awkward(5_000_000)})),
        (Stream::Requests, signed("payload", 5_000_000)),
        (Stream::Requests, json!({ "path": path })),
        (Stream::Requests, unknown.clone()),
        (Stream::Objects, json!({"entity": awkward(200_000)})),
        (Stream::Objects, signed("entity", 200_000)),
        (Stream::Objects, unknown),
    ] {
        entry[stream.id_field()] = json!("one");
        let events = map(stream, &entry.to_string());
        let data: Vec<&str> = events.iter().map(|event| event.data.as_str()).collect();
        let rebuilt: Value = serde_json::from_str(&rebuild::entry(stream, &data).unwrap()).unwrap();
        assert!(rebuilt == entry, "{:.100}", entry.to_string());
    }
}

/// Bytes of a section as it is written.
fn section_bytes(event: &Event, section: &str) -> usize {
    let members: HashMap<&str, &RawValue> = serde_json::from_str(&event.data).unwrap();
    members[section].get().len()
}

/// Fills `entry`, which is given so many bytes and some more, until its `section` is at the limit.
fn assert_limit(
    stream: Stream,
    section: &str,
    limit: usize,
    entry: impl Fn(usize, &str) -> String,
) {
    let bytes = |filled| section_bytes(&map(stream, &entry(filled, "p"))[0], section);
    let filled = (limit - bytes(1)) / (bytes(2) - bytes(1));
    let padding = "p".repeat(1 + limit - bytes(1 + filled));
    let events = map(stream, &entry(1 + filled, &padding));
    assert_eq!((events.len(), section_bytes(&events[0], section)), (1, limit));
    // With a byte more it takes another form, or goes out in parts, and is within the limit.
    map(stream, &entry(1 + filled, &(padding + "p")));
}

#[test]
fn a_section_of_exactly_its_limit_stays_whole() {
    let sent = |fields: String| {
        move |bytes: usize, padding: &str| {
            let fields = fields.replace('~', &"x".repeat(bytes));
            format!(r#"{{"request_id":"r1","path":"/a?{padding}",{fields}}}"#)
        }
    };
    for payload in [r#"["~"]"#, r#"{"a":"~"}"#, r#" { "part" : "~" } "#, r#"{"a":1,"a":"~"}"#] {
        let payload = format!(r#""payload":{}"#, quoted(payload));
        let signed = payload.clone() + r#","signature":"c2ln""#;
        for fields in [payload, signed] {
            assert_limit(Stream::Requests, "requestParameters", 100_000, sent(fields));
        }
    }
    let entity = |bytes: usize, padding: &str| {
        let entity = format!(r#"{{"a":"{}","b":"{padding}"}}"#, "x".repeat(bytes));
        format!(r#"{{"id":"o1","entity":{}}}"#, quoted(&entity))
    };
    assert_limit(Stream::Objects, "responseElements", 100_000, entity);
    let additional = |bytes: usize, padding: &str| {
        format!(r#"{{"id":"o1","new":"{}","{padding}\"":[1.0],"id":"o1"}}"#, "x".repeat(bytes))
    };
    assert_limit(Stream::Objects, "additionalEventData", 28_000, additional);
}

#[test]
fn of_the_additional_fields_the_largest_go_out_in_parts() {
    let entry = format!(
        r#"{{"request_id":"r1","a":"{}","b":"{}","workspace":"w","c":{{"d":"{}"}}}}"#,
        "a".repeat(9_000),
        "b".repeat(200_000),
        "c".repeat(20_000)
    );
    let events = map(Stream::Requests, &entry);
    let fields: Vec<String> = parted(&events).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["additionalEventData.b", "additionalEventData.c"]);
    let additional = &data(&events[0])["additionalEventData"];
    assert_eq!(additional["a"], "a".repeat(9_000));
    assert_eq!(additional["b"]["parts"], json!([1, 3]));
    assert_eq!(additional["c"]["parts"], json!([4, 4]));
}

#[test]
fn too_many_fields_go_out_as_one_list() {
    use std::fmt::Write;
    let mut entry = String::from(r#"{"request_id":"r1","method":"GET","#);
    for number in 0..5_000 {
        write!(entry, r#""field {number}":{number}.0,"#).unwrap();
    }
    write!(entry, r#""{}":1,"status":200}}"#, "\\u0001".repeat(50_000)).unwrap();
    let events = map(Stream::Requests, &entry);
    let field = "additionalEventData.otherFields".to_owned();
    assert_eq!(parted(&events), [(field, "json".to_owned())]);
    assert_eq!(data(&events[0])["additionalEventData"]["method"], "GET");
}

#[test]
fn fields_keep_their_names_while_there_is_room_for_a_list_of_others_beside() {
    let fields: Vec<String> = (1000..3400).map(|number| format!(r#""{number}":1.0"#)).collect();
    let map = |padding: usize| {
        let name = "n".repeat(padding);
        map(Stream::Objects, &format!(r#"{{"id":"o1",{},"{name}":1}}"#, fields.join(",")))
    };
    let bytes = |padding| section_bytes(&map(padding)[0], "additionalEventData");
    // Such a list is at most a reference of 135 bytes.
    let room = 28_000 - r#""otherFields":,"#.len() - 135;
    let padding = 1 + room - bytes(1);
    assert_eq!(bytes(padding), room);
    for (padding, is_gathered) in [(padding, false), (padding + 1, true)] {
        let additional = &data(&map(padding)[0])["additionalEventData"];
        assert_eq!(additional["1000"].is_null(), is_gathered);
        assert_eq!(additional["otherFields"].is_null(), !is_gathered);
    }
}

#[test]
fn a_value_goes_out_in_as_few_parts_as_there_can_be() {
    // The ids and names of fields that take most room in a part.
    let (id, name) = ("i".repeat(120), "n".repeat(200));
    let value = "x".repeat(298_000);
    let events = map(Stream::Requests, &format!(r#"{{"request_id":"{id}","{name}":"{value}"}}"#));
    assert_eq!(events.len(), 1 + 3, "three parts");
}

#[test]
fn parts_of_a_long_id_go_by_its_hash() {
    for (length, hashed) in [(120, false), (121, true)] {
        let id = "x".repeat(length);
        let entry = format!(r#"{{"request_id":"{id}","payload":"{}"}}"#, "x".repeat(150_000));
        let events = map(Stream::Requests, &entry);
        assert_eq!(events.len(), 3);
        assert_eq!(events[0].id, id);
        let base = events[1].id.strip_suffix("-p1").unwrap();
        assert!(if hashed { base.len() == 64 } else { base == id }, "{base}");
        assert_eq!(data(&events[1])["requestParameters"]["part"]["of"], id);
    }
}

#[test]
fn an_entry_is_not_rebuilt_from_too_little_or_too_much() {
    use rebuild::RebuildError as Error;
    let rebuilt = |events: &[&str]| rebuild::entry(Stream::Requests, events);
    let events = map(Stream::Requests, &with_payload(&quoted(&"x".repeat(150_000))));
    let [event, first, second] = [&events[0].data, &events[1].data, &events[2].data];
    let payload = "payload".to_owned();
    assert_eq!(rebuilt(&[]), Err(Error::NoEvent));
    assert_eq!(rebuilt(&[first, second]), Err(Error::NoEvent));
    assert_eq!(
        rebuilt(&[event, second]),
        Err(Error::MissingPart { field: payload.clone(), number: 1 })
    );
    assert_eq!(rebuilt(&[event, event, first, second]), Err(Error::SeveralEntries));
    let damaged = second.replace("xxx", "xyx");
    assert_eq!(rebuilt(&[event, first, &damaged]), Err(Error::Damaged { field: payload }));
    assert!(matches!(rebuilt(&["{}"]), Err(Error::NotAnEvent(_))));
    for (error, remedy) in [
        (Error::NotAnEvent("why".to_owned()), "why"),
        (Error::NoEvent, "add the event"),
        (Error::SeveralEntries, "give one event"),
        (Error::MissingPart { field: "f".to_owned(), number: 7 }, "part 7, which belongs to f"),
        (Error::Damaged { field: "f".to_owned() }, "the parts of f"),
    ] {
        assert!(error.to_string().contains(remedy), "{error}");
    }
}
