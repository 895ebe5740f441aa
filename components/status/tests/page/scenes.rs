//! States of a ledger, written as the shipper writes them, for the tests and for the pictures of the page.

use kong_cloudtrail::ledger::{DeadLetter, DeadLetters, Ledger, Reports, SegmentMeta, Target};
use kong_cloudtrail::report::Report;
use kong_cloudtrail::status::{Found, Status};
use kong_cloudtrail::store::Store;
use kong_cloudtrail::terms::{Bucket, Stream};
use kong_cloudtrail::testing::Memory;
use kong_cloudtrail_status::answer::Shown;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// 2026-06-17T09:41:12Z, a Wednesday.
pub const NOW: i64 = 1_781_689_272;
const DAY: i64 = 86_400;
const INTERVAL: i64 = 300;

/// A name, and how it is made.
type Made = (&'static str, fn() -> Scene);

/// All of them.
pub const SCENES: [Made; 8] = [
    ("healthy", healthy),
    ("empty", Scene::default),
    ("behind", behind),
    ("failing", failing),
    ("dead-letters", dead_letters),
    ("forged", forged),
    ("lost", lost),
    ("hostile", hostile),
];

#[allow(dead_code, reason = "the pictures need all of them")]
pub fn shown(name: &str) -> Shown {
    let (_, scene) = SCENES.iter().find(|(known, _)| *known == name).unwrap();
    scene().shown()
}

/// What is in the store.
#[derive(Default)]
pub struct Scene {
    memory: Memory,
    reports: Reports,
}

impl Scene {
    pub fn shown(&self) -> Shown {
        let store = Store::new(&self.memory, "production");
        let status = Status::of(&mut Found::read(&store), NOW * 1000, 900);
        Shown { ledger: "production".to_owned(), status }
    }

    /// A run that ended so many seconds ago.
    fn run(&mut self, ago: i64, changes: &Value) {
        let mut report: Value = serde_json::from_str(&Report::default().line()).unwrap();
        report["duration_ms"] = (1180 + ago * 7 % 640).into();
        merge(&mut report, changes);
        let report = RawValue::from_string(report.to_string()).unwrap();
        self.reports.add((NOW - ago) * 1000, report);
    }

    /// Writes the ledger, which both streams are shipped to so many seconds ago.
    fn write(mut self, ago: i64, letters: &[DeadLetter]) -> Self {
        let reports = std::mem::take(&mut self.reports);
        let store = Store::new(&self.memory, "production");
        let mut kept = DeadLetters::load(&store).unwrap();
        for letter in letters {
            kept.add(letter.clone());
        }
        kept.write().unwrap();
        let target = Target { name: "channel", variables: "channel_arn" };
        let mut ledger = Ledger::load(&store, target, "https://kong").unwrap();
        ledger.head().dead_letters = kept.state();
        ledger.head().generation = 48_211;
        for stream in Stream::ALL {
            let compared = NOW - 7 * 3600 - 1860;
            let coverage = json!({ "watermark": NOW - ago, "reconciled": compared });
            *ledger.coverage(stream) = serde_json::from_value(coverage).unwrap();
            let count = 111_204 >> stream as usize;
            let segment = SegmentMeta { count, from: 0, to: NOW };
            ledger.head().stream(stream).buckets.insert(Bucket::Written(0), vec![segment]);
        }
        ledger.write_with(vec![reports.pair(&store)]).unwrap();
        self
    }
}

fn merge(into: &mut Value, changes: &Value) {
    match changes.as_object() {
        Some(members) => {
            members.iter().for_each(|(name, change)| merge(&mut into[name.as_str()], change));
        }
        None => *into = changes.clone(),
    }
}

/// Entries of both streams in a run, by the hour and the day of the week.
fn shipped(ago: i64) -> (i64, i64) {
    let at = NOW - ago;
    let hour = at.div_euclid(3600) % 24;
    let weekday = (at.div_euclid(DAY) + 3) % 7;
    let busy = if weekday > 4 { 1 } else { 5 } * if (7..19).contains(&hour) { 4 } else { 1 };
    let noise = (at.div_euclid(INTERVAL) * 7919) % 7;
    let requests = busy + noise + (at.div_euclid(DAY) * 31) % 5;
    (requests, requests * (3 + noise % 3) / 9)
}

fn told(ago: i64, times: i64) -> Value {
    let (requests, objects) = shipped(ago);
    let (requests, objects) = (requests * times, objects * times);
    let of = |shipped: i64| json!({ "fetched": shipped + 14, "duplicates": 14, "shipped": shipped, "watermark": NOW - ago, "lag_secs": 0 });
    json!({ "streams": { "requests": of(requests), "objects": of(objects) } })
}

/// Thirty days of runs, the last of them so many seconds ago: a hundred at the timer's pace, and before them one
/// in three hours, with what as many would have shipped.
fn month(last: i64) -> Scene {
    const SPARSE: i64 = 3 * 3600;
    let mut scene = Scene::default();
    let recent = (0..100).map(|run| (last + run * INTERVAL, 1));
    let older = (last + 100 * INTERVAL..30 * DAY).step_by(3 * 3600);
    let older = older.map(|ago| (ago, SPARSE / INTERVAL));
    for (ago, times) in recent.chain(older).collect::<Vec<_>>().into_iter().rev() {
        scene.run(ago, &told(ago, times));
    }
    scene
}

fn healthy() -> Scene {
    month(143).write(144, &[])
}

fn behind() -> Scene {
    month(8400).write(8401, &[])
}

fn failing() -> Scene {
    let mut scene = month(1043);
    let error = "Kong's Admin API cannot be reached: connection failed: connection refused: check that kong_admin_api names the \
                 control plane, that it is up, and that its port is open to the shipper";
    for ago in [743, 443, 143] {
        let failed = json!({ "outcome": "failed", "error": error, "duration_ms": 30_412 + ago });
        scene.run(ago, &failed);
    }
    scene.write(1044, &[])
}

fn letter(id: &str) -> DeadLetter {
    DeadLetter {
        stream: Stream::Requests,
        id: id.to_owned(),
        entry: id.to_owned(),
        error: "InvalidData".to_owned(),
        refused_at: NOW - 1043,
        replay: false,
        data: "{}".to_owned(),
    }
}

fn dead_letters() -> Scene {
    let mut scene = month(1343);
    let mut partial = told(1043, 1);
    let of = json!({ "outcome": "partial", "attention": ["notes-changed"], "streams": { "requests": { "rejected": 2 } }, "error":
        "CloudTrail refused 2 of the requests entries for good, which are dead letters now (see kong-cloudtrail dead-letters): FieldTooLong: The \
         field eventData.userAgent is longer than 1024 characters" });
    merge(&mut partial, &of);
    scene.run(1043, &partial);
    let notes = json!({ "notes": ["unauthenticated-ledger", "ignored-settings"] });
    for ago in [743, 443, 143] {
        let mut ok = told(ago, 1);
        merge(&mut ok, &notes);
        scene.run(ago, &ok);
    }
    scene.write(144, &[letter("a"), letter("b")])
}

/// Somebody has put in reports of his own.
fn forged() -> Scene {
    let scene = month(143).write(144, &[]);
    let key = Store::new(&scene.memory, "production").key("reports");
    if let Some(value) = scene.memory.values.borrow_mut().get_mut(&key) {
        value[20] ^= 1;
    }
    scene
}

/// The store has lost the head.
fn lost() -> Scene {
    let scene = month(143).write(144, &[]);
    Store::new(&scene.memory, "production").delete("head").unwrap();
    scene
}

/// Names of users and paths with markup, control characters and marks of direction, wherever a report has a text.
fn hostile() -> Scene {
    let mut scene = month(443);
    let markup =
        "<script>alert(1)</script><img src=x onerror=alert(2)>\"' style=\"color:red\" &lt;";
    let controls = "\u{0}\u{1b}[31m\r\nSet-Cookie: a=b\u{202e}txt.exe\u{200b}\u{2028}\u{feff}";
    let text = format!("user {markup} called /services/{controls}/{}", "å".repeat(300));
    let of = json!({
        "outcome": "<b>ok</b>", "version": markup, "destination": controls, "notes": [markup, controls], "attention": [markup],
        "error": text, "streams": { "requests": { "shipped": u64::MAX, "pending": u64::MAX, "watermark": i64::MAX } },
    });
    scene.run(143, &of);
    scene.write(144, &[])
}
