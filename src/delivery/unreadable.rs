//! What of a stream cannot be read: pending at first, and after 24 hours a dead letter that holds up nothing.
//!
//! Nothing is recorded in the ledger for it. So each reading that comes by tries it again, and ships it once
//! Kong gives it.

use super::outcomes::MAX_NAME;
use super::{Delivery, Failure, PATIENCE_SECS};
use crate::ledger::{DeadLetter, Fingerprint, UNREADABLE};
use crate::log::Code;
use crate::ports::Ports;
use crate::terms::{Stream, Window};
use crate::wire::{read_rfc3339, rfc3339};
use crate::words::Told;

/// So many reasons are kept apart. There may be as many as rows.
const MAX_NAMED: usize = 100;

/// Longest error of a dead letter, in characters.
const MAX_ERROR: usize = 400;

/// A row, a second or a stretch that cannot be read.
pub struct Unreadable {
    /// By which later runs know it again.
    pub key: String,
    /// What a dead letter calls it.
    pub entry: String,
    /// The time by which Kong's filters go, where it is known.
    pub stamp: Option<i64>,
    /// What is wrong, and what to do.
    pub why: Told,
    /// The row, as far as it can be shown.
    pub text: Option<String>,
}

impl Unreadable {
    /// The key of a row, by its id or what else tells it from others.
    pub fn row(stream: Stream, identity: &str) -> String {
        keyed(stream, "row", identity)
    }

    /// The key of a second.
    pub fn second(stream: Stream, second: i64) -> String {
        format!("{}{}", prefix(stream), rfc3339(second))
    }

    /// The key of what lies behind a place.
    pub fn behind(stream: Stream, place: &str) -> String {
        keyed(stream, BEHIND, place)
    }
}

const BEHIND: &str = "behind";

fn prefix(stream: Stream) -> String {
    format!("{UNREADABLE}-{}-", stream.name())
}

fn keyed(stream: Stream, kind: &str, name: &str) -> String {
    let fingerprint = u128::from_be_bytes(Fingerprint::of(stream, name).0);
    format!("{}{kind}-{fingerprint:032x}", prefix(stream))
}

impl<P: Ports> Delivery<'_, '_, P> {
    /// Takes note of what cannot be read. It is pending, and holds up the watermark, until it has been so for
    /// 24 hours.
    pub fn leave_out(&mut self, place: Unreadable) -> Result<(), Failure> {
        let (stream, reading) = (self.stream, self.reading);
        // The sweep beside a window meets it once more.
        if !self.left_out.insert(Fingerprint::of(stream, &place.key)) {
            return Ok(());
        }
        let letters = &mut self.records.dead_letters;
        if letters.stands(&place.key)? {
            self.log.info(format!("still a dead letter: {}", place.why));
            return Ok(());
        }
        let since = letters.failing_since(&place.key, self.now);
        if self.now.saturating_sub(since) >= PATIENCE_SECS {
            self.give_up(place);
            return Ok(());
        }
        self.waiting.leave_out(stream, reading, place.stamp);
        let by_sweep = reading == super::Reading::Sweep;
        let tally = self.tally();
        tally.report.pending += 1;
        tally.left_out += 1;
        tally.pending_in_sweep += u64::from(by_sweep);
        *tally.pending.entry(named(tally.pending.len(), place.why.to_string())).or_default() += 1;
        Ok(())
    }

    fn give_up(&mut self, place: Unreadable) {
        let Unreadable { key, entry, why, text, .. } = place;
        self.log.error(
            Code::EntryUnreadable,
            format!("it could not be read for 24 hours, so it becomes a dead letter: {why}"),
        );
        let tally = self.tally();
        tally.report.rejected += 1;
        let cause = why.cause.clone();
        *tally.unreadable.entry(named(tally.unreadable.len(), cause)).or_default() += 1;
        self.records.dead_letters.add(DeadLetter {
            stream: self.stream,
            id: key,
            entry: entry.chars().take(MAX_NAME).collect(),
            error: format!("{UNREADABLE}: {why}").chars().take(MAX_ERROR).collect(),
            refused_at: self.now,
            replay: false,
            data: serde_json::Value::from(text).to_string(),
        });
    }

    /// The row of that id was read.
    pub(super) fn is_readable(&mut self, id: &str) {
        let letters = &mut self.records.dead_letters;
        if letters.remember_failing(&prefix(self.stream)) {
            letters.arrived(&Unreadable::row(self.stream, id));
        }
    }

    /// The whole of a window was read, but for what was left out.
    pub fn read_through(&mut self, stream: Stream, window: Window) {
        self.has_read(stream, window);
        self.forget_failing(stream, |key| {
            read_rfc3339(key).is_some_and(|second| window.holds(second))
        });
    }

    /// A sweep has come to its end, and found no place that it had to stop at.
    pub fn swept(&mut self, stream: Stream) {
        self.conclude(|intent| intent.stream == stream);
        self.forget_failing(stream, |key| key.starts_with(BEHIND));
    }

    /// A sweep has come to its end at a place behind which nothing can be read.
    pub fn swept_up_to(&mut self, stream: Stream, place: Unreadable) -> Result<(), Failure> {
        self.leave_out(place)?;
        self.conclude(|intent| intent.stream == stream);
        Ok(())
    }

    /// Forgets since when places of a stream have been failing that were not met in this run.
    fn forget_failing(&mut self, stream: Stream, is_read: impl Fn(&str) -> bool) {
        let (prefix, left_out) = (prefix(stream), &self.left_out);
        self.records.dead_letters.forget_failing(&prefix, |key| {
            let met = || left_out.contains(&Fingerprint::of(stream, key));
            key.strip_prefix(&prefix).is_some_and(&is_read) && !met()
        });
    }
}

/// A reason, or what stands for all beyond a hundred.
fn named(known: usize, why: String) -> String {
    if known < MAX_NAMED { why } else { "more that cannot be read: see the log".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_has_a_key_that_tells_it_from_all_else() {
        use Stream::{Objects, Requests};
        let keys = [
            Unreadable::row(Requests, "a"),
            Unreadable::row(Requests, "b"),
            Unreadable::row(Objects, "a"),
            Unreadable::behind(Requests, "a"),
            Unreadable::behind(Requests, "b"),
            Unreadable::second(Requests, 1_795_348_800),
            Unreadable::second(Objects, 1_795_348_800),
        ];
        for (number, key) in keys.iter().enumerate() {
            let stream = if [2, 6].contains(&number) { "objects" } else { "requests" };
            assert!(key.starts_with(&format!("unreadable-{stream}-")), "{key}");
            assert!(!keys[..number].contains(key), "{key}");
        }
        assert_eq!(keys[5], "unreadable-requests-2026-11-22T12:00:00Z");
    }

    #[test]
    fn beyond_a_hundred_reasons_all_others_are_one() {
        let why = || "why".to_owned();
        assert_eq!(named(MAX_NAMED - 1, why()), "why");
        assert_ne!(named(MAX_NAMED, why()), "why");
    }
}
