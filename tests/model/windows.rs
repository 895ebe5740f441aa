//! Long trails: oldest first, with progress that outlasts a run, and comparisons spread over runs.

use kong_cloudtrail::kong::Stream;
use kong_cloudtrail::ledger::{BUCKET_SECS, Head, SegmentMeta, Sweep};
use kong_cloudtrail::report::{Outcome, Report};

use crate::host::Faults;
use crate::kong::{FurtherPages, MONTH_SECS, Times, Version};
use crate::scene::{Scene, mode};

const SHORT: Faults = Faults {
    kong: 0,
    arrivals: 0,
    cloudtrail: 0,
    lost_answers: 0,
    events: 0,
    refusal: None,
    store: 0,
    dies_after: None,
    stall: None,
    failover: None,
    short_budget: true,
};

const HEAD: &str = "kong-cloudtrail:default:head";

/// A scene in which Kong has written `days` times `entries` requests, a day apart.
fn trail(days: i64, entries: u64) -> Scene {
    let mut scene = Scene::new();
    scene.setup.page_size = 10;
    let now = scene.kong_time();
    for day in 1..=days {
        scene.write_stamped(entries, now - day * 86_400);
    }
    scene
}

/// The same on a Kong before 3.9, shipped five minutes ago.
fn trail_of_an_older_kong() -> Scene {
    let scene = trail(25, 8);
    scene.kong(|kong| {
        kong.version = Version::V3_4;
        kong.further_pages = FurtherPages::EndEarly;
    });
    scene.run();
    scene.pass(300);
    scene
}

fn watermark(scene: &Scene) -> Option<i64> {
    head(scene).and_then(|mut head| head.stream(Stream::Requests).watermark)
}

fn head(scene: &Scene) -> Option<Head> {
    scene.world.store.borrow().get(HEAD).map(|head| Head::decode(head).unwrap())
}

fn change_head(scene: &Scene, change: impl FnOnce(&mut Head)) {
    let mut changed = head(scene).unwrap();
    change(&mut changed);
    scene.world.store.borrow_mut().apply(vec![(HEAD.to_owned(), Some(changed.encode()))]);
}

fn pages(report: &mut Report, stream: Stream) -> u64 {
    report.stream(stream).pages
}

#[test]
fn a_first_run_that_is_interrupted_goes_on_where_it_was() {
    let scene = trail(25, 40);
    let mut reached = None;
    let mut read = 0;
    for run in 1.. {
        let mut report = scene.run_with(SHORT).unwrap();
        read += pages(&mut report, Stream::Requests);
        let now = watermark(&scene);
        assert!(now >= reached, "{now:?} after {reached:?}");
        reached = now;
        if report.outcome == Outcome::Ok {
            assert!(run > 5, "it was interrupted");
            break;
        }
        assert_eq!(report.outcome, Outcome::Partial);
        // The oldest, which Kong deletes first, are in CloudTrail first, but for the first page.
        let reached = reached.unwrap_or(i64::MIN);
        let kong = scene.world.kong.borrow();
        for entry in &kong.trail(Stream::Requests).entries {
            let arrived = scene.world.arrival_of(Stream::Requests, entry).unwrap();
            assert!(arrived || entry.time.unwrap() >= reached, "{reached}: {entry:?}");
        }
    }
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
    assert!(read < 400, "{read} pages for 100 of entries");
}

#[test]
fn a_short_trail_is_read_in_one_call() {
    let scene = Scene::new();
    scene.write(5);
    let mut report = scene.run();
    assert_eq!(pages(&mut report, Stream::Requests), 1);
    assert_eq!(report.stream(Stream::Requests).shipped, 5);
    scene.pass(300);
    assert_eq!(pages(&mut scene.run(), Stream::Requests), 1);
}

