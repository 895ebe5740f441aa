//! Each excuse of the judge is needed: here is a history that is sound, and is not without the excuse. And each
//! excuses no more than it says: here is what the judge objects to right beside it.

use kong_cloudtrail::report::{Outcome, Report};
use kong_cloudtrail::terms::Stream;

use crate::excuses::Excuse;
use crate::host::{Faults, LOOKBACK_SECS, OVERLAP_SECS};
use crate::kong::{Arrival, Offsets, Version};
use crate::scene::{SHORT, Scene, mode};

/// What the judge says of a history, without an excuse or with all of them.
fn violations(without: Option<Excuse>, history: &impl Fn(&mut Scene)) -> Vec<String> {
    let mut scene = Scene::without_reconciles();
    scene.world.truth.borrow_mut().without = without;
    history(&mut scene);
    scene.world.truth.take().violations
}

fn assert_needed(excuse: Excuse, history: impl Fn(&mut Scene)) {
    assert_eq!(violations(None, &history), Vec::<String>::new());
    assert_ne!(
        violations(Some(excuse), &history),
        Vec::<String>::new(),
        "{excuse:?} is not needed"
    );
}

/// A run, whatever the judge says.
fn tick(scene: &Scene) -> Report {
    scene.hosts[0].run_once(scene.setup, Faults::default()).unwrap()
}

/// CloudTrail has never had the request entry of that number.
fn lose(scene: &Scene, number: usize) {
    let id = scene.world.kong.borrow().trail(Stream::Requests).entries[number].id.clone();
    let part = format!("{id}-p");
    let is_of_it = |event: &String| *event == id || event.starts_with(&part);
    scene.world.cloudtrail.borrow_mut().events.retain(|event, _| !is_of_it(event));
    scene.world.truth.borrow_mut().coverage[Stream::Requests as usize].await_entry(number);
}

/// Whether the judge objects to the last run when the entry of that number is lost.
fn objects_to_the_loss_of(scene: &Scene, number: usize, report: &Report) -> bool {
    scene.assert_sound();
    lose(scene, number);
    objects(scene, report)
}

/// Whether the judge objects to that report of the last run.
fn objects(scene: &Scene, report: &Report) -> bool {
    let last = scene.world.truth.borrow().runs.len() - 1;
    scene.world.judge_coverage(last, Some(report));
    !scene.world.truth.borrow_mut().violations.drain(..).collect::<Vec<_>>().is_empty()
}

fn failing() -> Faults {
    Faults { cloudtrail: 100, ..Faults::default() }
}

#[test]
fn a_run_that_is_not_ok_claims_nothing_and_the_next_one_does() {
    assert_needed(Excuse::NotOk, |scene| {
        scene.write(1);
        scene.pass(1);
        scene.hosts[0].run_once(scene.setup, failing());
    });
    let scene = Scene::new();
    scene.write(1);
    assert_ne!(scene.run_with(failing()).unwrap().outcome, Outcome::Ok);
    scene.pass(300);
    let report = tick(&scene);
    assert!(objects_to_the_loss_of(&scene, 0, &report));
}

#[test]
fn a_watermark_that_is_not_the_runs_own_time_is_objected_to() {
    for version in [Version::V2_8, Version::V3_4, Version::V3_9] {
        for off in [-1, 1] {
            let scene = Scene::new();
            scene.kong(|kong| kong.exchange(version));
            scene.write(1);
            let mut report = tick(&scene);
            let watermark = &mut report.stream(Stream::Requests).watermark;
            *watermark = watermark.map(|watermark| watermark + off);
            assert!(objects(&scene, &report), "{version:?}: {off}");
            report.stream(Stream::Requests).watermark = None;
            assert!(objects(&scene, &report), "{version:?}: none");
        }
    }
}

