//! What must have arrived, and whole: after each run that says ok and moved the watermark, every
//! entry that it had to see is in CloudTrail, and can be rebuilt from there.
//!
//! Which entries those are comes from the promises (`docs/decisions/0004-windows.md`), not from what
//! the run asked for: entries written since the last run, or late by the overlap at most; entries
//! late by the look-back at most, once a look-back's time has passed; everything that Kong shows,
//! after a first run, a reconcile, a reading of an old Kong, and Kong's clock going back.
//!
//! What is not held against a run is an [`Excuse`], with a name.

use std::collections::HashSet;

use kong_cloudtrail::event::rebuild::{self, RebuildError};
use kong_cloudtrail::report::{Outcome, Report};
use kong_cloudtrail::terms::Stream;

use crate::entry::Kept;
use crate::excuses::{self, Excuse};
use crate::host::{LOOKBACK_SECS, OVERLAP_SECS, RECONCILE_SECS};
use crate::kong::Offsets;
use crate::store;
use crate::world::World;

/// How far the runs of one stream have come.
#[derive(Default)]
pub struct Coverage {
    /// Entries that are not in CloudTrail yet.
    awaited: Vec<usize>,
    /// Entries that a run could not but miss, and that only a look at everything finds.
    missed: HashSet<usize>,
    /// True time from which on the watermark may have been so high, by Kong's clock.
    watermarks: Vec<(i64, i64)>,
    /// The watermark, where it is certain.
    certain: Option<i64>,
    /// The last time, at the latest, that everything was compared.
    reconciled: Option<i64>,
    /// True time at which the comparison began that is under way, where a run is known to have begun it.
    comparing_since: Option<i64>,
    runs: u32,
}

impl Coverage {
    pub fn await_entry(&mut self, index: usize) {
        self.awaited.push(index);
    }

    /// A comparison began at that true time.
    pub fn has_begun_to_compare(&mut self, began: i64) {
        self.comparing_since = Some(began);
    }

    /// A run begins that may move the watermark to `kong_time`. Says whether it must look at
    /// everything to do so.
    pub fn begin(&mut self, began: i64, kong_time: i64, reconciles: bool) -> bool {
        let must_be_whole = self.runs == 0
            || self.certain.is_some_and(|watermark| kong_time < watermark - OVERLAP_SECS)
            || (reconciles
                && self.reconciled.is_some_and(|last| kong_time - last >= RECONCILE_SECS));
        let highest = self.watermarks.last().map_or(kong_time, |(_, last)| kong_time.max(*last));
        self.watermarks.push((began, highest));
        must_be_whole
    }

    /// A run has come to its end, and perhaps to that of a comparison, which counts from then at the latest.
    fn complete(&mut self, watermark: Option<i64>, compared: Option<i64>) {
        self.runs += 1;
        self.certain = watermark;
        self.reconciled = self.reconciled.max(compared);
    }

    /// The store has lost writes: the ledger may say again what it said under another clock.
    pub fn forget(&mut self) {
        self.certain = None;
        self.comparing_since = None;
        self.reconciled = self.watermarks.last().map(|(_, highest)| *highest);
    }

    /// The highest that the watermark can have been when an entry became visible.
    fn watermark_at(&self, visible: i64) -> i64 {
        let before = self.watermarks.partition_point(|(from, _)| *from < visible);
        let around = self.watermarks[before..].iter().take_while(|(from, _)| *from <= visible + 1);
        let around = around.chain(before.checked_sub(1).map(|last| &self.watermarks[last]));
        around.map(|(_, watermark)| *watermark).max().unwrap_or(i64::MIN / 2)
    }
}

/// What a run that says ok claims of a stream.
struct Claim {
    /// The watermark.
    now: i64,
    /// It has met all that Kong showed before that true time, or an earlier run has.
    all_before: Option<i64>,
    /// What went while it was reading took others out of its sight.
    shifted: bool,
    /// True time.
    began: i64,
    mode: Option<&'static str>,
}

