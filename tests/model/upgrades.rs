//! Rows that do not tell their time: when they are from, that they are known again, and what an upgrade or
//! another retention leaves of them.

use kong_cloudtrail::report::{Note, Outcome};
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail_sim::kong::Dates;

use crate::host::Faults;
use crate::kong::{Added, MONTH_SECS, Version};
use crate::scene::{Scene, mode};
use crate::store;

const DAY: i64 = 86_400;

/// A Kong 2.8 with an object a day, of the last 25.
fn old_kong() -> Scene {
    let scene = Scene::new();
    scene.kong(|kong| {
        kong.exchange(Version::V2_8);
        kong.parts_in = u64::MAX;
    });
    for day in (0..25).rev() {
        scene.write_objects_stamped(1, scene.kong_time() - day * DAY);
    }
    scene
}

/// What the events of objects say of their time: when, and what it was reckoned from.
fn told(scene: &Scene) -> Vec<(String, String)> {
    let cloudtrail = scene.world.cloudtrail.borrow();
    let events = cloudtrail.events.iter().filter(|(id, _)| id.starts_with("object-"));
    let mut told: Vec<_> = events
        .map(|(_, accepted)| {
            let data: serde_json::Value = serde_json::from_str(&accepted[0].data).unwrap();
            let source = &data["additionalEventData"]["derivedTime"]["source"];
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            (text(&data["eventTime"]), text(source))
        })
        .collect();
    told.sort();
    told
}

fn all_from(source: &str, told: &[(String, String)]) -> bool {
    told.iter().all(|(_, from)| from == source)
}

