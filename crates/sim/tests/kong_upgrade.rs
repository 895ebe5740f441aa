//! What changes while a Kong runs: its version, and for how long it keeps records.
#![allow(clippy::unwrap_used)]

#[path = "support/kong.rs"]
mod support;

use std::collections::BTreeMap;

use kong_cloudtrail_sim::kong::version::Version;
use kong_cloudtrail_sim::kong::{Leaves, Options, Simulator, Stream, Upgrade};
use serde_json::{Value, json};
use support::{DAY, entries, fields, follow_offset, ids, page, sample, start, times, version};

fn number(text: &str) -> Version {
    text.parse().unwrap()
}

/// The entries, by their ids.
fn by_id(kong: &Simulator, stream: Stream) -> BTreeMap<String, Value> {
    let id = if stream == Stream::Requests { "request_id" } else { "id" };
    let entries = kong.entries(stream, 0, usize::MAX);
    ids(&entries, id).into_iter().zip(entries).collect()
}

/// The object entries with and without a time of their own, behind `path`.
async fn counted(kong: &Simulator, query: &str) -> (usize, usize) {
    let path = format!("/audit/objects?size=70{query}");
    let found = follow_offset(kong, &path).await;
    let own = found.iter().filter(|entry| entry["request_timestamp"].as_i64() > Some(1));
    (own.count(), found.len())
}

#[tokio::test]
async fn object_entries_that_an_upgrade_found_have_one_or_null_for_their_time() {
    for (leaves, left) in [(Leaves::One, json!(1)), (Leaves::Null, Value::Null)] {
        let kong = start(version("2.8.1.1"));
        let before = by_id(&kong, Stream::Objects);
        kong.upgrade(number("3.10.0.0"), leaves);
        kong.add_activity(20, 30);
        assert_eq!(page(&kong, "/").await["version"], "3.10.0.0-enterprise-edition");
        let now = kong.status().now;
        let after = by_id(&kong, Stream::Objects);
        assert_eq!(after.len(), 530);
        for (id, entry) in &after {
            assert_eq!(fields(entry), fields(&sample(Stream::Objects)[3]));
            if let Some(before) = before.get(id) {
                assert_eq!(entry["request_timestamp"], left);
                assert_eq!(entry["removed_from_entity"], Value::Null);
                assert_eq!(entry["entity"], before["entity"], "as it was written");
                let ttl = |entry: &Value| entry["ttl"].as_i64().unwrap();
                assert!((0..=2).contains(&(ttl(before) - ttl(entry))), "the expiry is as it was");
            } else {
                let at = entry["request_timestamp"].as_i64().unwrap();
                assert!((now - 2..=now).contains(&at), "{entry}");
            }
        }
    }
}

#[tokio::test]
async fn request_entries_that_an_upgrade_found_keep_their_time_and_name_nobody() {
    // A version without empty ids, so that an entry is known by its id.
    let kong = start(version("3.1.1.6"));
    let before = kong.entries(Stream::Requests, 0, 500);
    kong.upgrade(number("3.10.0.0"), Leaves::One);
    let after = kong.entries(Stream::Requests, 0, 500);
    assert_eq!(after.len(), before.len());
    assert!(times(&after).is_sorted(), "oldest first");
    for entry in &after {
        assert_eq!(fields(entry), fields(&sample(Stream::Requests)[1]));
        assert_eq!(entry["rbac_user_name"], Value::Null);
        assert_eq!(entry["request_source"], Value::Null);
        let same = |before: &&Value| {
            ["request_id", "request_timestamp", "path", "payload", "rbac_user_id"]
                .iter()
                .all(|name| before[name] == entry[name])
        };
        assert!(before.iter().any(|before| same(&before)), "{entry}");
    }
    kong.add_activity(40, 0);
    let named = |entry: &Value| entry["rbac_user_name"].is_string();
    assert!(kong.entries(Stream::Requests, 500, 40).iter().any(named));
}

#[tokio::test]
async fn filters_go_by_the_time_that_the_upgrade_left() {
    for (leaves, found_until_now) in [(Leaves::One, 500), (Leaves::Null, 0)] {
        let kong = start(version("2.8.1.1"));
        kong.upgrade(number("3.7.0.0"), leaves);
        kong.add_activity(20, 30);
        let now = kong.status().now;
        assert_eq!(counted(&kong, "").await, (30, 530), "{leaves:?}, all");
        let after = format!("&after={}", now - 60 * DAY);
        assert_eq!(counted(&kong, &after).await, (30, 30), "{leaves:?}, after");
        let both = format!("{after}&before={}", now + 1);
        assert_eq!(counted(&kong, &both).await, (30, 30), "{leaves:?}, both");
        let before = format!("&before={}", now - DAY);
        let expected = (0, found_until_now);
        assert_eq!(counted(&kong, &before).await, expected, "{leaves:?}, before");
        let far = "&after=99999999999";
        assert_eq!(counted(&kong, far).await, (0, 0), "{leaves:?}, far");
    }
}

