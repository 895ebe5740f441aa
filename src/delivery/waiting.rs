//! Entries that wait for the answers to their events, and the progress that waits for them.

use std::collections::{BTreeMap, VecDeque};

use crate::coverage::Progress;
use crate::ledger::Fingerprint;
use crate::terms::{LedgerTime, Stream};

/// The most steps of progress that are kept of one reading.
pub const MAX_PROGRESS: usize = 50;

/// The reading that met an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// The slices of a window.
    Window,
    /// A sweep.
    Sweep,
}

/// An entry of which not all events are decided.
#[expect(clippy::struct_excessive_bools, reason = "what is known of it, in no order")]
pub struct PendingEntry {
    pub stream: Stream,
    pub reading: Reading,
    pub fingerprint: Fingerprint,
    pub time: LedgerTime,
    /// The time by which Kong's filters go, where it has one.
    pub stamp: Option<i64>,
    pub late: bool,
    /// How log lines name it.
    pub name: String,
    /// It became several events.
    pub is_in_parts: bool,
    pub events_left: usize,
    pub rejected: bool,
    /// One of its events has met a code of its own that may pass.
    pub failing: bool,
}

impl PendingEntry {
    /// By which the ledger knows its event at that place.
    pub fn of_part(&self, part: usize) -> Fingerprint {
        if self.is_in_parts { self.fingerprint.part(part) } else { self.fingerprint }
    }

    /// Whether the entry keeps the watermark from passing `end`. An entry without a stamp may be of any
    /// slice.
    fn is_from_before(&self, end: i64) -> bool {
        self.stamp.is_none_or(|stamp| stamp < end)
    }
}

/// The entries of a run, numbered as they are met.
#[derive(Default)]
pub struct Waiting {
    entries: BTreeMap<u64, PendingEntry>,
    met: u64,
    /// Each step with the number of entries met before it.
    progress: BTreeMap<(Stream, Reading), VecDeque<(u64, Progress)>>,
    /// What was left out, and so stays pending: the number of the first entry, and the earliest stamp where
    /// all have one.
    left_out: BTreeMap<(Stream, Reading), (u64, Option<i64>)>,
}

impl Waiting {
    /// The number of the next entry.
    pub fn number(&mut self) -> u64 {
        self.met += 1;
        self.met - 1
    }

    /// The entry of that number waits.
    pub fn insert(&mut self, number: u64, entry: PendingEntry) {
        self.entries.insert(number, entry);
    }

    /// The entry of that number, if it waits.
    pub fn get(&mut self, number: u64) -> Option<&mut PendingEntry> {
        self.entries.get_mut(&number)
    }

    /// The entry of that number no longer waits.
    pub fn remove(&mut self, number: u64) -> Option<PendingEntry> {
        self.entries.remove(&number)
    }

    /// All that wait.
    pub fn entries(&self) -> impl Iterator<Item = &PendingEntry> {
        self.entries.values()
    }

    /// Takes note of an entry that cannot be read, and so waits until the end.
    pub fn leave_out(&mut self, stream: Stream, reading: Reading, stamp: Option<i64>) {
        let number = self.number();
        let (_, earliest) = self.left_out.entry((stream, reading)).or_insert((number, stamp));
        *earliest = (*earliest).zip(stamp).map(|(one, other)| one.min(other));
    }

    /// Takes note of how far a reading has come. When there are too many steps, the latest one takes the
    /// place of the one before.
    pub fn reached(&mut self, stream: Stream, reading: Reading, progress: Progress) {
        let queue = self.progress.entry((stream, reading)).or_default();
        if queue.len() >= MAX_PROGRESS {
            queue.pop_back();
        }
        queue.push_back((self.met, progress));
    }

