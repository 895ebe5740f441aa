//! What an entry may hold that nobody expects, and what its event says then. That the entry can be
//! rebuilt, and that every limit holds, each call of `request`, `object` and `map` asserts besides.

use std::collections::HashMap;

use kong_cloudtrail::event::Context;
use kong_cloudtrail::terms::Stream;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{context, data, map, map_with, object, request};

/// A JSON string.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A request entry of which only the payload matters.
pub fn with_payload(payload: &str) -> String {
    format!(r#"{{"request_id":"r1","request_timestamp":1,"path":"/x?q=1","payload":{payload}}}"#)
}

fn parameters(payload: &str) -> Value {
    request(&with_payload(&quoted(payload)))["requestParameters"].clone()
}

#[test]
fn a_payload_that_is_no_object_stands_as_text() {
    let deep = "[".repeat(100_000);
    let nested = format!(r#"{{"a":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    for payload in
        ["null", "[]", "42", "\"x\"", "", "{}", " { } ", "{", "a=1&b=2", &deep[..40_000], &nested]
    {
        let expected = json!({"payload": payload, "queryParameters": "q=1"});
        assert_eq!(parameters(payload), expected);
    }
}

#[test]
fn a_payload_of_the_wrong_type_stays_verbatim() {
    for payload in ["null", "7", "true", "[1.0]", r#"{"a":1}"#] {
        let event = request(&with_payload(payload));
        assert_eq!(event["requestParameters"], json!({"queryParameters": "q=1"}));
        let kept = &event["additionalEventData"]["payload"];
        assert_eq!(kept, &serde_json::from_str::<Value>(payload).unwrap());
    }
}

#[test]
fn a_payload_with_a_reserved_member_stands_whole() {
    for name in ["payload", "queryParameters", "part"] {
        let payload = json!({name: {"of": "r0"}, "other": 1});
        let expected = json!({"payload": payload, "queryParameters": "q=1"});
        assert_eq!(parameters(&payload.to_string()), expected);
    }
    let entity = json!({"entity": 1, "part": 2}).to_string();
    let event = object(&format!(r#"{{"id":"o1","entity":{}}}"#, quoted(&entity)));
    assert_eq!(event["responseElements"], json!({"entity": {"entity": 1, "part": 2}}));
}

#[test]
fn of_repeated_members_the_last_is_shown_and_the_text_kept() {
    let payload = r#"{"a":1,"b":{"c":1,"c":2},"a":3}"#;
    let expected = json!({"a": 3, "b": {"c": 2}, "payload": payload, "queryParameters": "q=1"});
    assert_eq!(parameters(payload), expected);
    let clash = r#"{"part":1,"part":2}"#;
    assert_eq!(parameters(clash), json!({"payload": clash, "queryParameters": "q=1"}));
}

#[test]
fn members_stay_as_they_are_spelt() {
    let payload =
        r#"{"a":1.0,"b":12345678901234567890, "c" : 1E+2,"d":-0,"e":[ 0.10000000000000000001 ]}"#;
    let events = map(Stream::Requests, &with_payload(&quoted(payload)));
    assert!(events[0].data.contains(&payload[1..payload.len() - 1]), "{}", events[0].data);
    let beyond_doubles = r#"{"a":1e400}"#;
    assert_eq!(parameters(beyond_doubles)["payload"], beyond_doubles);
}

#[test]
fn a_signed_entry_keeps_its_text() {
    let payload = r#"{ "b":1, "a":2 }"#;
    let entry =
        format!(r#"{{"request_id":"r1","signature":"c2ln","payload":{}}}"#, quoted(payload));
    assert_eq!(request(&entry)["requestParameters"], json!({"b": 1, "a": 2, "payload": payload}));
    let entry = entry.replace("request_id", "id").replace("payload", "entity");
    assert_eq!(object(&entry)["responseElements"], json!({"b": 1, "a": 2, "entity": payload}));
}

#[test]
fn an_event_is_named_by_method_and_path() {
    for (method, path, name, query) in [
        (r#""GET""#, r#""/services""#, "GETservices", Value::Null),
        (r#""GET""#, r#""services""#, "GETservices", Value::Null),
        (r#""GET""#, r#""//a/b?x=1?y=2""#, "GET/a/b", json!("x=1?y=2")),
        (r#""GET""#, r#""/a?""#, "GETa", Value::Null),
        (r#""GET""#, r#""?a\u0000""#, "GET", json!("a\0")),
        (r#""GET""#, "null", "GET", Value::Null),
        ("1", "[2]", "unknown", Value::Null),
        ("null", r#""/""#, "unknown", Value::Null),
    ] {
        let event = request(&format!(r#"{{"request_id":"r1","method":{method},"path":{path}}}"#));
        assert_eq!(event["eventName"], name);
        assert_eq!(event["requestParameters"]["queryParameters"], query);
    }
}

#[test]
fn a_status_from_400_up_is_an_error_code() {
    let many = format!("4{}", "0".repeat(280));
    for (status, code) in [
        ("399", Value::Null),
        ("399.5", Value::Null),
        ("400", json!("400")),
        ("400.5", json!("400.5")),
        (r#""403""#, json!("403")),
        (r#""forbidden""#, Value::Null),
        (r#""inf""#, Value::Null),
        ("-500", Value::Null),
        ("null", Value::Null),
        ("[500]", Value::Null),
        (&many, json!(many[..256])),
    ] {
        let event = request(&format!(r#"{{"request_id":"r1","status":{status}}}"#));
        assert_eq!(event["errorCode"], code, "{status}");
    }
}

#[test]
fn only_an_address_is_a_source_address() {
    for (client, address) in [
        (r#""10.0.0.1""#, json!("10.0.0.1")),
        (r#""::1""#, json!("::1")),
        (r#""unix:""#, Value::Null),
        (r#""""#, Value::Null),
        ("7", Value::Null),
    ] {
        let event = request(&format!(r#"{{"request_id":"r1","client_ip":{client}}}"#));
        assert_eq!(event["sourceIPAddress"], address, "{client}");
    }
}

#[test]
fn who_it_was_shows_in_the_identity() {
    let long = "é".repeat(800);
    let anonymous = json!({"type": "Anonymous", "principalId": "anonymous",
        "details": {"rbac": "not enforced"}});
    for (fields, identity) in [
        (r#","rbac_user_id":null"#, anonymous.clone()),
        (r#","rbac_user_id":"""#, anonymous.clone()),
        (r#","rbac_user_id":7,"rbac_user_name":null"#, anonymous),
        (r#","rbac_user_id":"anonymous""#, json!({"type": "RBACUser", "principalId": "anonymous"})),
        (
            &format!(r#","rbac_user_id":"{long}","rbac_user_name":"{long}""#),
            json!({"type": "RBACUser", "principalId": "é".repeat(512),
                "details": {"userName": "é".repeat(512)}}),
        ),
    ] {
        let event = request(&format!(r#"{{"request_id":"r1"{fields}}}"#));
        assert_eq!(event["userIdentity"], identity);
    }
}

#[test]
fn that_rbac_is_not_enforced_is_said_where_kong_says_so_alone() {
    let request_times = HashMap::new();
    for rbac_is_off in [true, false] {
        let context = Context { rbac_is_off, ..context(&request_times) };
        let refused = r#"{"request_id":"r1","status":401,"rbac_user_id":null}"#;
        let event = data(&map_with(Stream::Requests, refused, &context)[0]);
        let details = if rbac_is_off { json!({"rbac": "not enforced"}) } else { Value::Null };
        assert_eq!(event["userIdentity"]["details"], details);
        let known = r#"{"request_id":"r1","rbac_user_id":"u"}"#;
        let event = data(&map_with(Stream::Requests, known, &context)[0]);
        assert_eq!(event["userIdentity"]["details"], Value::Null);
    }
}

#[test]
fn members_stand_in_the_order_in_which_an_index_of_two_hundred_fields_wants_them() {
    let entry = r#"{"id":"o1","dao_name":"routes","entity":"{\"a\":1}","entity_key":"k"}"#;
    let event = &map(Stream::Objects, entry)[0].data;
    let places =
        ["recipientAccountId", "additionalEventData", "requestParameters", "responseElements"]
            .map(|name| event.find(&format!("\"{name}\"")).unwrap());
    assert!(places.is_sorted(), "{event}");
}

#[test]
fn every_event_has_the_head_of_its_ids_hash_as_a_number() {
    let entry = format!(r#"{{"request_id":"r1","payload":"{}"}}"#, "x".repeat(150_000));
    let events = map(Stream::Requests, &entry);
    assert!(events.len() > 1);
    for event in &events {
        let digest = Sha256::digest(&event.id);
        let sum = u32::from_be_bytes(digest[..4].try_into().unwrap());
        assert_eq!(data(event)["additionalEventData"]["idSum"], json!(sum));
    }
}

#[test]
fn a_text_of_1024_bytes_stands_in_its_place_alone_and_a_longer_one_whole_beside() {
    for field in ["request_id", "rbac_user_id", "rbac_user_name"] {
        for (bytes, beside) in [(1024, false), (1025, true)] {
            let text = "x".repeat(bytes);
            let event = request(&format!(r#"{{"{field}":"{text}","path":"/a"}}"#));
            let shown = match field {
                "request_id" => &event["UID"],
                "rbac_user_id" => &event["userIdentity"]["principalId"],
                _ => &event["userIdentity"]["details"]["userName"],
            };
            assert_eq!(shown, &text[..1024], "{field}");
            let kept = if beside { json!(text) } else { Value::Null };
            assert_eq!(event["additionalEventData"][field], kept, "{field}");
        }
    }
}

#[test]
fn every_time_becomes_one_that_cloudtrail_takes() {
    for (timestamp, time) in [
        ("1655123134", "2022-06-13T12:25:34Z"),
        ("1655123134.9", "2022-06-13T12:25:34Z"),
        (r#""1655123134""#, "2022-06-13T12:25:34Z"),
        ("1655123134699", "2022-06-13T12:25:34Z"),
        ("-1", "2023-11-14T22:13:20Z"),
        ("1", "2023-11-14T22:13:20Z"),
        ("253402300799", "2023-11-14T22:13:20Z"),
        ("9223372036854775807", "2023-11-14T22:13:20Z"),
        (r#""soon""#, "2023-11-14T22:13:20Z"),
        ("null", "2023-11-14T22:13:20Z"),
    ] {
        let event = request(&format!(r#"{{"request_id":"r1","request_timestamp":{timestamp}}}"#));
        assert_eq!(event["eventTime"], time, "{timestamp}");
    }
}

#[test]
fn an_object_without_a_time_takes_one_that_is_derived_and_says_from_what() {
    let times = HashMap::from([("r1".to_owned(), 1_655_123_134)]);
    for (fields, time, source) in [
        (
            r#","request_id":"r1","expire":1700000000000,"request_timestamp":1600000007"#,
            "2020-09-13T12:26:47Z",
            None,
        ),
        (r#","request_id":"r1","expire":1700000000000"#, "2022-06-13T12:25:34Z", Some("request")),
        (r#","request_id":"r2","expire":1700000000999"#, "2023-10-15T22:13:20Z", Some("expire")),
        (r#","request_id":"r2","ttl":60"#, "2023-10-15T22:14:20Z", Some("ttl")),
        (r#","request_timestamp":1,"ttl":60"#, "2023-10-15T22:14:20Z", Some("ttl")),
        (r#","request_id":"r2""#, "2023-11-14T22:13:20Z", Some("run")),
    ] {
        let entry = format!(r#"{{"id":"o1"{fields}}}"#);
        let events = map_with(Stream::Objects, &entry, &context(&times));
        let event = data(&events[0]);
        assert_eq!(event["eventTime"], time, "{fields}");
        assert_eq!(
            event["additionalEventData"]["derivedTime"]["source"],
            json!(source),
            "{fields}"
        );
    }
}

#[test]
fn an_id_that_cloudtrail_refuses_is_replaced_by_a_hash_and_kept() {
    let long = "x".repeat(129);
    for id in ["a b", "é", "a\u{0}", &long, "x-p1"] {
        let entry = format!(r#"{{"request_id":{},"request_timestamp":1}}"#, quoted(id));
        let events = map(Stream::Requests, &entry);
        assert_eq!(events[0].id.len(), 64, "{id}");
        assert_eq!(data(&events[0])["UID"], id);
    }
    for id in ["null", r#""""#, "7", "{}"] {
        let events = map(Stream::Requests, &format!(r#"{{"request_id":{id}}}"#));
        assert_eq!(events[0].id.len(), 64, "{id}");
        assert_eq!(data(&events[0])["UID"], events[0].id);
    }
    let events = map(Stream::Objects, "{}");
    assert_eq!(
        data(&events[0])["additionalEventData"]["absentFields"],
        json!(["id", "request_timestamp"])
    );
}

#[test]
fn the_hash_for_an_id_does_not_move_with_the_ttl_or_with_nulls() {
    let id = |entry: &str| map(Stream::Requests, entry)[0].id.clone();
    assert_eq!(
        id(r#"{"method":"GET","status":200,"ttl":9}"#),
        id(r#"{"status":200,"method":"GET","ttl":8,"request_source":null}"#)
    );
    assert_ne!(id(r#"{"status":200}"#), id(r#"{"status":201}"#));
}

#[test]
fn fields_whose_names_are_taken_or_repeated_are_listed() {
    let event = request(
        r#"{"request_id":"r0","konghostname":"x","method":"GET","request_id":"r1",
            "otherFields":[],"method":"PUT","absentFields":{"a":1.0}}"#,
    );
    let additional = &event["additionalEventData"];
    assert_eq!(event["UID"], "r1");
    assert_eq!(additional["method"], "PUT");
    assert_eq!(additional["konghostname"], "https://kong-admin.example.com:8444");
    assert_eq!(additional["absentFields"], json!(["request_timestamp"]));
    assert_eq!(
        additional["otherFields"],
        json!([
            {"name": "request_id", "value": "r0"},
            {"name": "konghostname", "value": "x"},
            {"name": "method", "value": "GET"},
            {"name": "otherFields", "value": []},
            {"name": "absentFields", "value": {"a": 1.0}},
        ])
    );
}

#[test]
fn whatever_kong_calls_its_version_the_event_has_one() {
    let (times, long) = (HashMap::new(), "é".repeat(300));
    for (version, shown) in [("", "unknown"), (long.as_str(), &long[..256])] {
        let context = kong_cloudtrail::event::Context { kong_version: version, ..context(&times) };
        let events = map_with(Stream::Requests, r#"{"request_id":"r1"}"#, &context);
        assert_eq!(data(&events[0])["version"], shown);
    }
}
