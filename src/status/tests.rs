#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::coverage::Progress;
use crate::lease::Lease;
use crate::ledger::{DeadLetter, Ledger, Target};
use crate::ports::{KeyValueError, Swap};
use crate::seal::{Seal, Seals};
use crate::terms::Secret;
use crate::testing::Memory;

const NOW: i64 = 1_795_348_800;
const STALE_AFTER: i64 = 900;

/// A report as the shipper prints it.
fn report(outcome: &str, changes: &Value) -> Box<RawValue> {
    let line = crate::report::Report::default().line();
    let mut report: Value = serde_json::from_str(&line).unwrap();
    report["outcome"] = outcome.into();
    merge(&mut report, changes);
    RawValue::from_string(report.to_string()).unwrap()
}

fn merge(into: &mut Value, changes: &Value) {
    match changes.as_object() {
        Some(members) => {
            members.iter().for_each(|(name, change)| merge(&mut into[name.as_str()], change));
        }
        None => *into = changes.clone(),
    }
}

/// Writes a ledger whose streams are shipped to `watermark`, and these reports, each so many seconds ago.
fn store(store: &Store<'_, Memory>, watermark: i64, runs: &[(i64, Box<RawValue>)]) {
    let target = Target { name: "channel", variables: "channel_arn" };
    let mut ledger = Ledger::load(store, target, "https://kong").unwrap();
    for stream in Stream::ALL {
        let progress = Progress::Window { end: watermark, looks_back: false };
        ledger.coverage(stream).advance(&progress, false);
    }
    let mut reports = Reports::default();
    for (ago, report) in runs {
        reports.add((NOW - ago) * 1000, report.clone());
    }
    ledger.write_with(vec![reports.pair(store)]).unwrap();
}

fn status(store: &Store<'_, Memory>) -> Status {
    Status::of(&mut Found::read(store), NOW * 1000, STALE_AFTER)
}

/// How things stand after these runs, with both streams shipped to a minute ago.
fn after(runs: &[(i64, Box<RawValue>)]) -> Status {
    let memory = Memory::default();
    let open = Store::new(&memory, "default");
    store(&open, NOW - 60, runs);
    status(&open)
}

fn ok() -> Box<RawValue> {
    report("ok", &json!({}))
}

fn partial(shipped: u64, pending: u64, watermark: i64) -> Box<RawValue> {
    let of = json!({ "shipped": shipped, "fetched": shipped + pending, "pending": pending, "watermark": watermark });
    report("partial", &json!({ "streams": { "requests": of }, "error": "some are pending" }))
}

fn failed() -> Box<RawValue> {
    report("failed", &json!({ "error": "Kong cannot be reached" }))
}

#[test]
fn the_probe_goes_by_the_newest_run_that_made_progress() {
    for (name, runs, health) in [
        ("ok just now", vec![(0, ok())], Health::Fresh(0)),
        ("at the limit", vec![(900, ok())], Health::Fresh(900)),
        ("beyond it", vec![(901, ok())], Health::Stale(901)),
        (
            "failures after it",
            vec![(800, ok()), (500, failed()), (200, failed())],
            Health::Fresh(800),
        ),
        ("none but failures", vec![(500, failed()), (200, failed())], Health::Never),
        ("partial, shipped", vec![(901, ok()), (60, partial(3, 1, 0))], Health::Fresh(60)),
        (
            "partial, nothing read",
            vec![(901, partial(1, 0, 7)), (60, partial(0, 0, 7))],
            Health::Stale(901),
        ),
        ("partial, stuck", vec![(901, partial(0, 1, 7)), (60, partial(0, 1, 7))], Health::Never),
        (
            "partial, moved",
            vec![(901, partial(0, 1, 7)), (60, partial(0, 1, 8))],
            Health::Fresh(60),
        ),
        ("a clock a little ahead", vec![(-300, ok())], Health::Fresh(0)),
        ("a run of the future", vec![(850, ok()), (-301, ok())], Health::Fresh(850)),
        ("the future alone", vec![(-301, ok())], Health::Never),
        ("no run", vec![], Health::Never),
    ] {
        assert_eq!(after(&runs).health, health, "{name}");
    }
}

