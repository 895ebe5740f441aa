#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::coverage::{Filters, Finished, Retention, Spans};
use crate::seal::VALUE_BYTES;
use crate::terms::BUCKET_SECS;
use crate::terms::LedgerTime::{Expires, Written};
use crate::terms::Stream::{Objects, Requests};
use crate::testing::{Call, Fate, Faulty, Memory};

const CHANNEL: &str = "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a";
const KONG: &str = "https://kong:8444";
const NOON: i64 = 1_795_348_800;

fn fingerprint(n: u128) -> Fingerprint {
    Fingerprint(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes())
}

fn target(name: &str) -> Target<'_> {
    Target { name, variables: "channel_arn" }
}

fn with<T>(memory: &Memory, work: impl FnOnce(&mut Ledger<'_, Memory>) -> T) -> T {
    let store = Store::new(memory, "default");
    work(&mut Ledger::load(&store, target(CHANNEL), KONG).unwrap())
}

/// All of the requests up to noon has been compared.
fn cover(ledger: &mut Ledger<'_, Memory>) {
    let coverage = ledger.coverage(Requests);
    let spans = Spans { overlap: 0, lookback: 0, reconcile: 0, full: 0 };
    let finished = Finished {
        plan: coverage.plan(&spans, Filters::Complete, NOON),
        now: NOON,
        window_was_all: true,
        swept: None,
        accounted_for: true,
        sweep_accounted_for: true,
        timeless: false,
        writes_timeless: false,
        untimed: false,
        blocked: false,
    };
    coverage.finish(&finished, Retention { secs: 0, longest: 0 }, &spans);
}

fn expiry(written: i64, deleted: i64) -> Expiry {
    Expiry { written, deleted, untold: true }
}

fn remember(memory: &Memory, entries: impl IntoIterator<Item = (u128, i64)>) {
    with(memory, |ledger| {
        for (n, time) in entries {
            ledger.accept(Requests, fingerprint(n), Written(time));
        }
        ledger.write().unwrap();
    });
}

fn knows(memory: &Memory, n: u128, time: i64) -> bool {
    with(memory, |ledger| ledger.is_known(Requests, &fingerprint(n), Written(time)).unwrap())
}

#[test]
fn what_was_accepted_and_written_is_known_to_the_next_run() {
    let memory = Memory::default();
    remember(&memory, (0..1000).map(|n| (n, NOON + i64::try_from(n).unwrap() * 60)));
    assert!((0..1000).all(|n| knows(&memory, n, NOON + i64::try_from(n).unwrap() * 60)));
    assert!(!knows(&memory, 1000, NOON));
    assert!(!with(&memory, |ledger| ledger
        .is_known(Objects, &fingerprint(1), Written(NOON + 60))
        .unwrap()));
}

#[test]
fn what_was_accepted_and_not_written_is_known_in_this_run_alone() {
    let memory = Memory::default();
    with(&memory, |ledger| {
        ledger.accept(Requests, fingerprint(1), Written(NOON));
        assert!(ledger.is_known(Requests, &fingerprint(1), Written(NOON)).unwrap());
    });
    assert!(!knows(&memory, 1, NOON));
}

#[test]
fn a_full_bucket_goes_on_in_another_segment_and_values_keep_their_limit() {
    let memory = Memory::default();
    let entries = CAPACITY as u128 * 2 + 10;
    remember(&memory, (0..entries).map(|n| (n, NOON)));
    remember(&memory, [(entries, NOON + 1)]);
    assert!((0..=entries).step_by(997).all(|n| knows(&memory, n, NOON)));
    assert!(knows(&memory, entries, NOON + 1));
    let values = memory.values.borrow();
    assert_eq!(values.len(), 4, "three segments and the head: {:?}", values.keys());
    assert!(values.values().all(|value| value.len() <= 262_080));
    let key_fits = |key: &String| {
        key.starts_with("kong-cloudtrail:default:")
            && key.len() <= 200
            && key.chars().all(|c| c.is_ascii_alphanumeric() || ":._-{}".contains(c))
    };
    assert!(values.keys().all(key_fits));
}

#[test]
fn a_run_reads_only_the_segments_whose_time_it_meets() {
    let memory = Memory::default();
    remember(&memory, (0..100).map(|n| (n, NOON + i64::try_from(n).unwrap() * BUCKET_SECS)));
    memory.reads.set(0);
    assert!(knows(&memory, 99, NOON + 99 * BUCKET_SECS));
    assert_eq!(memory.reads.get(), 2, "the head and one segment");
}

/// Segments of one fingerprint that are kept beside the one in use.
const MOST: usize = 20;

#[test]
fn more_segments_than_memory_holds_are_read_again() {
    let memory = Memory::default();
    let time = |n: u128| NOON + i64::try_from(n).unwrap() * BUCKET_SECS;
    remember(&memory, (0..200).map(|n| (n, time(n))));
    with(&memory, |ledger| {
        ledger.segments.cached_at_most = CAPACITY + MOST;
        for _ in 0..2 {
            assert!(
                (0..200)
                    .all(|n| ledger.is_known(Requests, &fingerprint(n), Written(time(n))).unwrap())
            );
        }
        assert!(ledger.segments.cache.len() <= MOST + 1);
        assert!(ledger.take_lost().is_empty());
    });
}

#[test]
fn memory_keeps_the_segments_that_were_used_last_be_it_to_read_or_to_write() {
    let memory = Memory::default();
    let time = |n: u128| NOON + i64::try_from(n).unwrap() * BUCKET_SECS;
    remember(&memory, (0..100).map(|n| (n, time(n))));
    with(&memory, |ledger| {
        ledger.segments.cached_at_most = CAPACITY + MOST;
        let reads = |ledger: &mut Ledger<'_, Memory>, n| {
            memory.reads.set(0);
            assert!(ledger.is_known(Requests, &fingerprint(n), Written(time(n))).unwrap());
            memory.reads.get()
        };
        let most = MOST as u128 + 1;
        assert!((0..most).all(|n| reads(ledger, n) == 1));
        assert_eq!((reads(ledger, 0), reads(ledger, most)), (0, 1));
        assert_eq!((reads(ledger, 0), reads(ledger, 1)), (0, 1), "1 had to go, and not 0");
        ledger.accept(Requests, fingerprint(200), Written(time(200)));
        ledger.write().unwrap();
        assert!((2..=most).all(|n| reads(ledger, n) <= 1));
        assert_eq!(reads(ledger, 200), 0, "it was written last but for those");
        for n in 300..500 {
            ledger.accept(Requests, fingerprint(n), Written(time(n)));
        }
        ledger.write().unwrap();
        assert!(ledger.segments.cache.len() <= MOST + 1);
    });
}

