//! The accounts: what each run may leave unshipped, and what may be shipped again.
//!
//! *Repeats*, event by event. An event that CloudTrail accepted may be accepted once more only when
//! the first time is excused: its answer was lost or did not mention it; its process died, or its
//! store failed, before the record; its record was lost with the store; its host stalled past its
//! lease. At every acceptance, which might be the last thing that a process does, the batches
//! accepted and not yet in the stored ledger number `max_in_flight` at most.
//!
//! *Losses* are the matter of [`crate::arrived`].

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use kong_cloudtrail::ledger::Fingerprint;
use kong_cloudtrail::report::{Outcome, Report};
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail::testing::Change;

use crate::arrived::Coverage;
use crate::cloudtrail::Acceptance;
use crate::entry::{Filed, Kept};
use crate::excuses::Excuse;
use crate::host::{Host, Setup};
use crate::store::{self, Stored};
use crate::times::{self, Circumstances};
use crate::world::{Exchange, World};

#[derive(Default)]
pub struct Truth {
    /// What is wrong, in words.
    pub violations: Vec<String>,
    /// How far runs have come, by stream.
    pub coverage: [Coverage; 2],
    pub runs: Vec<Run>,
    /// True time at which Kong's clock was last set, or the store went back to before that.
    pub kong_clock_moved: Option<i64>,
    /// In a test, the excuse that does not count.
    pub without: Option<Excuse>,
    /// The store has lost what it had.
    pub lost_records: bool,
    /// The most batches that a death would have repeated, so far.
    pub most_unrecorded: usize,
    expected: HashMap<String, Expected>,
    unrecorded: Vec<Unrecorded>,
    /// A run's batches, by the events in them: a call that repeats another is of its batch.
    batches: HashMap<(usize, String), usize>,
    batches_made: usize,
}

/// Which entry an event is of, and what the ledger will know of it.
#[derive(Clone, Copy)]
struct Expected {
    stream: Stream,
    /// Its place in the trail.
    index: usize,
    fingerprint: Fingerprint,
    filed: Filed,
}

/// What a run finds of a stream in the ledger.
#[derive(Clone, Copy)]
pub struct Found {
    pub is_fresh: bool,
    pub compared: Option<i64>,
}

/// The largest value that a store has to hold.
const LARGEST_VALUE: usize = 262_080;

/// One run's part of the accounts.
#[expect(clippy::struct_excessive_bools, reason = "what struck it, in no order")]
pub struct Run {
    pub setup: Setup,
    /// The true time at which it began.
    pub started: i64,
    /// How far its host's clock is ahead.
    pub host_skew: i64,
    /// Kong's time, as Kong told it this run.
    pub told: Option<i64>,
    /// How many entries Kong showed when it began, by stream.
    pub shown: [usize; 2],
    /// Of which streams a comparison was under way when it began.
    pub sweeping: [bool; 2],
    /// The names that earlier runs were about to send something under.
    pub intended: Vec<String>,
    /// To say ok it must have looked at everything, by stream.
    pub must_be_whole: [bool; 2],
    /// When everything had been compared last, by the ledger that it found, by stream.
    pub compared: [Option<i64>; 2],
    /// It ended with a report that says so.
    pub said_ok: bool,
    pub store_failed: bool,
    /// The store lost writes while it was under way.
    pub store_went_back: bool,
    /// The most bytes of a value that the store has taken.
    largest_write: usize,
    /// How many accepted events are in the stored ledger.
    recorded: u32,
    /// The generation of the head that it wrote last.
    generation: Option<u64>,
    /// How often it stalled past its lease.
    stalls: u32,
    stalled_at: Option<std::time::Duration>,
    ended: bool,
}

/// An event that was accepted, and told so, and is not in the stored ledger yet.
struct Unrecorded {
    run: usize,
    batch: usize,
    id: String,
}

impl Run {
    /// What the clock of its host has shown, from its beginning until `now`.
    fn host_clock(&self, now: i64) -> RangeInclusive<i64> {
        self.started + self.host_skew..=now + self.host_skew
    }
}

impl Truth {
    /// Kong keeps an entry: its events are to come.
    pub fn expect(&mut self, stream: Stream, index: usize, entry: &Kept) {
        let filed = Filed::of(entry);
        let expected = Expected { stream, index, fingerprint: entry.fingerprint, filed };
        let known = self.expected.insert(entry.id.clone(), expected);
        assert!(known.is_none(), "two entries with the id {}", entry.id);
        self.coverage[stream as usize].await_entry(index);
    }

