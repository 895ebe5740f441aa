//! The move from Kong's Lambda: on the Redis that it used, what it shipped is not shipped again.
//!
//! Its keys are written here as it writes them (Kong/kong-cloudtrails-integration,
//! `internal/database/redis.go`): `SET <request_id> 1 EX <ttl>`, in pipelined transactions.

use std::collections::{BTreeMap, BTreeSet};

use kong_cloudtrail_sim::kong;
use serde_json::Value;

use super::support::{Report, Store, World, redis_url};

/// A world on Redis with a trail of its own, so that no other test's keys are among its ids; none, with a
/// word on stderr, where there is no Redis.
fn world(options: kong::Options) -> Option<World> {
    if redis_url().is_none() {
        eprintln!(
            "SKIPPED: the Lambda's keys need a Redis, and KONG_CLOUDTRAIL_TEST_REDIS_URL names none"
        );
        return None;
    }
    let mut world = World::new(Store::Redis, kong::Options { seed: fastrand::u64(..), ..options });
    world.set("adopt_lambda_keys", "true");
    Some(world)
}

fn requests(world: &World) -> Vec<Value> {
    world.kong.entries(kong::Stream::Requests, 0, usize::MAX)
}

fn ids(entries: &[Value]) -> BTreeSet<String> {
    entries.iter().map(|entry| entry["request_id"].as_str().unwrap().to_owned()).collect()
}

fn redis() -> redis::Connection {
    redis::Client::open(redis_url().unwrap()).unwrap().get_connection().unwrap()
}

/// What the Lambda leaves behind once it has met these entries.
fn lambda_met(entries: &[Value]) {
    let mut redis = redis();
    for page in entries.chunks(100) {
        let mut pipe = redis::pipe();
        pipe.atomic();
        for entry in page {
            let (id, ttl) = (entry["request_id"].as_str().unwrap(), entry["ttl"].as_i64().unwrap());
            pipe.cmd("SET").arg(id).arg("1").arg("EX").arg(ttl).ignore();
        }
        pipe.exec(&mut redis).unwrap();
    }
}

/// The Lambda's keys among these ids, with value and time to live.
fn lambda_keys(ids: &BTreeSet<String>) -> BTreeMap<String, (String, i64)> {
    let mut redis = redis();
    let mut pipe = redis::pipe();
    for id in ids {
        pipe.cmd("GET").arg(id).cmd("TTL").arg(id);
    }
    let answers: Vec<(Option<String>, i64)> = pipe.query(&mut redis).unwrap();
    let found = ids.iter().zip(answers);
    found.filter_map(|(id, (value, ttl))| Some((id.clone(), (value?, ttl)))).collect()
}

/// The ids of the request entries that CloudTrail holds.
fn in_cloudtrail(world: &World) -> BTreeSet<String> {
    let requests = ids(&requests(world));
    world.cloudtrail.ids().into_iter().filter(|id| requests.contains(id)).collect()
}

fn log_of(report: &Report) -> Vec<String> {
    let lines = report.stdout.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| Some(line["message"].as_str()?.to_owned())).collect()
}