#[test]
fn a_slice_that_is_not_accounted_for_holds_the_watermark() {
    let scene = trail(20, 5);
    let failing = Faults { cloudtrail: 100, ..Faults::default() };
    let report = scene.run_with(failing).unwrap();
    assert_ne!(report.outcome, Outcome::Ok);
    let held = watermark(&scene).unwrap();
    assert!(held <= scene.kong_time() - 20 * 86_400, "{held}");
    scene.pass(300);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
    assert!(watermark(&scene).unwrap() > scene.kong_time() - 60);
}

#[test]
fn a_reconcile_that_is_large_is_spread_over_runs_and_holds_up_nothing_new() {
    let scene = trail(25, 8);
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
        if head(&scene).unwrap().stream(Stream::Requests).sweep.is_none() {
            assert!(run > 2, "it was spread");
            break;
        }
    }
    assert_eq!((late, scene.missing(), scene.repeated()), (3, 0, 0));
    assert_eq!(mode(scene.run()), "incremental");
}

#[test]
fn until_a_second_with_more_than_a_page_of_an_older_kong_is_compared_no_run_is_ok() {
    let scene = trail_of_an_older_kong();
    scene.write(30);
    let mut partial = 0;
    loop {
        let report = scene.run_with(SHORT).unwrap();
        let error = report.error.unwrap_or_default();
        if report.outcome == Outcome::Ok {
            break;
        }
        assert_eq!(report.outcome, Outcome::Partial);
        partial += u32::from(error.contains("a second of requests had more entries than a page"));
        scene.pass(300);
    }
    assert!(partial > 2, "the comparison was spread over runs");
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
    scene.pass(300);
    assert_eq!(mode(scene.run()), "incremental");
}