#[test]
fn a_comparison_that_finds_nothing_new_makes_progress_all_the_same() {
    let of = json!({ "streams": { "objects": { "fetched": 5000, "duplicates": 5000 } } });
    assert_eq!(after(&[(901, ok()), (60, report("partial", &of))]).health, Health::Fresh(60));
}

#[test]
fn what_somebody_should_know_is_told_with_its_urgency() {
    let word = |word: &str| report("ok", &json!({ "attention": [word] }));
    for (name, runs, urgency, told) in [
        ("well", vec![(60, ok())], Urgency::Note, vec![]),
        ("empty", vec![], Urgency::Unknown, vec!["holds no run"]),
        (
            "behind",
            vec![(4000, ok())],
            Urgency::Attention,
            vec!["made progress for 1 h 6 min (stale_after_secs = 900 s)"],
        ),
        (
            "failing",
            vec![(660, ok()), (360, failed()), (60, failed())],
            Urgency::Attention,
            vec!["The last 2 runs failed: Kong cannot be reached"],
        ),
        ("goes on", vec![(60, partial(9, 0, 1))], Urgency::Note, vec!["partial: some are"]),
        ("pending", vec![(60, partial(9, 1, 1))], Urgency::Attention, vec!["partial: some are"]),
        (
            "first run",
            vec![(60, word("new-ledger"))],
            Urgency::Note,
            vec!["new-ledger, 1 min 0 s ago"],
        ),
        (
            "emptied",
            vec![(360, ok()), (60, word("new-ledger"))],
            Urgency::Attention,
            vec!["new-ledger, 1 min 0 s ago"],
        ),
        ("late", vec![(60, word("late"))], Urgency::Attention, vec!["late, 1 min 0 s ago"]),
        ("late, long ago", vec![(86_401, word("late")), (60, ok())], Urgency::Note, vec![]),
        ("ahead", vec![(60, ok()), (-600, ok())], Urgency::Attention, vec!["10 min 0 s ahead"]),
    ] {
        let status = after(&runs);
        assert_eq!(status.urgency(), urgency, "{name}");
        let findings: Vec<_> = status.findings.iter().map(ToString::to_string).collect();
        assert_eq!(findings.len(), told.len(), "{name}: {findings:?}");
        for (finding, told) in findings.iter().zip(told) {
            assert!(finding.contains(told), "{name}: {finding}");
        }
    }
}

#[test]
fn a_stream_that_is_hours_behind_is_told_of_though_runs_are_ok() {
    let memory = Memory::default();
    let open = Store::new(&memory, "default");
    store(&open, NOW - 7201, &[(60, ok())]);
    let behind = |stream| Finding::Behind(stream, 7201);
    assert_eq!(status(&open).findings, Stream::ALL.map(behind));
    assert_eq!(status(&open).health, Health::Fresh(60));
}

fn letter(id: &str) -> DeadLetter {
    DeadLetter {
        stream: Stream::Requests,
        id: id.to_owned(),
        entry: id.to_owned(),
        error: "InvalidData".to_owned(),
        refused_at: NOW,
        replay: false,
        data: "{}".to_owned(),
    }
}

/// A ledger with two dead letters, and a run that was ok.
fn with_letters(open: &Store<'_, Memory>) {
    store(open, NOW - 60, &[(60, ok())]);
    let mut letters = DeadLetters::load(open).unwrap();
    letters.add(letter("a"));
    letters.add(letter("b"));
    letters.write().unwrap();
    let target = Target { name: "channel", variables: "channel_arn" };
    let mut ledger = Ledger::load(open, target, "https://kong").unwrap();
    ledger.head().dead_letters = letters.state();
    ledger.write().unwrap();
}

#[test]
fn dead_letters_want_attention_and_do_not_fail_the_probe() {
    let memory = Memory::default();
    let open = Store::new(&memory, "default");
    with_letters(&open);
    let status = status(&open);
    assert_eq!(status.dead_letters, Some(2));
    assert_eq!(status.findings, [Finding::DeadLetters(2)]);
    assert!(status.health.is_well());
}

