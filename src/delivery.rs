//! Keeps batches under way and records what was accepted.
//!
//! Keeps invariant 2: batches under way and batches accepted but not yet recorded together never
//! exceed `max_in_flight`, so neither does what a crash can repeat. And invariant 1: an entry is
//! accepted once all its events are, and only then goes to the ledger.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::pin;

use futures::future::{FutureExt, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};

use crate::cloudtrail::{Batch, Batcher, CloudTrail, Item, Sent, Stop, Undelivered};
use crate::event::Event;
use crate::kong::{KongError, Stream};
use crate::lease::{Lease, LeaseError};
use crate::ledger::{Fingerprint, Ledger, LedgerError};
use crate::log::{Level, Logger};
use crate::ports::Ports;
use crate::report::StreamReport;

/// Why a stream, or the whole run, ends before it is complete.
#[derive(Clone, Debug)]
pub enum Halt {
    /// Kong's audit log cannot be read. The other stream may fare better.
    Kong(KongError),
    /// CloudTrail takes nothing.
    CloudTrail(Stop),
    /// The ledger cannot be used.
    Ledger(LedgerError),
    /// The lease is not ours any more.
    Lease(LeaseError),
    /// `run_budget_secs` has passed.
    Budget,
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

/// An entry on its way: all its events travel under one number.
struct Parcel {
    fingerprint: Fingerprint,
    time: i64,
    late: bool,
    name: String,
    events_left: usize,
}

/// An entry to be delivered.
pub struct Shipment {
    /// By which the ledger knows it.
    pub fingerprint: Fingerprint,
    /// Its ledger time.
    pub time: i64,
    /// Only a reconcile found it.
    pub late: bool,
    /// How log lines name it.
    pub name: String,
    /// What goes to CloudTrail.
    pub events: Vec<Event>,
}

/// How a delivery ended.
pub struct Ended {
    /// What was done.
    pub report: StreamReport,
    /// Why it ended early, if it did.
    pub halted: Option<Halt>,
    /// Why entries are pending, if CloudTrail told.
    pub reason: Option<String>,
}

/// The delivery of one stream's entries.
pub struct Delivery<'r, 'a, P> {
    /// What was done so far.
    pub report: StreamReport,
    stream: Stream,
    max_in_flight: usize,
    cloudtrail: &'r CloudTrail<'a, P>,
    ledger: &'r mut Ledger<'a, P>,
    lease: &'r Lease<'a, P>,
    log: &'r Logger<'a, P>,
    batcher: Batcher,
    queue: VecDeque<Batch>,
    in_flight: FuturesUnordered<LocalBoxFuture<'r, Sent>>,
    /// Accepted batches whose entries the ledger has not stored yet.
    unrecorded: usize,
    parcels: HashMap<u64, Parcel>,
    parcels_made: u64,
    claimed: HashSet<Fingerprint>,
    /// Why events are pending, and how many for each reason.
    reasons: BTreeMap<String, u64>,
}

impl<'r, 'a, P: Ports> Delivery<'r, 'a, P> {
    /// Begins with nothing under way.
    pub fn new(
        stream: Stream,
        max_in_flight: usize,
        cloudtrail: &'r CloudTrail<'a, P>,
        ledger: &'r mut Ledger<'a, P>,
        lease: &'r Lease<'a, P>,
        log: &'r Logger<'a, P>,
    ) -> Self {
        Self {
            report: StreamReport::default(),
            stream,
            max_in_flight,
            cloudtrail,
            ledger,
            lease,
            log,
            batcher: Batcher::default(),
            queue: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            unrecorded: 0,
            parcels: HashMap::new(),
            parcels_made: 0,
            claimed: HashSet::new(),
            reasons: BTreeMap::new(),
        }
    }

    /// Whether the entry is in CloudTrail already, or on its way there in this run.
    pub fn knows(&mut self, fingerprint: &Fingerprint, time: i64) -> Result<bool, Halt> {
        if self.claimed.contains(fingerprint) {
            return Ok(true);
        }
        let known = self.ledger.knows(self.stream, fingerprint, time);
        for key in self.ledger.take_lost() {
            self.log.log(
                Level::Warn,
                format!(
                    "the store has lost fingerprints at {key}: what it held is shipped again where Kong still holds it"
                ),
            );
        }
        Ok(known?)
    }

