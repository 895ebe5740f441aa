//! What `ledger_key` holds off, and how it is changed.

use super::support::{Report, Store, World, stores};
use kong_cloudtrail_sim::kong;
use serde_json::json;

const FIRST: &str = "the-first-key-of-32-characters-or-more";
const SECOND: &str = "the-second-key-of-32-characters-or-more";

fn world(store: Store) -> World {
    World::new(store, kong::Options { requests: 300, objects: 100, ..Default::default() })
}

fn has(report: &Report, list: &str, word: &str) -> bool {
    report[list].as_array().unwrap().contains(&json!(word))
}

async fn refused(world: &World, words: &[&str]) {
    let sent = world.cloudtrail.status().accepted;
    world.kong.add_activity(1, 1);
    let report = world.tick().await;
    assert_eq!(report["outcome"], "failed", "{report:?}");
    for word in words {
        assert!(report.error().contains(word), "{word}: {}", report.error());
    }
    assert_eq!(world.cloudtrail.status().accepted, sent, "nothing is sent");
}

/// The key of the ledger that ends with, or contains, `part`.
async fn key(world: &World, part: &str) -> String {
    let keys = world.store().await.keys().await.unwrap();
    let own = world.key("");
    keys.into_iter().find(|key| key.starts_with(&own) && key.contains(part)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_by_one_run_that_writes_everything_anew() {
    for store in stores() {
        let mut world = world(store);
        assert!(has(&world.tick_ok().await, "notes", "unauthenticated-ledger"));
        world.set("ledger_key", FIRST);
        refused(&world, &["ledger_key_previous", "the word \"unkeyed\"", "}lease"]).await;

        world.set("ledger_key_previous", "unkeyed");
        let report = world.tick_ok().await;
        assert!(
            has(&report, "attention", "rekeyed")
                && has(&report, "notes", "adopting-unkeyed-ledger")
        );
        assert_eq!(report.shipped(), (1, 1));
        let report = world.tick_ok().await;
        assert!(!has(&report, "attention", "rekeyed"), "once");
        assert!(has(&report, "notes", "adopting-unkeyed-ledger"), "as long as it is set");
        world.set("ledger_key_previous", "");
        assert_eq!(world.tick_ok().await["notes"], json!(["endpoint-overridden"]));

        world.set("ledger_key", SECOND);
        refused(&world, &["ledger_key_previous", "}lease"]).await;
        world.set("ledger_key_previous", FIRST);
        let report = world.tick_ok().await;
        assert!(has(&report, "attention", "rekeyed"));
        world.set("ledger_key_previous", "");
        world.set("reconcile_secs", "1");
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let report = world.tick_ok().await;
        assert!(report.stream("requests", "duplicates") >= 300, "all are known: {report:?}");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_wrote_is_refused_by_its_key() {
    for part in ["}head", "}segment:requests", "}reports"] {
        // All of now: a new entry is looked for in the same segment.
        let fresh =
            kong::Options { requests: 300, objects: 100, span_days: 0, ..Default::default() };
        let mut world = World::new(Store::Sqlite, fresh);
        world.set("ledger_key", FIRST).tick_ok().await;
        let (store, key) = (world.store().await, key(&world, part).await);
        let sound = store.get(&key).await.unwrap().unwrap();
        let mut flipped = sound.clone();
        *flipped.last_mut().unwrap() ^= 1;
        // A run without the key makes values of the right form, and no right check.
        let other = self::world(Store::Sqlite);
        other.tick_ok().await;
        let (others, other_key) = (other.store().await, self::key(&other, part).await);
        let unkeyed = others.get(&other_key).await.unwrap().unwrap();
        let moved = {
            let twin = self::key(&world, if part == "}head" { "}reports" } else { "}head" }).await;
            store.get(&twin).await.unwrap().unwrap()
        };
        for forged in [flipped, unkeyed, moved] {
            store.set(&key, forged).await.unwrap();
            refused(&world, &[&key, "ledger_key"]).await;
        }
        store.set(&key, sound).await.unwrap();
        assert_eq!(world.tick_ok().await.shipped(), (3, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_not_written_with_the_key_is_refused_by_its_key() {
    let mut world = world(Store::Sqlite);
    world.set("ledger_key", FIRST).tick_ok().await;
    let forged = json!({"owner": "x", "until_ms": i64::MAX / 2, "check": "00"}).to_string();
    world.store().await.set(&world.key("lease"), forged.into_bytes()).await.unwrap();
    refused(&world, &[&world.key("lease"), "ledger_key"]).await;
    world.store().await.delete(&world.key("lease")).await.unwrap();
    assert_eq!(world.tick_ok().await.shipped(), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_too_short_or_alone_is_a_mistake_and_not_shown() {
    let mut world = world(Store::Sqlite);
    let report = world.set("ledger_key", "short-secret").tick().await;
    assert!(report.error().contains("ledger_key is shorter than 32"), "{}", report.error());
    assert!(!report.error().contains("short-secret"));
    world.set("ledger_key", "").set("ledger_key_previous", FIRST);
    let report = world.tick().await;
    assert!(report.error().contains("ledger_key is not"), "{}", report.error());
    assert!(!report.error().contains(FIRST));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_an_unreleased_format_is_refused_and_left_alone() {
    let world = world(Store::Sqlite);
    let store = world.store().await;
    let old = world.key("head").replace("{0}", "");
    store.set(&old, b"kch1, and what it said".to_vec()).await.unwrap();
    refused(&world, &[&old, "set ledger to a new name"]).await;
    assert_eq!(store.get(&old).await.unwrap().unwrap(), b"kch1, and what it said");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_generation_rises_and_the_last_reports_are_kept() {
    let world = world(Store::Sqlite);
    let first = world.tick_ok().await;
    assert!(has(&first, "attention", "new-ledger"));
    let second = world.tick_ok().await;
    assert!(second["generation"].as_u64() > first["generation"].as_u64());
    let ring = world.store().await.get(&world.key("reports")).await.unwrap().unwrap();
    let ring: serde_json::Value = serde_json::from_slice(&ring[16..]).unwrap();
    let kept: Vec<_> = ring["runs"].as_array().unwrap().iter().map(|run| &run["report"]).collect();
    assert_eq!(kept.len(), 2);
    for (kept, printed) in kept.into_iter().zip([&first, &second]) {
        for field in ["outcome", "streams", "generation", "notes", "attention", "dead_letters"] {
            assert_eq!(kept[field], printed[field], "{field}");
        }
    }
}