#[test]
fn what_the_store_has_lost_is_told() {
    for (lost, finding) in [("dead-letters", Finding::LettersLost(2)), ("head", Finding::HeadLost)]
    {
        let memory = Memory::default();
        let open = Store::new(&memory, "default");
        with_letters(&open);
        open.delete(lost).unwrap();
        assert!(status(&open).findings.contains(&finding), "{lost}: {:?}", status(&open).findings);
        assert_eq!(status(&open).urgency(), Urgency::Attention);
    }
}

fn seals() -> Seals {
    Seals::new(Seal::Keyed(Secret::new("k".repeat(32))), None)
}

fn sealed(memory: &Memory) -> Store<'_, Memory> {
    Store::sealed(memory, "default", seals())
}

#[test]
fn a_value_that_does_not_hold_good_is_said_to_be_that_and_nothing_of_it_is_shown() {
    for name in ["head", "reports", "dead-letters"] {
        let memory = Memory::default();
        with_letters(&sealed(&memory));
        // Somebody without the key has put in a value of his own, well made but for the key.
        let forged = Memory::default();
        with_letters(&Store::new(&forged, "default"));
        let key = sealed(&memory).key(name);
        let value = forged.values.borrow()[&key].clone();
        memory.values.borrow_mut().insert(key.clone(), value);

        let status = status(&sealed(&memory));
        assert_eq!(status.urgency(), Urgency::Unknown, "{name}");
        let told = status.findings[0].to_string();
        assert!(told.contains(&key) && told.contains("without a ledger_key"), "{told}");
        let readable = status.readable.map(|(value, readable)| (value == name) != readable);
        assert_eq!(readable, [true; 3], "{name}");
        assert_eq!(status.runs.is_empty(), name == "reports");
        assert_eq!(status.streams.is_none(), name == "head");
        assert_eq!(status.dead_letters.is_none(), name == "dead-letters");
        assert_eq!(status.health.is_well(), name != "reports");
    }
}

/// A store that fails, and counts how often it was asked.
#[derive(Default)]
struct Down(std::cell::Cell<usize>);

impl KeyValue for Down {
    fn get(&self, _: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.0.set(self.0.get() + 1);
        Err(KeyValueError("Connection refused".to_owned()))
    }
    fn set_many(&self, _: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        unreachable!("nothing is written")
    }
    fn delete(&self, _: &str) -> Result<(), KeyValueError> {
        unreachable!("nothing is written")
    }
    fn begin_swap(&self, _: &str) -> Result<Box<dyn Swap + '_>, KeyValueError> {
        unreachable!("nothing is written")
    }
}

#[test]
fn a_store_out_of_reach_is_asked_once_and_told_of_once() {
    let down = Down::default();
    let status = Status::of(&mut Found::read_all(&Store::new(&down, "a")), NOW * 1000, STALE_AFTER);
    assert_eq!(down.0.get(), 1);
    assert_eq!(status.findings.len(), 1);
    let told = status.findings[0].to_string();
    assert!(told.starts_with("The key-value store failed at kong-cloudtrail:a:{0}head"), "{told}");
    assert!(told.contains("Connection refused") && told.contains("start Redis"), "{told}");
    assert!(matches!(status.health, Health::Unknown(_)));
}

#[test]
fn who_has_the_lease_is_a_fourth_read_and_one_that_does_not_hold_good_is_told() {
    let memory = Memory::default();
    let open = sealed(&memory);
    with_letters(&open);
    let holder = || Found::read_all(&open).lease.unwrap();
    assert_eq!(holder(), Ok(None));
    let clock = crate::testing::InMemory::at(NOW * 1000, |_| unreachable!("nothing is sent"));
    let there = Store::sealed(&clock, "default", seals());
    let lease = Lease::take(&there, &clock, Duration::from_mins(5)).unwrap();
    let key = open.key("lease");
    let value = || clock.store.values.borrow()[&key].clone();
    memory.values.borrow_mut().insert(key.clone(), value());
    assert_eq!(holder().unwrap().unwrap().until_ms, (NOW + 300) * 1000);
    lease.release().unwrap();
    memory.values.borrow_mut().insert(key.clone(), value());
    assert_eq!(holder(), Ok(None), "it was given back");

    let forged = br#"{"owner":"a","until_ms":1,"check":""}"#.to_vec();
    memory.values.borrow_mut().insert(key.clone(), forged);
    let before = memory.reads.get();
    let mut found = Found::read_all(&open);
    assert_eq!(memory.reads.get() - before, 4);
    let status = Status::of(&mut found, NOW * 1000, STALE_AFTER);
    assert_eq!(status.findings.len(), 2, "{:?}", status.findings);
    let told = status.findings[0].to_string();
    assert!(matches!(status.findings[0], Finding::Lease(_)) && told.contains(&key), "{told}");
    assert_eq!(status.urgency(), Urgency::Attention);
}