#[test]
fn a_lost_segment_counts_as_empty_and_is_named() {
    let memory = Memory::default();
    remember(&memory, [(1, NOON)]);
    memory.values.borrow_mut().retain(|key, _| key.ends_with("head"));
    with(&memory, |ledger| {
        assert!(!ledger.is_known(Requests, &fingerprint(1), Written(NOON)).unwrap());
        assert_eq!(ledger.take_lost().len(), 1);
        ledger.accept(Requests, fingerprint(1), Written(NOON));
        ledger.write().unwrap();
    });
    assert!(knows(&memory, 1, NOON));
}

#[test]
fn a_segment_that_got_through_without_its_head_is_believed() {
    let memory = Memory::default();
    remember(&memory, [(1, NOON), (2, NOON + 100)]);
    let head = memory.values.borrow()["kong-cloudtrail:default:{0}head"].clone();
    remember(&memory, [(3, NOON + 50)]);
    memory.values.borrow_mut().insert("kong-cloudtrail:default:{0}head".to_owned(), head);
    with(&memory, |ledger| {
        assert!(ledger.is_known(Requests, &fingerprint(3), Written(NOON + 50)).unwrap());
        assert!(ledger.take_lost().is_empty());
    });
}

#[test]
fn damage_and_newer_formats_are_refused_with_the_key() {
    for (name, value) in [
        ("head", b"kch2damaged-damaged-damaged-damag".to_vec()),
        ("head", b"kch3".repeat(8)),
        ("segment:requests:83118:0", b"kcs2damaged-damaged-damaged-damag".to_vec()),
        ("segment:requests:83118:0", b"kcs3".repeat(8)),
    ] {
        let memory = Memory::default();
        remember(&memory, [(1, NOON)]);
        let key = format!("kong-cloudtrail:default:{{0}}{name}");
        assert!(
            memory.values.borrow_mut().insert(key.clone(), value).is_some(),
            "{key} is a key in use"
        );
        let before = memory.values.borrow().clone();
        let store = Store::new(&memory, "default");
        let error = Ledger::load(&store, target(CHANNEL), KONG)
            .and_then(|mut ledger| ledger.is_known(Requests, &fingerprint(1), Written(NOON)))
            .unwrap_err();
        assert!(
            matches!(&error, LedgerError::Unreadable { key: named, .. } if *named == key),
            "{error}"
        );
        assert_eq!(*memory.values.borrow(), before);
    }
}

