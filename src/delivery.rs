//! Keeps batches under way and records what became of them.
//!
//! Keeps invariant 2: batches under way and batches accepted but not yet recorded together never
//! exceed `max_in_flight`, so neither does what a crash can repeat. And invariant 1: an entry is
//! recorded once each of its events was accepted, or stored as a dead letter. And invariant 9: before
//! the first batch the store has taken a write like those that record; the first batch goes alone, and
//! is recorded before the second.
//!
//! The order of writes: CloudTrail accepts, then the ledger records; CloudTrail refuses for good,
//! then the event is stored as a dead letter, then the ledger records. A crash between two of them
//! repeats the earlier one and loses nothing.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::pin;

use futures::future::{FutureExt, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};

use crate::cloudtrail::{Batch, Batcher, CloudTrail, Item, Sent, Stop, Undelivered};
use crate::event::Event;
use crate::kong::{self, KongError, Stream};
use crate::lease::{Lease, LeaseError};
use crate::ledger::{DeadLetter, DeadLetters, Fingerprint, Ledger, LedgerError, LedgerTime, Sweep};
use crate::log::{Level, Logger};
use crate::ports::Ports;
use crate::report::StreamReport;

/// How long an event may meet codes that may pass before it counts as refused for good.
const PATIENCE_SECS: i64 = 24 * 3600;

/// Steps of progress that are kept at most, and after which they are stored.
const MAX_PROGRESS: usize = 50;

/// Adopted entries after which the ledger stores them: an entry takes some 60 bytes until then.
const MAX_ADOPTED: u64 = 10_000;

/// Longest name of an entry in a dead letter, in characters.
const MAX_NAME: usize = 128;

/// Why a stream, or the whole run, ends before it is complete.
#[derive(Clone, Debug)]
pub enum Halt {
    /// Kong's audit log cannot be read. The other stream may fare better.
    Kong(KongError),
    /// `run_budget_secs`, or this stream's share of it, has passed.
    Budget,
    /// CloudTrail takes nothing.
    CloudTrail(Stop),
    /// CloudTrail refuses all events of two batches in a row: not the entries are at fault.
    Flood {
        /// What it says.
        why: String,
    },
    /// The ledger cannot be used.
    Ledger(LedgerError),
    /// The lease is not ours any more.
    Lease(LeaseError),
}

impl Halt {
    /// Whether the other stream would fare no better.
    pub fn ends_run(&self) -> bool {
        !matches!(self, Self::Kong(_) | Self::Budget)
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kong(error) => error.fmt(f),
            Self::CloudTrail(stop) => stop.fmt(f),
            Self::Ledger(error) => error.fmt(f),
            Self::Lease(error) => error.fmt(f),
            Self::Budget => {
                f.write_str("run_budget_secs has passed: the next run goes on from here")
            }
            Self::Flood { why } => write!(
                f,
                "CloudTrail refused every event of two batches in a row ({why}): more than single entries is wrong, so \
                 none of these was made a dead letter, and the next run tries them again; check channel_arn and \
                 event_source, and whether a newer kong-cloudtrail is out"
            ),
        }
    }
}

impl From<LedgerError> for Halt {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<LeaseError> for Halt {
    fn from(error: LeaseError) -> Self {
        Self::Lease(error)
    }
}

/// What an entry was met by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// The slices of a window.
    Window,
    /// A sweep.
    Sweep,
}

/// An entry on its way: all its events travel under one number.
struct Parcel {
    stream: Stream,
    reading: Reading,
    fingerprint: Fingerprint,
    time: LedgerTime,
    stamp: Option<i64>,
    late: bool,
    name: String,
    events_left: usize,
    rejected: bool,
    /// One of its events has met a code of its own that may pass.
    failing: bool,
}

impl Parcel {
    /// Whether the watermark may not pass `end`. An entry whose time is not what Kong's filters go by
    /// may be of any slice.
    fn is_from_before(&self, end: i64) -> bool {
        self.stamp.is_none_or(|stamp| stamp < end)
    }
}

/// An entry to be delivered.
pub struct Shipment {
    /// By which the ledger knows it.
    pub fingerprint: Fingerprint,
    /// Its ledger time.
    pub time: LedgerTime,
    /// The time by which Kong's filters go, where it has one.
    pub stamp: Option<i64>,
    /// Only a reconcile found it.
    pub late: bool,
    /// How log lines name it.
    pub name: String,
    /// What goes to CloudTrail.
    pub events: Vec<Event>,
}

