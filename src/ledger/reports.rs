//! The last reports, kept beside the head for those who look at the ledger: a ring in one value, with what
//! was shipped by day and in all, which outlives the reports that drop out of the ring.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::LedgerError;
use crate::ports::KeyValue;
use crate::seal::{self, Mark};
use crate::store::Store;
use crate::terms::Stream;

/// The ring's name in the store.
pub const NAME: &str = "reports";
const MARK: Mark = *b"kcr2";

/// Most reports that are kept, and most bytes that they may take.
const MOST: usize = 100;
const MOST_BYTES: usize = 128 * 1024;

/// Most days of which it is kept what was shipped.
const MOST_DAYS: usize = 31;
const DAY_MS: i64 = 86_400_000;

/// A report, and when its run ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    /// In Unix milliseconds, by the host's clock.
    pub at_ms: i64,
    /// The report, as printed.
    pub report: Box<RawValue>,
}

/// What was shipped on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, u64, u64)", into = "(i64, u64, u64)")]
pub struct Day {
    /// Days since 1970, in UTC, by the clock of the hosts.
    pub number: i64,
    /// Entries of each stream, in their order.
    pub shipped: [u64; Stream::ALL.len()],
}

impl From<(i64, u64, u64)> for Day {
    fn from((number, requests, objects): (i64, u64, u64)) -> Self {
        Self { number, shipped: [requests, objects] }
    }
}

impl From<Day> for (i64, u64, u64) {
    fn from(Day { number, shipped: [requests, objects] }: Day) -> Self {
        (number, requests, objects)
    }
}

/// Sums over all reports since the ring began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Entries of each stream, in their order.
    pub shipped: [u64; Stream::ALL.len()],
    /// Runs, by the word of their outcome.
    pub runs: BTreeMap<String, u64>,
}

/// The last reports, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Reports {
    /// Each with its time.
    pub runs: VecDeque<Kept>,
    /// The last days on which something was shipped, oldest first.
    #[serde(default)]
    pub days: VecDeque<Day>,
    /// What all reports come to.
    #[serde(default)]
    pub totals: Totals,
}

/// What of a report is summed up.
#[derive(Deserialize)]
struct Counted {
    outcome: String,
    streams: BTreeMap<String, Shipped>,
}

#[derive(Deserialize)]
struct Shipped {
    shipped: u64,
}

impl Reports {
    /// Reads the ring; an empty one where there is none.
    pub fn load<P: KeyValue>(store: &Store<'_, P>) -> Result<Self, LedgerError> {
        let Some(value) = store.get(NAME)? else { return Ok(Self::default()) };
        store
            .open(NAME, MARK, &value)
            .and_then(seal::read_json)
            .map_err(LedgerError::at(store, NAME))
    }

    /// Adds a report, and drops the oldest where there are too many.
    pub fn add(&mut self, at_ms: i64, report: Box<RawValue>) {
        if let Ok(counted) = serde_json::from_str(report.get()) {
            self.count(at_ms, &counted);
        }
        self.runs.push_back(Kept { at_ms, report });
        let bytes =
            |runs: &VecDeque<Kept>| runs.iter().map(|run| run.report.get().len()).sum::<usize>();
        while self.runs.len() > MOST || (self.runs.len() > 1 && bytes(&self.runs) > MOST_BYTES) {
            self.runs.pop_front();
        }
    }

    fn count(&mut self, at_ms: i64, counted: &Counted) {
        let shipped = Stream::ALL
            .map(|stream| counted.streams.get(stream.name()).map_or(0, |told| told.shipped));
        *self.totals.runs.entry(counted.outcome.clone()).or_default() += 1;
        add(&mut self.totals.shipped, shipped);
        let number = at_ms.div_euclid(DAY_MS);
        if shipped == [0; Stream::ALL.len()] {
            return;
        }
        match self.days.iter_mut().find(|day| day.number == number) {
            Some(day) => add(&mut day.shipped, shipped),
            None => self.days.push_back(Day { number, shipped }),
        }
        while self.days.len() > MOST_DAYS {
            self.days.pop_front();
        }
    }

    /// Name and value to store.
    pub fn pair<P: KeyValue>(&self, store: &Store<'_, P>) -> (String, Vec<u8>) {
        (NAME.to_owned(), store.seal(NAME, MARK, &seal::json(self)))
    }
}

fn add(sums: &mut [u64; Stream::ALL.len()], more: [u64; Stream::ALL.len()]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::Memory;

    fn report(bytes: usize) -> Box<RawValue> {
        RawValue::from_string(format!("\"{}\"", "x".repeat(bytes))).unwrap()
    }

    #[test]
    fn the_last_hundred_are_kept_and_read_back_in_their_order() {
        let memory = Memory::default();
        let store = Store::new(&memory, "default");
        let mut reports = Reports::load(&store).unwrap();
        (0..103).for_each(|at_ms| reports.add(at_ms, report(10)));
        store.set_many(vec![reports.pair(&store)]).unwrap();
        let read = Reports::load(&store).unwrap();
        let times: Vec<_> = read.runs.iter().map(|run| run.at_ms).collect();
        assert_eq!(times, (3..103).collect::<Vec<_>>());
        assert_eq!(read.runs[0].report.get(), report(10).get());
    }

    #[test]
    fn large_reports_drive_out_more_and_one_alone_stays() {
        let mut reports = Reports::default();
        (0..5).for_each(|at_ms| reports.add(at_ms, report(40_000)));
        assert_eq!(reports.runs.len(), 3);
        reports.add(5, report(200_000));
        assert_eq!(reports.runs.len(), 1);
    }

    fn shipped(requests: u64, objects: u64) -> Box<RawValue> {
        let mut report = crate::report::Report::default();
        report.stream(Stream::Requests).shipped = requests;
        report.stream(Stream::Objects).shipped = objects;
        RawValue::from_string(report.line()).unwrap()
    }

    #[test]
    fn what_was_shipped_is_summed_by_day_and_outlives_the_reports() {
        let mut reports = Reports::default();
        for run in 0..120 {
            reports.add(run * DAY_MS / 3, shipped(2, 1));
        }
        reports.add(40 * DAY_MS, shipped(0, 0));
        assert_eq!(reports.runs.len(), MOST);
        assert_eq!(reports.totals.shipped, [240, 120]);
        assert_eq!(reports.totals.runs, BTreeMap::from([("ok".to_owned(), 121)]));
        assert_eq!(reports.days.len(), MOST_DAYS);
        assert_eq!(reports.days[0], Day { number: 9, shipped: [6, 3] });
        assert_eq!(reports.days[30], Day { number: 39, shipped: [6, 3] });
    }

    #[test]
    fn a_ring_from_before_the_sums_is_read() {
        let reports: Reports = serde_json::from_str(r#"{"runs":[]}"#).unwrap();
        assert_eq!(reports.totals, Totals::default());
    }
}
