//! Stores that take a swap and refuse a write: a primary that was demoted under a connection that stays up,
//! a cluster whose keys are in several slots, a disk that is full.

use kong_cloudtrail::report::Outcome;

use crate::host::Faults;
use crate::scene::Scene;

fn read_only_after(calls: u32) -> Faults {
    Faults { read_only_after: Some(calls), ..Faults::default() }
}

fn seven_batches() -> Scene {
    let scene = Scene::new();
    scene.kong(|kong| kong.parts_in = u64::MAX);
    scene.write(7 * scene.world.destination.get().batch() as u64);
    scene
}

#[test]
fn to_a_store_that_takes_no_write_nothing_is_sent_and_after_it_everything_once() {
    let scene = seven_batches();
    for _ in 0..10 {
        let report = scene.run_with(read_only_after(0)).unwrap();
        assert_eq!(report.outcome, Outcome::Failed);
        let error = report.error.unwrap();
        assert!(error.contains("READONLY") && error.contains("lead to the primary"), "{error}");
        assert_eq!(report.calls.destination, 0);
        scene.pass(300);
    }
    scene.run();
    assert_eq!((scene.arrived(), scene.repeated()), (scene.written(), 0));
}

#[test]
fn a_store_that_ceases_to_take_writes_in_any_call_has_at_most_max_in_flight_batches_repeated_once()
{
    let mut most = 0;
    for calls in 1..=40 {
        let scene = seven_batches();
        let mut report = scene.run_with(read_only_after(calls)).unwrap();
        let accepted = scene.accepted() as u64;
        let requests = report.stream(kong_cloudtrail::terms::Stream::Requests);
        assert_eq!(requests.shipped + requests.unrecorded, accepted, "after call {calls}");
        for _ in 0..5 {
            scene.pass(300);
            let report = scene.run_with(read_only_after(0)).unwrap();
            assert_eq!((report.outcome, report.calls.destination), (Outcome::Failed, 0));
        }
        scene.pass(300);
        scene.run();
        assert_eq!(scene.arrived(), scene.written(), "after call {calls}");
        let repeated = scene.repeated();
        let allowed = scene.world.destination.get().batch() * scene.setup.max_in_flight;
        assert!(repeated <= allowed, "{repeated} after call {calls}");
        most = most.max(repeated);
    }
    assert!(most > 0, "no refusal fell between an answer and its record");
}
