//! Keeps batches under way and records what became of them.
//!
//! Keeps invariant 2: batches under way and batches accepted but not yet recorded together never
//! exceed `max_in_flight`, so neither does what a crash can repeat. And invariant 1: an entry is
//! recorded once each of its events was accepted, or stored as a dead letter. And invariant 9: before
//! the first batch the store has taken a write like those that record; the first batch goes alone, and
//! is recorded before the second.
//!
//! The order of writes: the destination accepts, then the ledger records; it refuses for good,
//! then the event is stored as a dead letter, then the ledger records. A crash between two of them
//! repeats the earlier one and loses nothing.

mod failure;
mod replay;
mod tally;
mod waiting;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::pin;

use futures::future::{FutureExt, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};

pub use failure::Failure;
pub use replay::replay;
pub use tally::{Closed, Tally};
pub use waiting::Reading;

use crate::coverage::Progress;
use crate::destination::{Batch, Batcher, Item, Sender, Sent, Undelivered};
use crate::lease::Lease;
use crate::ledger::{DeadLetter, DeadLetters, Fingerprint, Ledger};
use crate::log::{Level, Logger};
use crate::ports::Ports;
use crate::terms::{Event, LedgerTime, Stream};
use waiting::{MAX_PROGRESS, PendingEntry, Waiting};

/// How long an event may meet codes that may pass before it counts as refused for good.
const PATIENCE_SECS: i64 = 24 * 3600;

/// Adopted entries after which the ledger stores them: an entry takes some 60 bytes until then.
const MAX_ADOPTED: u64 = 10_000;

/// Longest name of an entry in a dead letter, in characters.
const MAX_NAME: usize = 128;

/// An entry to be delivered.
pub struct NewEntry {
    /// By which the ledger knows it.
    pub fingerprint: Fingerprint,
    /// Its ledger time.
    pub time: LedgerTime,
    /// The time by which Kong's filters go, where it has one.
    pub stamp: Option<i64>,
    /// Only a comparison found it.
    pub late: bool,
    /// How log lines name it.
    pub name: String,
    /// What goes to the destination.
    pub events: Vec<Event>,
}

/// What the store holds of the entries of all runs.
pub struct Records<'a, P> {
    /// The accepted ones.
    pub ledger: Ledger<'a, P>,
    /// The refused ones.
    pub dead_letters: DeadLetters<'a, P>,
}