    /// Kong told a run its time. Of a stream whose ledger is fresh it has to look at everything.
    pub fn told(&mut self, run: usize, kong_time: i64, filters: bool, ledger: [Found; 2]) {
        let number = run;
        let others = self.runs.iter().filter(|run| !run.ended).count() > 1;
        let is_excused = self.excuses(Excuse::NotAlone, others);
        let went_back = self.excuses(Excuse::StoreWentBack, self.runs[number].store_went_back);
        let run = &mut self.runs[number];
        run.told = Some(kong_time);
        run.compared = ledger.map(|found| found.compared);
        let reconciles = run.setup.reconciles && filters;
        run.must_be_whole = std::array::from_fn(|stream| {
            let due = self.coverage[stream].begin(run.started, kong_time, reconciles);
            (due || (ledger[stream].is_fresh && !went_back)) && !is_excused
        });
    }

    /// Whether something happened after which an object may hold what another one holds.
    pub fn may_repeat_objects(&self) -> bool {
        self.runs.iter().any(|run| run.store_went_back || run.stalls > 0)
            || self.kong_clock_moved.is_some()
            || self.lost_records
    }

    /// A run finds that its batch is there already, of its own or of an earlier run. It has to record that as it
    /// does what is accepted.
    pub fn finds(&mut self, run: usize, ids: impl Iterator<Item = String>) {
        for id in ids {
            let batch = self.batches[&(run, id.clone())];
            self.unrecorded.push(Unrecorded { run, batch, id });
        }
    }

    /// The entry behind an event, and the event's number among its events.
    fn entry_of(&self, id: &str) -> Option<(Expected, usize)> {
        if let Some(expected) = self.expected.get(id) {
            return Some((*expected, 0));
        }
        let (base, number) = id.rsplit_once("-p")?;
        Some((*self.expected.get(base)?, number.parse().ok()?))
    }

    /// Whether the ledger knows an event where runs look for it while Kong's clock is so far off.
    fn is_recorded(&self, ledger: &mut Stored<'_>, id: &str, skew: i64) -> bool {
        self.entry_of(id).is_some_and(|(entry, _)| {
            let buckets = entry.filed.buckets(skew);
            self.places(ledger, id).iter().any(|place| buckets.contains(place))
        })
    }

    /// Where in the ledger an event stands, by itself or with its entry, wherever Kong's clock has had runs
    /// file it.
    fn places(&self, ledger: &mut Stored<'_>, id: &str) -> Vec<String> {
        let Some((entry, number)) = self.entry_of(id) else { return Vec::new() };
        let Expected { stream, fingerprint, .. } = entry;
        let mut places = ledger.places(stream, &fingerprint);
        places.extend(ledger.places(stream, &fingerprint.part(number)));
        places
    }

    /// A call arrives with these events, whatever becomes of it.
    pub fn called(&mut self, run: usize, ids: impl Iterator<Item = String> + Clone) {
        let known = ids.clone().find_map(|id| self.batches.get(&(run, id)).copied());
        let of = &self.runs[run];
        if of.largest_write < LARGEST_VALUE {
            self.violations.push(format!("run {run} sends, and the store has not been asked"));
        }
        let awaits =
            of.recorded + of.stalls == 0 && self.unrecorded.iter().any(|event| event.run == run);
        if awaits && known.is_none() {
            self.violations.push(format!("run {run} sends a second batch before it has recorded"));
        }
        let batch = known.unwrap_or(self.batches_made);
        self.batches_made += usize::from(known.is_none());
        self.batches.extend(ids.map(|id| ((run, id), batch)));
    }
}

impl World {
    /// A run begins.
    pub fn begin_run(&self, setup: Setup, host_skew: i64) -> usize {
        let mut truth = self.truth.borrow_mut();
        truth.runs.push(Run {
            setup,
            started: self.time(),
            host_skew,
            told: None,
            shown: Stream::ALL.map(|stream| self.shown_since(stream, self.time())),
            sweeping: Stream::ALL.map(|stream| store::ledger(&self.store).is_sweeping(stream)),
            intended: store::ledger(&self.store).intended(),
            must_be_whole: [false; 2],
            compared: [None; 2],
            said_ok: false,
            store_failed: false,
            store_went_back: false,
            largest_write: 0,
            recorded: 0,
            generation: None,
            stalls: 0,
            stalled_at: None,
            ended: false,
        });
        truth.runs.len() - 1
    }

