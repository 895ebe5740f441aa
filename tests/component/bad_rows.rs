//! Rows that cannot be read, pages that are too large for what stands before Kong, and pages that lead nowhere.
//!
//! All else is shipped. What cannot be had is named and pending, and after 24 hours of Kong's clock a dead letter.

use kong_cloudtrail_sim::kong::{self, BadRow, Endless, Faults, Flaw, Stream};
use serde_json::{Value, json};

use super::support::{Report, Store, World};

/// Kongs that filter by time, and that do not and sort by time.
const WITH_FILTERS: &str = "3.9.0.0-enterprise-edition";
const WITHOUT: &str = "3.4.3.8-enterprise-edition";

const DAY: i64 = 86_400;

/// Rows newer than the second of the bad one, rows in that second, and rows that are older.
const NEWER: i64 = 149;
const OLDER: i64 = 148;

/// A Kong with 300 request entries of a day. The bad one is the second of three in its second.
fn world(version: &str) -> World {
    let options = kong::Options { version: version.parse().unwrap(), ..Default::default() };
    let mut world = World::new(Store::Sqlite, options);
    world.set("page_size", "50");
    let now = world.kong.status().now;
    let middle = now - DAY / 2;
    let entry = |id: String, time: i64| json!({"request_id": id, "request_timestamp": time, "method": "GET", "path": "/services", "status": 200});
    let older = (1..=OLDER).map(|n| entry(format!("older-{n}"), middle - n * 200));
    let same = ["behind", "bad", "before"].map(|id| entry(id.to_owned(), middle));
    let newer = (1..=NEWER).map(|n| entry(format!("newer-{n}"), middle + n * 200));
    world.kong.add_entries(Stream::Requests, older.chain(same).chain(newer));
    world
}

fn spoil(world: &World, flaw: Flaw) {
    let bad_rows = vec![BadRow { id: "bad".to_owned(), flaw }];
    world.kong.set_faults(Faults { bad_rows, ..Default::default() });
}

fn attention(report: &Report) -> bool {
    report["attention"].as_array().unwrap().contains(&json!("unreadable"))
}

fn counts(report: &Report) -> [u64; 3] {
    ["shipped", "pending", "rejected"].map(|name| report.stream("requests", name))
}

fn watermark(report: &Report) -> Option<i64> {
    report["streams"]["requests"]["watermark"].as_i64()
}

fn seconds(report: &Report) -> f64 {
    report["duration_ms"].as_f64().unwrap() / 1000.0
}

/// A tick, and a line of what it came to.
async fn tick(world: &World, what: &str) -> Report {
    let report = world.tick().await;
    eprintln!(
        "{what}: {:.1} s, {}, {} calls to Kong, shipped/pending/rejected {:?}, attention {}, error: {}",
        seconds(&report),
        report["outcome"],
        report["calls"]["kong"],
        counts(&report),
        report["attention"],
        report.error()
    );
    report
}

/// Which rows behind the bad one can be had.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    All,
    OtherSeconds,
    None,
}

impl Behind {
    /// How many of the 300 rows are shipped.
    fn shipped(self) -> u64 {
        let older = if self == Self::None { 0 } else { OLDER };
        let same = if self == Self::All { 2 } else { 1 };
        (NEWER + same + older).unsigned_abs()
    }
}

/// A bad row on that Kong: all else is shipped, the row is pending, then a dead letter, then shipped once Kong
/// gives it.
async fn one_bad_row(version: &str, flaw: Flaw, behind: Behind) {
    let world = world(version);
    let bad_second = world.kong.status().now - DAY / 2;
    spoil(&world, flaw);
    let what = format!("{flaw:?}, {version}");

    let report = tick(&world, &what).await;
    assert_eq!(report["outcome"], "partial", "{what}: {report:?}");
    assert_eq!(counts(&report), [behind.shipped(), 1, 0], "{what}");
    assert!(!attention(&report) && report["dead_letters"] == 0, "{what}");
    assert!(watermark(&report).is_none_or(|watermark| watermark <= bad_second), "{what}");
    assert!(report["calls"]["kong"].as_u64().unwrap() < 150, "{what}");
    let known = match (behind, flaw) {
        (Behind::OtherSeconds, _) => "T",
        (Behind::None, _) => "behind the entry before",
        (_, Flaw::NotAnObject) => "of unknown id",
        _ => "entry bad",
    };
    assert!(report.error().contains(known), "{what}: {}", report.error());

    world.kong.set_clock(23 * 3600);
    let report = tick(&world, &format!("{what}, 23 hours later")).await;
    assert_eq!(counts(&report), [0, 1, 0], "{what}");
    assert_eq!(report["outcome"], "partial", "{what}");
    assert!(report["calls"]["kong"].as_u64().unwrap() < 250, "{what}");

    world.kong.set_clock(DAY);
    world.kong.add_activity(7, 0);
    let report = tick(&world, &format!("{what}, 24 hours later")).await;
    let blocked = behind == Behind::None;
    assert_eq!(counts(&report), [7, 0, 1], "{what}");
    assert!(attention(&report) && report["dead_letters"] == 1, "{what}");
    assert!(watermark(&report).unwrap() >= bad_second + DAY / 2, "{what}: the watermark goes on");
    letter_is_told(&world);

    world.kong.set_clock(DAY + 4000);
    let report = tick(&world, &format!("{what}, an hour after that")).await;
    assert_eq!(counts(&report), [0, 0, 0], "{what}");
    assert_eq!(report["dead_letters"], 1, "{what}: once");
    let outcome = if blocked { "partial" } else { "ok" };
    assert_eq!((&report["outcome"], attention(&report)), (&json!(outcome), blocked), "{what}");

    world.kong.set_clock(2 * DAY + 8000);
    let report = tick(&world, &format!("{what}, at the next reconcile")).await;
    assert_eq!((counts(&report), &report["dead_letters"]), ([0, 0, 0], &json!(1)), "{what}");

    world.kong.set_faults(Faults::default());
    world.kong.set_clock(3 * DAY + 12_000);
    let report = tick(&world, &format!("{what}, mended")).await;
    let left = 300 - behind.shipped();
    assert_eq!((&report["outcome"], counts(&report)), (&json!("ok"), [left, 0, 0]), "{what}");
    world.assert_exactly_once();
}

