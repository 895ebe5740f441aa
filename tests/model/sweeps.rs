//! Comparisons of all that Kong retains, spread over runs.

use kong_cloudtrail::coverage::{ByTime, Progress, Sweep};
use kong_cloudtrail::report::{Attention, Outcome};
use kong_cloudtrail::terms::Stream;

use crate::host::Faults;
use crate::kong::Version;
use crate::scene::{SHORT, Scene, mode};

#[test]
fn a_reconcile_that_is_large_is_spread_over_runs_and_holds_up_nothing_new() {
    let scene = Scene::trail(25, 8);
    scene.run();
    scene.pass(86_400);
    let lost = scene.kong_time() - 20 * 86_400;
    scene.write_stamped(3, lost);
    let mut late = 0;
    for run in 1.. {
        scene.write(2);
        let mut report = scene.run_with(SHORT).unwrap();
        assert_eq!(report.outcome, Outcome::Ok, "{:?}", report.error);
        assert_eq!(mode(report.clone()), "reconcile");
        let requests = report.stream(Stream::Requests);
        late += requests.late;
        assert_eq!(requests.shipped - requests.late, 2, "what is new");
        scene.pass(300);
        if scene.head().unwrap().stream(Stream::Requests).coverage.under_way().is_none() {
            assert!(run > 2, "it was spread");
            break;
        }
    }
    assert_eq!((late, scene.missing(), scene.repeated()), (3, 0, 0));
    assert_eq!(mode(scene.run()), "incremental");
}

#[test]
fn a_comparison_begins_again_when_kong_does_not_know_its_offset_any_more() {
    let scene = Scene::trail(25, 8);
    scene.run();
    scene.pass(86_400);
    scene.run_with(SHORT).unwrap();
    scene.change_head(|head| {
        let coverage = &mut head.stream(Stream::Requests).coverage;
        let mut sweep = coverage.under_way().unwrap().clone();
        sweep.offset = Some("of-another-version".to_owned());
        coverage.advance(&Progress::Sweep(sweep), false);
    });
    scene.pass(300);
    let mut report = scene.run();
    assert_eq!(report.stream(Stream::Requests).fetched, 200);
    assert!(scene.head().unwrap().stream(Stream::Requests).coverage.under_way().is_none());
}

#[test]
fn a_comparison_goes_on_at_its_offset_and_not_after_kong_was_exchanged() {
    let begin = || {
        let scene = Scene::trail(25, 8);
        scene.run();
        scene.pass(86_400);
        scene.run_with(SHORT).unwrap();
        scene.pass(300);
        scene
    };
    assert!(begin().run().stream(Stream::Requests).fetched < 200);
    let scene = begin();
    scene.kong(|kong| kong.exchange(Version::V3_4));
    assert_eq!(scene.run().stream(Stream::Requests).fetched, 200);
}

#[test]
fn a_comparison_that_is_struck_keeps_what_it_has_done() {
    let scene = Scene::trail(25, 8);
    scene.run();
    scene.pass(86_400);
    let mut offsets = Vec::new();
    for faults in [SHORT, Faults { kong: 100, ..SHORT }, SHORT] {
        scene.run_with(faults).unwrap();
        let head = scene.head().unwrap().stream(Stream::Requests).coverage.under_way().cloned();
        offsets.push(head.and_then(|sweep| sweep.offset).unwrap());
        scene.pass(300);
    }
    assert_eq!(offsets[0], offsets[1]);
    assert_ne!(offsets[1], offsets[2]);
}

#[test]
fn another_kong_on_the_ledger_is_not_asked_for_the_offset_of_the_one_before() {
    let scene = Scene::trail(25, 8);
    scene.run();
    scene.pass(86_400);
    scene.run_with(SHORT).unwrap();
    scene.change_head(|head| "http://other:8001".clone_into(&mut head.kong));
    scene.pass(300);
    let mut report = scene.run();
    assert_eq!(mode(report.clone()), "reconcile");
    assert_eq!(report.stream(Stream::Requests).fetched, 200);
}

