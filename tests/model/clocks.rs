//! Clocks that differ, jump and roll over, and entries that show late.

use kong_cloudtrail::report::Outcome;

use crate::scene::{Scene, mode};

#[test]
fn a_kong_whose_clock_is_hours_ahead_or_behind_is_shipped_as_any_other() {
    for skew in [-7 * 3600, 7 * 3600] {
        let scene = Scene::without_reconciles();
        scene.set_kong_clock(skew);
        for runs in 1..=20 {
            scene.write(5);
            scene.run();
            assert_eq!(scene.arrived(), 5 * runs, "skew {skew}");
            scene.pass(300);
        }
        assert_eq!(scene.repeated(), 0);
    }
}

#[test]
fn when_kongs_clock_goes_back_by_hours_everything_is_compared_and_nothing_repeated() {
    let scene = Scene::without_reconciles();
    scene.write(10);
    scene.run();
    scene.pass(300);
    scene.set_kong_clock(-5 * 3600);
    scene.write(10);
    assert_eq!(mode(scene.run()), "reconcile");
    assert_eq!((scene.arrived(), scene.repeated()), (20, 0));
    scene.pass(300);
    scene.write(10);
    assert_eq!(mode(scene.run()), "incremental", "once is enough");
    assert_eq!((scene.arrived(), scene.repeated()), (30, 0));
}

#[test]
fn when_kongs_clock_goes_ahead_by_hours_nothing_is_missed() {
    let scene = Scene::without_reconciles();
    scene.run();
    scene.write(10);
    scene.set_kong_clock(5 * 3600);
    scene.write(10);
    scene.run();
    assert_eq!((scene.arrived(), scene.repeated()), (20, 0));
}

#[test]
fn a_host_whose_clock_is_hours_off_takes_the_time_for_signatures_from_aws() {
    for skew in [-5 * 3600, 5 * 3600] {
        let scene = Scene::new();
        scene.hosts[0].skew.set(skew);
        scene.write(10);
        scene.run();
        assert_eq!((scene.arrived(), scene.repeated()), (10, 0));
    }
}

#[test]
fn an_entry_that_kong_shows_minutes_late_is_found_by_the_next_run() {
    let scene = Scene::without_reconciles();
    scene.run();
    let stamped = scene.kong_time() - 120;
    scene.pass(300);
    scene.write_stamped(1, stamped);
    scene.run();
    assert_eq!(scene.arrived(), 1);
}

#[test]
fn an_entry_that_kong_shows_almost_an_hour_late_is_found_by_the_next_look_back() {
    let scene = Scene::without_reconciles();
    for _ in 0..13 {
        scene.run();
        scene.pass(300);
    }
    // Stamped just before the last look-back, and shown just before the next.
    let stamped = scene.kong_time() - 3590;
    scene.pass(100);
    scene.write_stamped(1, stamped);
    for _ in 0..12 {
        scene.run();
        scene.pass(300);
    }
    assert_eq!(scene.arrived(), 1);
}

#[test]
fn an_entry_that_kong_shows_hours_late_is_found_by_the_next_reconcile_and_counted_as_late() {
    let scene = Scene::new();
    scene.run();
    scene.pass(7200);
    scene.run();
    scene.write_stamped(1, scene.kong_time() - 7000);
    scene.pass(300);
    scene.run();
    assert_eq!(scene.arrived(), 0, "too old for any window");
    scene.pass(86_400);
    let mut report = scene.run();
    assert_eq!(scene.arrived(), 1);
    assert_eq!(report.stream(kong_cloudtrail::terms::Stream::Requests).late, 1);
}

#[test]
fn a_year_begins_while_entries_are_shipped() {
    let new_year = 1_798_761_600;
    let scene = Scene::at(new_year - 900);
    scene.kong(|kong| kong.parts_in = u64::MAX);
    for runs in 1..=7 {
        scene.write(3);
        scene.run();
        assert_eq!(scene.arrived(), 3 * runs);
        scene.pass(300);
    }
    assert_eq!(scene.repeated(), 0);
    let cloudtrail = scene.world.cloudtrail.borrow();
    let years = |year: &str| {
        let events = cloudtrail.events.values().flatten();
        let prefix = format!(r#""eventTime":"{year}-"#);
        events.filter(|event| event.data.contains(&prefix)).count()
    };
    assert_eq!((years("2026"), years("2027")), (9, 12));
}

#[test]
fn a_run_with_an_expired_token_fails_and_the_next_one_ships_what_it_left() {
    use crate::host::{Faults, Refusal};
    let scene = Scene::new();
    scene.write(10);
    let faults = Faults { refusal: Some(Refusal::ExpiredToken), ..Faults::default() };
    let report = scene.run_with(faults).unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.error.unwrap().contains("aws_session_token"));
    scene.run();
    assert_eq!((scene.arrived(), scene.repeated()), (10, 0));
}
