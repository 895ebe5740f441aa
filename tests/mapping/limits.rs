//! CloudTrail's limits, as its documentation tells them: the Data API reference and the user guide's
//! "CloudTrail Lake integrations event schema". Written apart from the code that keeps them.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use kong_cloudtrail::terms::Event;
use serde_json::Value;
use serde_json::value::RawValue;

use super::same;

/// Name, most characters, whether it is required.
const TEXTS: [(&str, usize, bool); 9] = [
    ("version", 256, true),
    ("eventSource", 1024, true),
    ("eventName", 1024, true),
    ("eventTime", 20, true),
    ("UID", 1024, true),
    ("recipientAccountId", 12, true),
    ("userAgent", 1024, false),
    ("errorCode", 256, false),
    ("errorMessage", 256, false),
];
const OBJECTS: [(&str, usize); 3] = [
    ("requestParameters", 100_000),
    ("responseElements", 100_000),
    ("additionalEventData", 28_000),
];

/// Asserts all limits of one entry's events.
pub fn assert_within(events: &[Event]) {
    assert!(!events.is_empty(), "an entry without an event");
    let ids: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), events.len(), "two events with one id");
    for event in events {
        assert_event(event);
    }
}

fn assert_event(Event { id, data, .. }: &Event) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!((1..=128).contains(&id.len()) && id.chars().all(allowed), "id: {id}");
    assert!(data.len() <= 256_000, "event of {} bytes", data.len());
    let tree: Value = serde_json::from_str(data).expect("eventData that a strict reader takes");
    assert!(!same::has_repeated_members(data), "repeated members: {data:.2000}");
    let members: BTreeMap<&str, &RawValue> = serde_json::from_str(data).unwrap();

    let text = |value: &Value, name: &str, most: usize| {
        let text = value.as_str().unwrap_or_else(|| panic!("{name} is no text: {value}"));
        assert!(!text.is_empty(), "{name} is empty");
        assert!(text.chars().count() <= most, "{name} has {} characters", text.chars().count());
    };
    for (name, most, required) in TEXTS {
        match tree.get(name) {
            Some(value) => text(value, name, most),
            None => assert!(!required, "{name} is missing"),
        }
    }
    let identity = &tree["userIdentity"];
    text(&identity["type"], "type", 128);
    text(&identity["principalId"], "principalId", 1024);
    assert!(identity.get("details").is_none_or(Value::is_object), "details: {identity}");
    for (name, most) in OBJECTS {
        if let Some(value) = members.get(name) {
            assert!(tree[name].is_object(), "{name} is no object: {value}");
            assert!(value.get().len() <= most, "{name} has {} bytes", value.get().len());
        }
    }
    assert_time(tree["eventTime"].as_str().unwrap());
    if let Some(address) = tree.get("sourceIPAddress") {
        let address = address.as_str().unwrap();
        assert!(address.parse::<IpAddr>().is_ok(), "sourceIPAddress: {address}");
    }
    for name in members.keys() {
        let known = TEXTS.iter().any(|(known, ..)| known == name)
            || OBJECTS.iter().any(|(known, _)| known == name)
            || ["userIdentity", "sourceIPAddress"].contains(name);
        assert!(known, "the schema has no {name}");
    }
}

/// `yyyy-MM-DDTHH:mm:ss`, and the `Z` that Kong's Lambda sends.
fn assert_time(time: &str) {
    let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00T00:00:00Z", "eventTime: {time}");
    let number = |from: usize| time[from..from + 2].parse::<u32>().unwrap();
    assert!((1..=12).contains(&number(5)) && (1..=31).contains(&number(8)), "eventTime: {time}");
    assert!(number(11) < 24 && number(14) < 60 && number(17) < 60, "eventTime: {time}");
}