#[test]
fn what_several_values_have_in_common_is_told_once() {
    let memory = Memory::default();
    with_letters(&sealed(&memory));
    let status = status(&Store::new(&memory, "default"));
    assert_eq!(status.findings.len(), 1, "{:?}", status.findings);
    let told = status.findings[0].to_string();
    assert_eq!(
        told,
        "Three values (kong-cloudtrail:default:{0}head, …reports, …dead-letters) are damaged, or were written with a \
         ledger_key and none is set. Nothing was changed. First compare ledger_key and ledger_key_previous with the shipper's."
    );
}

/// A lease of a run with the key of [`seals`], which ends so many seconds after now.
fn lease(memory: &Memory, ends: i64) {
    let at = (NOW + ends - 300) * 1000;
    let clock = crate::testing::InMemory::at(at, |_| unreachable!("nothing is sent"));
    let there = Store::sealed(&clock, "default", seals());
    Lease::take(&there, &clock, Duration::from_mins(5)).unwrap();
    let key = there.key("lease");
    let value = clock.store.values.borrow()[&key].clone();
    memory.values.borrow_mut().insert(key, value);
}

fn status_with_lease(store: &Store<'_, Memory>) -> Status {
    Status::of(&mut Found::read_all(store), NOW * 1000, STALE_AFTER)
}

#[test]
fn another_key_is_one_finding_with_the_lease_in_it_and_names_nothing_that_destroys() {
    let memory = Memory::default();
    store(&sealed(&memory), NOW - 60, &[(60, ok())]);
    lease(&memory, 60);
    let other = Seals::new(Seal::Keyed(Secret::new("o".repeat(32))), None);
    let status = status_with_lease(&Store::sealed(&memory, "default", other));
    let told: Vec<_> = status.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "Three values (kong-cloudtrail:default:{0}head, …reports, …lease) were not written with this ledger_key. Nothing was \
          changed. First compare ledger_key and ledger_key_previous with the shipper's."
        ]
    );
    assert!(matches!(&status.health, Health::Unknown(why) if why.starts_with("One value (")));
    assert_eq!(status.dead_letters, None, "no index, and no head that says there is none");
}

#[test]
fn a_lease_that_ran_out_in_a_ledger_without_progress_says_first_that_the_process_died() {
    for (ago, ends, died) in [(1000, -1, true), (1000, 1, false), (60, -1, false)] {
        let memory = Memory::default();
        let open = sealed(&memory);
        store(&open, NOW - 60, &[(ago, ok())]);
        lease(&memory, ends);
        let told: Vec<_> =
            status_with_lease(&open).findings.iter().map(ToString::to_string).collect();
        let says = "no run has begun since (no progress for 16 min 40 s, stale_after_secs = 900 s). Find out why it died, and \
                    start it.";
        let first = told.first().filter(|told| told.starts_with("The process died in the run "));
        assert_eq!(first.is_some_and(|told| told.contains(says)), died, "{told:?}");
        assert_eq!(told.len(), usize::from(ago == 1000), "{told:?}");
    }
}

#[test]
fn a_new_ledger_is_well_only_if_it_was_the_first_run() {
    let new = || report("ok", &json!({ "attention": ["new-ledger"] }));
    for (name, runs, if_new) in [
        ("no such word", vec![(60, ok())], false),
        ("first run", vec![(600, new()), (60, ok())], true),
        ("not the first", vec![(600, ok()), (60, new())], false),
        ("a day ago", vec![(86_401, new()), (60, ok())], false),
        ("failing", vec![(60, new()), (5, failed())], false),
    ] {
        assert_eq!(after(&runs).is_well_if_new(), if_new, "{name}");
    }
}