impl World {
    /// How many of the entries that Kong shows were visible at a time.
    pub fn shown_since(&self, stream: Stream, time: i64) -> usize {
        let kong = self.kong.borrow();
        let now = self.time();
        let entries = kong.trail(stream).entries.iter();
        entries.filter(|entry| entry.visible <= time && kong.shows(entry, now)).count()
    }

    /// Holds a run's claims against what CloudTrail has.
    pub fn judge_coverage(&self, run: usize, report: Option<&Report>) {
        for stream in Stream::ALL {
            let mut coverage =
                std::mem::take(&mut self.truth.borrow_mut().coverage[stream as usize]);
            let violations = self.judge_stream(run, report, stream, &mut coverage);
            let mut truth = self.truth.borrow_mut();
            truth.coverage[stream as usize] = coverage;
            truth.violations.extend(violations);
        }
    }

    fn judge_stream(
        &self,
        run: usize,
        report: Option<&Report>,
        stream: Stream,
        coverage: &mut Coverage,
    ) -> Vec<String> {
        let (truth, kong) = (self.truth.borrow(), self.kong.borrow());
        let is_last = run + 1 == truth.runs.len();
        let run = &truth.runs[run];
        let says_ok = report.is_some_and(|report| report.outcome == Outcome::Ok);
        let Some(now) = run.told else {
            let asked_nothing =
                format!("the run at {} says ok, and Kong told it no time", run.started);
            return says_ok.then_some(asked_nothing).into_iter().collect();
        };
        let mut stored = store::ledger(&self.store);
        let (sweeping, goes_on) = (run.sweeping[stream as usize], stored.is_sweeping(stream));
        let comparing_since = coverage.comparing_since.filter(|_| sweeping);
        coverage.comparing_since =
            comparing_since.or((!sweeping).then_some(run.started)).filter(|_| goes_on);
        let shifted = kong.offsets == Offsets::Positions
            && self.shown_since(stream, run.started) < run.shown[stream as usize];
        let judged = report.filter(|_| !truth.excuses(Excuse::NotOk, !says_ok));
        let Some(mut report) = judged.cloned() else {
            // It may have completed this stream all the same.
            coverage.complete(None, Some(now));
            let missed = coverage.awaited.iter().filter(|index| {
                shifted && kong.trail(stream).entries[**index].visible < run.started
            });
            coverage.missed.extend(missed);
            return Vec::new();
        };
        let report = report.stream(stream);
        let compared = stored.compared(stream);
        let nothing_was_due = excuses::nothing_was_due(run, stream, report.mode, compared, now)
            || truth.excuses(Excuse::StoreWentBack, run.store_went_back && report.pages == 0);
        if truth.excuses(Excuse::NothingWasDue, nothing_was_due) {
            return Vec::new();
        }
        if report.watermark != Some(now) {
            let (began, watermark) = (run.started, report.watermark);
            return vec![format!(
                "the run at {began} says ok, and its watermark of {stream:?} is {watermark:?} instead of {now}"
            )];
        }
        let must_be_whole =
            report.mode != Some("incremental") || run.must_be_whole[stream as usize];
        let is_spread = truth.excuses(Excuse::Spread, sweeping || goes_on);
        let whole = must_be_whole && !is_spread;
        if whole {
            // Whatever was compared before, and by a clock that may have gone back since.
            coverage.reconciled = None;
        }
        // One that an earlier run began may have begun again in this one, so it counts from now at the latest.
        let ended = whole || (sweeping && !goes_on);
        coverage.complete(is_last.then_some(now), ended.then_some(now));
        if truth.excuses(Excuse::Forgotten, run.store_went_back) {
            coverage.forget();
        }
        // Where offsets are positions, what goes between two runs takes others out of their sight.
        let spread = comparing_since.filter(|_| ended && kong.offsets == Offsets::Keys);
        let all_before = if whole { Some(run.started) } else { spread };
        let claim = Claim { now, all_before, shifted, began: run.started, mode: report.mode };
        self.judge_awaited(&claim, stream, coverage)
    }

