//! Entries of every size.

use kong_cloudtrail_sim::kong;
use serde_json::json;

use super::support::{Store, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_too_large_to_be_read_is_named_and_everything_around_it_arrives() {
    let world = World::new(Store::Sqlite, kong::Options { requests: 60, ..Default::default() });
    let now = world.kong.status().now;
    let entry = |id: &str, age: i64, payload: String| {
        json!({"request_id": id, "request_timestamp": now - age, "method": "POST", "path": "/x", "status": 201,
            "payload": payload})
    };
    let huge = entry("huge", 86_400, "x".repeat(49 * 1024 * 1024));
    let neighbours = [entry("newer", 86_399, "{}".into()), entry("older", 86_401, "{}".into())];
    world.kong.add_entries(kong::Stream::Requests, [huge].into_iter().chain(neighbours));

    let report = world.tick().await;
    assert_eq!(report["outcome"], "partial", "{report:?}");
    assert_eq!((report.shipped().0, report.stream("requests", "pending")), (62, 1));
    assert!(report.error().contains("entry huge"), "{}", report.error());
    assert!(report.error().contains("48 MiB"), "{}", report.error());
    let watermark = report["streams"]["requests"]["watermark"].as_i64();
    assert!(report.error().contains("nginx_admin_client_max_body_size"), "{}", report.error());
    let watermark = watermark.expect("what is older than it is accounted for");
    assert!((now - 30 * 86_400..=now - 86_400).contains(&watermark), "{watermark} passes it");
    eprintln!("{} calls to Kong, {} ms", report["calls"]["kong"], report["duration_ms"]);
}
