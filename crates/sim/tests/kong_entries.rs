//! What the Kong simulator's entries say, where they come from and when they go.
#![allow(clippy::unwrap_used)]

#[path = "support/kong.rs"]
mod support;

use std::collections::{HashMap, HashSet};

use kong_cloudtrail_sim::kong::{Options, Stream};
use serde_json::Value;
use serde_json::value::RawValue;
use support::{DAY, get, ids, start, times, version};

#[tokio::test]
async fn objects_were_written_by_calls_of_the_trail() {
    for of in ["3.9.0.0", "3.5.0.0"] {
        let kong = start(Options { requests: 1000, objects: 1000, ..version(of) });
        let requests = kong.entries(Stream::Requests, 0, 1000);
        let calls: HashMap<&str, &Value> =
            requests.iter().map(|entry| (entry["request_id"].as_str().unwrap(), entry)).collect();
        let objects = kong.entries(Stream::Objects, 0, 1000);
        let now = kong.status().now;
        let mut writers = HashSet::new();
        for object in &objects {
            let call = calls[object["request_id"].as_str().unwrap()];
            assert_eq!(call["rbac_user_id"], object["rbac_user_id"]);
            assert!(call["status"].as_u64().unwrap() < 300);
            assert_ne!(call["method"], "GET");
            let at = call["request_timestamp"].as_i64().unwrap();
            let written = now + object["ttl"].as_i64().unwrap() - 30 * DAY;
            assert!((at..=at + 2).contains(&written), "{object}");
            writers.insert(object["request_id"].as_str().unwrap());
        }
        for (id, call) in calls {
            let wrote = call["method"] != "GET" && call["status"].as_u64().unwrap() < 300;
            let logged_out = call["path"] == "/auth?session_logout=true";
            assert_eq!(wrote && !logged_out, writers.contains(id), "{call}");
        }
    }
}

#[tokio::test]
async fn activity_is_what_administrators_do() {
    let kong = start(Options { requests: 2000, objects: 600, ..Options::default() });
    let requests = kong.entries(Stream::Requests, 0, 2000);
    let count =
        |matches: &dyn Fn(&Value) -> bool| requests.iter().filter(|&entry| matches(entry)).count();
    let manager = |entry: &Value| entry["request_source"] == "kong-manager";
    assert!(
        count(&|entry| entry["method"] == "GET" && entry["path"] == "/auth" && manager(entry)) > 50
    );
    assert!(count(&|entry| entry["path"] == "/auth?session_logout=true" && manager(entry)) > 20);
    assert!(count(&|entry| entry["rbac_user_id"].is_null()) > 50);
    for status in [200, 201, 204, 400, 401, 403, 404, 409] {
        assert!(count(&|entry| entry["status"] == status) > 0, "{status}");
    }
    assert!(count(&|entry| entry["removed_from_payload"] == "password") > 0);
    assert!(count(&|entry| entry["payload"].is_null()) > 500);
    let now = kong.status().now;
    let span = times(&requests);
    assert!(span.iter().all(|at| (now - 30 * DAY..=now).contains(at)));
    assert!(span[0] < now - 28 * DAY && span[1999] > now - DAY, "spread over the days");
}

#[tokio::test]
async fn excluded_keys_are_gone_at_the_top_and_from_3_6_at_every_depth() {
    for (of, every_depth) in [("3.5.0.0", false), ("3.6.0.0", true)] {
        let kong = start(Options { requests: 3000, objects: 3000, ..version(of) });
        let requests = kong.entries(Stream::Requests, 0, 3000);
        let payloads = |path: &str| {
            let with = |entry: &&Value| {
                entry["path"].as_str().unwrap().ends_with(path) && entry["method"] == "POST"
            };
            requests.iter().filter(with).collect::<Vec<_>>()
        };
        assert!(!payloads("/basic-auth").is_empty() && !payloads("/plugins").is_empty());
        for entry in payloads("/basic-auth") {
            assert!(!entry["payload"].as_str().unwrap().contains("\"password\""), "{of}");
            assert_eq!(entry["removed_from_payload"], "password");
        }
        for entry in payloads("/plugins") {
            assert_eq!(
                entry["payload"].as_str().unwrap().contains("\"password\""),
                !every_depth,
                "{of}"
            );
            assert_eq!(entry["removed_from_payload"] == "password", every_depth, "{of}");
        }
        let objects = kong.entries(Stream::Objects, 0, 3000);
        let kept =
            objects.iter().any(|entry| entry["entity"].as_str().unwrap().contains("\"password\""));
        assert_eq!(kept, !every_depth, "{of}");
    }
}