#[tokio::test]
async fn a_row_with_one_for_its_time_is_the_oldest_and_one_with_null_the_first_of_all() {
    for (leaves, first) in [(Leaves::One, false), (Leaves::Null, true)] {
        let kong = start(Options { requests: 20, objects: 30, ..version("2.8.1.1") });
        kong.upgrade(number("3.7.0.0"), leaves);
        kong.add_activity(20, 30);
        let found = follow_offset(&kong, "/audit/objects?size=7").await;
        let timeless = |entry: &Value| entry["request_timestamp"].as_i64().unwrap_or(1) == 1;
        let (head, tail) = found.split_at(30);
        assert_eq!(head.iter().all(timeless), first, "{leaves:?}");
        assert_eq!(tail.iter().all(timeless), !first, "{leaves:?}");
    }
}

#[tokio::test]
async fn of_the_samples_rows_the_one_with_one_is_old_and_one_with_null_in_no_window() {
    let kong = start(Options { requests: 0, objects: 0, ..version("3.10.0.0") });
    let one = sample(Stream::Objects)[3].clone();
    let mut null = one.clone();
    null["request_timestamp"] = Value::Null;
    kong.add_entries(Stream::Objects, [one.clone(), null.clone()]);
    let found = async |query: &str| {
        entries(&page(&kong, &format!("/audit/objects?{query}")).await).to_vec()
    };
    assert_eq!(found("").await, [null, one.clone()]);
    assert_eq!(found("before=2020-01-01T00:00:00Z").await, [one]);
    assert!(found("after=2020-01-01T00:00:00Z").await.is_empty());
}

#[tokio::test]
async fn a_kong_can_start_as_one_that_was_upgraded() {
    let from = number("2.8.1.1");
    let upgraded = Some(Upgrade { from, leaves: Leaves::One });
    let kong = start(Options { upgraded, ..version("3.10.0.0") });
    assert_eq!(page(&kong, "/").await["version"], "3.10.0.0-enterprise-edition");
    assert_eq!(counted(&kong, "").await, (0, 500));
    let requests = kong.entries(Stream::Requests, 0, 500);
    let now = kong.status().now;
    assert!(times(&requests).iter().all(|at| (now - 30 * DAY..=now).contains(at)));
    kong.add_activity(5, 5);
    assert_eq!(counted(&kong, "").await, (5, 505));
}

#[tokio::test]
async fn an_upgrade_between_versions_that_have_the_time_changes_none() {
    let kong = start(version("3.4.3.9"));
    let before = times(&kong.entries(Stream::Objects, 0, 500));
    kong.upgrade(number("3.10.0.0"), Leaves::Null);
    assert_eq!(times(&kong.entries(Stream::Objects, 0, 500)), before);
    let objects = kong.entries(Stream::Objects, 0, 500);
    assert!(objects.iter().all(|entry| entry["removed_from_entity"].is_null()));
}

#[tokio::test]
async fn a_retention_that_is_changed_is_that_of_what_is_written_from_then_on() {
    let kong = start(Options { requests: 100, objects: 100, ..version("3.10.0.0") });
    let before = by_id(&kong, Stream::Requests);
    kong.set_record_ttl(365 * 86_400);
    let configuration = &page(&kong, "/").await["configuration"];
    assert_eq!(configuration["audit_log_record_ttl"], 365 * 86_400);
    kong.add_activity(10, 10);
    for stream in [Stream::Requests, Stream::Objects] {
        for entry in kong.entries(stream, 0, usize::MAX) {
            let ttl = entry["ttl"].as_i64().unwrap();
            assert_eq!(ttl > 31 * DAY, entry["request_timestamp"].as_i64() > newest(&before));
        }
    }
    kong.set_record_ttl(60);
    kong.add_activity(10, 0);
    assert_eq!(kong.status().requests, 120);
    kong.set_clock(61);
    assert_eq!(kong.status().requests, 110, "the last ten are gone, the others are not");
    kong.set_clock(31 * DAY);
    assert_eq!((kong.status().requests, kong.status().objects), (10, 10));
    kong.set_clock(366 * DAY);
    assert_eq!((kong.status().requests, kong.status().objects), (0, 0));
}

/// The newest time among entries.
fn newest(entries: &BTreeMap<String, Value>) -> Option<i64> {
    entries.values().filter_map(|entry| entry["request_timestamp"].as_i64()).max()
}

#[tokio::test]
async fn without_a_retention_nothing_expires_and_ttl_is_null() {
    let kong = start(Options { record_ttl_secs: 0, ..version("3.10.0.0") });
    assert_eq!(page(&kong, "/").await["configuration"]["audit_log_record_ttl"], 0);
    let spread = times(&kong.entries(Stream::Objects, 0, 500));
    assert!(spread[499] - spread[0] > 28 * DAY, "over span_days as ever");
    kong.set_clock(10_000 * DAY);
    for stream in [Stream::Requests, Stream::Objects] {
        let entries = kong.entries(stream, 0, 500);
        assert_eq!(entries.len(), 500);
        assert!(entries.iter().all(|entry| entry["ttl"] == Value::Null), "there, and null");
    }
    kong.set_record_ttl(86_400);
    kong.add_activity(0, 1);
    let newest = kong.entries(Stream::Objects, 500, 1);
    assert!((DAY - 2..=DAY).contains(&newest[0]["ttl"].as_i64().unwrap()));
    assert!(kong.entries(Stream::Objects, 0, 1)[0]["ttl"].is_null(), "old rows keep theirs");
}
