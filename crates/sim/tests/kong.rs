//! What the Kong simulator answers, and how that differs from version to version.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::SystemTime;

use kong_cloudtrail_sim::kong::{Faults, Options, Simulator, Stream};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

const DAY: i64 = 24 * 60 * 60;

fn start(options: Options) -> Simulator {
    Simulator::start(options).unwrap()
}

fn version(version: &str) -> Options {
    Options { version: version.parse().unwrap(), requests: 500, objects: 500, ..Options::default() }
}

async fn get(kong: &Simulator, path: &str) -> Response {
    reqwest::get(format!("{}{path}", kong.url())).await.unwrap()
}

async fn page(kong: &Simulator, path: &str) -> Value {
    let response = get(kong, path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.json().await.unwrap()
}

async fn refused(kong: &Simulator, path: &str) -> (u16, Value) {
    let response = get(kong, path).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

fn entries(page: &Value) -> &[Value] {
    page["data"].as_array().unwrap()
}

/// All entries behind `path`, by `next`, and the number of pages.
async fn follow_next(kong: &Simulator, path: &str) -> (Vec<Value>, usize) {
    let (mut found, mut pages, mut path) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(at) = path {
        let page = page(kong, &at).await;
        found.extend_from_slice(entries(&page));
        pages += 1;
        path = page["next"].as_str().map(str::to_owned);
        assert_eq!(path.is_some(), page["offset"].is_string(), "next and offset go together");
    }
    (found, pages)
}

/// All entries behind `path`, with the filters sent along with every `offset`.
async fn follow_offset(kong: &Simulator, path: &str) -> Vec<Value> {
    let (mut found, mut at) = (Vec::new(), path.to_owned());
    loop {
        let page = page(kong, &at).await;
        found.extend_from_slice(entries(&page));
        let Some(offset) = page["offset"].as_str() else { return found };
        at = format!("{path}&offset={}", offset.replace('=', "%3D").replace('+', "%2B"));
    }
}

fn ids(entries: &[Value], field: &str) -> Vec<String> {
    entries.iter().map(|entry| entry[field].as_str().unwrap().to_owned()).collect()
}

fn times(entries: &[Value]) -> Vec<i64> {
    entries.iter().map(|entry| entry["request_timestamp"].as_i64().unwrap()).collect()
}

fn fields(entry: &Value) -> BTreeSet<&str> {
    entry.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_root_shows_version_and_audit_settings() {
    let kong = start(Options {
        ignore_paths: vec!["^/status".to_owned()],
        record_ttl_secs: 86_400,
        ..Options::default()
    });
    let root = page(&kong, "/").await;
    assert_eq!(root["version"], "3.9.0.0-enterprise-edition");
    let configuration = &root["configuration"];
    assert_eq!(configuration["audit_log"], true);
    assert_eq!(configuration["audit_log_record_ttl"], 86_400);
    assert_eq!(configuration["audit_log_ignore_paths"], json!(["^/status"]));
    assert_eq!(configuration["audit_log_ignore_methods"], json!({}), "an empty Lua table");
    assert_eq!(configuration["audit_log_payload_exclude"], json!(["token", "secret", "password"]));
}

#[tokio::test]
async fn pages_hold_a_hundred_entries_unless_size_says_otherwise() {
    let kong = start(Options { requests: 1200, objects: 250, ..Options::default() });
    assert_eq!(entries(&page(&kong, "/audit/requests").await).len(), 100);
    assert_eq!(entries(&page(&kong, "/audit/requests?size=1000").await).len(), 1000);
    assert_eq!(entries(&page(&kong, "/audit/objects?size=1").await).len(), 1);
    let last = page(&kong, "/audit/objects?size=1000").await;
    assert_eq!(entries(&last).len(), 250);
    assert_eq!(last["next"], Value::Null);
    assert_eq!(last.get("offset"), None);
}

#[tokio::test]
async fn a_page_that_ends_exactly_at_the_end_is_the_last() {
    let kong = start(Options { objects: 200, ..Options::default() });
    let (found, pages) = follow_next(&kong, "/audit/objects?size=100").await;
    assert_eq!((found.len(), pages), (200, 2));
    let (none, pages) = follow_next(&kong, "/audit/requests").await;
    assert_eq!((none.len(), pages), (0, 1));
}

#[tokio::test]
async fn next_leads_through_every_entry_once() {
    for of in ["3.9.0.0", "3.4.3.8", "2.8.1.1"] {
        let kong = start(Options { requests: 730, objects: 730, ..version(of) });
        for (stream, path, id) in [
            (Stream::Requests, "/audit/requests?size=50", "request_id"),
            (Stream::Objects, "/audit/objects?size=50", "id"),
        ] {
            let (found, pages) = follow_next(&kong, path).await;
            assert_eq!(pages, 15, "{of}");
            let mut read = ids(&found, id);
            let mut held = kong.ids(stream);
            assert_eq!(held, ids(&kong.entries(stream, 0, usize::MAX), id));
            read.sort_unstable();
            held.sort_unstable();
            assert_eq!(read, held, "{of} {path}");
        }
    }
}

#[tokio::test]
async fn bad_sizes_and_offsets_are_answered_in_kong_s_words() {
    let kong = start(version("3.9.0.0"));
    for (size, message) in [
        ("0", "size must be an integer between 1 and 1000"),
        ("1001", "size must be an integer between 1 and 1000"),
        ("-1", "size must be an integer between 1 and 1000"),
        ("1.5", "size must be an integer between 1 and 1000"),
        ("many", "size must be a number"),
        ("", "size must be a number"),
    ] {
        let body = json!({"code": 9, "name": "invalid size", "message": message});
        assert_eq!(refused(&kong, &format!("/audit/requests?size={size}")).await, (400, body));
    }
    for (offset, message) in [
        ("x", "'x' is not a valid offset: bad base64 encoding"),
        ("eHg%3D", "'eHg=' is not a valid offset: bad json encoding"),
    ] {
        let body = json!({"code": 7, "name": "invalid offset", "message": message});
        assert_eq!(refused(&kong, &format!("/audit/objects?offset={offset}")).await, (400, body));
    }
}

#[tokio::test]
async fn after_is_inclusive_and_before_exclusive_on_both_streams() {
    let kong = start(version("3.9.0.0"));
    for (path, stream) in
        [("/audit/requests", Stream::Requests), ("/audit/objects", Stream::Objects)]
    {
        let all = times(&kong.entries(stream, 0, usize::MAX));
        assert!(all.is_sorted(), "oldest first");
        let (after, before) = (all[100], all[400]);
        let expected = all.iter().filter(|at| (after..before).contains(at)).count();
        let window = page(&kong, &format!("{path}?size=1000&after={after}&before={before}")).await;
        assert_eq!(entries(&window).len(), expected);
        assert!(times(entries(&window)).iter().all(|at| (after..before).contains(at)));
        assert!(times(entries(&window)).is_sorted_by(|newer, older| newer >= older));
        let empty = page(&kong, &format!("{path}?after={before}&before={after}")).await;
        assert_eq!(entries(&empty).len(), 0);
    }
}

#[tokio::test]
async fn bounds_may_be_seconds_or_utc_dates_without_fractions() {
    let kong = start(Options { requests: 0, objects: 0, ..version("3.9.0.0") });
    let at =
        |request_timestamp: i64| json!({"request_id": "r", "request_timestamp": request_timestamp});
    kong.add_entries(Stream::Requests, [1_714_057_403, 1_714_057_404, 1_714_057_405].map(at));
    for bound in ["1714057404", "2024-04-25T15:03:24Z", "1714057403.5"] {
        let after = page(&kong, &format!("/audit/requests?after={bound}")).await;
        assert_eq!(times(entries(&after)), [1_714_057_405, 1_714_057_404], "{bound}");
        let before = page(&kong, &format!("/audit/requests?before={bound}")).await;
        assert_eq!(times(entries(&before)), [1_714_057_403], "{bound}");
    }
    for bound in ["2024-04-25T15:03:24.000Z", "2024-04-25T15:03:24%2B00:00", "yesterday", ""] {
        for name in ["before", "after"] {
            let (status, body) = refused(&kong, &format!("/audit/requests?{name}={bound}")).await;
            assert_eq!(status, 400, "{bound}");
            let message = body["message"].as_str().unwrap();
            assert!(message.ends_with("does not match expected format: YYYY-MM-DDTHH:MI:SSZ"));
        }
    }
}

#[tokio::test]
async fn older_versions_ignore_the_filters() {
    for of in ["3.4.3.8", "3.6.1.4", "2.8.1.1"] {
        let kong = start(version(of));
        for path in ["/audit/requests", "/audit/objects"] {
            let filtered =
                page(&kong, &format!("{path}?size=1000&after=99999999999&before=no")).await;
            assert_eq!(entries(&filtered).len(), 500, "{of} {path}");
        }
    }
}

#[tokio::test]
async fn order_is_newest_first_or_none_that_is_the_same_on_every_page() {
    for (of, requests_sorted) in [("3.9.0.0", true), ("3.4.3.8", true), ("3.4.3.7", false)] {
        let kong = start(version(of));
        let (found, _) = follow_next(&kong, "/audit/requests?size=70").await;
        let newest_first = times(&found).is_sorted_by(|newer, older| newer >= older);
        assert_eq!(newest_first, requests_sorted, "{of}");
        assert_eq!(follow_next(&kong, "/audit/requests?size=70").await.0.len(), 500);
        assert_eq!(
            ids(&follow_next(&kong, "/audit/requests?size=33").await.0, "request_id"),
            ids(&found, "request_id"),
            "{of}"
        );
    }
    let kong = start(version("3.9.0.0"));
    let (found, _) = follow_next(&kong, "/audit/objects?size=70").await;
    assert!(times(&found).is_sorted_by(|newer, older| newer >= older));
}

#[tokio::test]
async fn before_3_9_next_of_requests_loses_the_filters_and_offset_with_filters_does_not() {
    for (of, keeps) in [("3.8.1.0", false), ("3.9.0.0", true)] {
        let kong = start(version(of));
        let all = times(&kong.entries(Stream::Requests, 0, usize::MAX));
        let window = format!("size=100&after={}&before={}", all[100], all[400]);
        let expected = all.iter().filter(|at| (all[100]..all[400]).contains(at)).count();

        let (by_next, _) = follow_next(&kong, &format!("/audit/requests?{window}")).await;
        assert_eq!(by_next.len() == expected, keeps, "{of}");
        let by_offset = follow_offset(&kong, &format!("/audit/requests?{window}")).await;
        assert_eq!(by_offset.len(), expected, "{of}");
        let (objects, _) = follow_next(&kong, &format!("/audit/objects?{window}")).await;
        let objects = times(&objects);
        assert!(objects.iter().all(|at| (all[100]..all[400]).contains(at)), "{of}");
    }
}

#[tokio::test]
async fn entries_have_the_fields_of_their_version() {
    let requests = [
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
    let objects = ["dao_name", "entity", "entity_key", "expire", "id", "operation", "request_id"];
    for (of, more_of_requests, more_of_objects) in [
        ("2.8.1.1", vec![], vec![]),
        ("3.1.1.6", vec![], vec!["rbac_user_id", "signature", "ttl"]),
        (
            "3.2.0.0",
            vec!["rbac_user_name", "request_source"],
            vec!["rbac_user_id", "signature", "ttl"],
        ),
        (
            "3.9.0.0",
            vec!["rbac_user_name", "request_source"],
            vec!["rbac_user_id", "removed_from_payload", "request_timestamp", "signature", "ttl"],
        ),
    ] {
        let kong = start(version(of));
        for entry in kong.entries(Stream::Requests, 0, 500) {
            let expected = requests.iter().chain(&more_of_requests).copied().collect();
            assert_eq!(fields(&entry), expected, "{of}");
        }
        for mut entry in kong.entries(Stream::Objects, 0, 500) {
            if of == "2.8.1.1" {
                entry.as_object_mut().unwrap().remove("rbac_user_id");
            }
            let expected = objects.iter().chain(&more_of_objects).copied().collect();
            assert_eq!(fields(&entry), expected, "{of}");
            assert!(entry["entity"].as_str().unwrap().starts_with('{'), "JSON text");
        }
    }
}

/// Entries that Kong's audit log documentation prints.
fn documented() -> [(Stream, Value); 2] {
    let request = json!({"client_ip": "127.0.0.1", "method": "GET", "path": "/status",
        "payload": null, "rbac_user_id": null, "rbac_user_name": null,
        "removed_from_payload": null, "request_id": "OjOcUBvt6q6XJlX3dd6BSpy1uUkTyctC",
        "request_source": null, "request_timestamp": 1_676_424_547, "signature": null,
        "status": 200, "ttl": 2_591_997, "workspace": "1065b6d6-219f-4002-b3e9-334fc3eff46c"});
    let object = json!({"dao_name": "consumers", "entity": "{\"username\":\"bob\"}",
        "entity_key": "16787ed7-d805-434a-9cec-5e5a3e5c9e4f", "expire": 1_544_723_418_009_i64,
        "id": "7ebabee7-2b09-445d-bc1f-2092c4ddc4be", "operation": "create",
        "request_id": "59fpTWlpUtHJ0qnAWBzQRHRDv7i5DwK2"});
    [(Stream::Requests, request), (Stream::Objects, object)]
}

#[tokio::test]
async fn fields_have_the_types_of_the_documented_entries() {
    let kong = start(version("3.9.0.0"));
    for (stream, documented) in documented() {
        for entry in kong.entries(stream, 0, 500) {
            for (field, value) in documented.as_object().unwrap() {
                let of_type = match value {
                    Value::Null => entry[field].is_null() || entry[field].is_string(),
                    Value::Number(_) => entry[field].is_i64(),
                    _ => entry[field].as_str().is_some_and(|text| text.len() >= 3),
                };
                assert!(of_type, "{field} of {entry}");
            }
        }
    }
}

#[tokio::test]
async fn objects_were_written_by_calls_of_the_trail() {
    for of in ["3.9.0.0", "3.5.0.0"] {
        let kong = start(Options { requests: 1000, objects: 1000, ..version(of) });
        let requests = kong.entries(Stream::Requests, 0, 1000);
        let calls: HashMap<&str, &Value> =
            requests.iter().map(|entry| (entry["request_id"].as_str().unwrap(), entry)).collect();
        let objects = kong.entries(Stream::Objects, 0, 1000);
        let ttl_ms = 30 * DAY * 1000;
        let mut writers = HashSet::new();
        for object in &objects {
            let call = calls[object["request_id"].as_str().unwrap()];
            assert_eq!(call["rbac_user_id"], object["rbac_user_id"]);
            assert!(call["status"].as_u64().unwrap() < 300);
            assert_ne!(call["method"], "GET");
            let at = call["request_timestamp"].as_i64().unwrap();
            let expire = object["expire"].as_i64().unwrap();
            assert!((0..1000).contains(&(expire - ttl_ms - at * 1000)), "milliseconds");
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
async fn the_token_is_asked_for_everywhere() {
    let kong = start(Options { token: Some("s3cret".to_owned()), ..version("3.9.0.0") });
    let client = reqwest::Client::new();
    for path in ["/", "/audit/requests", "/audit/objects", "/services"] {
        let body = json!({"message": "Invalid RBAC credentials"});
        assert_eq!(refused(&kong, path).await, (401, body.clone()));
        let url = format!("{}{path}", kong.url());
        let wrong = client.get(&url).header("Kong-Admin-Token", "guess").send().await.unwrap();
        assert_eq!(wrong.status(), 401);
        let right = client.get(&url).header("Kong-Admin-Token", "s3cret").send().await.unwrap();
        assert_eq!(right.status(), if path == "/services" { 404 } else { 200 });
    }
}

#[tokio::test]
async fn without_an_audit_log_the_audit_paths_are_unknown() {
    let not_found = (404, json!({"message": "Not found"}));
    let off = start(Options { audit_log: false, ..version("3.9.0.0") });
    assert_eq!(page(&off, "/").await["configuration"]["audit_log"], false);
    assert_eq!(refused(&off, "/audit/requests").await, not_found);
    assert_eq!(refused(&off, "/audit/objects").await, not_found);

    let open_source = start(version("3.9.0"));
    let root = page(&open_source, "/").await;
    assert_eq!(root["version"], "3.9.0");
    assert_eq!(root["configuration"].get("audit_log"), None);
    assert_eq!(refused(&open_source, "/audit/requests").await, not_found);
}

#[tokio::test]
async fn only_get_reads_and_the_answers_say_who_answers() {
    let kong = start(version("3.9.0.0"));
    let url = format!("{}/audit/requests", kong.url());
    let response = reqwest::Client::new().post(url).send().await.unwrap();
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["server"], "kong/3.9.0.0-enterprise-edition");
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
            assert_eq!(audited[2]["rbac_user_name"], Value::Null);
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
async fn answers_are_dated_by_kong_s_clock_and_so_is_fresh_activity() {
    let kong = start(Options { requests: 10, clock_offset_secs: -7200, ..Options::default() });
    let response = get(&kong, "/").await;
    let date = httpdate::parse_http_date(response.headers()["date"].to_str().unwrap()).unwrap();
    let behind = SystemTime::now().duration_since(date).unwrap().as_secs();
    assert!((7200..7205).contains(&behind), "{behind}");
    kong.set_clock(500);
    kong.add_activity(3, 2);
    let newest = page(&kong, "/audit/requests?size=3").await;
    let now = kong.status().now;
    assert!(times(entries(&newest)).iter().all(|at| (now - 2..=now).contains(at)));
    assert_eq!((kong.status().requests, kong.status().objects), (13, 2));
}

#[tokio::test]
async fn entries_that_arrive_while_a_reader_pages_do_not_move_what_is_older() {
    let kong = start(version("3.9.0.0"));
    let held = kong.ids(Stream::Requests).into_iter().collect::<HashSet<_>>();
    let read_while_busy = async || {
        let mut found = Vec::new();
        let mut path = Some("/audit/requests?size=100".to_owned());
        while let Some(at) = path {
            let page = page(&kong, &at).await;
            found.extend(ids(entries(&page), "request_id"));
            path = page["next"].as_str().map(str::to_owned);
            kong.add_activity(30, 0);
        }
        found
    };
    let found = read_while_busy().await;
    assert_eq!(found.iter().cloned().collect::<HashSet<_>>(), held);
    assert_eq!(found.len(), held.len(), "none twice");

    kong.set_faults(Faults { shifting_offsets: true, ..Faults::default() });
    let found = read_while_busy().await;
    assert!(found.len() > found.iter().collect::<HashSet<_>>().len(), "some twice");
}

#[tokio::test]
async fn pages_of_a_window_can_end_early() {
    let kong = start(version("3.8.1.0"));
    kong.set_faults(Faults { end_early_after_pages: Some(2), ..Faults::default() });
    let cut = follow_offset(&kong, "/audit/requests?size=100&after=1").await;
    assert_eq!(cut.len(), 200);
    let (whole, _) = follow_next(&kong, "/audit/requests?size=100").await;
    assert_eq!(whole.len(), 500, "without a filter nothing is cut");
}

#[tokio::test]
async fn entries_are_added_and_returned_as_they_stand() {
    let kong = start(Options { audit_log: true, ..Options::default() });
    let raw = r#"{"request_id": "a",  "request_timestamp":1663013700, "n":1.50, "n":2}"#;
    let body = format!(r#"{{"stream":"requests","entries":[{raw},{{"no":"id"}}]}}"#);
    let url = format!("{}/_sim/entries", kong.url());
    let response = reqwest::Client::new().post(&url).body(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let page = get(&kong, "/audit/requests").await.text().await.unwrap();
    assert_eq!(page, format!(r#"{{"data":[{{"no":"id"}},{raw}],"next":null}}"#));
    assert_eq!(kong.ids(Stream::Requests), ["a", ""]);
    let bad = reqwest::Client::new().post(&url).body(r#"{"stream":"other"}"#).send().await.unwrap();
    assert_eq!(bad.status(), 400);
}

#[tokio::test]
async fn the_admin_api_may_sit_behind_a_path() {
    let kong = start(Options { admin_path: "/kong/admin".to_owned(), ..version("3.9.0.0") });
    assert_eq!(get(&kong, "/audit/requests").await.status(), 404);
    let page = page(&kong, "/kong/admin/audit/requests").await;
    assert_eq!(entries(&page).len(), 100);
    assert!(page["next"].as_str().unwrap().starts_with("/audit/requests?offset="));
    assert_eq!(kong.status().calls["/audit/requests"], 1);
}

#[tokio::test]
async fn the_control_endpoints_say_what_the_methods_say() {
    let kong = start(Options { requests: 20, objects: 10, ..Options::default() });
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| {
        client
            .post(format!("{}/_sim/{path}", kong.url()))
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(post("activity", json!({"requests": 5, "objects": 2})).await, 200);
    assert_eq!(post("clock", json!({"offset_secs": 100})).await, 200);
    assert_eq!(
        post(
            "faults",
            json!({"rules": [{"when": {"next": 1}, "fault": {"status": {"code": 503}}}]})
        )
        .await,
        200
    );
    assert_eq!(get(&kong, "/").await.status(), 503);
    assert_eq!(post("faults", json!({})).await, 200);
    assert_eq!(get(&kong, "/").await.status(), 200);
    let status = page(&kong, "/_sim/status").await;
    assert_eq!(status["requests"], 25);
    assert_eq!(status["objects"], 12);
    assert_eq!(status["calls"], json!({"/": 2, "/audit/requests": 0, "/audit/objects": 0}));
    let ids = page(&kong, "/_sim/ids?stream=objects").await;
    assert_eq!(ids, json!(kong.ids(Stream::Objects)));
    let shown = page(&kong, "/_sim/entries?stream=objects&from=3&limit=4").await;
    assert_eq!(shown.as_array().unwrap().len(), 4);
    assert_eq!(shown[0]["id"], ids[3]);
}