    /// A run ends, with a report or in death.
    pub fn end_run(&self, host: &Host, report: Option<&Report>) {
        let run = host.run();
        let (ended, store_failed) = match self.truth.borrow().runs.get(run) {
            Some(run) => (run.ended, run.store_failed),
            None => return,
        };
        if ended {
            return;
        }
        if report.is_none() || store_failed {
            self.mark_stalled(run);
            self.excuse_unrecorded(run);
        }
        let said_ok = report.is_some_and(|report| report.outcome == Outcome::Ok);
        self.truth.borrow_mut().runs[run].said_ok = said_ok;
        self.judge_coverage(run, report);
        if let Some(report) = report {
            self.judge_report(run, report);
        }
        let mut truth = self.truth.borrow_mut();
        truth.runs[run].ended = true;
        if let Some(left) = truth.unrecorded.iter().find(|left| left.run == run) {
            let why = format!(
                "run {run} ended without recording the accepted event {}: {:?}",
                left.id,
                report.and_then(|report| report.error.as_deref())
            );
            truth.violations.push(why);
        }
        truth.unrecorded.retain(|left| left.run != run);
        truth.batches.retain(|(of, _), _| *of != run);
    }

    /// What a report says of the store is so.
    fn judge_report(&self, run: usize, report: &Report) {
        let mut truth = self.truth.borrow_mut();
        if truth.runs[run].store_failed || truth.runs[run].stalls > 0 {
            return;
        }
        let mut report = report.clone();
        let unrecorded = Stream::ALL.map(|stream| report.stream(stream).unrecorded);
        if unrecorded != [0; 2] {
            truth.violations.push(format!("run {run} could not record {unrecorded:?}"));
        }
        let (told, wrote) = (report.generation, truth.runs[run].generation);
        if wrote.is_some() && told != wrote {
            truth.violations.push(format!("run {run} tells of generation {told:?}: {wrote:?}"));
        }
    }

    /// CloudTrail accepts events, each told as accepted or not.
    pub fn accept(&self, exchange: &Exchange, events: Vec<(String, String, bool)>) {
        let mut truth = self.truth.borrow_mut();
        let mut cloudtrail = self.cloudtrail.borrow_mut();
        let kong = self.kong.borrow();
        let run = exchange.run;
        for (id, data, told) in events {
            let known = cloudtrail.events.entry(id.clone()).or_default();
            let Some((expected, _)) = truth.entry_of(&id) else {
                truth.violations.push(format!("the event {id} is of no entry"));
                continue;
            };
            let last = known.last();
            let is_filed_elsewhere =
                last.is_some_and(|last| expected.filed.is_lost_between(last.kong_skew, kong.skew));
            let excused = last.is_none_or(|last| last.excused) || is_filed_elsewhere;
            if !excused && !exchange.stalled {
                truth.violations.push(format!("run {run} repeats {id} without an excuse"));
            }
            let circumstances = Circumstances {
                kong: &kong,
                told: truth.runs[run].told.unwrap(),
                host: truth.runs[run].host_clock(self.time()),
                clock_moved: truth.kong_clock_moved.is_some(),
                is_first: last.is_none(),
            };
            let row = &kong.trail(expected.stream).entries[expected.index];
            let wrong = times::judge(&circumstances, row, &id, &data).err();
            truth.violations.extend(wrong);
            let excused = !told || exchange.stalled;
            known.push(Acceptance { data, excused, kong_skew: kong.skew });
            if !excused {
                let batch = truth.batches[&(run, id.clone())];
                truth.unrecorded.push(Unrecorded { run, batch, id });
            }
        }
        let of_run = truth.unrecorded.iter().filter(|event| event.run == run);
        let batches: HashSet<usize> = of_run.map(|event| event.batch).collect();
        truth.most_unrecorded = truth.most_unrecorded.max(batches.len());
        let allowed = truth.runs[run].setup.max_in_flight;
        if batches.len() > allowed {
            let many = batches.len();
            truth.violations.push(format!(
                "a death of run {run} now would repeat {many} batches where max_in_flight is {allowed}"
            ));
        }
    }

    /// What the run has had accepted and not recorded may be repeated.
    pub fn excuse_unrecorded(&self, run: usize) {
        let mut truth = self.truth.borrow_mut();
        let mut cloudtrail = self.cloudtrail.borrow_mut();
        for event in truth.unrecorded.extract_if(.., |event| event.run == run) {
            for acceptance in cloudtrail.events.get_mut(&event.id).into_iter().flatten() {
                acceptance.excused = true;
            }
        }
    }

