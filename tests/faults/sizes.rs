//! Entries far beyond CloudTrail's limits: delivered in parts, and the same again, byte for byte,
//! when they are put together.

use std::collections::HashMap;
use std::sync::Arc;

use kong_cloudtrail::event::rebuild;
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail_sim::kong;
use serde_json::{Value, json};

use super::faulty::FaultyStore;
use super::same::assert_same;
use super::world::World;

/// Text of so many bytes that no cut may fall anywhere in: quotes, escapes, and characters of one
/// to four bytes.
fn awkward(bytes: usize) -> String {
    let mut text = "\"\\/\n\u{1}Kö€𝄞%&=+ ".repeat(bytes / 20);
    text.push_str(&"x".repeat(bytes - text.len()));
    text
}

fn request(id: &str, now: i64, fields: Value) -> Value {
    let mut entry = json!({
        "request_id": id, "request_timestamp": now, "method": "POST", "path": "/services",
        "status": 201, "client_ip": "10.0.0.1", "payload": null, "signature": null, "ttl": 100,
    });
    merge(&mut entry, fields);
    entry
}

fn object(id: &str, now: i64, fields: Value) -> Value {
    let mut entry = json!({
        "id": id, "request_id": "of-it", "request_timestamp": now, "dao_name": "services",
        "operation": "create", "entity_key": "k", "entity": "{}", "signature": null, "expire": null,
    });
    merge(&mut entry, fields);
    entry
}

fn merge(entry: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else { panic!("an object") };
    entry.as_object_mut().unwrap().extend(fields);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one scene")]
async fn what_is_larger_than_an_event_is_rebuilt_byte_for_byte() {
    let world = World::new(kong::Options::default());
    let now = world.kong.status().now;
    let json_of = |bytes| json!({ "text": awkward(bytes), "n": 1.50 }).to_string();
    let signature = "c2lnbmF0dXJl";
    let path = format!("/services/{}?tags={}", "a/ü".repeat(794), "q".repeat(602));
    assert_eq!(path.chars().count(), 3000);
    let unknown: Value = (0..20)
        .map(|n| (format!("unknown_{n}"), json!(awkward(2000))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let sent = [
        (Stream::Requests, request("payload-of-5-MB", now, json!({"payload": awkward(5_000_000)}))),
        (
            Stream::Requests,
            request(
                "signed-json-of-5-MB",
                now,
                json!({"payload": json_of(5_000_000), "signature": signature}),
            ),
        ),
        (Stream::Requests, request("path-of-3000", now, json!({ "path": path }))),
        (Stream::Requests, request("unknown-fields-of-40-kB", now, unknown.clone())),
        (Stream::Objects, object("entity-of-200-kB", now, json!({"entity": awkward(200_000)}))),
        (
            Stream::Objects,
            object(
                "signed-entity-of-200-kB",
                now,
                json!({"entity": json_of(200_000), "signature": signature}),
            ),
        ),
        (Stream::Objects, object("unknown-fields-of-40-kB-too", now, unknown)),
    ];
    for (stream, entry) in &sent {
        let stream = match stream {
            Stream::Requests => kong::Stream::Requests,
            Stream::Objects => kong::Stream::Objects,
        };
        world.kong.add_entries(stream, [entry.clone()]);
    }

    let store = Arc::new(FaultyStore::default());
    let tick = world.tick(&store).await;
    assert_eq!((tick.outcome(), tick.error()), ("ok", ""), "{tick:?}");
    assert_eq!(tick.shipped(), sent.len() as u64);

    let mut of_entry: HashMap<String, Vec<String>> = HashMap::new();
    for event in world.cloudtrail.events(0, usize::MAX) {
        let of = event.event_data["requestParameters"]["part"]["of"].as_str();
        let of = of.map_or(event.id.clone(), str::to_owned);
        of_entry.entry(of).or_default().push(event.event_data.to_string());
    }
    assert_eq!(of_entry.len(), sent.len());
    for (stream, entry) in &sent {
        let id = entry[stream.id_field()].as_str().unwrap();
        let events = &of_entry[id];
        println!("sizes: {id}: {} bytes in {} events", entry.to_string().len(), events.len());
        let rebuilt = rebuild::entry(*stream, events).unwrap();
        assert_same(*stream, &entry.to_string(), &rebuilt);
        // Bytes, not values alone: what stands in these fields is compared as it stands there.
        let rebuilt: Value = serde_json::from_str(&rebuilt).unwrap();
        for (field, value) in entry.as_object().unwrap() {
            assert!(rebuilt[field] == *value, "{id}: {field}");
        }
    }
    assert_eq!(world.tick(&store).await.shipped(), 0, "and once");
}