#[test]
fn nothing_is_due_of_an_old_kong_for_an_hour_after_everything_was_compared() {
    let compared = |scene: &Scene| {
        scene.kong(|kong| kong.exchange(Version::V2_8));
        scene.write(1);
        assert_eq!(mode(tick(scene)), "full");
    };
    assert_needed(Excuse::NothingWasDue, |scene| {
        compared(scene);
        scene.pass(3500);
        scene.write(1);
        tick(scene);
        assert_eq!(scene.arrived(), 1);
    });
    // The run in which everything was compared is not excused, nor one after an hour that compared nothing.
    let scene = Scene::new();
    compared(&scene);
    scene.pass(3600);
    let report = tick(&scene);
    assert!(objects_to_the_loss_of(&scene, 0, &report));
    scene.pass(3599);
    let report = tick(&scene);
    assert!(!objects(&scene, &report));
    let mut truth = scene.world.truth.borrow_mut();
    let last = truth.runs.last_mut().unwrap();
    last.told = last.told.map(|told| told + 1);
    drop(truth);
    assert!(objects(&scene, &report));
}

#[test]
fn what_kong_shows_while_a_run_reads_is_left_to_the_next_and_what_it_showed_before_is_not() {
    assert_needed(Excuse::ShownLater, |scene| {
        scene.setup.page_size = 1;
        tick(scene);
        scene.pass(1000);
        let (now, time) = (scene.world.time(), scene.kong_time());
        scene.write_stamped(40, time - 100);
        // The reader has passed its place when it shows.
        let arrival = Arrival { time: time - 50, visible: now + 1 };
        scene.world.kong.borrow_mut().write(&scene.world, Stream::Requests, arrival);
        tick(scene);
        assert_eq!(scene.arrived(), 40);
    });
    for (before, objects) in [(0, false), (1, true)] {
        let scene = Scene::new();
        scene.write(1);
        scene.pass(before);
        let report = tick(&scene);
        assert_eq!(objects_to_the_loss_of(&scene, 0, &report), objects, "{before} s before");
    }
}

#[test]
fn what_kong_has_deleted_is_not_missed_and_what_it_deletes_next_is() {
    let written = |scene: &Scene| {
        scene.kong(|kong| kong.retention = 200);
        tick(scene);
        scene.write(1);
    };
    assert_needed(Excuse::Gone, |scene| {
        written(scene);
        scene.pass(250);
        tick(scene);
        assert_eq!(scene.arrived(), 0);
    });
    let scene = Scene::without_reconciles();
    written(&scene);
    scene.pass(10);
    let report = tick(&scene);
    let expires = scene.world.kong.borrow().trail(Stream::Requests).entries[0].expires;
    scene.pass(u64::try_from(expires - 1 - scene.world.time()).unwrap());
    assert!(objects_to_the_loss_of(&scene, 0, &report));
    scene.pass(1);
    assert!(!objects(&scene, &report));
}

/// What is read first goes while the rest is read, where offsets are positions. Of the rest some is hidden.
fn hide(scene: &mut Scene) {
    scene.setup.page_size = 5;
    scene.kong(|kong| kong.offsets = Offsets::Positions);
    scene.write_stamped(100, scene.kong_time() - 7000);
    scene.kong(|kong| kong.retention = 5);
    scene.write(60);
    scene.kong(|kong| kong.retention = crate::kong::MONTH_SECS);
    scene.pass(2);
    tick(scene);
    assert!(scene.missing() > 0, "some were hidden");
}

#[test]
fn what_offsets_hide_is_excused_where_something_went_and_until_everything_is_looked_at() {
    assert_needed(Excuse::Shifted, hide);
    assert_needed(Excuse::Missed, |scene| {
        hide(scene);
        scene.pass(300);
        tick(scene);
    });
    let mut scene = Scene::new();
    hide(&mut scene);
    let hidden = |scene: &Scene| {
        let kong = scene.world.kong.borrow();
        let mut entries = kong.trail(Stream::Requests).entries[..100].iter();
        entries.position(|entry| !scene.world.arrival_of(Stream::Requests, entry).unwrap())
    };
    let number = hidden(&scene).unwrap();
    scene.pass(90_000);
    let report = tick(&scene);
    assert_eq!(hidden(&scene), None);
    assert!(objects_to_the_loss_of(&scene, number, &report), "a look at everything");
    let mut scene = Scene::new();
    scene.setup.page_size = 5;
    scene.kong(|kong| kong.offsets = Offsets::Positions);
    scene.write(100);
    scene.pass(1);
    let report = tick(&scene);
    assert!(objects_to_the_loss_of(&scene, 50, &report), "nothing went");
}

