//! Kongs of other versions and in other places.

use kong_cloudtrail_sim::kong;

use super::support::{Store, World};

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_kong_is_read_whole() {
    for (version, mode) in [
        ("2.8.1.1-enterprise-edition", "full"),
        ("3.1.0.0-enterprise-edition", "full"),
        ("3.4.3.8-enterprise-edition", "full"),
        ("3.4.3.9-enterprise-edition", "incremental"),
        ("3.6.1.5-enterprise-edition", "incremental"),
        ("3.9.0.0-enterprise-edition", "incremental"),
    ] {
        let options = kong::Options {
            version: version.parse().unwrap(),
            requests: 2500,
            objects: 1500,
            ..Default::default()
        };
        let mut world = World::new(Store::Sqlite, options);
        world.set("full_secs", "0");
        let report = world.tick_ok().await;
        assert_eq!(report["streams"]["requests"]["mode"], mode, "{version}");
        assert_eq!(report.shipped(), (2500, 1500), "{version}");
        world.kong.add_activity(40, 10);
        assert_eq!(world.tick_ok().await.shipped(), (40, 10), "{version}");
        assert_eq!(world.cloudtrail.status().accepted, 4050, "{version}");
        assert_eq!(world.cloudtrail.status().distinct, 4050, "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kong_without_time_filters_is_read_at_most_every_full_secs() {
    let options = kong::Options {
        version: "2.8.1.1-enterprise-edition".parse().unwrap(),
        requests: 50,
        ..Default::default()
    };
    let world = World::new(Store::Sqlite, options);
    assert_eq!(world.tick_ok().await.shipped(), (50, 0));
    world.kong.add_activity(5, 0);
    let report = world.tick_ok().await;
    assert_eq!((report.stream("requests", "pages"), report.shipped()), (0, (0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kong_upgraded_between_runs_goes_on_where_it_was() {
    let old = kong::Options {
        version: "2.8.1.1-enterprise-edition".parse().unwrap(),
        requests: 500,
        objects: 500,
        ..Default::default()
    };
    let mut world = World::new(Store::Sqlite, old.clone());
    assert_eq!(world.tick_ok().await.shipped(), (500, 500));
    let token = Some(super::support::TOKEN.into());
    let listen = world.kong.url().strip_prefix("http://").unwrap().parse().unwrap();
    world.kong = kong::Simulator::start(kong::Options::default()).unwrap();
    let upgraded = kong::Options {
        version: "3.9.0.0-enterprise-edition".parse().unwrap(),
        listen,
        token,
        ..old
    };
    world.kong = kong::Simulator::start(upgraded).unwrap();
    let report = world.tick_ok().await;
    assert_eq!(report["streams"]["requests"]["mode"], "incremental");
    world.kong.add_activity(7, 3);
    assert_eq!(world.tick_ok().await.shipped(), (7, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_api_behind_a_path_is_found() {
    let options = kong::Options {
        admin_path: "/kong/admin".into(),
        requests: 10,
        objects: 10,
        ..Default::default()
    };
    let mut world = World::new(Store::Sqlite, options);
    world.set("kong_admin_path", "/kong/admin/");
    assert_eq!(world.tick_ok().await.shipped(), (10, 10));
    world.assert_exactly_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kong_keeps_out_of_its_audit_log_is_named_but_for_what_reads_it() {
    const NAMED: &str = "audit_log_ignore_paths = ^/status";
    for (path, is_named) in [("^/audit/requests", false), ("^/status", true)] {
        let ignore_paths = vec!["^/$".to_owned(), path.to_owned()];
        let options = kong::Options { requests: 5, ignore_paths, ..Default::default() };
        let report = World::new(Store::Sqlite, options).tick_ok().await;
        let notes = report["notes"].as_array().unwrap();
        assert_eq!(notes.contains(&"ignored-settings".into()), is_named, "{report:?}");
        assert_eq!(report.stdout.iter().any(|line| line.contains(NAMED)), is_named, "{report:?}");
    }
}
