//! The last reports, kept beside the head for those who look at the ledger: a ring in one value.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::LedgerError;
use crate::ports::KeyValue;
use crate::seal::{self, Mark};
use crate::store::Store;

/// The ring's name in the store.
pub const NAME: &str = "reports";
const MARK: Mark = *b"kcr2";

/// Most reports that are kept, and most bytes that they may take.
const MOST: usize = 100;
const MOST_BYTES: usize = 128 * 1024;

/// A report, and when its run ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    /// In Unix milliseconds, by the host's clock.
    pub at_ms: i64,
    /// The report, as printed.
    pub report: Box<RawValue>,
}

/// The last reports, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Reports {
    /// Each with its time.
    pub runs: VecDeque<Kept>,
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
        self.runs.push_back(Kept { at_ms, report });
        let bytes =
            |runs: &VecDeque<Kept>| runs.iter().map(|run| run.report.get().len()).sum::<usize>();
        while self.runs.len() > MOST || (self.runs.len() > 1 && bytes(&self.runs) > MOST_BYTES) {
            self.runs.pop_front();
        }
    }

    /// Name and value to store.
    pub fn pair<P: KeyValue>(&self, store: &Store<'_, P>) -> (String, Vec<u8>) {
        (NAME.to_owned(), store.seal(NAME, MARK, &seal::json(self)))
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
}
