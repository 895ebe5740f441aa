//! The queries of `docs/queries/`, each as the file has it.
//!
//! `assembled` and `listed` run them on events that the mapping itself makes of large entries, and
//! compare what comes out with what went in, byte for byte. `audit` runs the others on the trail of the
//! simulated Kong, as the demo ships it, and compares with Kong's own entries. CloudTrail Lake cannot be had here, so
//! SQLite stands in for its Trino: `lake` says how. That proves the logic of the queries: which
//! parts belong to what, their order, that a text is whole, and that its hash is the one in the
//! event. It does not prove what is AWS's alone: its types, its limits, and how it turns an object
//! within `requestParameters` into the value of a `map<string,string>`. `docs/queries/README.md`
//! lists those assumptions; `syntax` holds the text to Trino's grammar and functions.

#![allow(clippy::unwrap_used)]

mod assembled;
mod audit;
mod lake;
mod listed;
mod syntax;
mod trail;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use kong_cloudtrail::event::{self, Context};
use kong_cloudtrail::kong::Entry;
use kong_cloudtrail::terms::Event;
use kong_cloudtrail::terms::Stream;
use serde_json::Value;

/// The query of that name, as the file has it.
fn query(name: &str) -> String {
    let file = folder().join(format!("{name}.sql"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/queries")
}

/// The entry's events, as they are shipped.
fn events(stream: Stream, entry: &Value) -> Vec<Event> {
    events_at(1_700_000_000, stream, entry)
}

/// Those of an entry that Kong shows at that time.
fn events_at(date: i64, stream: Stream, entry: &Value) -> Vec<Event> {
    let context = Context {
        kong_version: "3.9.0.0-enterprise-edition",
        event_source: "kong-gateway",
        account: "123456789012",
        kong_hostname: "https://kong-admin.example.com:8444",
        rbac_is_off: true,
        times: event::Times {
            now: 4_102_444_800,
            host_now: 4_102_444_800,
            date,
            retention_secs: 2_592_000,
            not_before: None,
            request_times: &HashMap::new(),
        },
    };
    event::events(&Entry::parse(stream, &entry.to_string()).unwrap(), &context)
}

/// A request entry with these fields beside those that every one has.
fn request(id: &str, fields: Value) -> Value {
    let mut entry = serde_json::json!({
        "request_id": id,
        "request_timestamp": 1_676_424_702,
        "method": "POST",
        "path": "/services",
        "status": 201,
        "ttl": 2_591_899,
        "signature": null,
    });
    entry.as_object_mut().unwrap().extend(match fields {
        Value::Object(fields) => fields,
        other => panic!("no fields: {other}"),
    });
    entry
}

/// The events of a row that tells no time, shipped twice. `ttl` falls by a second less than has passed, as
/// whole seconds may, so that the times derived from it differ by one.
fn derived_twice(entity: &str) -> [Vec<Event>; 2] {
    [(1_676_424_702, 2_592_000), (1_676_424_802, 2_591_901)].map(|(date, ttl)| {
        let entry = serde_json::json!({"id": "o1", "request_id": "r1", "dao_name": "routes",
            "operation": "create", "entity_key": "k1", "entity": entity, "ttl": ttl});
        events_at(date, Stream::Objects, &entry)
    })
}

/// At least so many bytes of what is hard on JSON and SQL, no two lines alike.
fn awkward_text(bytes: usize) -> String {
    let mut text = String::new();
    for line in 0..=bytes / 50 {
        write!(text, "{line} \"quoted\" back\\slash \\\" it''s %_ \0\u{1}\u{7f}\té漢字😀\r\n")
            .unwrap();
    }
    text
}

/// A row by its columns' names.
type Row = BTreeMap<String, rusqlite::types::Value>;

fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    match &row[column] {
        rusqlite::types::Value::Text(text) => text,
        other => panic!("{column} is {other:?}"),
    }
}

fn integer(row: &Row, column: &str) -> i64 {
    match &row[column] {
        rusqlite::types::Value::Integer(integer) => *integer,
        other => panic!("{column} is {other:?}"),
    }
}
