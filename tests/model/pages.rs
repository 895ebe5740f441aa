//! Borders of pages and windows, and what arrives or goes while a reader pages.

use kong_cloudtrail::terms::Stream;

use crate::host::Faults;
use crate::kong::{Offsets, Version};
use crate::scene::{Scene, mode};

#[test]
fn equal_timestamps_across_page_borders_are_neither_lost_nor_repeated() {
    for version in [Version::V2_8, Version::V3_4, Version::V3_9] {
        let mut scene = Scene::new();
        scene.setup.page_size = 7;
        scene.kong(|kong| kong.exchange(version));
        scene.write(100);
        scene.run();
        assert_eq!((scene.arrived(), scene.repeated()), (100, 0), "{version:?}");
    }
}

#[test]
fn equal_timestamps_on_a_window_border_are_neither_lost_nor_repeated() {
    let scene = Scene::without_reconciles();
    scene.run();
    let border = scene.kong_time();
    for written in 1..=4 {
        // The second of the run before last, of the last one, and the first of the overlap.
        scene.write_stamped(1, border);
        scene.write_stamped(1, scene.kong_time());
        scene.run();
        assert_eq!((scene.arrived(), scene.repeated()), (2 * written, 0));
        scene.pass(40);
    }
}

#[test]
fn entries_that_arrive_while_paging_shift_offsets_and_repeat_nothing() {
    let mut scene = Scene::new();
    scene.setup.page_size = 5;
    scene.kong(|kong| kong.offsets = Offsets::Positions);
    scene.write(200);
    scene.run_with(Faults { arrivals: 50, ..Faults::default() });
    assert!(scene.arrived() >= 200);
    scene.pass(300);
    scene.run();
    let written = scene.written();
    assert!(written > 210, "entries arrived while Kong was read");
    assert_eq!((scene.arrived(), scene.repeated()), (written, 0));
}

#[test]
fn entries_that_expire_while_paging_may_hide_others_from_a_run_and_not_from_the_next_reconcile() {
    let mut scene = Scene::new();
    scene.setup.page_size = 5;
    // In the order of an older Kong, what goes is anywhere before the reader's position.
    scene.kong(|kong| {
        kong.offsets = Offsets::Positions;
        kong.version = Version::V2_8;
    });
    scene.write_expiring(100, 3);
    scene.write(200);
    scene.run();
    let first = scene.arrived();
    assert!(first < 300, "some were hidden");
    scene.pass(3600);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn a_kong_behind_a_proxy_that_drops_the_filters_is_read_as_a_whole() {
    let scene = Scene::new();
    scene.write(10);
    for _ in 0..2 {
        scene.run();
        scene.pass(7200);
    }
    scene.kong(|kong| kong.filters_dropped = true);
    scene.write(10);
    assert_eq!(mode(scene.run()), "full");
    assert_eq!((scene.arrived(), scene.repeated()), (20, 0));
}

#[test]
fn what_is_met_before_the_filters_turn_out_to_be_dropped_is_shipped_and_recorded() {
    let scene = Scene::new();
    scene.write(10);
    for _ in 0..2 {
        scene.run();
        scene.pass(7200);
    }
    scene.kong(|kong| kong.filters_dropped = true);
    scene.run();
    for _ in 0..3 {
        scene.write(5);
        scene.pass(300);
        scene.run();
    }
    scene.pass(3600);
    scene.run();
    assert_eq!((scene.arrived(), scene.repeated()), (25, 0));
}

#[test]
fn objects_without_a_time_tell_that_the_filters_are_dropped_as_those_of_another_time_do() {
    for version in [Version::V3_4, Version::V3_9] {
        let mut scene = Scene::without_reconciles();
        scene.setup.page_size = 1;
        scene.kong(|kong| kong.exchange(Version::V2_8));
        scene.write_objects(30);
        scene.run();
        scene.pass(90_000);
        scene.kong(|kong| {
            kong.exchange(version);
            kong.filters_dropped = true;
        });
        let mut report = scene.run();
        let objects = report.stream(Stream::Objects);
        assert_eq!(objects.mode, Some("full"), "{version:?}");
        assert!(objects.pages < 40, "{version:?}: {} pages for 30 entries", objects.pages);
    }
}

#[test]
fn an_upgrade_and_a_downgrade_lose_and_repeat_nothing() {
    let scene = Scene::new();
    let versions = [Version::V2_8, Version::V3_4, Version::V3_9, Version::V3_4, Version::V2_8];
    for (number, version) in versions.into_iter().enumerate() {
        scene.kong(|kong| kong.exchange(version));
        scene.write(50);
        scene.pass(3600);
        scene.run();
        assert_eq!((scene.arrived(), scene.repeated()), (50 * (number + 1), 0), "{version:?}");
    }
}

#[test]
fn objects_without_a_time_from_before_an_upgrade_are_found_with_reconciles_off() {
    let scene = Scene::without_reconciles();
    scene.kong(|kong| kong.exchange(Version::V2_8));
    scene.run();
    scene.pass(600);
    scene.write_objects(5);
    scene.kong(|kong| kong.exchange(Version::V3_9));
    let mut report = scene.run();
    assert_eq!(report.stream(Stream::Objects).shipped, 5);
    scene.pass(600);
    assert_eq!(mode(scene.run()), "incremental");
}
