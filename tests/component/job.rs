//! The whole job: every entry once, and only what is new after that.

use kong_cloudtrail_sim::kong;

use super::support::{World, stores};

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_entries_of_each_stream_arrive_once_and_later_runs_ship_what_is_new() {
    for store in stores() {
        let world = World::new(
            store,
            kong::Options { requests: 10_000, objects: 10_000, ..Default::default() },
        );

        let first = world.tick_ok().await;
        assert_eq!(first.shipped(), (10_000, 10_000), "{store:?}");
        world.assert_exactly_once();

        let calls = world.cloudtrail.status().calls;
        let second = world.tick_ok().await;
        assert_eq!(second.shipped(), (0, 0), "{store:?}");
        assert_eq!(
            world.cloudtrail.status().calls,
            calls,
            "a run with nothing new makes no PutAuditEvents call"
        );

        world.kong.add_activity(250, 120);
        let third = world.tick_ok().await;
        assert_eq!(third.shipped(), (250, 120), "{store:?}");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_has_every_key_of_the_contract() {
    for store in stores() {
        let world =
            World::new(store, kong::Options { requests: 3, objects: 2, ..Default::default() });
        let report = world.tick_ok().await;
        for key in [
            "event",
            "version",
            "commit",
            "destination",
            "outcome",
            "duration_ms",
            "streams",
            "calls",
            "dead_letters",
            "generation",
            "notes",
            "attention",
            "error",
        ] {
            assert!(report.has(key), "{key}");
        }
        for stream in ["requests", "objects"] {
            for key in [
                "mode",
                "fetched",
                "duplicates",
                "shipped",
                "late",
                "rejected",
                "pending",
                "pages",
                "batches",
                "watermark",
                "lag_secs",
            ] {
                assert!(report["streams"][stream].get(key).is_some(), "{stream} {key}");
            }
        }
        assert_eq!(report["calls"]["kong"], 3, "the root and a page of each stream");
        assert_eq!(report["calls"]["destination"], 2);
        assert_eq!(report["calls"]["retries"], 0);
        let watermark = report["streams"]["requests"]["watermark"].as_i64().unwrap();
        assert!(
            (world.kong.status().now - watermark).abs() <= 60,
            "the watermark is about now by Kong's clock"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_stay_cheap_however_much_kong_retains() {
    for store in stores() {
        let mut calls = Vec::new();
        for retained in [500, 20_000] {
            let world =
                World::new(store, kong::Options { requests: retained, ..Default::default() });
            world.tick_ok().await;
            world.tick_ok().await;
            world.kong.add_activity(50, 0);
            let report = world.tick_ok().await;
            assert_eq!(report.shipped(), (50, 0));
            calls.push((report["calls"]["kong"].clone(), report["calls"]["destination"].clone()));
        }
        assert_eq!(calls[0], calls[1], "{store:?}");
    }
}

/// A request entry that Kong shows now, stamped so many seconds ago.
fn late(world: &World, id: &str, seconds: i64) {
    let time = world.kong.status().now - seconds;
    let late = serde_json::json!({"request_id": id, "request_timestamp": time, "method": "GET", "path": "/x",
        "status": 200});
    world.kong.add_entries(kong::Stream::Requests, [late]);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_appear_late_inside_the_overlap_are_shipped_by_the_next_run() {
    for store in stores() {
        let mut world = World::new(store, kong::Options { requests: 100, ..Default::default() });
        world.set("overlap_secs", "600");
        world.tick_ok().await;
        late(&world, "late", 300);
        assert_eq!(world.tick_ok().await.shipped(), (1, 0), "{store:?}");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_appear_later_than_that_are_shipped_by_the_next_look_back() {
    for store in stores() {
        let mut world = World::new(store, kong::Options { requests: 100, ..Default::default() });
        world.set("lookback_secs", "7200").set("overlap_secs", "0");
        world.tick_ok().await;
        world.kong.set_clock(3000);
        late(&world, "late", 6000);
        assert_eq!(world.tick_ok().await.shipped(), (0, 0), "{store:?}: no look back is due");
        world.kong.set_clock(7300);
        let report = world.tick_ok().await;
        assert_eq!(report["streams"]["requests"]["mode"], "incremental");
        assert_eq!((report.shipped(), report.stream("requests", "late")), ((1, 0), 0), "{store:?}");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reconcile_finds_is_shipped_and_called_late() {
    for store in stores() {
        let mut world = World::new(store, kong::Options { requests: 100, ..Default::default() });
        world.set("reconcile_secs", "1");
        world.tick_ok().await;
        late(&world, "very-late", 7200);
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        let report = world.tick_ok().await;
        assert_eq!(report["streams"]["requests"]["mode"], "reconcile");
        assert_eq!(
            (report.stream("requests", "shipped"), report.stream("requests", "late")),
            (1, 1),
            "{store:?}"
        );
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_alone_can_be_shipped() {
    for store in stores() {
        let mut world =
            World::new(store, kong::Options { requests: 20, objects: 30, ..Default::default() });
        world.set("audit_streams", "objects");
        let report = world.tick_ok().await;
        assert_eq!(report.shipped(), (0, 30));
        assert!(report["streams"]["requests"]["mode"].is_null());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_of_the_reader_itself_ends_with_each_run() {
    for store in stores() {
        let options =
            kong::Options { requests: 100, objects: 50, audit_readers: true, ..Default::default() };
        let world = World::new(store, options);
        world.tick_ok().await;
        for _ in 0..3 {
            let report = world.tick_ok().await;
            // Each run's own calls, and no more: it does not chase its own tail.
            assert!(report.stream("requests", "shipped") <= 10, "{report:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ledgers_in_one_store_know_nothing_of_each_other() {
    for store in stores() {
        let mut world = World::new(store, kong::Options { requests: 10, ..Default::default() });
        assert_eq!(world.tick_ok().await.shipped(), (10, 0));
        let other = format!("{}-other", world.variables["ledger"]);
        world.set("ledger", &other);
        assert_eq!(world.tick_ok().await.shipped(), (10, 0), "{store:?}");
        assert_eq!(world.tick_ok().await.shipped(), (0, 0), "{store:?}");
    }
}