#[test]
fn a_ledger_serves_one_channel_and_compares_anew_with_another_kong() {
    let memory = Memory::default();
    with(&memory, |ledger| {
        cover(ledger);
        ledger.write().unwrap();
    });
    let store = Store::new(&memory, "default");
    let other = Ledger::load(&store, target("another channel"), KONG);
    assert!(other.is_ok(), "it is bound when something is accepted");
    with(&memory, |ledger| {
        ledger.bind();
        ledger.write().unwrap();
    });
    let other = Ledger::load(&store, target("another channel"), KONG);
    assert!(
        matches!(other.err(), Some(LedgerError::OtherTarget { target, .. }) if target == CHANNEL)
    );
    let mut ledger = Ledger::load(&store, target(CHANNEL), "https://kong-2:8444").unwrap();
    assert_eq!(ledger.coverage(Requests).compared(), None);
    assert_eq!(ledger.coverage(Requests).watermark(), Some(NOON));
    assert_eq!(with(&memory, |ledger| ledger.coverage(Requests).compared()), Some(NOON));
}

#[test]
fn a_bucket_expires_whole_unless_it_is_still_seen() {
    let memory = Memory::default();
    remember(&memory, [(1, NOON), (2, NOON + BUCKET_SECS), (3, NOON + 2 * BUCKET_SECS)]);
    let seen = BTreeSet::from([Written(NOON + BUCKET_SECS).bucket()]);
    with(&memory, |ledger| {
        ledger.expire(Requests, &expiry(NOON + 2 * BUCKET_SECS, NOON + 90 * BUCKET_SECS), &seen);
        ledger.write().unwrap();
    });
    assert!(!knows(&memory, 1, NOON));
    assert!(knows(&memory, 2, NOON + BUCKET_SECS));
    assert!(knows(&memory, 3, NOON + 2 * BUCKET_SECS));
    assert_eq!(memory.values.borrow().len(), 3, "two segments and the head");
}

#[test]
fn the_head_of_a_million_entries_a_day_for_a_month_is_one_value() {
    const A_BUCKET: usize = 1_000_000 / 4;
    let memory = Memory::default();
    with(&memory, |ledger| {
        for bucket in (0..30 * 4).map(|bucket| NOON / BUCKET_SECS + bucket) {
            let from = bucket * BUCKET_SECS;
            let full = SegmentMeta { count: CAPACITY, from, to: from + BUCKET_SECS - 1 };
            for stream in [Requests, Objects] {
                let segments = vec![full; A_BUCKET.div_ceil(CAPACITY)];
                ledger.head.stream(stream).buckets.insert(Bucket::Written(bucket), segments);
            }
        }
        ledger.write().unwrap();
        assert!(ledger.size(Requests) >= 30_000_000);
    });
    let head = memory.values.borrow()["kong-cloudtrail:default:{0}head"].len();
    assert!(head <= VALUE_BYTES, "{head} bytes");
}

