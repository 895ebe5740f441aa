//! What earlier runs intended to send under names, and nobody has recorded.
//!
//! An entry that an intent names goes out under the intent's name, together with all others that it names and
//! Kong still shows. The destination has them then, whether an earlier call arrived or this one does, and has
//! them once.
//!
//! What is sent under a name is never more than what was sent under it before: otherwise a name that is taken
//! would say nothing of what came in later. So an intent is stored anew before less is sent.
//!
//! An intent waits until all that it names was met, or Kong was read where that would be. Where that cannot be
//! told, or where two runs in turn met a part and did not come to the rest, it is given up: its entries go out
//! under new names, and may be there twice.
//!
//! Whoever learns a name before there is an object of it may put something there first. So no message has the
//! random part of a name that is intended.

use std::collections::{BTreeMap, HashSet};

use super::{Delivery, Failure};
use crate::destination::{Batch, Item, Open, Stop, place};
use crate::ledger::{Fingerprint, Intent};
use crate::log::Code;
use crate::ports::Ports;
use crate::terms::{Stream, Window};

const NO_ROOM: &str = "of eight objects it is not known whether S3 has them: nothing else is sent before S3 has said so of \
                       one; see the reasons for what is pending";

/// An intent of an earlier run.
pub struct Left {
    intent: Intent,
    /// What was not met yet.
    missing: HashSet<Fingerprint>,
    /// What was.
    open: Open,
}

/// Intents of earlier runs, and what of Kong was read in this one.
#[derive(Default)]
pub struct Intents {
    left: Vec<Left>,
    read: BTreeMap<Stream, Window>,
    /// Entries that were named, and that Kong no longer shows.
    pub gone: u64,
    /// Entries that were named, and go out under new names.
    pub renamed: u64,
}

impl Left {
    /// The name without its random part.
    fn place(&self) -> &str {
        place(&self.intent.name)
    }
}

impl<P: Ports> Delivery<'_, '_, P> {
    /// Takes up the intents of earlier runs. Those of another destination are dropped.
    pub(super) fn take_up(&mut self) {
        self.tell_of_losses();
        let protocol = self.sender.protocol();
        for intent in self.records.ledger.take_intents() {
            let missing = intent.fingerprints.iter().copied().collect();
            let left = Left { intent, missing, open: Open::new(protocol) };
            let (place, events) = (left.place(), left.missing.len());
            let names = protocol.profile().names.as_deref();
            if names.is_none_or(|names| !place.starts_with(names)) {
                let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
                self.log.warn(
                    Code::NameGivenUp,
                    format!(
                        "an earlier run was about to send {events} events to S3 below {folder}/, which is not where events go \
                         now: they are sent to where they go now, and are there too if that call arrived"
                    ),
                );
                self.records.ledger.forget_intent(&left.intent.name);
                continue;
            }
            self.log.info(format!(
                "an earlier run has not recorded what became of the object {place}-…: its {events} events are sent under \
                 that name again"
            ));
            self.intents.left.push(left);
        }
    }

    /// Adds an event to the intent that names it. Gives it back where there is none.
    pub(super) fn claim(&mut self, fingerprint: &Fingerprint, item: Item) -> Option<Item> {
        let Some(place) = self.met(fingerprint) else { return Some(item) };
        let size = self.sender.protocol().size(&item.event);
        self.intents.left[place].open.push(item, size);
        self.resume_if_whole(place);
        None
    }

    /// An entry that was met is recorded already, in whatever way.
    pub(super) fn is_recorded(&mut self, fingerprint: &Fingerprint) {
        if let Some(place) = self.met(fingerprint) {
            self.resume_if_whole(place);
        }
    }

    /// The intent that waited for an entry, and waits for it no more.
    fn met(&mut self, fingerprint: &Fingerprint) -> Option<usize> {
        self.intents.left.iter_mut().position(|left| left.missing.remove(fingerprint))
    }

    fn resume_if_whole(&mut self, place: usize) {
        if self.intents.left[place].missing.is_empty() {
            let left = self.intents.left.remove(place);
            self.resume(left);
        }
    }

    /// All of a window was read, but for what was left out.
    pub fn has_read(&mut self, stream: Stream, window: Window) {
        let read = self.intents.read.entry(stream).or_insert(window);
        if read.before.is_some() && read.before == window.after {
            read.before = window.before;
        } else {
            *read = window;
        }
        let read = *read;
        let holds = |(from, to): (i64, i64)| read.holds(from) && read.holds(to);
        self.conclude(|intent| intent.stream == stream && intent.span.is_some_and(holds));
    }