/// How far the reading of a stream has come, once all that was met before is accounted for.
pub enum Progress {
    /// Of a window that may look back, to this time.
    Window {
        /// The end of what was read of it.
        end: i64,
        /// The window reaches `lookback_secs` back or further.
        looks_back: bool,
    },
    /// Of a sweep.
    Sweep(Sweep),
}

/// What was done for a stream.
#[derive(Default)]
pub struct Tally {
    /// The counts.
    pub report: StreamReport,
    /// Entries that count as shipped because Kong's Lambda recorded them.
    pub adopted: u64,
    /// Entries that the sweep met, and not the window, and that are pending.
    pub pending_in_sweep: u64,
    /// Why events are pending, and how many for each reason.
    pub pending: BTreeMap<String, u64>,
    /// Why events became dead letters, and how many for each reason.
    pub rejected: BTreeMap<String, u64>,
}

/// What came of a delivery.
pub struct Closed {
    /// What was done for each stream.
    pub tallies: BTreeMap<Stream, Tally>,
    /// Why it ended early.
    pub halted: Option<Halt>,
    /// The store has lost fingerprints.
    pub store_lost: bool,
}

/// The delivery of one run's entries, one stream after the other.
pub struct Delivery<'r, 'a, P> {
    /// What is known already.
    pub ledger: &'r mut Ledger<'a, P>,
    dead_letters: &'r mut DeadLetters<'a, P>,
    max_in_flight: usize,
    cloudtrail: &'r CloudTrail<'a, P>,
    lease: &'r Lease<'a, P>,
    log: &'r Logger<'a, P>,
    /// When the run began, in Unix seconds by Kong's clock.
    now: i64,
    stream: Stream,
    reading: Reading,
    tallies: BTreeMap<Stream, Tally>,
    batcher: Batcher,
    queue: VecDeque<Batch>,
    in_flight: FuturesUnordered<LocalBoxFuture<'r, Sent>>,
    /// Accepted batches whose entries the ledger has not stored yet.
    unrecorded: usize,
    parcels: BTreeMap<u64, Parcel>,
    parcels_made: u64,
    /// Each with the number of parcels made before it.
    progress: BTreeMap<(Stream, Reading), VecDeque<(u64, Progress)>>,
    /// How often progress was made since the last record.
    steps: usize,
    /// The first number given to an entry that was left out, and so stays pending.
    left_out: BTreeMap<(Stream, Reading), u64>,
    claimed: HashSet<Fingerprint>,
    /// The events of a batch that was refused as a whole, until the next one tells whether that is
    /// their own fault.
    suspects: Vec<(Item, String)>,
    /// The store has recorded a batch in this run.
    proven: bool,
    /// The store has lost fingerprints.
    store_lost: bool,
}

impl<'r, 'a, P: Ports> Delivery<'r, 'a, P> {
    /// Begins with nothing under way.
    pub fn new(
        max_in_flight: usize,
        now: i64,
        ledger: &'r mut Ledger<'a, P>,
        dead_letters: &'r mut DeadLetters<'a, P>,
        cloudtrail: &'r CloudTrail<'a, P>,
        lease: &'r Lease<'a, P>,
        log: &'r Logger<'a, P>,
    ) -> Self {
        Self {
            ledger,
            dead_letters,
            max_in_flight,
            cloudtrail,
            lease,
            log,
            now,
            stream: Stream::Requests,
            reading: Reading::Window,
            tallies: BTreeMap::new(),
            batcher: Batcher::default(),
            queue: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            unrecorded: 0,
            parcels: BTreeMap::new(),
            parcels_made: 0,
            progress: BTreeMap::new(),
            steps: 0,
            left_out: BTreeMap::new(),
            claimed: HashSet::new(),
            suspects: Vec::new(),
            proven: false,
            store_lost: false,
        }
    }

    /// What is taken in from now on is of `stream`, and met by `reading`.
    pub fn begin(&mut self, stream: Stream, reading: Reading) {
        self.queue.extend(self.batcher.close());
        (self.stream, self.reading) = (stream, reading);
    }

    /// What was done so far for the stream begun last.
    pub fn tally(&mut self) -> &mut Tally {
        self.tallies.entry(self.stream).or_default()
    }

