//! Keeps batches under way, and records what the destination accepted or refused.
//!
//! Keeps three invariants:
//!
//! - 1: an entry is recorded once each of its events was accepted, or stored as a dead letter;
//! - 2: batches under way and batches accepted but not yet recorded together never exceed `max_in_flight`, so
//!   neither does what a crash can repeat;
//! - 9: before the first batch the store has taken a write like those that record. The first batch goes
//!   alone, and is recorded before the second.
//!
//! To a destination that keeps batches under names nothing goes out before the ledger has stored the name and
//! what is sent under it (`intents`). So a crash repeats nothing there.
//!
//! The order of writes: an event is accepted, then the ledger records it. Or it is refused for good, then
//! stored as a dead letter, then the ledger records it. A crash between two steps repeats the earlier one and
//! loses nothing.

mod failure;
mod intents;
mod outcomes;
mod replay;
mod tally;
mod unreadable;
mod waiting;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::pin;

use futures::future::{FutureExt, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};

pub use failure::Failure;
pub use outcomes::PATIENCE_SECS;
pub use replay::replay;
pub use tally::{Closed, HowFar, Tally};
pub use unreadable::Unreadable;
pub use waiting::Reading;

use crate::coverage::Progress;
use crate::destination::{Batch, Batcher, Item, Sender, Sent};
use crate::lease::Lease;
use crate::ledger::{DeadLetters, Fingerprint, Ledger};
use crate::log::{Code, Logger};
use crate::ports::Ports;
use crate::terms::{Event, LedgerTime, Stream};
use intents::Intents;
use waiting::{MAX_PROGRESS, PendingEntry, Waiting};

/// So many adopted entries are gathered before the ledger stores them. Each takes some 60 bytes until then.
const MAX_ADOPTED: u64 = 10_000;

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

/// What the store holds, from all runs.
pub struct Records<'a, P> {
    /// Fingerprints of entries that are accepted or refused, and each stream's coverage.
    pub ledger: Ledger<'a, P>,
    /// The events that were refused.
    pub dead_letters: DeadLetters<'a, P>,
}