#[test]
fn windows_show_what_is_late_by_the_overlap_and_look_backs_what_is_late_by_an_hour() {
    assert_needed(Excuse::NoWindow, |scene| {
        tick(scene);
        scene.pass(10);
        scene.write_stamped(1, scene.kong_time() - 2 * LOOKBACK_SECS);
        scene.pass(10);
        tick(scene);
        assert_eq!(scene.arrived(), 0);
    });
    for (late_by, soon, in_an_hour) in [
        (OVERLAP_SECS, true, true),
        (OVERLAP_SECS + 1, false, true),
        (LOOKBACK_SECS, false, true),
        (LOOKBACK_SECS + 1, false, false),
    ] {
        for (seconds, expected) in [(10, soon), (3600, in_an_hour)] {
            let scene = Scene::without_reconciles();
            let watermark = scene.kong_time();
            tick(&scene);
            scene.pass(10);
            scene.write_stamped(1, watermark - late_by);
            scene.pass(seconds);
            let report = tick(&scene);
            let objects = objects_to_the_loss_of(&scene, 0, &report);
            assert_eq!(objects, expected, "late by {late_by}, after {seconds} s");
        }
    }
}

#[test]
fn after_kongs_clock_was_set_no_look_back_is_expected_until_a_run_has_said_ok() {
    let late = |scene: &Scene| {
        scene.pass(1);
        scene.write_stamped(1, scene.kong_time() - 3000);
    };
    assert_needed(Excuse::ClockMoved, |scene| {
        tick(scene);
        scene.set_kong_clock(-100);
        late(scene);
        scene.pass(3600);
        tick(scene);
        assert_eq!(scene.arrived(), 0);
    });
    let scene = Scene::without_reconciles();
    tick(&scene);
    scene.set_kong_clock(-100);
    scene.pass(60);
    tick(&scene);
    late(&scene);
    scene.pass(3600);
    let report = tick(&scene);
    assert!(objects_to_the_loss_of(&scene, 0, &report));
}

/// Each of so many first calls of a run is tried as the one in which something happens.
const CALLS: std::ops::Range<u32> = 1..40;

/// Whether a history that is sound whichever call the blow falls in is unsound in one of them without the excuse.
fn assert_needed_in_a_call(excuse: Excuse, history: impl Fn(&mut Scene, u32)) {
    let in_call = |call| {
        let history = &history;
        move |scene: &mut Scene| history(scene, call)
    };
    for call in CALLS {
        assert_eq!(violations(None, &in_call(call)), Vec::<String>::new(), "in call {call}");
    }
    let needs = |call: &u32| !violations(Some(excuse), &in_call(*call)).is_empty();
    assert!(CALLS.into_iter().any(|call| needs(&call)), "{excuse:?} is not needed");
}

#[test]
fn a_run_beside_another_may_find_that_one_has_looked_at_everything_and_a_run_alone_looks_itself() {
    assert_needed_in_a_call(Excuse::NotAlone, |scene, call| {
        scene.write(1);
        let (now, time) = (scene.world.time(), scene.kong_time() - 2 * LOOKBACK_SECS);
        // Shown while the first host stalls.
        let arrival = Arrival { time, visible: now + 200 };
        scene.world.kong.borrow_mut().write(&scene.world, Stream::Requests, arrival);
        let stalls = Faults { stall: Some((call, 1000)), ..Faults::default() };
        crate::history::both_run(
            &scene.world,
            &scene.hosts,
            scene.setup,
            [stalls, Faults::default()],
            350,
        );
    });
    let scene = Scene::without_reconciles();
    scene.write_stamped(1, scene.kong_time() - 2 * LOOKBACK_SECS);
    scene.pass(1);
    let report = tick(&scene);
    assert!(objects_to_the_loss_of(&scene, 0, &report));
}

