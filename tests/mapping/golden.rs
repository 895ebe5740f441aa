//! Entries as Kong's documentation and Kong itself show them, and the events they become, written by
//! hand from the table of the mapping.

use std::collections::HashMap;

use kong_cloudtrail::kong::Stream;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{context, data, map_with};

const REQUESTS: &str = include_str!("../golden/audit-requests.json");
const OBJECTS: &str = include_str!("../golden/audit-objects.json");
const REQUESTS_EVENTS: &str = include_str!("../golden/requests.events.json");
const OBJECTS_EVENTS: &str = include_str!("../golden/objects.events.json");
const DOCUMENTATION: &str = include_str!("../../docs/event-mapping.md");

fn assert_golden(stream: Stream, page: &str, expected: &str) {
    #[derive(serde::Deserialize)]
    struct Page<'p> {
        #[serde(borrow)]
        data: Vec<&'p RawValue>,
    }
    let Page { data: entries } = serde_json::from_str(page).unwrap();
    let expected: Vec<Value> = serde_json::from_str(expected).unwrap();
    assert_eq!(entries.len(), expected.len());
    for (entry, expected) in entries.iter().zip(&expected) {
        let events = map_with(stream, entry.get(), &context(&HashMap::new()));
        let mapped: Vec<Value> =
            events.iter().map(|event| json!({"id": event.id, "eventData": data(event)})).collect();
        assert_eq!(mapped.as_slice(), std::slice::from_ref(expected));
    }
}

#[test]
fn the_sample_requests_become_the_expected_events() {
    assert_golden(Stream::Requests, REQUESTS, REQUESTS_EVENTS);
}

#[test]
fn the_sample_objects_become_the_expected_events() {
    assert_golden(Stream::Objects, OBJECTS, OBJECTS_EVENTS);
}

#[test]
fn the_documentation_shows_an_event_of_each_stream_as_it_is() {
    let golden = |events: &str| -> Vec<Value> { serde_json::from_str(events).unwrap() };
    let shown: Vec<Value> = DOCUMENTATION
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| serde_json::from_str(rest.split("```").next()?).ok())
        .filter(|example: &Value| example.get("eventData").is_some())
        .collect();
    assert_eq!(shown.len(), 2, "an example of each stream");
    assert!(golden(REQUESTS_EVENTS).contains(&shown[0]), "no golden request: {}", shown[0]);
    assert!(golden(OBJECTS_EVENTS).contains(&shown[1]), "no golden object: {}", shown[1]);
}

/// The names that Kong's Lambda writes, version 1.0.1.
#[test]
fn an_event_has_all_that_the_lambdas_has() {
    let event = super::request(
        r#"{"client_ip":"10.0.4.17","method":"POST","path":"/services?tags=a","payload":"{\"name\":\"s\"}",
            "rbac_user_id":null,"removed_from_payload":null,"request_id":"r1","request_timestamp":1676424611,
            "signature":"c2ln","status":201,"ttl":2591990,"workspace":"w"}"#,
    );
    assert_eq!(event["version"], "3.9.0.0-enterprise-edition");
    assert_eq!(event["userIdentity"]["principalId"], "anonymous");
    assert_eq!(event["userIdentity"]["type"], "Anonymous");
    assert!(event["userIdentity"]["details"].is_object());
    assert_eq!(event["eventSource"], "kong-gateway");
    assert_eq!(event["eventName"], "POSTservices");
    assert_eq!(event["eventTime"], "2023-02-15T01:30:11Z");
    assert_eq!(event["UID"], "r1");
    assert_eq!(event["requestParameters"]["name"], "s");
    assert_eq!(event["requestParameters"]["queryParameters"], "tags=a");
    assert_eq!(event["sourceIPAddress"], "10.0.4.17");
    assert_eq!(event["recipientAccountId"], "123456789012");
    let additional = &event["additionalEventData"];
    assert_eq!(additional["method"], "POST");
    assert_eq!(additional["status"], 201);
    assert_eq!(additional["signature"], "c2ln");
    assert_eq!(additional["ttl"], 2_591_990);
    assert_eq!(additional["workspace"], "w");
    assert_eq!(additional["konghostname"], "https://kong-admin.example.com:8444");
}
