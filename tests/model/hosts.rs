//! Hosts that stall, die and are replaced, and stores that lose what they acknowledged.

use kong_cloudtrail::report::Outcome;

use crate::host::Faults;
use crate::scene::{SHORT, Scene};
use crate::store;

/// Each of so many first calls of a run is tried as the one in which the blow falls.
const CALLS: u32 = 16;

fn three_batches() -> Scene {
    let mut scene = Scene::new();
    scene.setup.max_in_flight = 2;
    scene.write(220);
    scene
}

#[test]
fn what_a_death_would_repeat_reaches_max_in_flight_batches_and_never_exceeds_it() {
    for max_in_flight in [1, 3, 4] {
        let mut scene = Scene::new();
        scene.setup.max_in_flight = max_in_flight;
        scene.setup.page_size = 1000;
        scene.write(700);
        scene.run();
        assert_eq!(scene.world.truth.borrow().most_unrecorded, max_in_flight);
    }
}

#[test]
fn two_hosts_that_tick_together_ship_nothing_twice() {
    for behind in [0, 1, 300] {
        let scene = three_batches();
        scene.both_run(Faults::default(), behind);
        assert_eq!((scene.arrived(), scene.repeated()), (220, 0));
    }
}

#[test]
fn a_host_that_stalls_past_its_lease_in_any_call_repeats_at_most_max_in_flight_batches() {
    let mut repeated = 0;
    for call in 1..=CALLS {
        let scene = three_batches();
        scene.both_run(Faults { stall: Some((call, 1000)), ..Faults::default() }, 350);
        assert_eq!(scene.arrived(), 220, "stalled in call {call}");
        // What it records in the very call of the stall may cover the other host's record.
        repeated += scene.repeated();
    }
    assert!(repeated > 0, "no stall fell on a batch");
}

#[test]
fn a_host_that_stalls_for_less_than_its_lease_repeats_nothing() {
    for call in (1..=CALLS).step_by(2) {
        let scene = three_batches();
        scene.both_run(Faults { stall: Some((call, 90)), ..Faults::default() }, 10);
        assert_eq!((scene.arrived(), scene.repeated()), (220, 0), "stalled in call {call}");
    }
}

#[test]
fn a_host_that_dies_in_any_call_is_replaced_and_repeats_at_most_max_in_flight_batches() {
    for call in 1..=CALLS {
        let scene = three_batches();
        scene.both_run(Faults { dies_after: Some(call), ..Faults::default() }, 20);
        assert_eq!(scene.arrived(), 220, "died after call {call}");
        let most = scene.world.destination.get().batch() * scene.setup.max_in_flight;
        assert!(scene.repeated() <= most, "{} after call {call}", scene.repeated());
    }
}

#[test]
fn a_store_that_loses_its_last_writes_has_their_events_repeated_and_none_lost() {
    for writes in [1, 3, 6] {
        let scene = Scene::new();
        scene.write(400);
        scene.run();
        scene.world.fail_over(writes);
        scene.pass(300);
        scene.run();
        assert_eq!(scene.arrived(), 400);
        scene.pass(300);
        scene.run();
        let accepted = scene.accepted();
        scene.pass(300);
        scene.run();
        assert_eq!(scene.accepted(), accepted, "once is enough");
    }
}

#[test]
fn of_entries_in_parts_only_the_parts_that_did_not_get_through_are_sent_again() {
    let scene = Scene::new();
    scene.kong(|kong| kong.parts_in = 4);
    scene.write(40);
    let faults = Faults { events: 98, ..SHORT };
    let mut runs = 0;
    while scene.missing() > 0 && runs < 20 {
        // Each event is held against the accounts: none is accepted twice without a cause.
        scene.run_with(faults);
        scene.pass(300);
        runs += 1;
    }
    assert!((2..20).contains(&runs), "{runs} runs");
    assert!(scene.accepted() > 40 * 2);
}

#[test]
fn a_lost_store_ships_again_what_kong_holds_once() {
    let scene = Scene::new();
    scene.write(500);
    scene.run();
    let events = scene.accepted();
    scene.world.lose_store();
    for _ in 0..2 {
        scene.pass(300);
        scene.run();
    }
    assert_eq!((scene.arrived(), scene.accepted()), (500, 2 * events));
}

#[test]
fn a_lost_index_of_dead_letters_ends_each_run_and_no_later_one_writes_over_what_it_named() {
    let index = store::key("dead-letters");
    let scene = Scene::new();
    // The accounts know of no letters.
    let run = || scene.hosts[0].run_once(scene.setup, Faults::default()).unwrap();
    let one_becomes_a_letter = || {
        scene.write(1);
        scene.last_fails(true);
        for seconds in [60, 90_000] {
            scene.pass(seconds);
            assert_eq!(run().outcome, Outcome::Partial);
        }
        scene.last_fails(false);
    };
    let chunk = || scene.world.store.values.borrow().get(&format!("{index}:0")).cloned();
    one_becomes_a_letter();
    let kept = chunk();
    assert!(kept.is_some());
    scene.world.store.apply([(index.clone(), None)]);
    scene.pass(300);
    for _ in 0..2 {
        let report = run();
        assert_eq!((report.outcome, report.dead_letters), (Outcome::Failed, Some(0)));
        assert!(report.error.unwrap().contains("has lost the index of 1 dead letters"));
        scene.pass(300);
    }
    store::acknowledge(&scene.world.store, scene.world.time());
    assert_eq!(run().outcome, Outcome::Ok);
    one_becomes_a_letter();
    assert!(chunk() == kept);
}

#[test]
fn a_run_whose_store_fails_now_and_then_loses_nothing() {
    let mut failed = 0;
    let scene = Scene::new();
    for _ in 0..20 {
        scene.write(30);
        let report = scene.run_with(Faults { store: 15, ..Faults::default() }).unwrap();
        failed += u32::from(report.outcome == Outcome::Failed);
        scene.pass(400);
    }
    assert!(failed > 3, "the store failed");
    scene.run();
    assert_eq!(scene.arrived(), 20 * 30);
}

#[test]
fn answers_that_are_lost_repeat_their_own_batches_alone() {
    let scene = Scene::new();
    scene.write(500);
    let report = scene.run_with(Faults { lost_answers: 30, ..Faults::default() }).unwrap();
    assert_eq!(report.outcome, Outcome::Ok);
    assert_eq!(scene.arrived(), 500);
    assert!(scene.repeated() >= 100, "answers were lost");
}
