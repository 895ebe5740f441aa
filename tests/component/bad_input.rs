//! Bad input of every kind: a clear error that names the setting, no trap, nothing lost.

use kong_cloudtrail_sim::fault::{Fault, Malformed, Rule, When};
use kong_cloudtrail_sim::kong;
use serde_json::json;

use super::support::{CHANNEL, Store, World};

fn small() -> kong::Options {
    kong::Options { requests: 30, objects: 30, ..Default::default() }
}

async fn fails_naming(world: &World, names: &[&str]) {
    let report = world.tick().await;
    assert_eq!(report["outcome"], "failed", "{report:?}");
    for name in names {
        assert!(report.error().contains(name), "{name} is not in: {}", report.error());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_the_variables_is_reported_at_once_before_any_request() {
    let mut world = World::new(Store::Sqlite, small());
    world
        .set("channel_arn", "arn:aws:s3:::bucket")
        .set("page_size", "0")
        .set("audit_streams", "requests,logs");
    fails_naming(&world, &["channel_arn", "page_size", "audit_streams", "\"logs\""]).await;
    world.set("channel_arn", "").set("page_size", "1000").set("audit_streams", "requests,objects");
    fails_naming(&world, &["channel_arn is not set"]).await;
    assert!(world.kong.status().calls.values().all(|calls| *calls == 0));
    assert_eq!(world.cloudtrail.status().calls, 0);
    world.set("channel_arn", CHANNEL);
    world.tick_ok().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_spin_would_refuse_are_named() {
    let mut world = World::new(Store::Sqlite, small());
    let kong = world.kong.url();
    for bad in ["kong.internal", "http://user:pass@kong:8001", "ftp://kong", "not a url at all"] {
        world.set("kong_admin_api", bad);
        fails_naming(&world, &["kong_admin_api"]).await;
    }
    world.set("kong_admin_api", &kong).set("allow_outbound", "https://elsewhere.example");
    fails_naming(&world, &["cloudtrail_endpoint", "allow_outbound"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_kong_is_named() {
    let mut world = World::new(Store::Sqlite, small());
    world.set("kong_admin_api", "http://127.0.0.1:1");
    fails_naming(&world, &["kong_admin_api"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_named_with_the_permissions_that_it_needs() {
    let mut world = World::new(Store::Sqlite, small());
    world.set("kong_admin_token", "another-token");
    fails_naming(&world, &["401", "kong_admin_token", "/audit/requests"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_kongs_is_no_empty_trail() {
    for malformed in [Malformed::Html, Malformed::NoData, Malformed::DataNotArray] {
        let world = World::new(Store::Sqlite, small());
        let rule = |when| Rule {
            path: Some("/audit/requests".into()),
            when,
            fault: Fault::Body(malformed),
        };
        world
            .kong
            .set_faults(kong::Faults { rules: vec![rule(When::default())], ..Default::default() });
        fails_naming(&world, &["/audit/requests", "kong_admin_api"]).await;

        // Once is an accident, and tried again.
        let once = When { next: Some(1), ..Default::default() };
        world.kong.set_faults(kong::Faults { rules: vec![rule(once)], ..Default::default() });
        let report = world.tick_ok().await;
        assert_eq!(report.stream("requests", "shipped"), 30);
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_are_tried_again_and_lose_nothing() {
    for fault in [
        Fault::Reset,
        Fault::ResetInBody,
        Fault::CutOff,
        Fault::Status { code: 503, retry_after: None, body: None },
    ] {
        let world = World::new(Store::Sqlite, small());
        let when = When { next: Some(2), ..Default::default() };
        let rule = Rule { path: None, when, fault: fault.clone() };
        world.kong.set_faults(kong::Faults { rules: vec![rule], ..Default::default() });
        let report = world.tick_ok().await;
        assert_eq!(report["calls"]["retries"], 2, "{fault:?}");
        assert_eq!(report.shipped(), (30, 30), "{fault:?}");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kong_without_an_audit_log_is_no_empty_trail() {
    let world = World::new(Store::Sqlite, kong::Options { audit_log: false, ..small() });
    fails_naming(&world, &["audit_log = on"]).await;
    let world =
        World::new(Store::Sqlite, kong::Options { version: "3.9.0".parse().unwrap(), ..small() });
    fails_naming(&world, &["Enterprise"]).await;

    let world = World::new(Store::Sqlite, small());
    let missing = Fault::Status { code: 404, retry_after: None, body: None };
    let rule = Rule { path: Some("/audit/objects".into()), when: When::default(), fault: missing };
    world.kong.set_faults(kong::Faults { rules: vec![rule], ..Default::default() });
    let report = world.tick().await;
    assert_eq!(report["outcome"], "failed");
    assert!(
        report.error().contains("404 on /audit/objects")
            && report.error().contains("audit_log = on")
    );
    assert_eq!(report.shipped(), (30, 0), "the streams are independent");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_entries_are_shipped_whole() {
    let world = World::new(Store::Sqlite, kong::Options::default());
    let now = world.kong.status().now;
    let request = |id: serde_json::Value,
                   timestamp: serde_json::Value,
                   payload: serde_json::Value| {
        json!({"request_id": id, "request_timestamp": timestamp, "payload": payload, "method": "POST",
               "path": "/services", "status": 201, "client_ip": "10.0.0.1", "ttl": 100, "signature": null})
    };
    let odd = [
        request(json!("plain"), json!(now), json!("{\"a\":1}")),
        request(json!(""), json!(now), json!(null)),
        request(json!(null), json!(now), json!("x")),
        request(json!("not-json"), json!(now), json!("name=foo&url=bar")),
        request(json!("text-time"), json!("yesterday"), json!(null)),
        request(json!("no/good id"), json!(now), json!("[1,2]")),
        json!({"request_id": "bare"}),
    ];
    world.kong.add_entries(kong::Stream::Requests, odd.clone());
    let report = world.tick_ok().await;
    assert_eq!(report.stream("requests", "shipped"), odd.len() as u64);
    assert_eq!(world.tick_ok().await.shipped(), (0, 0), "and once");
    assert_eq!(world.cloudtrail.status().accepted, odd.len());
    let warned =
        report.stdout.iter().any(|line| line.contains("text-time") && line.contains("yesterday"));
    assert!(warned, "the odd timestamp is named: {:?}", report.stdout);

    let rebuilt: Vec<serde_json::Value> = world
        .cloudtrail
        .events(0, 100)
        .iter()
        .map(|event| {
            let text = event.event_data.to_string();
            let entry = kong_cloudtrail::event::rebuild::entry(
                kong_cloudtrail::terms::Stream::Requests,
                &[text],
            );
            serde_json::from_str(&entry.unwrap()).unwrap()
        })
        .collect();
    for entry in &odd {
        let same = |found: &serde_json::Value| {
            ["request_id", "request_timestamp", "payload", "method"]
                .iter()
                .all(|field| found.get(field) == entry.get(field))
        };
        assert!(rebuilt.iter().any(same), "{entry} cannot be read back from {rebuilt:#?}");
    }
}
