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