    /// Whether the entry is in CloudTrail already, or on its way there in this run.
    pub fn knows(&mut self, fingerprint: &Fingerprint, time: LedgerTime) -> Result<bool, Halt> {
        if self.claimed.contains(fingerprint) {
            return Ok(true);
        }
        let known = self.ledger.knows(self.stream, fingerprint, time);
        for key in self.ledger.take_lost() {
            self.store_lost = true;
            self.log.log(
                Level::Warn,
                format!(
                    "the store has lost fingerprints at {key}: what it held is shipped again where Kong still holds it"
                ),
            );
        }
        Ok(known?)
    }

    /// Takes note of an entry that another shipper has recorded as shipped.
    pub fn adopt(&mut self, fingerprint: Fingerprint, time: LedgerTime) -> Result<(), Halt> {
        self.ledger.accept(self.stream, fingerprint, time);
        let tally = self.tally();
        tally.adopted += 1;
        if tally.adopted.is_multiple_of(MAX_ADOPTED) { self.record() } else { Ok(()) }
    }

    /// Takes an entry in; it leaves with a batch. Of an entry in parts, those that an earlier run
    /// got through are not sent again.
    pub fn add(&mut self, shipment: Shipment) -> Result<(), Halt> {
        let Shipment { fingerprint, time, stamp, late, name, events } = shipment;
        let (number, count) = (self.parcels_made, events.len());
        self.parcels_made += 1;
        self.claimed.insert(fingerprint);
        let mut left = Vec::with_capacity(count);
        for (part, event) in events.into_iter().enumerate() {
            if count == 1 || !self.knows(&fingerprint.part(part), time)? {
                left.push(Item::new(event, number, part));
            }
        }
        let parcel = Parcel {
            stream: self.stream,
            reading: self.reading,
            fingerprint,
            time,
            stamp,
            late,
            name,
            events_left: left.len(),
            rejected: false,
            failing: false,
        };
        if left.is_empty() {
            self.complete(&parcel);
        } else {
            self.parcels.insert(number, parcel);
        }
        for item in left {
            self.queue.extend(self.batcher.push(item));
        }
        Ok(())
    }

    /// An entry of the stream is too large to be read, and so is pending.
    pub fn leave_out(&mut self, name: &str) {
        let why = kong::too_large(self.stream, name);
        let by_sweep = self.reading == Reading::Sweep;
        let tally = self.tally();
        // Met once more by the sweep beside a window.
        if tally.pending.insert(why, 1).is_some() {
            return;
        }
        tally.report.pending += 1;
        tally.pending_in_sweep += u64::from(by_sweep);
        self.left_out.entry((self.stream, self.reading)).or_insert(self.parcels_made);
        self.parcels_made += 1;
    }

    /// The reading of the stream has come so far; to be stored once all that was taken in before is
    /// accounted for, and now and then also when nothing new was met.
    pub fn reached(&mut self, progress: Progress) -> Result<(), Halt> {
        let queue = self.progress.entry((self.stream, self.reading)).or_default();
        if queue.len() >= MAX_PROGRESS {
            queue.pop_back();
        }
        queue.push_back((self.parcels_made, progress));
        self.steps += 1;
        if self.steps < MAX_PROGRESS { Ok(()) } else { self.record() }
    }

    /// Gives the ledger the progress that has been made. A watermark waits for every entry from before it.
    /// The place of a sweep is no watermark: it waits for answers, and what fails by itself, or was left
    /// out, is left to another sweep, lest this one read the same part in each run.
    fn advance(&mut self) {
        for ((stream, reading), queue) in &mut self.progress {
            let left_out = self.left_out.get(&(*stream, *reading)).copied();
            while let Some((made, progress)) = queue.front() {
                let open = self.parcels.range(..*made).map(|(_, parcel)| parcel);
                let mut open = open.filter(|parcel| parcel.stream == *stream);
                let left_out = left_out.is_some_and(|number| number < *made);
                match progress {
                    Progress::Window { end, looks_back } => {
                        if left_out || open.any(|parcel| parcel.is_from_before(*end)) {
                            break;
                        }
                        self.ledger.reach(*stream, *end, *looks_back);
                    }
                    Progress::Sweep(sweep) => {
                        // What a window met, windows go on asking for.
                        let own: Vec<_> =
                            open.filter(|parcel| parcel.reading == *reading).collect();
                        if own.iter().any(|parcel| !parcel.failing) {
                            break;
                        }
                        let left_behind = sweep.left_behind || left_out || !own.is_empty();
                        self.ledger.stream(*stream).sweep =
                            Some(Sweep { left_behind, ..sweep.clone() });
                    }
                }
                queue.pop_front();
            }
        }
    }

