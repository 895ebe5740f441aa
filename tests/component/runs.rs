//! Runs that cannot finish, and runs that meet.

use std::time::Duration;

use kong_cloudtrail_sim::kong;

use super::support::{Report, Store, World, stores};

/// How often two ticks are begun together until they meet. On a busy machine the first may be through before
/// the second begins.
const MEETINGS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_that_tick_at_once_ship_each_entry_once() {
    for store in stores() {
        let latency = Duration::from_millis(300);
        let options =
            kong::Options { requests: 2000, objects: 2000, latency, ..Default::default() };
        let world = World::new(store, options);
        if store == Store::Sqlite {
            // Its swap is no use on an absent key, as in Spin: SQLite means one host.
            world.tick_ok().await;
            world.kong.add_activity(2000, 2000);
        }
        let mut met = false;
        for _ in 0..MEETINGS {
            let (one, other) = (world.begin_tick(), world.begin_tick());
            let reports = [Report::of(one.await.unwrap()), Report::of(other.await.unwrap())];
            let mut outcomes =
                reports.each_ref().map(|report| report["outcome"].as_str().unwrap().to_owned());
            outcomes.sort();
            world.assert_exactly_once();
            met = outcomes == ["ok", "skipped"];
            if met {
                break;
            }
            assert_eq!(outcomes, ["ok", "ok"], "{store:?}");
            world.kong.add_activity(2000, 2000);
        }
        assert!(met, "{store:?}: {MEETINGS} times one run was through before the other began");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_its_budget_stops_and_the_next_goes_on() {
    for store in stores() {
        let latency = Duration::from_millis(300);
        let mut world =
            World::new(store, kong::Options { requests: 150, latency, ..Default::default() });
        world.set("run_budget_secs", "1").set("page_size", "10");
        let first = world.tick().await;
        assert_eq!(first["outcome"], "partial", "{store:?}");
        assert!(first.error().contains("run_budget_secs"), "{}", first.error());
        assert!((1..150).contains(&first.shipped().0), "{first:?}");
        world.set("run_budget_secs", "3000").set("page_size", "1000");
        assert_eq!(world.tick_ok().await.shipped().0 + first.shipped().0, 150, "{store:?}");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_larger_than_any_event_arrives_in_parts() {
    for store in stores() {
        let world = World::new(store, kong::Options { requests: 20, ..Default::default() });
        let payload = "x\"\u{e9}".repeat(1_250_000);
        let now = world.kong.status().now;
        let large = serde_json::json!({"request_id": "large", "request_timestamp": now, "method": "POST",
            "path": "/certificates", "status": 201, "payload": payload});
        world.kong.add_entries(kong::Stream::Requests, [large]);
        assert_eq!(world.tick_ok().await.shipped(), (21, 0), "{store:?}");
        let parts: Vec<String> = world
            .cloudtrail
            .events(0, usize::MAX)
            .into_iter()
            .filter(|event| event.id.starts_with("large"))
            .map(|event| event.event_data.to_string())
            .collect();
        assert!(parts.len() > 50, "{}", parts.len());
        let stream = kong_cloudtrail::terms::Stream::Requests;
        let entry = kong_cloudtrail::event::rebuild::entry(stream, &parts).unwrap();
        let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
        assert_eq!(entry["payload"], payload.as_str());
        assert_eq!(world.tick_ok().await.shipped(), (0, 0));
    }
}