#[test]
fn a_daily_warning_is_due_once_a_day_and_after_the_clock_went_back() {
    let memory = Memory::default();
    with(&memory, |ledger| {
        let due = [NOON, NOON + 1, NOON + DAY_SECS - 1, NOON + DAY_SECS, NOON, NOON];
        assert_eq!(due.map(|now| ledger.warns(now)), [true, false, false, true, true, false]);
        ledger.write().unwrap();
    });
    assert!(!with(&memory, |ledger| ledger.warns(NOON)));
}

#[test]
fn what_is_stored_is_told_from_what_is_new() {
    let memory = Memory::default();
    with(&memory, |ledger| {
        assert!(!ledger.has_news());
        ledger.accept(Requests, fingerprint(1), Written(NOON));
        cover(ledger);
        assert!(ledger.has_news());
        assert_eq!(ledger.watermark(Requests), None);
        ledger.write().unwrap();
        assert!(!ledger.has_news());
        assert_eq!((ledger.watermark(Requests), ledger.watermark(Objects)), (Some(NOON), None));
    });
    assert_eq!(with(&memory, |ledger| ledger.watermark(Requests)), Some(NOON));
}

#[test]
fn a_segment_is_filled_to_its_capacity_and_no_further() {
    let memory = Memory::default();
    let half = CAPACITY as u128 / 2 + 10;
    remember(&memory, (0..half).map(|n| (n, NOON)));
    remember(&memory, (half..2 * half).map(|n| (n, NOON)));
    let counts = with(&memory, |ledger| {
        let buckets = ledger.head.stream(Requests).buckets.values().flatten();
        buckets.map(|segment| segment.count).collect::<Vec<_>>()
    });
    assert_eq!(counts, [CAPACITY, usize::try_from(2 * half).unwrap() - CAPACITY]);
}

#[test]
fn the_segment_to_be_added_to_is_read_before_anything_is_sent() {
    let memory = Memory::default();
    let first = CAPACITY as u128;
    remember(&memory, (0..first).map(|n| (n, NOON)));
    remember(&memory, [(first, NOON + 100)]);
    let last = "kong-cloudtrail:default:{0}segment:requests:83118:1".to_owned();
    assert!(memory.values.borrow_mut().insert(last, b"damage".to_vec()).is_some());
    with(&memory, |ledger| {
        // A time that it does not cover.
        assert!(ledger.is_known(Requests, &fingerprint(first + 1), Written(NOON + 50)).is_err());
    });
}

#[test]
fn memory_is_four_mebibytes_of_fingerprints_and_sixteen_in_a_sweep() {
    let memory = Memory::default();
    with(&memory, |ledger| {
        let mebibytes = |ledger: &Ledger<'_, Memory>| {
            ledger.segments.cached_at_most * Fingerprint::LEN / (1024 * 1024)
        };
        assert_eq!(mebibytes(ledger), 4);
        ledger.expect_any_order();
        assert_eq!(mebibytes(ledger), 16);
    });
}

#[test]
fn what_expires_is_found_on_both_sides_of_a_border_and_forgotten_when_it_has() {
    let memory = Memory::default();
    let border = NOON + BUCKET_SECS;
    with(&memory, |ledger| {
        ledger.accept(Objects, fingerprint(1), Expires(border - 1));
        ledger.write().unwrap();
    });
    let known =
        |time| with(&memory, |ledger| ledger.is_known(Objects, &fingerprint(1), time).unwrap());
    assert!([-2, -1, 0, 1].map(|off| known(Expires(border + off))).iter().all(|known| *known));
    assert!(!known(Expires(border + BUCKET_SECS)) && !known(Written(border - 1)));
    let expire = |now| {
        with(&memory, |ledger| {
            ledger.expire(Objects, &expiry(2 * NOON, now), &BTreeSet::new());
            ledger.write().unwrap();
        });
    };
    expire(border - 1);
    assert!(known(Expires(border)));
    expire(border);
    assert!(!known(Expires(border)));
}