    /// Takes an entry in; it leaves with a batch. Of an entry in parts, those that an earlier run
    /// got through are not sent again.
    pub fn add(&mut self, shipment: Shipment) -> Result<(), Halt> {
        let Shipment { fingerprint, time, late, name, events } = shipment;
        let (parcel, count) = (self.parcels_made, events.len());
        self.parcels_made += 1;
        self.claimed.insert(fingerprint);
        let mut left = Vec::with_capacity(count);
        for (number, event) in events.into_iter().enumerate() {
            if count == 1 || !self.knows(&fingerprint.part(number), time)? {
                left.push(Item::new(event, parcel, number));
            }
        }
        let events_left = left.len();
        self.parcels.insert(parcel, Parcel { fingerprint, time, late, name, events_left });
        if left.is_empty() {
            self.complete(parcel);
        }
        for item in left {
            self.queue.extend(self.batcher.push(item));
        }
        Ok(())
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

    /// Sends all that was taken in and waits for every answer.
    pub async fn finish(&mut self) -> Result<(), Halt> {
        self.queue.extend(self.batcher.close());
        while !(self.queue.is_empty() && self.in_flight.is_empty()) {
            self.start()?;
            if let Some(sent) = self.in_flight.next().await {
                self.settle(sent)?;
            }
        }
        Ok(())
    }

    /// Ends the delivery, after an early end too: waits for what is under way, since CloudTrail may
    /// accept it, and records what was accepted. What is left is pending.
    pub async fn close(mut self, halted: Option<Halt>) -> Ended {
        let mut halted = halted;
        while let Some(sent) = self.in_flight.next().await {
            // Only takes note: after an early end nothing is written before the last answer.
            let stop = self.note(sent);
            halted = halted.or(stop.map(Halt::CloudTrail));
        }
        if self.unrecorded > 0
            && let Err(halt) = self.record()
        {
            halted = Some(halt);
        }
        self.report.pending += self.parcels.len() as u64;
        for (why, events) in &self.reasons {
            let stream = self.stream.name();
            self.log.log(Level::Warn, format!("{events} events of {stream} are pending: {why}"));
        }
        let Self { report, mut reasons, .. } = self;
        Ended { report, halted, reason: reasons.pop_first().map(|(why, _)| why) }
    }

    /// Starts as many batches as may be under way.
    fn start(&mut self) -> Result<(), Halt> {
        loop {
            let free = self.in_flight.len() < self.cloudtrail.concurrency()
                && self.in_flight.len() + self.unrecorded < self.max_in_flight;
            if !free {
                return Ok(());
            }
            let Some(batch) = self.queue.pop_front() else { return Ok(()) };
            self.lease.hold()?;
            self.report.batches += 1;
            let lease = self.lease;
            let may_call = move || lease.hold().is_ok();
            self.in_flight.push(self.cloudtrail.send(batch, may_call).boxed_local());
        }
    }

    /// Takes note of a batch's answers and records what was accepted when enough has gathered.
    fn settle(&mut self, sent: Sent) -> Result<(), Halt> {
        let stop = self.note(sent);
        if self.unrecorded * 2 >= self.max_in_flight {
            self.record()?;
        }
        stop.map_or(Ok(()), |stop| Err(Halt::CloudTrail(stop)))
    }

    fn note(&mut self, sent: Sent) -> Option<Stop> {
        self.unrecorded += usize::from(!sent.accepted.is_empty());
        for item in sent.accepted {
            self.accepted(&item);
        }
        for (item, why) in sent.undelivered {
            self.undelivered(&item, &why);
        }
        sent.stop
    }

    fn accepted(&mut self, item: &Item) {
        let Some(parcel) = self.parcels.get_mut(&item.parcel) else { return };
        parcel.events_left -= 1;
        if parcel.events_left == 0 {
            self.complete(item.parcel);
        } else {
            let part = parcel.fingerprint.part(item.number);
            self.ledger.accept(self.stream, part, parcel.time);
        }
    }

    /// All events of an entry are in CloudTrail.
    fn complete(&mut self, parcel: u64) {
        let Some(parcel) = self.parcels.remove(&parcel) else { return };
        self.ledger.accept(self.stream, parcel.fingerprint, parcel.time);
        self.claimed.remove(&parcel.fingerprint);
        self.report.shipped += 1;
        self.report.late += u64::from(parcel.late);
    }

    fn undelivered(&mut self, item: &Item, why: &Undelivered) {
        if let Undelivered::Refused(why) = why {
            let entry = self.parcels.get(&item.parcel).map_or("", |parcel| parcel.name.as_str());
            let (id, stream) = (&item.id, self.stream.name());
            self.log.log(
                Level::Error,
                format!(
                    "CloudTrail refuses the event {id} of the {stream} entry {entry} as it stands: {why}; the next run \
                     tries it again"
                ),
            );
        }
        *self.reasons.entry(why.to_string()).or_default() += 1;
    }

    fn record(&mut self) -> Result<(), Halt> {
        self.lease.hold()?;
        self.ledger.write()?;
        self.unrecorded = 0;
        Ok(())
    }
}