    /// Gives `advance` each step of progress that need not wait any more, and whether it leaves entries
    /// behind.
    ///
    /// A watermark waits for every entry from before it. The place of a sweep waits for answers alone.
    /// Entries that fail by themselves, or were left out, are left to another sweep. Otherwise this sweep
    /// would read the same part in each run.
    pub fn advance(&mut self, mut advance: impl FnMut(Stream, &Progress, bool)) {
        for ((stream, reading), queue) in &mut self.progress {
            let left_out = self.left_out.get(&(*stream, *reading)).copied();
            while let Some((met, progress)) = queue.front() {
                let open = self.entries.range(..*met).map(|(_, entry)| entry);
                let mut open = open.filter(|entry| entry.stream == *stream);
                let left_out = left_out.filter(|(number, _)| number < met);
                match progress {
                    Progress::Window { end, .. } => {
                        let is_from_before =
                            |(_, stamp): (u64, Option<i64>)| stamp.is_none_or(|stamp| stamp < *end);
                        if left_out.is_some_and(is_from_before)
                            || open.any(|entry| entry.is_from_before(*end))
                        {
                            break;
                        }
                        advance(*stream, progress, false);
                    }
                    Progress::Sweep(_) => {
                        // Entries that a window met are left to windows.
                        let own: Vec<_> = open.filter(|entry| entry.reading == *reading).collect();
                        if own.iter().any(|entry| !entry.failing) {
                            break;
                        }
                        advance(*stream, progress, left_out.is_some() || !own.is_empty());
                    }
                }
                queue.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::Sweep;

    const NOON: i64 = 1_795_348_800;

    fn entry(stream: Stream, reading: Reading, stamp: Option<i64>) -> PendingEntry {
        let (fingerprint, time) = (Fingerprint([0; Fingerprint::LEN]), LedgerTime::Written(0));
        let (name, late, rejected, failing) = (String::new(), false, false, false);
        PendingEntry {
            stream,
            reading,
            fingerprint,
            time,
            stamp,
            late,
            name,
            is_in_parts: false,
            events_left: 1,
            rejected,
            failing,
        }
    }

    fn window(end: i64) -> Progress {
        Progress::Window { end, looks_back: false }
    }

    fn sweep(began: i64) -> Progress {
        Progress::Sweep(Sweep::new(began, "3.9"))
    }

    /// What is advanced: the ends of windows and the beginnings of sweeps, and whether entries are left behind.
    fn advanced(waiting: &mut Waiting) -> Vec<(i64, bool)> {
        let mut all = Vec::new();
        waiting.advance(|_, progress, left_behind| {
            let at = match progress {
                Progress::Window { end, .. } => *end,
                Progress::Sweep(sweep) => sweep.began,
            };
            all.push((at, left_behind));
        });
        all
    }

    #[test]
    fn a_watermark_waits_for_what_is_from_before_it_and_was_met_before_it() {
        use Reading::Window;
        use Stream::{Objects, Requests};
        for (case, stream, stamp, waits) in [
            ("from before", Requests, Some(NOON - 1), true),
            ("from its very second", Requests, Some(NOON), false),
            ("of unknown time", Requests, None, true),
            ("of the other stream", Objects, Some(NOON - 1), false),
        ] {
            let mut waiting = Waiting::default();
            let number = waiting.number();
            waiting.insert(number, entry(stream, Window, stamp));
            waiting.reached(Requests, Window, window(NOON));
            let expected = if waits { vec![] } else { vec![(NOON, false)] };
            assert_eq!(advanced(&mut waiting), expected, "{case}");
            waiting.remove(number);
            let later = if waits { vec![(NOON, false)] } else { vec![] };
            assert_eq!(advanced(&mut waiting), later, "{case}, once it is decided");
        }
        let mut waiting = Waiting::default();
        waiting.reached(Requests, Window, window(NOON));
        let number = waiting.number();
        waiting.insert(number, entry(Requests, Window, Some(NOON - 1)));
        assert_eq!(advanced(&mut waiting), [(NOON, false)], "what is met later does not count");
    }

    #[test]
    fn the_place_of_a_sweep_waits_for_answers_and_leaves_behind_what_fails() {
        use Stream::Requests;
        for (case, reading, failing, expected) in [
            ("no answer yet", Reading::Sweep, false, vec![]),
            ("it fails by itself", Reading::Sweep, true, vec![(NOON, true)]),
            ("a window's", Reading::Window, false, vec![(NOON, false)]),
        ] {
            let mut waiting = Waiting::default();
            let number = waiting.number();
            let entry = entry(Requests, reading, None);
            waiting.insert(number, PendingEntry { failing, ..entry });
            waiting.reached(Requests, Reading::Sweep, sweep(NOON));
            assert_eq!(advanced(&mut waiting), expected, "{case}");
        }
    }

    #[test]
    fn what_was_left_out_holds_a_watermark_and_is_left_behind_by_a_sweep_that_met_it() {
        use Reading::{Sweep, Window};
        use Stream::Requests;
        for (stamp, held) in [(None, true), (Some(NOON - 1), true), (Some(NOON), false)] {
            let mut waiting = Waiting::default();
            waiting.leave_out(Requests, Window, Some(NOON + 5));
            waiting.leave_out(Requests, Window, stamp);
            waiting.reached(Requests, Window, window(NOON));
            assert_eq!(advanced(&mut waiting).is_empty(), held, "{stamp:?}");
        }
        let mut waiting = Waiting::default();
        waiting.reached(Requests, Sweep, sweep(NOON));
        waiting.leave_out(Requests, Sweep, None);
        waiting.reached(Requests, Sweep, sweep(NOON + 1));
        assert_eq!(advanced(&mut waiting), [(NOON, false), (NOON + 1, true)]);
    }

    #[test]
    fn of_too_many_steps_the_last_takes_the_place_of_the_one_before() {
        let mut waiting = Waiting::default();
        let steps = i64::try_from(MAX_PROGRESS).unwrap_or_default();
        (0..=steps).for_each(|n| waiting.reached(Stream::Requests, Reading::Window, window(n)));
        let ends: Vec<_> = advanced(&mut waiting).into_iter().map(|(end, _)| end).collect();
        assert_eq!(ends, (0..steps - 1).chain([steps]).collect::<Vec<_>>());
    }
}