/// The dead letter is listed, shown and dropped, and cannot be sent.
fn letter_is_told(world: &World) {
    let listed = world.dead_letters("list", &["--json"]).objects();
    let [letter] = &listed[..] else { panic!("{listed:?}") };
    assert!(letter["error"].as_str().unwrap().starts_with("unreadable: "), "{letter}");
    let id = letter["id"].as_str().unwrap();
    let shown = world.dead_letters("show", &[id]).objects();
    assert_eq!(shown[0].get("event"), None::<&Value>, "{shown:?}");
    let refused = world.dead_letters("replay", &[id]);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.stderr.contains(id) && refused.stderr.contains("no event"), "{refused:?}");
    let none = world.dead_letters("replay", &["--all"]);
    assert_eq!(none.status, 0, "{none:?}");
    let marked = world.dead_letters("list", &["--json"]).objects();
    assert_eq!(marked, listed, "none is marked");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_row_in_a_page_that_arrives_whole_all_around_it_is_shipped() {
    for version in [WITH_FILTERS, WITHOUT] {
        for flaw in [Flaw::NotUtf8, Flaw::NotJson, Flaw::NotAnObject] {
            one_bad_row(version, flaw, Behind::All).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_row_that_fails_all_other_seconds_are_shipped_where_kong_filters() {
    for flaw in [Flaw::Fails(500), Flaw::Fails(502), Flaw::CutOff] {
        one_bad_row(WITH_FILTERS, flaw, Behind::OtherSeconds).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_row_that_fails_nothing_can_be_had_where_kong_does_not_filter() {
    for flaw in [Flaw::Fails(500), Flaw::CutOff] {
        one_bad_row(WITHOUT, flaw, Behind::None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_answers_504_over_60_rows_is_asked_for_fewer() {
    for version in [WITH_FILTERS, WITHOUT] {
        let mut world = world(version);
        world.set("page_size", "1000");
        world.kong.set_faults(Faults { most_rows: Some(60), ..Default::default() });
        let report = tick(&world, &format!("504 over 60 rows, {version}")).await;
        assert_eq!((&report["outcome"], counts(&report)), (&json!("ok"), [300, 0, 0]));
        assert!(report["calls"]["kong"].as_u64().unwrap() < 60, "{version}");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_lead_nowhere_end_the_reading_within_seconds_and_name_the_offset() {
    for version in [WITH_FILTERS, WITHOUT] {
        for (endless, at_least) in
            [(Endless::Circle, 100), (Endless::SameRows, 50), (Endless::NoRows, 50)]
        {
            let world = world(version);
            world.kong.add_activity(0, 20);
            let faults = Faults { endless: Some(endless), ..Default::default() };
            world.kong.set_faults(faults);
            let what = format!("{endless:?}, {version}");
            for hours in [0, 24] {
                world.kong.set_clock(hours * 3600);
                let report = tick(&world, &format!("{what}, {hours} hours later")).await;
                assert!(seconds(&report) < 20.0, "{what}");
                assert!(report["calls"]["kong"].as_u64().unwrap() < 40, "{what}");
                assert_eq!(report["outcome"], "failed", "{what}");
                assert!(report.error().contains("has no new entry"), "{what}: {}", report.error());
                assert!(report.error().contains("at offset "), "{what}: {}", report.error());
                if hours == 0 {
                    assert!(report.stream("requests", "shipped") >= at_least, "{what}");
                    assert_eq!(report.stream("objects", "shipped"), 20, "{what}");
                }
            }
            world.kong.set_faults(Faults::default());
            // Without filters, the reading goes on where it ended, and what came since is the next run's.
            world.tick().await;
            world.kong.set_clock(25 * 3600);
            world.tick_ok().await;
            world.assert_exactly_once();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kong_on_which_everything_fails_is_an_error_and_no_row() {
    for version in [WITH_FILTERS, WITHOUT] {
        let world = world(version);
        world.kong.set_faults(Faults { most_rows: Some(0), ..Default::default() });
        let report = tick(&world, &format!("504 for all rows, {version}")).await;
        // A Kong that answers for a time without rows, and for none with rows, ends in a limit of places.
        let (places, told) = if version == WITHOUT {
            (0, "504")
        } else {
            (100, "rows of more than 100 different seconds")
        };
        assert_eq!((&report["outcome"], counts(&report)), (&json!("failed"), [0, places, 0]));
        assert!(report.error().contains(told), "{}", report.error());
        world.kong.set_faults(Faults::default());
        assert_eq!(world.tick_ok().await.shipped(), (300, 0), "{version}");
    }
}