#[test]
fn after_a_comparison_that_has_passed_a_second_with_more_than_a_page_another_one_is_made() {
    let scene = trail_of_an_older_kong();
    let began = scene.kong_time() - 60;
    scene.write(25);
    let (_, last) = *scene.world.kong.borrow().trail(Stream::Requests).order.last().unwrap();
    change_head(&scene, |head| {
        let (version, offset) = ("3.4.3.9-enterprise-edition".to_owned(), Some(last.to_string()));
        let sweep = Sweep { began, version, offset, ..Sweep::default() };
        head.stream(Stream::Requests).sweep = Some(sweep);
    });
    let report = scene.run_with(Faults::default()).unwrap();
    assert_eq!((report.outcome, scene.missing()), (Outcome::Partial, 15));
    let compared = head(&scene).unwrap().stream(Stream::Requests).reconciled;
    assert_eq!(compared, Some(began), "it has come to its end all the same");
    scene.pass(300);
    assert_eq!(mode(scene.run()), "reconcile");
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn a_comparison_begins_again_when_kong_does_not_know_its_offset_any_more() {
    let scene = trail(25, 8);
    scene.run();
    scene.pass(86_400);
    scene.run_with(SHORT).unwrap();
    change_head(&scene, |head| {
        let sweep = head.stream(Stream::Requests).sweep.as_mut().unwrap();
        sweep.offset = Some("of-another-version".to_owned());
    });
    scene.pass(300);
    let mut report = scene.run();
    assert_eq!(report.stream(Stream::Requests).fetched, 200);
    assert!(head(&scene).unwrap().stream(Stream::Requests).sweep.is_none());
}

#[test]
fn a_comparison_goes_on_at_its_offset_and_not_after_kong_was_exchanged() {
    let begin = || {
        let scene = trail(25, 8);
        scene.run();
        scene.pass(86_400);
        scene.run_with(SHORT).unwrap();
        scene.pass(300);
        scene
    };
    assert!(begin().run().stream(Stream::Requests).fetched < 200);
    let scene = begin();
    scene.kong(|kong| kong.version = Version::V3_4);
    assert_eq!(scene.run().stream(Stream::Requests).fetched, 200);
}

#[test]
fn a_comparison_that_is_struck_keeps_what_it_has_done() {
    let scene = trail(25, 8);
    scene.run();
    scene.pass(86_400);
    let mut offsets = Vec::new();
    for faults in [SHORT, Faults { kong: 100, ..SHORT }, SHORT] {
        scene.run_with(faults).unwrap();
        let head = head(&scene).unwrap().stream(Stream::Requests).sweep.clone();
        offsets.push(head.and_then(|sweep| sweep.offset).unwrap().parse::<usize>().unwrap());
        scene.pass(300);
    }
    assert_eq!(offsets[0], offsets[1]);
    assert_ne!(offsets[1], offsets[2]);
}

#[test]
fn after_a_long_outage_each_run_goes_on_where_the_one_before_ended() {
    let scene = trail(1, 4);
    scene.run();
    let now = scene.kong_time();
    for hour in 1..=20 * 24 {
        scene.write_stamped(1, now + hour * 3600);
    }
    scene.pass(20 * 86_400);
    let mut read = 0;
    for run in 1.. {
        let mut report = scene.run_with(SHORT).unwrap();
        read += pages(&mut report, Stream::Requests);
        if head(&scene).unwrap().stream(Stream::Requests).sweep.is_none()
            && report.outcome == Outcome::Ok
        {
            assert!(run > 3, "it was interrupted");
            break;
        }
        scene.pass(1);
    }
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
    assert!(read < 200, "{read} pages for 49 of entries, and as many of the comparison");
}

#[test]
fn a_trail_that_is_young_is_read_in_slices_all_the_same() {
    let mut scene = Scene::new();
    scene.setup.page_size = 10;
    let now = scene.kong_time();
    for hour in 0..10 * 24 {
        scene.write_stamped(2, now - hour * 3600);
    }
    // The first slices are empty, and then one would hold all.
    let reached: Vec<_> = std::iter::from_fn(|| {
        let report = scene.run_with(SHORT).unwrap();
        (report.outcome != Outcome::Ok).then(|| watermark(&scene).unwrap_or(0))
    })
    .collect();
    let within = |reached: &&i64| (now - 9 * 86_400..now).contains(*reached);
    assert!(reached.iter().filter(within).count() > 1, "{reached:?}");
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn another_kong_on_the_ledger_is_not_asked_for_the_offset_of_the_one_before() {
    let scene = trail(25, 8);
    scene.run();
    scene.pass(86_400);
    scene.run_with(SHORT).unwrap();
    change_head(&scene, |head| "http://other:8001".clone_into(&mut head.kong));
    scene.pass(300);
    let mut report = scene.run();
    assert_eq!(mode(report.clone()), "reconcile");
    assert_eq!(report.stream(Stream::Requests).fetched, 200);
}

#[test]
fn an_old_kong_with_more_than_a_million_entries_is_partial_and_the_remedy_named() {
    let scene = trail(3, 10);
    scene.kong(|kong| kong.version = Version::V2_8);
    scene.run();
    let bucket = scene.kong_time() / BUCKET_SECS;
    change_head(&scene, |head| {
        let many = SegmentMeta { count: 1_000_000, from: bucket * BUCKET_SECS, to: i64::MAX };
        head.stream(Stream::Requests).buckets.insert(bucket, vec![many]);
    });
    scene.pass(7200);
    scene.write_stamped(1, scene.kong_time() - MONTH_SECS / 2);
    let mut report = scene.run_with(Faults::default()).unwrap();
    assert_eq!(report.outcome, Outcome::Partial);
    let error = report.error.clone().unwrap();
    assert!(error.contains("1000030") && error.contains("upgrade Kong"), "{error}");
    assert_eq!(report.stream(Stream::Requests).shipped, 1, "it is shipped all the same");
}

#[test]
fn a_sweep_without_a_window_is_read_on_from_where_the_budget_ended_and_the_next_run_ships_what_came_since()
 {
    for version in [Version::V2_8, Version::V3_4] {
        let scene = trail(25, 40);
        scene.kong(|kong| kong.version = version);
        let mut read = 0;
        let mut runs = 0;
        let spread = loop {
            let mut report = scene.run_with(SHORT).unwrap();
            (runs, read) = (runs + 1, read + pages(&mut report, Stream::Requests));
            assert_eq!(report.outcome, Outcome::Partial, "{version:?}: {:?}", report.error);
            if watermark(&scene).is_some() {
                break report.error.unwrap();
            }
            scene.write(1);
            scene.pass(300);
            assert!(runs < 60, "{version:?}: it ends");
        };
        assert!(runs > 2, "{version:?}: it was interrupted");
        assert!(spread.contains("left to the next run"), "{spread}");
        assert!(read < 200, "{version:?}: {read} pages for 100 of entries");
        let began = scene.kong_time() - 300 * (runs - 1);
        assert!(watermark(&scene).unwrap() - began < 10, "no more than it has seen is claimed");
        scene.pass(3600);
        scene.run();
        assert_eq!((scene.missing(), scene.repeated()), (0, 0), "{version:?}");
    }
}

#[test]
fn a_first_run_of_objects_that_is_interrupted_goes_on_where_it_was() {
    let mut scene = Scene::new();
    scene.setup.page_size = 10;
    let now = scene.kong_time();
    for day in 1..=25 {
        scene.write_objects_stamped(40, now - day * 86_400);
    }
    let runs = (1..60).find(|_| {
        scene.pass(300);
        scene.run_with(SHORT).unwrap().outcome == Outcome::Ok
    });
    assert!(runs.unwrap() > 2, "it was interrupted");
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

/// A trail of 25 pages that is all in CloudTrail, and a day later.
fn compared() -> Scene {
    let scene = trail(25, 10);
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
    let before = head(&scene).unwrap().stream(Stream::Requests).reconciled;
    let compared = |scene: &Scene| {
        let mut head = head(scene).unwrap();
        let requests = head.stream(Stream::Requests);
        requests.reconciled > before && requests.sweep.is_none()
    };
    let runs = (1..60).find(|_| {
        let report = scene.run_with(SHORT).unwrap();
        assert_eq!(report.outcome, Outcome::Partial, "{:?}", report.error);
        scene.pass(300);
        compared(&scene)
    });
    assert!(runs.is_some(), "it comes to its end");
    assert!(watermark(&scene).unwrap() < scene.kong_time() - 300, "the watermark waits");
    scene.last_fails(false);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn a_sweep_of_one_stream_alone_gets_the_time_that_the_other_does_not_need() {
    let scene = trail(25, 40);
    scene.kong(|kong| kong.version = Version::V3_4);
    scene.run_with(SHORT).unwrap();
    scene.pass(300);
    let mut report = scene.run_with(SHORT).unwrap();
    assert_eq!(report.stream(Stream::Objects).pages, 1, "its window");
    assert!(report.duration_ms > 2_500, "{} ms of three seconds", report.duration_ms);
}

#[test]
fn a_proxy_that_finds_kong_away_does_not_cost_a_comparison_its_place() {
    let scene = compared();
    scene.run_with(SHORT).unwrap();
    scene.pass(300);
    let place = |scene: &Scene| head(scene).unwrap().stream(Stream::Requests).sweep.clone();
    let before = place(&scene).unwrap();
    scene.kong(|kong| kong.away = 5);
    let report = scene.run_with(Faults::default()).unwrap();
    assert!(report.error.unwrap().contains("503"));
    assert_eq!(place(&scene), Some(before));
}

#[test]
fn an_object_whose_time_no_filter_goes_by_holds_the_watermark_whatever_its_slice() {
    let mut scene = Scene::without_reconciles();
    scene.setup.page_size = 10;
    scene.run();
    let began = scene.kong_time();
    scene.kong(|kong| kong.times = Times::Words);
    for day in 1..=20 {
        scene.write_objects_stamped(5, began + day * 86_400);
    }
    scene.pass(21 * 86_400);
    let report = scene.run_with(Faults { cloudtrail: 100, ..Faults::default() }).unwrap();
    assert_ne!(report.outcome, Outcome::Ok);
    let held = head(&scene).unwrap().stream(Stream::Objects).watermark.unwrap();
    assert!(held < began + 86_400, "{} days on", (held - began) / 86_400);
    scene.pass(300);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}