fn says(report: &Report, text: &str) -> bool {
    log_of(report).iter().any(|message| message.contains(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_entries_that_the_lambda_recorded_are_not_shipped_again() {
    let options = kong::Options { requests: 10_000, objects: 500, ..Default::default() };
    let Some(mut world) = world(options) else { return };
    // Some entries are in it whenever the runs come, so that all of them ask the store for the same.
    world.set("overlap_secs", "3000");
    let met = requests(&world);
    lambda_met(&met);
    let keys = lambda_keys(&ids(&met));
    assert_eq!(keys.len(), 10_000);

    let first = world.tick_ok().await;
    assert_eq!(first.shipped(), (0, 500));
    assert_eq!(first.stream("requests", "duplicates"), first.stream("requests", "fetched"));
    assert_eq!(first.stream("requests", "batches"), 0);
    assert_eq!(in_cloudtrail(&world), BTreeSet::new());
    assert!(says(&first, "10000 request entries count as shipped"), "{:?}", log_of(&first));
    assert!(!says(&first, "can be switched off"));
    assert!(first["calls"]["kv"].as_u64().unwrap() >= 10_000);

    // Each was looked up once: from now on the ledger knows them.
    let second = world.tick_ok().await;
    assert_eq!(second.shipped(), (0, 0));
    assert!(says(&second, "adopt_lambda_keys can be switched off"), "{:?}", log_of(&second));
    world.set("adopt_lambda_keys", "false");
    let off = world.tick_ok().await;
    assert_eq!(off.shipped(), (0, 0));
    assert_eq!(second["calls"]["kv"], off["calls"]["kv"]);
    assert!(!says(&off, "adopt_lambda_keys"));

    world.set("adopt_lambda_keys", "true");
    world.kong.add_activity(50, 0);
    assert_eq!(world.tick_ok().await.shipped(), (50, 0));
    let new: BTreeSet<String> = ids(&requests(&world)).difference(&ids(&met)).cloned().collect();
    assert_eq!(in_cloudtrail(&world), new);

    // The Lambda's keys are as it left them, except for the seconds that have passed.
    let now = lambda_keys(&ids(&requests(&world)));
    assert_eq!(now.len(), keys.len());
    for (id, (value, ttl)) in keys {
        let (value_now, ttl_now) = &now[&id];
        assert_eq!((value_now, value.as_str()), (&value, "1"));
        assert!((ttl - 600..=ttl).contains(ttl_now), "{id}: {ttl} became {ttl_now}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_entries_without_a_key_are_shipped() {
    // Read by windows; and by a Kong that gives only all at once, again and again.
    for version in ["3.9.0.0-enterprise-edition", "3.1.0.0-enterprise-edition"] {
        let version = version.parse().unwrap();
        let options = kong::Options { requests: 2000, version, ..Default::default() };
        let Some(mut world) = world(options) else { return };
        world.set("full_secs", "0");
        // An entry whose id CloudTrail replaces has no key that is its own.
        let all: Vec<Value> = requests(&world);
        let (with_id, without): (Vec<Value>, Vec<Value>) =
            all.into_iter().partition(|entry| entry["request_id"] != "");
        let (met, missed): (Vec<_>, Vec<_>) =
            with_id.into_iter().enumerate().partition(|(place, _)| place % 2 == 0);
        let plain = |entries: Vec<(usize, Value)>| {
            entries.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>()
        };
        let (met, missed) = (plain(met), plain(missed));
        lambda_met(&met);

        let first = world.tick_ok().await;
        let missing = u64::try_from(missed.len() + without.len()).unwrap();
        assert_eq!(first.shipped(), (missing, 0));
        assert_eq!(in_cloudtrail(&world), ids(&missed));
        let second = world.tick_ok().await;
        assert_eq!(second.shipped(), (0, 0));
        world.set("adopt_lambda_keys", "false");
        assert_eq!(world.tick_ok().await["calls"]["kv"], second["calls"]["kv"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_goes_on_in_the_next_run_where_a_budget_ended_one() {
    let latency = std::time::Duration::from_millis(300);
    let options = kong::Options { requests: 150, latency, ..Default::default() };
    let Some(mut world) = world(options) else { return };
    lambda_met(&requests(&world));
    world.set("run_budget_secs", "1").set("page_size", "10");
    let first = world.tick().await;
    assert_eq!(first["outcome"], "partial");
    world.set("run_budget_secs", "3000").set("page_size", "1000");
    world.tick_ok().await;
    assert_eq!(in_cloudtrail(&world), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lambda_would_send_again_just_what_was_shipped_in_its_place() {
    let Some(world) = world(kong::Options { requests: 300, ..Default::default() }) else { return };
    lambda_met(&requests(&world));
    world.tick_ok().await;
    world.kong.add_activity(40, 10);
    world.tick_ok().await;
    // It reads all that Kong holds and sends what has no key.
    let all = ids(&requests(&world));
    let keys = lambda_keys(&all);
    let sent: BTreeSet<String> = all.into_iter().filter(|id| !keys.contains_key(id)).collect();
    assert_eq!(sent.len(), 40);
    assert_eq!(sent, in_cloudtrail(&world));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_the_lambdas_keys_is_told_of() {
    let mut world = World::new(Store::Sqlite, kong::Options { requests: 20, ..Default::default() });
    world.set("adopt_lambda_keys", "true");
    let first = world.tick_ok().await;
    assert_eq!(first.shipped(), (20, 0));
    assert!(says(&first, "a key for none of the 20 request entries"), "{:?}", log_of(&first));
    assert!(says(&first, "REDIS_DB"));
    let second = world.tick_ok().await;
    assert!(says(&second, "adopt_lambda_keys can be switched off"), "{:?}", log_of(&second));
    assert!(!says(&second, "a key for none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_is_told_once_by_the_first_of_several_runs_over_the_trail() {
    let latency = std::time::Duration::from_millis(300);
    let options = kong::Options { requests: 1500, latency, ..Default::default() };
    let mut world = World::new(Store::Sqlite, options);
    world.set("adopt_lambda_keys", "true").set("run_budget_secs", "1").set("page_size", "100");
    let first = world.tick().await;
    assert_eq!(first["outcome"], "partial");
    assert!(says(&first, "a key for none"), "{:?}", log_of(&first));
    world.set("run_budget_secs", "3000").set("page_size", "1000");
    assert!(!says(&world.tick_ok().await, "a key for none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_adopted_only_when_that_is_asked_for() {
    let Some(mut world) = world(kong::Options { requests: 20, ..Default::default() }) else {
        return;
    };
    lambda_met(&requests(&world));
    world.set("adopt_lambda_keys", "");
    assert_eq!(world.tick_ok().await.shipped(), (20, 0));
}