    /// Holds a claim against the entries that are not in CloudTrail yet.
    fn judge_awaited(&self, claim: &Claim, stream: Stream, coverage: &mut Coverage) -> Vec<String> {
        let (truth, kong) = (self.truth.borrow(), self.kong.borrow());
        let mut violations = Vec::new();
        let awaited = std::mem::take(&mut coverage.awaited);
        for index in awaited {
            let entry = &kong.trail(stream).entries[index];
            match self.arrival_of(stream, entry) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(why) => violations.push(why),
            }
            coverage.awaited.push(index);
            if truth.excuses(Excuse::ShownLater, excuses::shown_later(entry, claim.began))
                || truth.excuses(Excuse::Gone, !kong.shows(entry, self.time()))
            {
                continue;
            }
            if truth.excuses(Excuse::Shifted, claim.shifted) {
                coverage.missed.insert(index);
                continue;
            }
            let is_excused = truth.excuses(Excuse::Missed, coverage.missed.contains(&index))
                || truth.excuses(Excuse::NoWindow, !self.is_in_windows(coverage, entry, claim.now));
            if claim.all_before.is_some_and(|time| entry.visible < time) || !is_excused {
                let Claim { began, mode, .. } = claim;
                violations.push(format!(
                    "the run at {began} says ok ({mode:?}), and {stream:?} {entry:?} is not in CloudTrail"
                ));
            }
        }
        violations
    }

    /// Whether windows have shown an entry by `now`, of Kong's clock.
    fn is_in_windows(&self, coverage: &Coverage, entry: &Kept, now: i64) -> bool {
        let Some(time) = entry.stamp.filter(|stamp| *stamp <= now) else { return false };
        let truth = self.truth.borrow();
        let watermark = coverage.watermark_at(entry.visible);
        let cannot_tell = excuses::clock_moved(&truth, entry);
        let look_back_was_due = !truth.excuses(Excuse::ClockMoved, cannot_tell)
            && now >= entry.visible + self.kong.borrow().skew + LOOKBACK_SECS
            && time >= watermark - LOOKBACK_SECS;
        time >= watermark - OVERLAP_SECS || look_back_was_due
    }

    /// Whether an entry is in CloudTrail, all of it. What is there must be the entry, made of the
    /// first or of the last of repeated events.
    pub fn arrival_of(&self, stream: Stream, entry: &Kept) -> Result<bool, String> {
        let cloudtrail = self.cloudtrail.borrow();
        let Some(event) = cloudtrail.events.get(&entry.id) else { return Ok(false) };
        let mut events = vec![event];
        while let Some(part) = cloudtrail.events.get(&format!("{}-p{}", entry.id, events.len())) {
            events.push(part);
        }
        let repeated = events.iter().any(|event| event.len() > 1);
        for last in [false, true].into_iter().take(1 + usize::from(repeated)) {
            let data: Vec<&str> = events
                .iter()
                .map(|event| if last { event.last() } else { event.first() })
                .map(|acceptance| acceptance.unwrap().data.as_str())
                .collect();
            match rebuild::entry(stream, &data) {
                Ok(rebuilt) if entry.is(&rebuilt) => {}
                Err(RebuildError::MissingPart { .. }) => return Ok(false),
                wrong => return Err(format!("{} is not whole: {wrong:.500?}", entry.id)),
            }
        }
        Ok(true)
    }

    /// In the end: everything that Kong still shows is in CloudTrail, and what is in CloudTrail is
    /// whole, of entries long gone too.
    pub fn judge_the_end(&self) -> Vec<String> {
        let kong = self.kong.borrow();
        let mut violations = Vec::new();
        for stream in Stream::ALL {
            for entry in &kong.trail(stream).entries {
                match self.arrival_of(stream, entry) {
                    Ok(false) if kong.shows(entry, self.time()) => {
                        violations.push(format!("{stream:?} {entry:.300?} is not in CloudTrail"));
                    }
                    Ok(_) => {}
                    Err(why) => violations.push(why),
                }
            }
        }
        violations
    }
}