/// The delivery of one run's entries, one stream after the other.
pub struct Delivery<'r, 'a, P> {
    /// What is known already.
    pub records: &'r mut Records<'a, P>,
    sender: &'r Sender<'a, P>,
    lease: &'r Lease<'a, P>,
    log: Logger<'a, P>,
    /// When the run began, in Unix seconds by Kong's clock.
    now: i64,
    stream: Stream,
    reading: Reading,
    tallies: BTreeMap<Stream, Tally>,
    batcher: Batcher<'r>,
    queue: VecDeque<Batch>,
    in_flight: FuturesUnordered<LocalBoxFuture<'r, Sent>>,
    /// Accepted batches whose entries the ledger has not stored yet.
    unrecorded: usize,
    waiting: Waiting,
    /// How often progress was made since the last record.
    steps: usize,
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
        now: i64,
        records: &'r mut Records<'a, P>,
        sender: &'r Sender<'a, P>,
        lease: &'r Lease<'a, P>,
        log: Logger<'a, P>,
    ) -> Self {
        Self {
            records,
            sender,
            lease,
            log,
            now,
            stream: Stream::Requests,
            reading: Reading::Window,
            tallies: BTreeMap::new(),
            batcher: Batcher::new(sender.protocol()),
            queue: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            unrecorded: 0,
            waiting: Waiting::default(),
            steps: 0,
            claimed: HashSet::new(),
            suspects: Vec::new(),
            proven: false,
            store_lost: false,
        }
    }

    /// What is taken in from now on is of `stream`, and met by `reading`.
    pub fn turn_to(&mut self, stream: Stream, reading: Reading) {
        self.queue.extend(self.batcher.close());
        (self.stream, self.reading) = (stream, reading);
    }

    /// What was done so far for the stream begun last.
    pub fn tally(&mut self) -> &mut Tally {
        self.tallies.entry(self.stream).or_default()
    }

    /// Whether the destination has the entry already, or it is on its way there in this run.
    pub fn is_known(
        &mut self,
        fingerprint: &Fingerprint,
        time: LedgerTime,
    ) -> Result<bool, Failure> {
        if self.claimed.contains(fingerprint) {
            return Ok(true);
        }
        let known = self.records.ledger.is_known(self.stream, fingerprint, time);
        for key in self.records.ledger.take_lost() {
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
    pub fn adopt(&mut self, fingerprint: Fingerprint, time: LedgerTime) -> Result<(), Failure> {
        self.records.ledger.accept(self.stream, fingerprint, time);
        let tally = self.tally();
        tally.adopted += 1;
        if tally.adopted.is_multiple_of(MAX_ADOPTED) { self.record() } else { Ok(()) }
    }

    /// Takes an entry in; it leaves with a batch. Of an entry in parts, those that an earlier run
    /// got through are not sent again.
    pub fn add(&mut self, entry: NewEntry) -> Result<(), Failure> {
        let NewEntry { fingerprint, time, stamp, late, name, events } = entry;
        let (number, count) = (self.waiting.number(), events.len());
        self.claimed.insert(fingerprint);
        let mut left = Vec::with_capacity(count);
        for (part, event) in events.into_iter().enumerate() {
            if count == 1 || !self.is_known(&fingerprint.part(part), time)? {
                left.push(Item::new(event, number, part));
            }
        }
        let entry = PendingEntry {
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
            self.complete(&entry);
        } else {
            self.waiting.insert(number, entry);
        }
        for item in left {
            self.queue.extend(self.batcher.push(item));
        }
        Ok(())
    }

    /// An entry of the stream cannot be read, and so is pending.
    pub fn leave_out(&mut self, why: String) {
        let by_sweep = self.reading == Reading::Sweep;
        let tally = self.tally();
        // Met once more by the sweep beside a window.
        if tally.pending.insert(why, 1).is_some() {
            return;
        }
        tally.report.pending += 1;
        tally.pending_in_sweep += u64::from(by_sweep);
        self.waiting.leave_out(self.stream, self.reading);
    }

    /// The reading of the stream has come so far; to be stored once all that was taken in before is
    /// accounted for, and now and then also when nothing new was met.
    pub fn reached(&mut self, progress: Progress) -> Result<(), Failure> {
        self.waiting.reached(self.stream, self.reading, progress);
        self.steps += 1;
        if self.steps < MAX_PROGRESS { Ok(()) } else { self.record() }
    }

    fn advance(&mut self) {
        let ledger = &mut self.records.ledger;
        self.waiting.advance(|stream, progress, left_behind| {
            ledger.coverage(stream).advance(progress, left_behind);
        });
    }

    /// Sends what is queued while `other` is awaited; returns once both are done, with batches
    /// still under way.
    pub async fn alongside<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Failure> {
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

    /// Ends the delivery. Unless it failed before, sends what is left; waits for what is under way
    /// all the same, since the destination may accept it. What came of it is left to the caller to
    /// store, dead letters first.
    pub async fn close(mut self, failed: Option<Failure>) -> Closed {
        let mut failure = match failed {
            None => self.finish().await.err(),
            failed => failed,
        };
        while let Some(sent) = self.in_flight.next().await {
            // Only takes note: after an early end nothing is written before the last answer.
            let noted = self.note(sent);
            failure = failure.or(noted);
        }
        let suspects = std::mem::take(&mut self.suspects);
        match &failure {
            None => self.bury(suspects),
            Some(failure) => {
                for (item, _) in suspects {
                    self.pending(&item, failure.to_string());
                }
            }
        }
        self.advance();
        for entry in self.waiting.entries() {
            let tally = self.tallies.entry(entry.stream).or_default();
            tally.report.pending += 1;
            tally.pending_in_sweep += u64::from(entry.reading == Reading::Sweep);
        }
        for (stream, tally) in &self.tallies {
            for (why, events) in &tally.pending {
                let stream = stream.name();
                self.log
                    .log(Level::Warn, format!("{events} events of {stream} are pending: {why}"));
            }
        }
        Closed { tallies: self.tallies, failure, store_lost: self.store_lost }
    }

    async fn finish(&mut self) -> Result<(), Failure> {
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
    fn start(&mut self) -> Result<(), Failure> {
        loop {
            let most = if self.proven { self.sender.max_in_flight() } else { 1 };
            let free = self.in_flight.len() < self.sender.concurrency()
                && self.in_flight.len() + self.unrecorded < most;
            if !free || self.queue.is_empty() {
                return Ok(());
            }
            self.lease.hold()?;
            self.records.ledger.preflight()?;
            let Some(batch) = self.queue.pop_front() else { return Ok(()) };
            let stream = batch.items.first().map_or(self.stream, |item| self.stream_of(item));
            self.tallies.entry(stream).or_default().report.batches += 1;
            let lease = self.lease;
            let may_call = move || lease.hold().is_ok();
            let sender = self.sender;
            self.in_flight.push(sender.send(batch, may_call).boxed_local());
        }
    }

    /// Takes note of a batch's answers and records what was accepted when enough has gathered.
    fn settle(&mut self, sent: Sent) -> Result<(), Failure> {
        let failure = self.note(sent);
        let is_first = !self.proven && self.unrecorded > 0;
        let recorded = if is_first || self.unrecorded * 2 >= self.sender.max_in_flight() {
            self.record()
        } else {
            Ok(())
        };
        failure.map_or(recorded, Err)
    }

    fn note(&mut self, sent: Sent) -> Option<Failure> {
        let some_accepted = !sent.accepted.is_empty();
        self.unrecorded += usize::from(some_accepted);
        if some_accepted {
            self.records.ledger.bind();
        }
        for item in sent.accepted {
            self.records.dead_letters.arrived(&item.event.id);
            self.decided(&item);
        }
        let mut refused = Vec::new();
        let mut some_pending = false;
        for (item, why) in sent.undelivered {
            match self.judge(&item, why) {
                Undelivered::Refused(why) => refused.push((item, why)),
                undelivered @ (Undelivered::Pending(_) | Undelivered::Failing(_)) => {
                    some_pending = true;
                    if let Some(entry) = self.waiting.get(item.entry) {
                        entry.failing |= matches!(undelivered, Undelivered::Failing(_));
                    }
                    self.pending(&item, undelivered.to_string());
                }
            }
        }
        let failure = sent.stop.map(Failure::Destination);
        if refused.is_empty() || some_accepted || some_pending {
            if some_accepted {
                let suspects = std::mem::take(&mut self.suspects);
                self.bury(suspects);
            }
            self.bury(refused);
            return failure;
        }
        let second = !self.suspects.is_empty();
        self.suspects.extend(refused);
        let (first, why) = self.suspects.first().map(|(item, why)| (item.entry, why.clone()))?;
        // An entry in parts may fill batches by itself.
        let of_several = self.suspects.iter().any(|(item, _)| item.entry != first);
        let profile = self.sender.protocol().profile();
        let (name, remedy) = (profile.name, profile.flood);
        (second && of_several).then_some(Failure::Flood { name, why, remedy })
    }

    /// What an answer means for an event in the light of earlier ones, of which this one becomes one.
    fn judge(&mut self, item: &Item, answer: Undelivered) -> Undelivered {
        let Undelivered::Failing(why) = answer else { return answer };
        let since = self.records.dead_letters.failing_since(&item.event.id, self.now);
        if self.now.saturating_sub(since) >= PATIENCE_SECS {
            Undelivered::Refused(format!("{why}, for 24 hours"))
        } else {
            Undelivered::Failing(why)
        }
    }

    /// Makes dead letters of events that are refused for good.
    fn bury(&mut self, refused: Vec<(Item, String)>) {
        let destination = self.sender.protocol().profile().name;
        for (item, error) in refused {
            let Some(pending) = self.waiting.get(item.entry) else { continue };
            let first = !std::mem::replace(&mut pending.rejected, true);
            let stream = pending.stream;
            let entry: String = pending.name.chars().take(MAX_NAME).collect();
            self.log.log(
                Level::Error,
                format!(
                    "{destination} refuses the event {} of the {} entry {entry} for good, so it becomes a dead letter: {error}",
                    item.event.id,
                    stream.name()
                ),
            );
            let tally = self.tallies.entry(stream).or_default();
            tally.report.rejected += u64::from(first);
            *tally.rejected.entry(error.clone()).or_default() += 1;
            let Event { id, time, data } = item.event.clone();
            let (refused_at, replay) = (self.now, false);
            let letter = DeadLetter { stream, id, entry, error, refused_at, replay, time, data };
            self.records.dead_letters.add(letter);
            self.decided(&item);
        }
    }

    /// The destination has the event, or it is among the dead letters.
    fn decided(&mut self, item: &Item) {
        let Some(entry) = self.waiting.get(item.entry) else { return };
        entry.events_left -= 1;
        if entry.events_left > 0 {
            let (stream, part) = (entry.stream, entry.fingerprint.part(item.part));
            self.records.ledger.accept(stream, part, entry.time);
        } else if let Some(entry) = self.waiting.remove(item.entry) {
            self.complete(&entry);
        }
    }

    /// All events of an entry are decided.
    fn complete(&mut self, entry: &PendingEntry) {
        self.records.ledger.accept(entry.stream, entry.fingerprint, entry.time);
        self.claimed.remove(&entry.fingerprint);
        let report = &mut self.tallies.entry(entry.stream).or_default().report;
        if !entry.rejected {
            report.unrecorded += 1;
            report.late += u64::from(entry.late);
        }
    }

    fn pending(&mut self, item: &Item, why: String) {
        let stream = self.stream_of(item);
        *self.tallies.entry(stream).or_default().pending.entry(why).or_default() += 1;
    }

    fn stream_of(&mut self, item: &Item) -> Stream {
        self.waiting.get(item.entry).map_or(self.stream, |entry| entry.stream)
    }

    fn record(&mut self) -> Result<(), Failure> {
        self.lease.hold()?;
        self.records.dead_letters.write()?;
        self.advance();
        self.records.ledger.write()?;
        self.proven |= self.unrecorded > 0;
        (self.unrecorded, self.steps) = (0, 0);
        for tally in self.tallies.values_mut() {
            tally.report.recorded();
        }
        Ok(())
    }
}