#[test]
fn a_comparison_spread_over_runs_is_held_to_what_there_was_when_it_began() {
    let begin = |scene: &mut Scene| {
        scene.setup.reconciles = true;
        scene.setup.page_size = 10;
        let now = scene.kong_time();
        (1..=25).for_each(|day| scene.write_stamped(8, now - day * 86_400));
        tick(scene);
        scene.pass(86_400);
        scene.hosts[0].run_once(scene.setup, SHORT).unwrap();
        // It has passed this place.
        scene.write_stamped(1, scene.kong_time() - 2 * 86_400);
        scene.pass(300);
    };
    let under_way = |scene: &Scene| {
        scene.head().unwrap().stream(Stream::Requests).coverage.under_way().is_some()
    };
    assert_needed(Excuse::Spread, |scene| {
        begin(scene);
        assert!(under_way(scene));
        tick(scene);
        assert!(!under_way(scene));
        assert_eq!(scene.missing(), 1);
    });
    let mut scene = Scene::new();
    begin(&mut scene);
    let report = tick(&scene);
    scene.assert_sound();
    assert!(objects_to_the_end_of(&scene, &report, 0), "what was there before it began");
    // One that begins and ends in the same run.
    let scene = Scene::new();
    tick(&scene);
    scene.pass(90_000);
    scene.write_stamped(1, scene.kong_time() - 2 * 86_400);
    scene.pass(1);
    let report = tick(&scene);
    assert_eq!(mode(report.clone()), "reconcile");
    assert!(objects_to_the_loss_of(&scene, 0, &report));
}

/// Whether the judge objects to a run that ended a comparison when the entry of that number is lost.
fn objects_to_the_end_of(scene: &Scene, report: &Report, number: usize) -> bool {
    let began = scene.world.truth.borrow().runs.iter().rev().nth(1).unwrap().started;
    scene.world.truth.borrow_mut().coverage[Stream::Requests as usize].has_begun_to_compare(began);
    objects_to_the_loss_of(scene, number, report)
}

#[test]
fn a_store_that_goes_back_under_a_run_is_not_a_fresh_one_and_one_that_was_lost_before_it_is() {
    let late = |scene: &Scene| {
        scene.pass(300);
        scene.write_stamped(1, scene.kong_time() - 2 * LOOKBACK_SECS);
        scene.pass(1);
    };
    assert_needed_in_a_call(Excuse::StoreWentBack, |scene, call| {
        tick(scene);
        late(scene);
        let failover = Some((call, 40));
        scene.hosts[0].run_once(scene.setup, Faults { failover, ..Faults::default() });
    });
    let scene = Scene::without_reconciles();
    tick(&scene);
    scene.world.lose_store();
    late(&scene);
    let report = tick(&scene);
    assert!(objects_to_the_loss_of(&scene, 0, &report));
}

#[test]
fn a_ledger_that_lost_writes_may_not_know_that_kongs_clock_went_back_until_its_next_run() {
    let back = |scene: &Scene| {
        scene.set_kong_clock(0);
        scene.write_stamped(1, scene.kong_time() - 2 * LOOKBACK_SECS);
        scene.pass(300);
    };
    let ahead = |scene: &Scene| {
        tick(scene);
        let watermark = scene.watermark();
        scene.set_kong_clock(5000);
        tick(scene);
        while scene.watermark() != watermark {
            scene.world.fail_over(1);
        }
    };
    assert_needed(Excuse::Forgotten, |scene| {
        ahead(scene);
        back(scene);
        tick(scene);
        assert_eq!(scene.arrived(), 0);
    });
    let scene = Scene::without_reconciles();
    ahead(&scene);
    // The lease that a run had released is back too.
    scene.pass(300);
    tick(&scene);
    back(&scene);
    let report = tick(&scene);
    assert_eq!(mode(report.clone()), "reconcile");
    assert!(objects_to_the_loss_of(&scene, 0, &report));
}
