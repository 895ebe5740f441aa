//! What answers mean for the entries that wait for them.

use super::waiting::PendingEntry;
use super::{Delivery, Failure};
use crate::destination::{Item, Sent, Undelivered};
use crate::ledger::DeadLetter;
use crate::log::Code;
use crate::ports::Ports;
use crate::terms::{Event, Stream};
use crate::words::shown;

/// How long an event may be answered with codes that may pass. After that it counts as refused for good.
pub const PATIENCE_SECS: i64 = 24 * 3600;

/// Longest name of an entry in a dead letter, in characters.
pub(super) const MAX_NAME: usize = 128;

impl<P: Ports> Delivery<'_, '_, P> {
    /// Takes note of what became of a batch. Returns why the delivery must end, if it must.
    ///
    /// When every event of a batch is refused, the events may not be at fault. They are suspects until the
    /// next batch. If some of that one is accepted, the suspects become dead letters. If all of it is refused
    /// too, the delivery ends.
    pub(super) fn note(&mut self, sent: Sent) -> Option<Failure> {
        let some_accepted = !sent.accepted.is_empty();
        for batch in sent.left.into_iter().rev() {
            self.queue.push_front(batch);
        }
        self.unrecorded += usize::from(some_accepted);
        if some_accepted {
            self.records.ledger.bind();
        }
        if sent.is_taken {
            self.records.ledger.forget_intent(&sent.name);
        } else if sent.undelivered.is_empty() && !sent.name.is_empty() {
            self.records.ledger.fulfil(&sent.name);
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

    /// What an answer means for an event, with the earlier answers in mind. Remembers since when it has been
    /// failing.
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
    pub(super) fn bury(&mut self, refused: Vec<(Item, String)>) {
        let destination = self.sender.protocol().profile().name;
        for (item, error) in refused {
            let Some(pending) = self.waiting.get(item.entry) else { continue };
            let first = !std::mem::replace(&mut pending.rejected, true);
            let stream = pending.stream;
            let entry: String = pending.name.chars().take(MAX_NAME).collect();
            let shown = shown(&entry);
            self.log.error(
                Code::EventRefused,
                format!(
                    "{destination} refuses the event {} of the {} entry {shown} for good, so it becomes a dead letter: {error}",
                    item.event.id,
                    stream.name()
                ),
            );
            let tally = self.tallies.entry(stream).or_default();
            tally.report.rejected += u64::from(first);
            tally.rejected.insert(error.clone());
            let Event { id, data, .. } = item.event.clone();
            let (refused_at, replay) = (self.now, false);
            let letter = DeadLetter { stream, id, entry, error, refused_at, replay, data };
            self.records.dead_letters.add(letter);
            self.decided(&item);
        }
    }

    /// Takes note that the destination has the event, or that it is a dead letter.
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

    /// Gives the entry to the ledger: all of its events are decided.
    pub(super) fn complete(&mut self, entry: &PendingEntry) {
        self.records.ledger.accept(entry.stream, entry.fingerprint, entry.time);
        self.claimed.remove(&entry.fingerprint);
        let report = &mut self.tallies.entry(entry.stream).or_default().report;
        if !entry.rejected {
            report.unrecorded += 1;
            report.late += u64::from(entry.late);
        }
    }

    pub(super) fn pending(&mut self, item: &Item, why: String) {
        let stream = self.stream_of(item);
        *self.tallies.entry(stream).or_default().pending.entry(why).or_default() += 1;
    }

    pub(super) fn stream_of(&mut self, item: &Item) -> Stream {
        self.waiting.get(item.entry).map_or(self.stream, |entry| entry.stream)
    }
}