#[test]
fn a_sweep_without_a_window_is_read_on_from_where_the_budget_ended_and_the_next_run_ships_what_came_since()
 {
    let scene = Scene::trail(25, 40);
    scene.kong(|kong| kong.exchange(Version::V2_8));
    let mut read = 0;
    let mut runs = 0;
    let spread = loop {
        let mut report = scene.run_with(SHORT).unwrap();
        (runs, read) = (runs + 1, read + report.stream(Stream::Requests).pages);
        assert_eq!(report.outcome, Outcome::Partial, "{:?}", report.error);
        if scene.watermark().is_some() {
            break report.error.unwrap();
        }
        scene.write(1);
        scene.pass(300);
        assert!(runs < 60, "it ends");
    };
    assert!(runs > 2, "it was interrupted");
    assert!(spread.contains("follow in the next run"), "{spread}");
    assert!(read < 200, "{read} pages for 100 of entries");
    let began = scene.kong_time() - 300 * (runs - 1);
    assert!(scene.watermark().unwrap() - began < 10, "no more than it has seen is claimed");
    scene.pass(3600);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

/// A trail of 25 pages that is all in CloudTrail, and a day later.
fn compared() -> Scene {
    let scene = Scene::trail(25, 10);
    scene.run();
    scene.pass(86_400);
    scene
}

#[test]
fn an_event_that_keeps_failing_does_not_keep_a_comparison_from_what_comes_after_it() {
    let scene = compared();
    scene.write_stamped(1, scene.kong_time() - 22 * 86_400);
    scene.write_stamped(1, scene.kong_time() - 3 * 86_400);
    scene.last_fails(true);
    let mut partial = 0;
    for _ in 0..60 {
        partial += usize::from(scene.run_with(SHORT).unwrap().outcome == Outcome::Partial);
        scene.pass(300);
    }
    assert_eq!(scene.missing(), 1, "the one that fails");
    assert!(
        partial > 30,
        "{partial} runs tell of it: those that follow in the same comparison too"
    );
    scene.last_fails(false);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn an_event_of_a_window_that_keeps_failing_does_not_keep_a_comparison_from_its_end() {
    let scene = compared();
    scene.write(1);
    scene.last_fails(true);
    let before = scene.head().unwrap().stream(Stream::Requests).coverage.compared();
    let compared = |scene: &Scene| {
        let mut head = scene.head().unwrap();
        let requests = head.stream(Stream::Requests);
        requests.coverage.compared() > before && requests.coverage.under_way().is_none()
    };
    let runs = (1..60).find(|_| {
        let report = scene.run_with(SHORT).unwrap();
        assert_eq!(report.outcome, Outcome::Partial, "{:?}", report.error);
        scene.pass(300);
        compared(&scene)
    });
    assert!(runs.is_some(), "it comes to its end");
    assert!(scene.watermark().unwrap() < scene.kong_time() - 300, "the watermark waits");
    scene.last_fails(false);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn a_sweep_of_one_stream_alone_gets_the_time_that_the_other_does_not_need() {
    let mut scene = Scene::new();
    scene.setup.page_size = 10;
    let now = scene.kong_time();
    for day in 1..=25 {
        scene.write_objects_stamped(40, now - day * 86_400);
    }
    let is_sweeping = |scene: &Scene| {
        scene
            .head()
            .is_some_and(|mut head| head.stream(Stream::Objects).coverage.under_way().is_some())
    };
    while !is_sweeping(&scene) {
        scene.run_with(SHORT).unwrap();
        scene.pass(300);
    }
    let mut report = scene.run_with(SHORT).unwrap();
    assert_eq!(report.outcome, Outcome::Partial, "until all was compared");
    assert_eq!(report.stream(Stream::Requests).pages, 1, "its window");
    assert!(report.duration_ms > 2_500, "{} ms of three seconds", report.duration_ms);
}

#[test]
fn a_proxy_that_finds_kong_away_does_not_cost_a_comparison_its_place() {
    let scene = compared();
    scene.run_with(SHORT).unwrap();
    scene.pass(300);
    let place = |scene: &Scene| {
        scene.head().unwrap().stream(Stream::Requests).coverage.under_way().cloned()
    };
    let before = place(&scene).unwrap();
    scene.kong(|kong| kong.away = 5);
    let report = scene.run_with(Faults::default()).unwrap();
    assert!(report.error.unwrap().contains("503"));
    assert_eq!(place(&scene), Some(before));
}

#[test]
fn a_comparison_goes_around_a_row_that_fails_by_time() {
    let scene = compared();
    let now = scene.kong_time();
    scene.write_stamped(3, now - 22 * 86_400);
    scene.write_stamped(1, now - 12 * 86_400);
    scene.last_is_bad(true);
    for _ in 0..3 {
        let report = scene.run_with(Faults::default()).unwrap();
        assert_eq!(report.outcome, Outcome::Partial, "{:?}", report.error);
        assert_eq!(scene.missing(), 1, "the one that fails");
        scene.pass(300);
    }
    scene.last_is_bad(false);
    scene.pass(3600);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn a_comparison_by_time_goes_on_in_the_next_run() {
    let scene = compared();
    let now = scene.kong_time();
    scene.write_stamped(1, now - 22 * 86_400);
    scene.write_stamped(1, now - 12 * 86_400);
    let by_time = ByTime { from: now - 20 * 86_400, place: String::new(), error: String::new() };
    let sweep =
        Sweep { by_time: Some(by_time), ..Sweep::new(now - 60, "3.9.0.0-enterprise-edition") };
    scene.change_head(|head| {
        let coverage = &mut head.stream(Stream::Requests).coverage;
        coverage.advance(&Progress::Sweep(sweep.clone()), false);
    });
    scene.run();
    assert_eq!(scene.missing(), 1, "what lies before its place is done");
    scene.pass(90_000);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn where_kong_does_not_filter_what_lies_behind_a_row_that_fails_comes_once_it_is_mended() {
    let mut scene = Scene::new();
    scene.setup.page_size = 10;
    scene.kong(|kong| kong.exchange(Version::V2_8));
    scene.write(200);
    scene.last_is_bad(true);
    for hour in 0..30 {
        let report = scene.run_with(Faults::default()).unwrap();
        assert_eq!(report.outcome, Outcome::Partial, "{hour}: {:?}", report.error);
        let told = report.attention.contains(&Attention::Unreadable);
        assert_eq!(told, hour >= 24, "{hour}: {:?}", report.error);
        scene.write(1);
        scene.pass(3600);
    }
    assert!(scene.missing() > 1 && scene.repeated() == 0);
    scene.kong(|kong| kong.bad = None);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}