    /// Sends what was met of the intents for which nothing else is to be met.
    pub(super) fn conclude(&mut self, is_over: impl Fn(&Intent) -> bool) {
        let all = std::mem::take(&mut self.intents.left);
        let (over, left) = all.into_iter().partition(|left: &Left| is_over(&left.intent));
        self.intents.left = left;
        for left in over {
            if self.left_out.is_empty() {
                self.miss(&left);
                self.resume(left);
            } else {
                self.give_up_name(left);
            }
        }
    }

    fn miss(&mut self, left: &Left) {
        let missing = left.missing.len();
        self.intents.gone += missing as u64;
        self.log.warn(
            Code::EntriesGone,
            format!(
                "Kong no longer shows {missing} of the entries that an earlier run was about to send as {}-…: they are in it \
                 if that call arrived, and lost if not",
                left.place()
            ),
        );
    }

    /// Sends what was met of an intent under its name, before anything else.
    fn resume(&mut self, left: Left) {
        let Left { intent, open, .. } = left;
        match open.close() {
            Some(batch) => self.queue.push_front(Batch { name: intent.name, ..batch }),
            None => self.records.ledger.forget_intent(&intent.name),
        }
    }

    /// Sends what was met of an intent under a new name, and does with the rest as if it was never intended.
    fn give_up_name(&mut self, left: Left) {
        self.log.warn(
            Code::NameGivenUp,
            format!(
                "not all that an earlier run was about to send as {}-… can be read now: what can be is sent under another \
                 name, and is there twice if that call arrived",
                left.place()
            ),
        );
        let Left { intent, open, .. } = left;
        self.intents.renamed += intent.fingerprints.len() as u64;
        self.records.ledger.forget_intent(&intent.name);
        self.queue.extend(open.close());
    }

    /// Whether the next batch may go out under a name. Where earlier runs have taken all places for intents, the
    /// oldest is given up.
    pub(super) fn may_intend(&mut self) -> Result<bool, Failure> {
        let needs_none = self.sender.protocol().profile().names.is_none()
            || self.queue.front().is_none_or(|batch| !batch.name.is_empty());
        if needs_none || self.records.ledger.has_room() {
            return Ok(true);
        }
        if !self.in_flight.is_empty() {
            return Ok(false);
        }
        if self.unrecorded > 0 {
            self.record()?;
        }
        if !self.records.ledger.has_room() {
            if self.intents.left.is_empty() {
                return Err(Failure::Destination(Stop::Unsendable(NO_ROOM.to_owned())));
            }
            let oldest = self.intents.left.remove(0);
            self.give_up_name(oldest);
        }
        Ok(true)
    }

    /// Before a batch goes out: the ledger stores under which name, where the destination keeps names, and the
    /// store has proven to take what follows.
    pub(super) fn intend(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let protocol = self.sender.protocol();
        if protocol.profile().names.is_none() {
            return Ok(self.records.ledger.preflight()?);
        }
        if batch.name.is_empty() {
            self.sender.name(batch);
        }
        let mut fingerprints = Vec::with_capacity(batch.items.len());
        let mut stamps = Vec::with_capacity(batch.items.len());
        for item in &batch.items {
            let Some(entry) = self.waiting.get(item.entry) else { continue };
            fingerprints.push(entry.of_part(item.part));
            stamps.push(entry.stamp);
        }
        let stream = batch.items.first().map_or(self.stream, |item| item.stream);
        let stamps: Option<Vec<_>> = stamps.into_iter().collect();
        let span = stamps.and_then(|stamps| Some((*stamps.iter().min()?, *stamps.iter().max()?)));
        let intent = Intent { name: batch.name.clone(), stream, span, fingerprints };
        Ok(self.records.ledger.intend(&intent)?)
    }

    /// Reading has ended early. Where a part of an intent was met in this run, and in an earlier one, and not the
    /// rest, the next would do no better, and all that was met would wait until Kong forgets it.
    pub(super) fn give_up_what_waits_again(&mut self) {
        for left in std::mem::take(&mut self.intents.left) {
            let is_met = left.missing.len() < left.intent.fingerprints.len();
            if is_met && self.records.ledger.waits_again(&left.intent.name) {
                self.give_up_name(left);
            } else {
                self.intents.left.push(left);
            }
        }
    }

    /// What becomes of intents at the end: they are kept for the next run.
    pub(super) fn keep_intents(&mut self) {
        for left in std::mem::take(&mut self.intents.left) {
            let why = format!("the other events of the object {}-… were not met yet", left.place());
            let items = left.open.close().map(|batch| batch.items).unwrap_or_default();
            for item in items {
                self.pending(&item, why.clone());
            }
        }
    }
}