    /// Sends what is queued while `other` is awaited; returns once both are done, with batches
    /// still under way.
    pub async fn alongside<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Halt> {
        let mut other = pin!(other.fuse());
        let mut awaited = None;
        loop {
            self.start()?;
            if self.queue.is_empty()
                && let Some(awaited) = awaited
            {
                return Ok(awaited);
            }
            futures::select_biased! {
                value = other => awaited = Some(value),
                sent = self.in_flight.select_next_some() => self.settle(sent)?,
            }
        }
    }

    /// Ends the delivery. Unless it was `halted`, sends what is left; waits for what is under way
    /// all the same, since CloudTrail may accept it. What came of it is left to the caller to
    /// store, dead letters first.
    pub async fn close(mut self, halted: Option<Halt>) -> Closed {
        let mut halted = match halted {
            None => self.finish().await.err(),
            halted => halted,
        };
        while let Some(sent) = self.in_flight.next().await {
            // Only takes note: after an early end nothing is written before the last answer.
            let noted = self.note(sent);
            halted = halted.or(noted);
        }
        let suspects = std::mem::take(&mut self.suspects);
        match &halted {
            None => self.bury(suspects),
            Some(halt) => {
                for (item, _) in suspects {
                    self.pending(&item, halt.to_string());
                }
            }
        }
        self.advance();
        for parcel in self.parcels.values() {
            let tally = self.tallies.entry(parcel.stream).or_default();
            tally.report.pending += 1;
            tally.pending_in_sweep += u64::from(parcel.reading == Reading::Sweep);
        }
        for (stream, tally) in &self.tallies {
            for (why, events) in &tally.pending {
                let stream = stream.name();
                self.log
                    .log(Level::Warn, format!("{events} events of {stream} are pending: {why}"));
            }
        }
        Closed { tallies: self.tallies, halted, store_lost: self.store_lost }
    }

    async fn finish(&mut self) -> Result<(), Halt> {
        self.queue.extend(self.batcher.close());
        while !(self.queue.is_empty() && self.in_flight.is_empty()) {
            self.start()?;
            if let Some(sent) = self.in_flight.next().await {
                self.settle(sent)?;
            }
        }
        Ok(())
    }

    /// Starts as many batches as may be under way.
    fn start(&mut self) -> Result<(), Halt> {
        loop {
            let most = if self.proven { self.max_in_flight } else { 1 };
            let free = self.in_flight.len() < self.cloudtrail.concurrency()
                && self.in_flight.len() + self.unrecorded < most;
            if !free || self.queue.is_empty() {
                return Ok(());
            }
            self.lease.hold()?;
            self.ledger.preflight()?;
            let Some(batch) = self.queue.pop_front() else { return Ok(()) };
            let parcel = batch.items.first().and_then(|item| self.parcels.get(&item.parcel));
            let stream = parcel.map_or(self.stream, |parcel| parcel.stream);
            self.tallies.entry(stream).or_default().report.batches += 1;
            let lease = self.lease;
            let may_call = move || lease.hold().is_ok();
            self.in_flight.push(self.cloudtrail.send(batch, may_call).boxed_local());
        }
    }

    /// Takes note of a batch's answers and records what was accepted when enough has gathered.
    fn settle(&mut self, sent: Sent) -> Result<(), Halt> {
        let halt = self.note(sent);
        let is_first = !self.proven && self.unrecorded > 0;
        let recorded = if is_first || self.unrecorded * 2 >= self.max_in_flight {
            self.record()
        } else {
            Ok(())
        };
        halt.map_or(recorded, Err)
    }

