//! The rows of each version, held against the published samples and the columns of real tables.
#![allow(clippy::unwrap_used)]

#[path = "support/kong.rs"]
mod support;

use std::collections::BTreeSet;

use kong_cloudtrail_sim::kong::{Options, Simulator, Stream};
use serde_json::{Value, json};
use support::{DAY, entries, fields, page, sample, start, version};

/// The columns of `audit_requests` in a database of 2.8.
const REQUESTS: [&str; 12] = [
    "client_ip",
    "method",
    "path",
    "payload",
    "rbac_user_id",
    "removed_from_payload",
    "request_id",
    "request_timestamp",
    "signature",
    "status",
    "ttl",
    "workspace",
];

/// The columns of `audit_objects` in a database of 2.8.
const OBJECTS: [&str; 9] = [
    "dao_name",
    "entity",
    "entity_key",
    "id",
    "operation",
    "rbac_user_id",
    "request_id",
    "signature",
    "ttl",
];

/// A request entry of 0.34, as its documentation prints it.
fn first_request() -> Value {
    json!({"client_ip": "127.0.0.1", "expire": 1_544_722_367_698_i64, "method": "GET",
        "path": "/status", "request_id": "ZuUfPfnxNn7D2OTU6Xi4zCnQkavzMUNM",
        "request_timestamp": 1_542_130_367_699_i64, "status": 200,
        "workspace": "0da4afe7-44ad-4e81-a953-5d2923ce68ae"})
}

fn of(text: &str) -> Simulator {
    start(version(text))
}

#[tokio::test]
async fn entries_have_the_columns_of_their_version() {
    let names = ["rbac_user_name", "request_source"];
    let (removed, time) = ("removed_from_entity", "request_timestamp");
    for (text, more_of_requests, more_of_objects) in [
        ("0.35-enterprise-edition", vec![], vec![]),
        ("2.8.1.1", vec![], vec![]),
        ("3.1.1.6", vec![], vec![]),
        ("3.2.0.0", names.to_vec(), vec![]),
        ("3.4.3.8", names.to_vec(), vec![]),
        ("3.4.3.9", names.to_vec(), vec![time]),
        ("3.5.0.4", names.to_vec(), vec![]),
        ("3.5.0.5", names.to_vec(), vec![time]),
        ("3.6.1.4", names.to_vec(), vec![removed]),
        ("3.6.1.5", names.to_vec(), vec![removed, time]),
        ("3.7.0.0", names.to_vec(), vec![removed, time]),
        ("3.10.0.0", names.to_vec(), vec![removed, time]),
    ] {
        let kong = of(text);
        for entry in kong.entries(Stream::Requests, 0, 500) {
            let columns = REQUESTS.iter().chain(&more_of_requests).copied().collect();
            assert_eq!(fields(&entry), columns, "{text}");
        }
        for entry in kong.entries(Stream::Objects, 0, 500) {
            let columns = OBJECTS.iter().chain(&more_of_objects).copied().collect();
            assert_eq!(fields(&entry), columns, "{text}");
        }
    }
}

#[tokio::test]
async fn entries_have_the_fields_and_types_of_the_samples_of_their_version() {
    let (requests, objects) = (sample(Stream::Requests), sample(Stream::Objects));
    for (text, stream, samples) in [
        ("0.34-1-enterprise-edition", Stream::Requests, vec![first_request()]),
        ("0.34-1-enterprise-edition", Stream::Objects, vec![objects[0].clone()]),
        ("2.8.1.1", Stream::Requests, vec![requests[0].clone()]),
        ("2.8.1.1", Stream::Objects, vec![objects[2].clone()]),
        ("3.10.0.0", Stream::Requests, requests[1..].to_vec()),
        ("3.10.0.0", Stream::Objects, vec![objects[1].clone(), objects[3].clone()]),
    ] {
        let kong = of(text);
        for entry in kong.entries(stream, 0, 500) {
            for sample in &samples {
                assert_same_shape(&entry, sample, text);
            }
        }
    }
}

/// That the two have the same fields, with values of the same types where both have some. A field
/// without a value is not there in 0.34.
fn assert_same_shape(entry: &Value, sample: &Value, text: &str) {
    let but_user = |entry: &Value| {
        let names = fields(entry).into_iter().map(str::to_owned);
        names.filter(|name| name != "rbac_user_id").collect::<BTreeSet<_>>()
    };
    if text.starts_with("0.34") {
        assert_eq!(but_user(entry), but_user(sample), "{text}");
    } else {
        assert_eq!(fields(entry), fields(sample), "{text}");
    }
    for (name, value) in sample.as_object().unwrap() {
        let found = &entry[name];
        let alike = match value {
            Value::Null => found.is_null() || found.is_string(),
            Value::Number(_) => found.is_i64(),
            _ => found.is_null() || found.as_str().is_some_and(|text| text.len() >= 3),
        };
        assert!(alike, "{name} of {entry}");
    }
}

#[tokio::test]
async fn no_version_but_0_34_shows_expire_and_no_object_removed_from_payload() {
    for text in ["0.35-enterprise-edition", "2.8.1.1", "3.4.3.9", "3.6.0.0", "3.15.0.4"] {
        let kong = of(text);
        for stream in [Stream::Requests, Stream::Objects] {
            let entries = kong.entries(stream, 0, 500);
            assert!(entries.iter().all(|entry| entry.get("expire").is_none()), "{text}");
        }
        let objects = kong.entries(Stream::Objects, 0, 500);
        assert!(objects.iter().all(|entry| entry.get("removed_from_payload").is_none()), "{text}");
    }
}

#[tokio::test]
async fn removed_from_entity_names_what_was_removed_and_is_null_elsewhere() {
    let kong = start(Options { objects: 2000, ..version("3.10.0.0") });
    for entry in kong.entries(Stream::Objects, 0, 2000) {
        let removed = entry["dao_name"] == "basicauth_credentials"
            || (entry["dao_name"] == "plugins"
                && entry["entity"].as_str().unwrap().contains("redis"));
        let expected = if removed { json!("password") } else { Value::Null };
        assert_eq!(entry["removed_from_entity"], expected, "{entry}");
    }
}

#[tokio::test]
async fn the_first_version_counts_milliseconds_and_tells_the_total() {
    let kong = of("0.34-1-enterprise-edition");
    let now = kong.status().now;
    let page = page(&kong, "/audit/requests?size=1000").await;
    assert_eq!(page["total"], 500);
    let mut fractions = BTreeSet::new();
    for entry in entries(&page) {
        let at = entry["request_timestamp"].as_i64().unwrap();
        assert!((now - 30 * DAY..=now).contains(&(at / 1000)), "{entry}");
        assert_eq!(entry["expire"].as_i64().unwrap() - at, 30 * DAY * 1000);
        fractions.insert(at % 1000);
    }
    assert!(fractions.len() > 100, "milliseconds, not seconds");
    assert!(support::page(&of("2.8.1.1"), "/audit/objects").await.get("total").is_none());
}
