//! How the Kong simulator answers, and how that differs from version to version.
#![allow(clippy::unwrap_used)]

#[path = "support/kong.rs"]
mod support;

use std::collections::HashSet;
use std::time::SystemTime;

use kong_cloudtrail_sim::kong::{Options, Stream};
use serde_json::{Value, json};
use support::{
    entries, follow_next, follow_offset, get, ids, page, refused, start, times, version,
};

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
    for (of, keeps) in [
        ("3.4.3.9", false),
        ("3.5.0.5", false),
        ("3.6.1.5", false),
        ("3.7.0.0", false),
        ("3.8.1.0", false),
        ("3.9.0.0", true),
    ] {
        let kong = start(version(of));
        let all = times(&kong.entries(Stream::Requests, 0, usize::MAX));
        let window = format!("size=100&after={}&before={}", all[100], all[400]);
        let expected = all.iter().filter(|at| (all[100]..all[400]).contains(at)).count();

        let (by_next, _) = follow_next(&kong, &format!("/audit/requests?{window}")).await;
        assert_eq!(by_next.len() == expected, keeps, "{of}");
        let by_offset = follow_offset(&kong, &format!("/audit/requests?{window}")).await;
        assert_eq!(by_offset.len(), expected, "{of}");
        assert!(times(&by_offset).iter().all(|at| (all[100]..all[400]).contains(at)), "{of}");
        let path = format!("/audit/objects?{window}");
        let objects = follow_offset(&kong, &path).await;
        assert!(times(&objects).iter().all(|at| (all[100]..all[400]).contains(at)), "{of}");
        let (by_next, _) = follow_next(&kong, &path).await;
        assert_eq!(times(&by_next), times(&objects), "{of}");
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
async fn fresh_activity_is_dated_now_by_kong_s_clock() {
    let kong = start(Options { requests: 10, ..Options::default() });
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
    let mut found = Vec::new();
    let mut path = Some("/audit/requests?size=100".to_owned());
    while let Some(at) = path {
        let page = page(&kong, &at).await;
        found.extend(ids(entries(&page), "request_id"));
        path = page["next"].as_str().map(str::to_owned);
        kong.add_activity(30, 0);
    }
    assert_eq!(found.iter().cloned().collect::<HashSet<_>>(), held);
    assert_eq!(found.len(), held.len(), "none twice");
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
async fn the_control_endpoints_say_and_do_what_the_methods_do() {
    let kong = start(Options { requests: 20, objects: 10, ..Options::default() });
    for (path, body) in [
        ("activity", json!({"requests": 5, "objects": 2})),
        ("clock", json!({"offset_secs": 100_000})),
    ] {
        let url = format!("{}/_sim/{path}", kong.url());
        let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    get(&kong, "/").await;
    let status = page(&kong, "/_sim/status").await;
    assert_eq!((&status["requests"], &status["objects"]), (&json!(25), &json!(12)));
    assert_eq!(status["calls"], json!({"/": 1, "/audit/requests": 0, "/audit/objects": 0}));
    let now = status["now"].as_i64().unwrap();
    assert!((0..2).contains(&(kong.status().now - now)));
    let ahead = now - i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!((99_998..=100_000).contains(&ahead), "{ahead}");
    let shown = page(&kong, "/_sim/entries?stream=objects&from=3&limit=4").await;
    assert_eq!(ids(shown.as_array().unwrap(), "id"), kong.ids(Stream::Objects)[3..7]);
}