    /// The run stalls past its lease, now.
    pub fn stalls(&self, run: usize) {
        self.truth.borrow_mut().runs[run].stalls += 1;
        self.mark_stalled(run);
        self.excuse_unrecorded(run);
    }

    /// The run goes on after such a stall, in the middle of a call on the store: what it writes in
    /// the same breath, no look at the lease can prevent.
    pub fn resumes(&self, run: usize) {
        let now = self.elapsed();
        self.truth.borrow_mut().runs[run].stalled_at = Some(now);
    }

    /// Where the run is now, it had to look at the lease before it writes.
    pub fn looks_at_lease(&self, run: usize) {
        if let Some(run) = self.truth.borrow_mut().runs.get_mut(run) {
            run.stalled_at = None;
        }
    }

    /// A call of the run's on the store failed.
    pub fn store_failed(&self, run: usize) {
        if let Some(run) = self.truth.borrow_mut().runs.get_mut(run) {
            run.store_failed = true;
        }
    }

    /// The store has taken a write of a run whose largest value is so large.
    pub fn store_took(&self, run: usize, bytes: usize) {
        if let Some(run) = self.truth.borrow_mut().runs.get_mut(run) {
            run.largest_write = run.largest_write.max(bytes);
        }
    }

    /// A host writes to the store. What another one recorded meanwhile may go under only when the
    /// host stalled between its look at the lease and the write.
    pub fn apply(&self, run: usize, changes: Vec<Change>) {
        let stalled_at = self.truth.borrow().runs.get(run).and_then(|run| run.stalled_at);
        if stalled_at == Some(self.elapsed()) {
            self.excusing_what_vanishes(|| self.store.apply(changes));
        } else {
            let generation = || store::ledger(&self.store).generation();
            let before = generation();
            self.store.apply(changes);
            let after = generation();
            let mut truth = self.truth.borrow_mut();
            let failed = truth.runs.get(run).is_some_and(|run| run.store_failed);
            if after < before && !failed {
                let why = format!("run {run} writes a head of an earlier generation");
                truth.violations.push(why);
            }
            if let Some(run) = truth.runs.get_mut(run).filter(|_| after != before) {
                run.generation = after;
            }
        }
        let mut truth = self.truth.borrow_mut();
        if truth.unrecorded.is_empty() {
            return;
        }
        let skew = self.kong.borrow().skew;
        let mut ledger = store::ledger(&self.store);
        let mut left = std::mem::take(&mut truth.unrecorded);
        left.retain(|event| {
            let is_recorded = truth.is_recorded(&mut ledger, &event.id, skew);
            truth.runs[event.run].recorded += u32::from(is_recorded);
            !is_recorded
        });
        truth.unrecorded = left;
    }

    /// The store goes back to its state some writes ago.
    pub fn fail_over(&self, writes: usize) {
        self.lose_records(|| self.store.fail_over(writes));
    }

    /// The store is empty.
    pub fn lose_store(&self) {
        self.lose_records(|| {
            self.store.values.borrow_mut().clear();
            self.store.forget_undo();
        });
    }

    fn lose_records(&self, lose: impl FnOnce()) {
        self.excusing_what_vanishes(lose);
        let mut truth = self.truth.borrow_mut();
        truth.lost_records = true;
        for run in truth.runs.iter_mut().filter(|run| !run.ended) {
            (run.store_failed, run.store_went_back) = (true, true);
        }
        // The ledger may have looked back last under the clock of before.
        truth.kong_clock_moved = truth.kong_clock_moved.map(|_| self.time());
        if truth.excuses(Excuse::Forgotten, true) {
            truth.coverage.iter_mut().for_each(Coverage::forget);
        }
    }

    fn excusing_what_vanishes(&self, change: impl FnOnce()) {
        let before = self.recorded();
        change();
        let after = self.recorded();
        let mut cloudtrail = self.cloudtrail.borrow_mut();
        for (id, _) in before.difference(&after) {
            for acceptance in cloudtrail.events.get_mut(id).into_iter().flatten() {
                acceptance.excused = true;
            }
        }
    }

    /// The accepted events that the stored ledger knows, each with where.
    fn recorded(&self) -> HashSet<(String, String)> {
        let truth = self.truth.borrow();
        let mut ledger = store::ledger(&self.store);
        let cloudtrail = self.cloudtrail.borrow();
        let mut recorded = HashSet::new();
        for id in cloudtrail.events.keys() {
            let places = truth.places(&mut ledger, id);
            recorded.extend(places.into_iter().map(|place| (id.clone(), place)));
        }
        recorded
    }
}