    fn note(&mut self, sent: Sent) -> Option<Halt> {
        let some_accepted = !sent.accepted.is_empty();
        self.unrecorded += usize::from(some_accepted);
        if some_accepted {
            self.ledger.bind();
        }
        for item in sent.accepted {
            self.dead_letters.arrived(&item.id);
            self.decided(&item);
        }
        let mut refused = Vec::new();
        let mut some_pending = false;
        for (item, why) in sent.undelivered {
            match self.judge(&item, why) {
                Undelivered::Refused(why) => refused.push((item, why)),
                undelivered @ (Undelivered::Pending(_) | Undelivered::Failing(_)) => {
                    some_pending = true;
                    if let Some(parcel) = self.parcels.get_mut(&item.parcel) {
                        parcel.failing |= matches!(undelivered, Undelivered::Failing(_));
                    }
                    self.pending(&item, undelivered.to_string());
                }
            }
        }
        let halt = sent.stop.map(Halt::CloudTrail);
        if refused.is_empty() || some_accepted || some_pending {
            if some_accepted {
                let suspects = std::mem::take(&mut self.suspects);
                self.bury(suspects);
            }
            self.bury(refused);
            return halt;
        }
        let second = !self.suspects.is_empty();
        self.suspects.extend(refused);
        let (first, why) = self.suspects.first().map(|(item, why)| (item.parcel, why.clone()))?;
        // An entry in parts may fill batches by itself.
        let of_several = self.suspects.iter().any(|(item, _)| item.parcel != first);
        (second && of_several).then_some(Halt::Flood { why })
    }

    /// What an answer means for an event in the light of earlier ones, of which this one becomes one.
    fn judge(&mut self, item: &Item, answer: Undelivered) -> Undelivered {
        let Undelivered::Failing(why) = answer else { return answer };
        let since = self.dead_letters.failing_since(&item.id, self.now);
        if self.now.saturating_sub(since) >= PATIENCE_SECS {
            Undelivered::Refused(format!("{why}, for 24 hours"))
        } else {
            Undelivered::Failing(why)
        }
    }

    /// Makes dead letters of events that are refused for good.
    fn bury(&mut self, refused: Vec<(Item, String)>) {
        for (item, error) in refused {
            let Some(parcel) = self.parcels.get_mut(&item.parcel) else { continue };
            let first = !std::mem::replace(&mut parcel.rejected, true);
            let (stream, entry) = (parcel.stream, parcel.name.chars().take(MAX_NAME).collect());
            self.log.log(
                Level::Error,
                format!(
                    "CloudTrail refuses the event {} of the {} entry {entry} for good, so it becomes a dead letter: {error}",
                    item.id,
                    stream.name()
                ),
            );
            let tally = self.tallies.entry(stream).or_default();
            tally.report.rejected += u64::from(first);
            *tally.rejected.entry(error.clone()).or_default() += 1;
            let Event { id, data } = item.event();
            let (refused_at, replay) = (self.now, false);
            self.dead_letters.add(DeadLetter {
                stream,
                id,
                entry,
                error,
                refused_at,
                replay,
                data,
            });
            self.decided(&item);
        }
    }

    /// The event is in CloudTrail or among the dead letters.
    fn decided(&mut self, item: &Item) {
        let Some(parcel) = self.parcels.get_mut(&item.parcel) else { return };
        parcel.events_left -= 1;
        if parcel.events_left > 0 {
            let (stream, part) = (parcel.stream, parcel.fingerprint.part(item.number));
            self.ledger.accept(stream, part, parcel.time);
        } else if let Some(parcel) = self.parcels.remove(&item.parcel) {
            self.complete(&parcel);
        }
    }

    /// All events of an entry are decided.
    fn complete(&mut self, parcel: &Parcel) {
        self.ledger.accept(parcel.stream, parcel.fingerprint, parcel.time);
        self.claimed.remove(&parcel.fingerprint);
        let report = &mut self.tallies.entry(parcel.stream).or_default().report;
        if !parcel.rejected {
            report.unrecorded += 1;
            report.late += u64::from(parcel.late);
        }
    }

    fn pending(&mut self, item: &Item, why: String) {
        let stream = self.parcels.get(&item.parcel).map_or(self.stream, |parcel| parcel.stream);
        *self.tallies.entry(stream).or_default().pending.entry(why).or_default() += 1;
    }

    fn record(&mut self) -> Result<(), Halt> {
        self.lease.hold()?;
        self.dead_letters.write()?;
        self.advance();
        self.ledger.write()?;
        self.proven |= self.unrecorded > 0;
        (self.unrecorded, self.steps) = (0, 0);
        for tally in self.tallies.values_mut() {
            tally.report.recorded();
        }
        Ok(())
    }
}