#[test]
fn objects_of_an_old_kong_are_dated_by_their_ttl_and_known_again() {
    let scene = old_kong();
    let report = scene.run();
    assert!(report.notes.contains(&Note::DerivedTimes));
    let told = told(&scene);
    assert!(told.len() == 25 && all_from("ttl", &told), "{told:?}");
    // Each is right to two seconds, which the accounts hold; here that they are of 25 days.
    let days: std::collections::BTreeSet<_> = told.iter().map(|(time, _)| &time[..10]).collect();
    assert!(days.len() >= 25, "{days:?}");
    for _ in 0..30 {
        scene.pass(20 * 3600);
        scene.run();
    }
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn an_object_of_an_old_kong_is_from_when_its_request_was_where_that_is_read_in_the_same_run() {
    let scene = Scene::new();
    scene.kong(|kong| kong.exchange(Version::V2_8));
    for _ in 0..20 {
        scene.write(1);
        scene.write_objects(1);
        scene.pass(60);
    }
    scene.run();
    let told = told(&scene);
    let by_request = told.iter().filter(|(_, source)| source == "request").count();
    assert!((5..20).contains(&by_request), "{told:?}");
}

#[test]
fn what_an_upgrade_leaves_of_old_rows_is_dated_by_their_ttl_and_shipped_once() {
    for added in [Added::One, Added::Null] {
        for reconciles in [true, false] {
            let mut scene = old_kong();
            scene.setup.reconciles = reconciles;
            scene.kong(|kong| kong.added = added);
            // Some are shipped before the upgrade, some after it.
            scene.run();
            scene.write_objects(5);
            scene.pass(60);
            scene.write_objects(5);
            scene.kong(|kong| kong.exchange(Version::V3_9));
            scene.write_objects(5);
            let mut report = scene.run();
            assert_eq!(report.stream(Stream::Objects).shipped, 15, "{added:?}");
            let told = told(&scene);
            let derived = told.iter().filter(|(_, source)| source == "ttl").count();
            assert_eq!(derived, 35, "{added:?}: {told:?}");
            for _ in 0..10 {
                scene.pass(20 * 3600);
                scene.run();
            }
            assert_eq!((scene.missing(), scene.repeated()), (0, 0), "{added:?}");
        }
    }
}

#[test]
fn a_ledger_that_begins_after_the_upgrade_has_all_old_rows_before_its_first_ok() {
    for added in [Added::One, Added::Null] {
        let mut scene = old_kong();
        scene.setup.page_size = 1;
        scene.kong(|kong| {
            kong.added = added;
            kong.exchange(Version::V3_9);
        });
        let mut partial = 0;
        let mut report;
        loop {
            report = scene.run_with(Faults { short_budget: true, ..Faults::default() }).unwrap();
            if report.outcome == Outcome::Ok {
                break;
            }
            partial += 1;
            scene.pass(300);
        }
        assert!(partial > 0, "it took several runs");
        assert_eq!((scene.missing(), scene.repeated()), (0, 0), "{added:?}");
        let told = told(&scene);
        assert!(told.len() == 25 && all_from("ttl", &told), "{added:?}: {told:?}");
    }
}

#[test]
fn a_first_run_that_has_the_time_compares_all_objects_and_is_ok() {
    let mut scene = old_kong();
    scene.setup.page_size = 5;
    scene.kong(|kong| kong.exchange(Version::V3_9));
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn a_retention_that_changes_repeats_nothing_and_dates_nothing_to_when_it_cannot_be_from() {
    for retention in [365 * DAY, 10 * DAY, 0] {
        let scene = old_kong();
        scene.run();
        scene.write_objects(3);
        scene.kong(|kong| kong.retention = retention);
        scene.write_objects(3);
        for _ in 0..40 {
            scene.pass(20 * 3600);
            scene.run();
        }
        assert_eq!((scene.missing(), scene.repeated()), (0, 0), "{retention}");
    }
}

#[test]
fn a_kong_that_shows_no_retention_has_its_objects_dated_by_the_longest_ttl_once_it_has_shown_it() {
    let scene = Scene::new();
    scene.kong(|kong| {
        kong.exchange(Version::V2_8);
        (kong.retention, kong.shows_retention) = (7 * DAY, false);
    });
    scene.write_objects(1);
    scene.pass(60);
    scene.run();
    scene.pass(7200);
    scene.write_objects(1);
    scene.run();
    let told = told(&scene);
    assert!(all_from("ttl", &told), "{told:?}");
    assert!(told.iter().all(|(time, _)| time.starts_with("2026-11-22T")), "{told:?}");
}

#[test]
fn the_ledger_forgets_objects_of_an_old_kong_once_kong_has_deleted_them() {
    let scene = old_kong();
    scene.run();
    let segments = |scene: &Scene| {
        let names = store::ledger(&scene.world.store).names();
        names.iter().filter(|name| name.starts_with("segment:objects:x")).count()
    };
    assert!((20..=26).contains(&segments(&scene)), "{}", segments(&scene));
    scene.pass((MONTH_SECS + DAY).unsigned_abs());
    scene.run();
    assert_eq!(segments(&scene), 0);
}

/// Why such a repeat is excused.
#[test]
fn rows_that_do_not_tell_their_time_are_shipped_again_when_kongs_clock_is_set_by_hours() {
    for (skew, repeated) in [(280, 0), (-280, 0), (40_000, 25)] {
        let scene = old_kong();
        scene.run();
        scene.set_kong_clock(skew);
        scene.pass(7200);
        scene.run();
        assert_eq!((scene.missing(), scene.repeated()), (0, repeated), "{skew}");
    }
}

#[test]
fn a_kong_that_takes_times_in_one_form_alone_is_asked_in_that_form() {
    for dates in [Dates::Both, Dates::Rfc3339Only, Dates::UnixOnly] {
        let scene = Scene::without_reconciles();
        scene.kong(|kong| kong.dates = dates);
        for run in 1..=3 {
            scene.write(20);
            let report = scene.run();
            let tried_twice = u64::from(dates == Dates::UnixOnly && run > 1);
            assert!(report.calls.retries >= tried_twice, "{dates:?}");
            assert_eq!((scene.arrived(), scene.repeated()), (20 * run, 0), "{dates:?}");
            scene.pass(300);
        }
        assert_eq!(mode(scene.run()), "incremental");
    }
}