#[test]
fn a_ledger_from_before_keys_had_a_tag_is_refused_and_left_alone() {
    let memory = Memory::default();
    let key = "kong-cloudtrail:default:head".to_owned();
    memory.values.borrow_mut().insert(key.clone(), b"kch1".to_vec());
    let store = Store::new(&memory, "default");
    let error = Ledger::load(&store, target(CHANNEL), KONG).err().unwrap();
    assert_eq!(error, LedgerError::OldFormat { key });
    assert!(error.to_string().contains("set ledger to a new name"));
    assert_eq!(memory.values.borrow().len(), 1);
}

#[test]
fn a_preflight_writes_a_value_of_the_largest_size_and_the_head_and_binds_nothing() {
    let memory = Memory::default();
    with(&memory, |ledger| {
        assert!(ledger.is_new());
        ledger.preflight().unwrap();
        ledger.preflight().unwrap();
        assert_eq!(ledger.generation(), 1, "once a run");
    });
    let probe = memory.values.borrow()["kong-cloudtrail:default:{0}preflight"].len();
    assert_eq!(probe, VALUE_BYTES);
    with(&memory, |ledger| {
        assert!(!ledger.is_new());
        assert_eq!(ledger.head().target, None);
        ledger.write().unwrap();
        assert_eq!(ledger.generation(), 2, "it rises with each write");
    });
}

#[test]
fn a_write_that_stored_everything_is_no_failure_when_a_delete_after_it_fails() {
    let refusing = Faulty::<Memory>::default();
    let store = Store::new(&refusing, "default");
    let mut ledger = Ledger::load(&store, target(CHANNEL), KONG).unwrap();
    ledger.accept(Requests, fingerprint(1), Written(0));
    ledger.write().unwrap();
    ledger.accept(Requests, fingerprint(2), Written(NOON));
    ledger.expire(Requests, &expiry(NOON - 10, NOON - 10), &BTreeSet::new());
    let no_permission = "NOPERM: this user has no permissions to run the 'del' command";
    refusing.faults.next(1, Call::Delete, Fate::Fails(no_permission, 0));
    let written = ledger.write();
    // It is all there:
    let mut again = Ledger::load(&store, target(CHANNEL), KONG).unwrap();
    assert!(again.is_known(Requests, &fingerprint(2), Written(NOON)).unwrap());
    assert!(written.is_ok(), "{written:?}");
    assert_eq!(ledger.take_undeleted(), ["kong-cloudtrail:default:{0}segment:requests:0:0"]);
}

#[test]
fn a_preflight_that_is_refused_tells_no_generation_that_is_not_stored() {
    let refusing = Faulty::<Memory>::default();
    let store = Store::new(&refusing, "default");
    let mut ledger = Ledger::load(&store, target(CHANNEL), KONG).unwrap();
    ledger.write().unwrap();
    let stored = ledger.generation();
    refusing.faults.next(1, Call::SetMany(2), Fate::Fails("READONLY", 0));
    ledger.preflight().unwrap_err();
    assert_eq!(ledger.generation(), stored);
}

#[test]
fn without_a_comparison_what_tells_no_time_is_kept() {
    let memory = Memory::default();
    remember(&memory, [(1, 0), (2, BUCKET_SECS)]);
    with(&memory, |ledger| {
        let expiry = Expiry { untold: false, ..expiry(NOON, NOON) };
        ledger.expire(Requests, &expiry, &BTreeSet::new());
        ledger.write().unwrap();
    });
    assert!(knows(&memory, 1, 0) && !knows(&memory, 2, BUCKET_SECS));
}