#[tokio::test]
async fn before_3_4_a_few_request_ids_are_empty() {
    for (of, some_empty) in [("3.3.1.1", true), ("3.4.0.0", false)] {
        let kong = start(Options { requests: 4000, ..version(of) });
        let empty = kong.ids(Stream::Requests).iter().filter(|id| id.is_empty()).count();
        assert_eq!(empty > 0, some_empty, "{of}");
        assert!(empty < 40, "a few: {empty}");
    }
}

#[tokio::test]
async fn the_same_seed_tells_the_same_story_and_another_seed_another() {
    let ids = |seed| {
        let kong = start(Options { seed, requests: 50, objects: 50, ..Options::default() });
        (kong.ids(Stream::Requests), kong.ids(Stream::Objects))
    };
    assert_eq!(ids(7), ids(7));
    assert_ne!(ids(7), ids(8));
    let (requests, objects) = ids(7);
    assert_eq!(requests.iter().chain(&objects).collect::<HashSet<_>>().len(), 100);
}

#[tokio::test]
async fn bodies_can_be_filled_up() {
    let kong =
        start(Options { requests: 100, objects: 100, payload_bytes: 1000, ..Options::default() });
    for entry in kong.entries(Stream::Requests, 0, 100) {
        let payload: Value = serde_json::from_str(entry["payload"].as_str().unwrap()).unwrap();
        assert!(payload.is_object());
        assert_eq!(entry["payload"].as_str().unwrap().len(), 1000);
    }
    for entry in kong.entries(Stream::Objects, 0, 100) {
        assert_eq!(entry["entity"].as_str().unwrap().len(), 1000);
    }
}

#[tokio::test]
async fn the_readers_own_calls_are_in_the_trail_only_when_asked_for() {
    for audit_readers in [false, true] {
        let kong =
            start(Options { audit_readers, token: Some("t".to_owned()), ..Options::default() });
        let client = reqwest::Client::new();
        for (path, token) in [("/", "t"), ("/audit/objects?size=7", "t"), ("/audit/requests", "no")]
        {
            let url = format!("{}{path}", kong.url());
            client.get(url).header("Kong-Admin-Token", token).send().await.unwrap();
        }
        let audited = kong.entries(Stream::Requests, 0, 10);
        let told = audited
            .iter()
            .map(|entry| (entry["path"].as_str().unwrap(), entry["status"].as_u64().unwrap()));
        let expected: &[(&str, u64)] = if audit_readers {
            &[("/", 200), ("/audit/objects?size=7", 200), ("/audit/requests", 401)]
        } else {
            &[]
        };
        assert!(told.eq(expected.iter().copied()), "{audited:?}");
        if audit_readers {
            assert_eq!(audited[0]["rbac_user_name"], "audit-reader");
            assert!(audited[2]["rbac_user_id"].is_null() && audited[2]["rbac_user_name"].is_null());
            assert_eq!(kong.ids(Stream::Requests), ids(&audited, "request_id"));
        }
    }
}

#[tokio::test]
async fn entries_count_down_and_go_when_their_time_has_run_out() {
    let kong = start(Options {
        requests: 100,
        objects: 100,
        span_days: 10,
        record_ttl_secs: 20 * 86_400,
        ..Options::default()
    });
    let now = kong.status().now;
    let all = kong.entries(Stream::Requests, 0, 100);
    for entry in &all {
        let left = entry["request_timestamp"].as_i64().unwrap() + 20 * DAY - now;
        assert!((left - 2..=left).contains(&entry["ttl"].as_i64().unwrap()));
    }
    kong.set_clock(15 * DAY);
    let left = kong.entries(Stream::Requests, 0, 100);
    assert!((40..60).contains(&left.len()), "{}", left.len());
    assert!(left.iter().all(|entry| entry["ttl"].as_i64().unwrap() > 0));
    assert_eq!(left.len(), kong.status().requests);
    assert_eq!(
        ids(&left, "request_id"),
        ids(&all[100 - left.len()..], "request_id"),
        "the oldest go"
    );
    kong.set_clock(21 * DAY);
    assert_eq!((kong.status().requests, kong.status().objects), (0, 0));
}

#[tokio::test]
async fn entries_are_added_and_returned_as_they_stand() {
    let kong = start(Options::default());
    let raw = r#"{"request_id": "a",  "request_timestamp":1663013700, "n":1.50, "n":2}"#;
    let added = [raw, r#"{"no":"id"}"#].map(|raw| RawValue::from_string(raw.to_owned()).unwrap());
    kong.add_entries(Stream::Requests, added);
    let page = get(&kong, "/audit/requests").await.text().await.unwrap();
    assert_eq!(page, format!(r#"{{"data":[{{"no":"id"}},{raw}],"next":null}}"#));
    assert_eq!(kong.ids(Stream::Requests), ["a", ""]);
}