/// The delivery of one run's entries, one stream after the other.
pub struct Delivery<'r, 'a, P> {
    /// The ledger and the dead letters.
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
    /// Entries of this run that wait for answers.
    claimed: HashSet<Fingerprint>,
    /// The events of a batch that was refused as a whole, until the next one tells whether that is
    /// their own fault.
    suspects: Vec<(Item, String)>,
    /// What could not be read, in this run.
    left_out: HashSet<Fingerprint>,
    /// What earlier runs were about to send.
    intents: Intents,
    /// The store has recorded a batch in this run.
    proven: bool,
    /// The store has lost fingerprints.
    store_lost: bool,
    /// Where others see how far it is.
    how_far: Option<&'r HowFar>,
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
        let mut delivery = Self {
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
            left_out: HashSet::new(),
            intents: Intents::default(),
            proven: false,
            store_lost: false,
            how_far: None,
        };
        delivery.take_up();
        delivery
    }

    /// The same, which keeps `how_far` up to date.
    pub fn telling(self, how_far: &'r HowFar) -> Self {
        Self { how_far: Some(how_far), ..self }
    }

    fn tell(&mut self) {
        let Some(how_far) = self.how_far else { return };
        let stream = self.stream;
        let report = &self.tally().report;
        how_far.stream.set(Some(stream));
        how_far.fetched.set(report.fetched);
        how_far.shipped.set(report.shipped + report.unrecorded);
        how_far.until.set(self.records.ledger.coverage(stream).watermark());
    }

    /// Entries that are added from now on are of `stream`, and were met by `reading`.
    pub fn turn_to(&mut self, stream: Stream, reading: Reading) {
        self.queue.extend(self.batcher.close());
        (self.stream, self.reading) = (stream, reading);
        self.tell();
    }

    /// The counts of the current stream.
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
        if let Ok(true) = known {
            self.is_recorded(fingerprint);
        }
        self.tell_of_losses();
        Ok(known?)
    }

    fn tell_of_losses(&mut self) {
        for key in self.records.ledger.take_lost() {
            self.store_lost = true;
            self.log.warn(
                Code::FingerprintsLost,
                format!(
                    "the store has lost fingerprints at {key}: what it held is shipped again where Kong still holds it"
                ),
            );
        }
    }

    /// Takes note of an entry that another shipper has recorded as shipped.
    pub fn adopt(&mut self, fingerprint: Fingerprint, time: LedgerTime) -> Result<(), Failure> {
        self.records.ledger.accept(self.stream, fingerprint, time);
        self.is_recorded(&fingerprint);
        let tally = self.tally();
        tally.adopted += 1;
        if tally.adopted.is_multiple_of(MAX_ADOPTED) { self.record() } else { Ok(()) }
    }

    /// Adds an entry, whose events go out in batches. Parts that an earlier run has delivered are not sent
    /// again.
    pub fn add(&mut self, entry: NewEntry) -> Result<(), Failure> {
        let NewEntry { fingerprint, time, stamp, late, name, events } = entry;
        let (number, count) = (self.waiting.number(), events.len());
        self.claimed.insert(fingerprint);
        self.is_readable(&name);
        let mut left = Vec::with_capacity(count);
        for (part, event) in events.into_iter().enumerate() {
            if count == 1 || !self.is_known(&fingerprint.part(part), time)? {
                left.push(Item::new(event, number, part).of(self.stream));
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
            is_in_parts: count > 1,
            events_left: left.len(),
            rejected: false,
            failing: false,
        };
        let left: Vec<_> = left
            .into_iter()
            .filter_map(|item| self.claim(&entry.of_part(item.part), item))
            .collect();
        if entry.events_left == 0 {
            self.complete(&entry);
        } else {
            self.waiting.insert(number, entry);
        }
        for item in left {
            self.queue.extend(self.batcher.push(item));
        }
        Ok(())
    }

    /// Takes note of how far the reading has come. That is stored once all entries added before are accounted
    /// for, and now and then also when nothing new was met.
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

    /// Sends what is queued while `other` is awaited. Returns once `other` is done and the queue is empty.
    /// Batches may still be under way then.
    pub async fn alongside<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Failure> {
        let mut other = pin!(other.fuse());
        let mut awaited = None;
        loop {
            self.tell();
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

    /// Ends the delivery. Unless it failed before, sends what is left. In any case waits for what is under
    /// way, since the destination may accept it. The caller stores the result, dead letters first.
    pub async fn close(mut self, failed: Option<Failure>) -> Closed {
        self.tell();
        let mut failure = match failed {
            None => {
                self.give_up_what_waits_again();
                self.finish().await.err()
            }
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
        if let Some(how_far) = self.how_far {
            how_far.stream.set(None);
        }
        self.keep_intents();
        self.advance();
        for entry in self.waiting.entries() {
            let tally = self.tallies.entry(entry.stream).or_default();
            tally.report.pending += 1;
            tally.pending_in_sweep += u64::from(entry.reading == Reading::Sweep);
        }
        for (stream, tally) in &self.tallies {
            for (why, events) in &tally.pending {
                let stream = stream.name();
                self.log.warn(
                    Code::EventsPending,
                    format!("{events} events of {stream} are pending: {why}"),
                );
            }
        }
        let (store_lost, Intents { gone, renamed, .. }) = (self.store_lost, self.intents);
        Closed { tallies: self.tallies, failure, store_lost, gone, renamed }
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
            if !self.may_intend()? {
                return Ok(());
            }
            self.lease.hold()?;
            let Some(mut batch) = self.queue.pop_front() else { return Ok(()) };
            self.intend(&mut batch)?;
            let stream = batch.items.first().map_or(self.stream, |item| self.stream_of(item));
            self.tallies.entry(stream).or_default().report.batches += 1;
            let lease = self.lease;
            let may_call = move || lease.hold().is_ok();
            let sender = self.sender;
            self.in_flight.push(sender.send(batch, may_call).boxed_local());
        }
    }

    /// Takes note of what became of a batch. Records what was accepted when enough has gathered.
    fn settle(&mut self, sent: Sent) -> Result<(), Failure> {
        let failure = self.note(sent);
        self.tell();
        let is_first = !self.proven && self.unrecorded > 0;
        let recorded = if is_first || self.unrecorded * 2 >= self.sender.max_in_flight() {
            self.record()
        } else {
            Ok(())
        };
        failure.map_or(recorded, Err)
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
