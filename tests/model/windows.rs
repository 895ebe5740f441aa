//! Long trails: oldest first, with progress that outlasts a run.

use kong_cloudtrail::ledger::SegmentMeta;
use kong_cloudtrail::report::{Outcome, Report};
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail::terms::{BUCKET_SECS, Bucket};

use crate::host::Faults;
use crate::kong::{MONTH_SECS, Times, Version};
use crate::scene::{SHORT, Scene};

fn pages(report: &mut Report, stream: Stream) -> u64 {
    report.stream(stream).pages
}

#[test]
fn a_first_run_that_is_interrupted_goes_on_where_it_was() {
    let scene = Scene::trail(25, 40);
    let mut reached = None;
    let mut read = 0;
    for run in 1.. {
        let mut report = scene.run_with(SHORT).unwrap();
        read += pages(&mut report, Stream::Requests);
        let now = scene.watermark();
        assert!(now >= reached, "{now:?} after {reached:?}");
        reached = now;
        if report.outcome == Outcome::Ok {
            assert!(run > 5, "it was interrupted");
            break;
        }
        assert_eq!(report.outcome, Outcome::Partial);
        // The oldest, which Kong deletes first, are in CloudTrail first, except for the first page.
        let reached = reached.unwrap_or(i64::MIN);
        let kong = scene.world.kong.borrow();
        for entry in &kong.trail(Stream::Requests).entries {
            let arrived = scene.world.arrival_of(Stream::Requests, entry).unwrap();
            assert!(arrived || entry.written >= reached, "{reached}: {entry:?}");
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
    let scene = Scene::trail(20, 5);
    let failing = Faults { cloudtrail: 100, ..Faults::default() };
    let report = scene.run_with(failing).unwrap();
    assert_ne!(report.outcome, Outcome::Ok);
    let held = scene.watermark().unwrap();
    assert!(held <= scene.kong_time() - 20 * 86_400, "{held}");
    scene.pass(300);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
    assert!(scene.watermark().unwrap() > scene.kong_time() - 60);
}

#[test]
fn after_a_long_outage_each_run_goes_on_where_the_one_before_ended() {
    let scene = Scene::trail(1, 4);
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
        if scene.head().unwrap().stream(Stream::Requests).coverage.under_way().is_none()
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
        (report.outcome != Outcome::Ok).then(|| scene.watermark().unwrap_or(0))
    })
    .collect();
    let within = |reached: &&i64| (now - 9 * 86_400..now).contains(*reached);
    assert!(reached.iter().filter(within).count() > 1, "{reached:?}");
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}

#[test]
fn an_old_kong_with_more_than_a_million_entries_is_partial_and_the_remedy_named() {
    let scene = Scene::trail(3, 10);
    scene.kong(|kong| kong.exchange(Version::V2_8));
    scene.run();
    let bucket = scene.kong_time() / BUCKET_SECS;
    scene.change_head(|head| {
        let many = SegmentMeta { count: 1_000_000, from: bucket * BUCKET_SECS, to: i64::MAX };
        let buckets = &mut head.stream(Stream::Requests).buckets;
        buckets.insert(Bucket::Written(bucket), vec![many]);
    });
    scene.pass(7200);
    scene.write_stamped(1, scene.kong_time() - MONTH_SECS / 2);
    let mut report = scene.run_with(Faults::default()).unwrap();
    assert_eq!(report.outcome, Outcome::Partial);
    let error = report.error.clone().unwrap();
    assert!(error.contains("1000031") && error.contains("upgrade Kong"), "{error}");
    assert_eq!(report.stream(Stream::Requests).shipped, 1, "it is shipped all the same");
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
    let held = scene.head().unwrap().stream(Stream::Objects).coverage.watermark().unwrap();
    assert!(held < began + 86_400, "{} days on", (held - began) / 86_400);
    scene.pass(300);
    scene.run();
    assert_eq!((scene.missing(), scene.repeated()), (0, 0));
}
