//! Credentials that AWS refuses.

use kong_cloudtrail_sim::kong;

use super::support::{SECRET, World, stores};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_fails_with_the_remedy_records_nothing_and_the_right_one_ships_all() {
    for store in stores() {
        let mut world =
            World::new(store, kong::Options { requests: 300, objects: 300, ..Default::default() });
        world.set("aws_secret_access_key", "wrong-secret");
        let report = world.tick().await;
        assert_eq!(report["outcome"], "failed");
        assert!(report.error().contains("aws_secret_access_key"), "{}", report.error());
        assert!(!report.stdout.concat().contains("wrong-secret"));
        assert_eq!(report.shipped(), (0, 0));
        assert_eq!(world.cloudtrail.status().accepted, 0);

        world.set("aws_secret_access_key", SECRET);
        assert_eq!(world.tick_ok().await.shipped(), (300, 300), "{store:?}");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_hours_off_is_corrected_by_the_answer() {
    for store in stores() {
        for offset in [-7200, 7200] {
            let world = World::new(store, kong::Options { requests: 250, ..Default::default() });
            world.cloudtrail.set_clock(offset);
            assert_eq!(world.tick_ok().await.shipped(), (250, 0), "{store:?}");
            world.assert_exactly_once();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_channel_refuses_fails_with_what_to_change() {
    for store in stores() {
        let mut world = World::new(store, kong::Options { requests: 10, ..Default::default() });
        for (name, value, names) in [
            ("aws_access_key_id", "AKIDOTHER", "aws_access_key_id"),
            (
                "channel_arn",
                "arn:aws:cloudtrail:eu-west-1:123456789012:channel/11111111-2222-4333-8444-555555555555",
                "channel_arn",
            ),
        ] {
            let right = world.variables[name].clone();
            let ledger = world.variables["ledger"].clone();
            world.set(name, value).set("ledger", &format!("{ledger}-{name}"));
            let report = world.tick().await;
            assert_eq!(report["outcome"], "failed");
            assert!(report.error().contains(names), "{}", report.error());
            world.set(name, &right).set("ledger", &ledger);
        }
        assert_eq!(world.tick_ok().await.shipped(), (10, 0));
    }
}