#[test]
fn three_reads_tell_all() {
    let memory = Memory::default();
    let open = Store::new(&memory, "default");
    with_letters(&open);
    let before = memory.reads.get();
    status(&open);
    assert_eq!(memory.reads.get() - before, 3);
}

#[test]
fn hostile_texts_and_numbers_are_harmless() {
    let hostile = json!({
        "outcome": "<script>\u{1b}[2J", "version": "\u{202e}1.0", "duration_ms": u64::MAX,
        "attention": ["\u{0}late", "<b>"], "notes": ["x".repeat(100)], "error": "a\r\nb\u{85}c",
        "streams": { "requests": { "shipped": u64::MAX, "pending": u64::MAX, "watermark": i64::MIN },
                     "objects": { "shipped": u64::MAX, "watermark": i64::MAX } },
    });
    let runs =
        [(60, report("ok", &hostile)), (i64::MAX / 1000 - NOW, ok()), (i64::MIN / 2000, ok())];
    let status = after(&runs);
    let run = status.runs.iter().find(|run| run.duration_ms == u64::MAX).unwrap();
    assert_eq!(run.outcome, Outcome::Unknown("<script>\\u001b[2J".to_owned()));
    assert_eq!(run.version, "\\u202e1.0");
    assert_eq!(run.attention, ["\\u0000late", "<b>"]);
    assert_eq!(run.error.as_deref(), Some("a\\u000d\\u000ab\\u0085c"));
    assert!(run.notes[0].chars().count() < 70);
    assert_eq!(run.sum(|stream| stream.shipped), u64::MAX);
    for finding in &status.findings {
        assert!(!finding.to_string().contains(char::is_control), "{finding}");
    }

    let status = after(&[(60, report("ok", &hostile))]);
    let strange = |finding: &Finding| matches!(finding, Finding::Strange(..));
    assert!(status.findings.iter().any(strange), "{:?}", status.findings);

    let odd = RawValue::from_string("[1, 2]".to_owned()).unwrap();
    let status = after(&[(60, odd)]);
    assert_eq!(status.runs[0].outcome, Outcome::Unknown("unknown".to_owned()));
    assert!(status.runs[0].error.as_ref().unwrap().contains("cannot be read"));
    assert_eq!(status.health, Health::Never);
}

#[test]
fn days_are_told_from_the_first_that_is_known_to_today_with_those_between() {
    let shipped = |requests: u64| {
        report("ok", &json!({ "streams": { "requests": { "shipped": requests } } }))
    };
    let day = 86_400;
    let status = after(&[(40 * day, shipped(1)), (3 * day, shipped(2)), (day, shipped(3))]);
    let told: Vec<_> = status.days.iter().map(|day| day.shipped[0]).collect();
    assert_eq!(told, [2, 0, 3, 0]);
    assert_eq!(status.days[3].began, NOW.div_euclid(day) * day);
    assert_eq!(status.totals.unwrap().shipped, [6, 0]);
}

/// The words that the variants of an enum of the report are printed as.
fn words(of: &str) -> BTreeSet<String> {
    let (_, rest) =
        include_str!("../report.rs").split_once(&format!("pub enum {of} {{\n")).unwrap();
    let (body, _) = rest.split_once("\n}\n").unwrap();
    let variants = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    let word = |variant: &str| {
        let letters = variant.char_indices().flat_map(|(at, letter)| {
            let dash = (at > 0 && letter.is_uppercase()).then_some('-');
            dash.into_iter().chain(letter.to_lowercase())
        });
        letters.collect()
    };
    variants.map(word).collect()
}

#[test]
fn each_word_of_a_report_has_a_meaning() {
    for word in words("Note").into_iter().chain(words("Attention")) {
        assert!(!meaning(&word).contains("newer version"), "{word}");
    }
    assert!(words("Attention").iter().all(|word| ATTENTION.iter().any(|(told, _)| told == word)));
    assert!(meaning("never-heard-of").contains("newer version"));
}
