//! The head: one small value for both streams that says what the ledger holds and how far it got.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::segments::segment_name;
use super::{LedgerError, intents};
use crate::coverage::Coverage;
use crate::ports::KeyValue;
use crate::seal::{self, Mark, ValueFault};
use crate::store::Store;
use crate::terms::{Bucket, Stream};

/// Its name in the store.
pub(crate) const NAME: &str = "head";

/// The mark of its value.
pub(crate) const MARK: Mark = *b"kch2";

/// The head as stored: JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// What took the events that the ledger remembers; none before anything was accepted.
    pub target: Option<String>,
    /// The Kong whose entries they were: origin and path of its Admin API.
    pub kong: String,
    /// Rises with each write, so that a store that was put back to an earlier state shows.
    pub generation: u64,
    /// The notes of the last report.
    #[serde(default)]
    pub notes: Option<BTreeSet<String>>,
    /// When Kong's ignore settings were last warned of.
    #[serde(default)]
    pub warned: Option<i64>,
    /// What is known of the index of dead letters, once there is one.
    #[serde(default)]
    pub dead_letters: Option<IndexState>,
    /// Interventions on record.
    #[serde(default)]
    pub interventions: u64,
    /// How many of them a run has told.
    #[serde(default)]
    pub told: u64,
    /// The names that are intended, by the place of the value that holds what is sent under each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intents: BTreeMap<usize, String>,
    /// Those of them of which a run has met a part and not the rest.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waited: BTreeSet<String>,
    streams: BTreeMap<String, StreamHead>,
}

/// What the head knows of the index of dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexState {
    /// Rises with each write of the index.
    pub generation: u64,
    /// Letters that it named.
    pub letters: u64,
}

/// One stream's part of the head.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamHead {
    /// How far it has been read.
    #[serde(flatten)]
    pub coverage: Coverage,
    /// The segments of each bucket.
    pub buckets: BTreeMap<Bucket, Vec<SegmentMeta>>,
}

/// What the head knows of a segment: fingerprints, earliest and latest ledger time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(usize, i64, i64)", into = "(usize, i64, i64)")]
pub struct SegmentMeta {
    /// Fingerprints in it.
    pub count: usize,
    /// Earliest ledger time.
    pub from: i64,
    /// Latest ledger time.
    pub to: i64,
}

impl From<(usize, i64, i64)> for SegmentMeta {
    fn from((count, from, to): (usize, i64, i64)) -> Self {
        Self { count, from, to }
    }
}

impl From<SegmentMeta> for (usize, i64, i64) {
    fn from(meta: SegmentMeta) -> Self {
        (meta.count, meta.from, meta.to)
    }
}

impl SegmentMeta {
    /// A segment without entries, which no time is in.
    pub(crate) const EMPTY: Self = Self { count: 0, from: i64::MAX, to: i64::MIN };

    /// Whether an entry of one of those ledger times could be in it.
    pub(crate) fn may_hold(&self, times: &RangeInclusive<i64>) -> bool {
        self.count > 0 && self.from <= *times.end() && *times.start() <= self.to
    }

    /// Widens the range so that `time` is in it.
    pub fn cover(&mut self, time: i64) {
        self.from = self.from.min(time);
        self.to = self.to.max(time);
    }
}

impl Head {
    /// The head of an empty ledger.
    pub fn new(kong: &str) -> Self {
        Self { kong: kong.to_owned(), ..Self::default() }
    }

    /// Reads it; none where there is no ledger. Stops accepting the previous key where the head is written with
    /// the current one: where there is none, other values tell which key wrote them.
    pub fn load<P: KeyValue>(store: &Store<'_, P>) -> Result<Option<Self>, LedgerError> {
        let Some(value) = store.get(NAME)? else { return Ok(None) };
        let head = store
            .open(NAME, MARK, &value)
            .and_then(Self::decode)
            .map_err(LedgerError::at(store, NAME))?;
        if !store.met_previous() {
            store.seals().forget_previous();
        }
        Ok(Some(head))
    }

    /// How many fingerprints are kept of `stream`.
    pub fn size(&mut self, stream: Stream) -> usize {
        let buckets = self.stream(stream).buckets.values();
        buckets.flatten().fold(0, |sum, segment| sum.saturating_add(segment.count))
    }

    /// One stream's part.
    pub fn stream(&mut self, stream: Stream) -> &mut StreamHead {
        self.streams.entry(stream.name().to_owned()).or_default()
    }

    /// Each stream's watermark, in their order.
    pub fn watermarks(&mut self) -> [Option<i64>; Stream::ALL.len()] {
        Stream::ALL.map(|stream| self.stream(stream).coverage.watermark())
    }

    /// The names of all segments, and of all places of intents: a head may come to name one whose value was lost
    /// meanwhile, and an older one is there again.
    pub(super) fn names(&mut self) -> Vec<String> {
        let mut names: Vec<_> = (0..intents::MOST).map(intents::value_name).collect();
        for stream in Stream::ALL {
            for (bucket, segments) in &self.stream(stream).buckets {
                let ids = (0..segments.len()).map(|index| (stream, *bucket, index));
                names.extend(ids.map(segment_name));
            }
        }
        names
    }

    /// Name and value of the head that follows this one.
    pub(super) fn next<P: KeyValue>(&self, store: &Store<'_, P>) -> (Self, (String, Vec<u8>)) {
        let mut next = Self { generation: self.generation.saturating_add(1), ..self.clone() };
        next.waited.retain(|name| next.intents.values().any(|intended| intended == name));
        let value = store.seal(NAME, MARK, &next.encode());
        (next, (NAME.to_owned(), value))
    }

    /// The body of the value to store.
    pub fn encode(&self) -> Vec<u8> {
        seal::json(self)
    }

    /// Reads the body of a stored value.
    pub fn decode(body: &[u8]) -> Result<Self, ValueFault> {
        seal::read_json(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_may_hold_what_its_range_covers_and_an_empty_one_nothing() {
        let mut segment = SegmentMeta::EMPTY;
        assert!(!segment.may_hold(&(0..=0)));
        segment.cover(10);
        segment.cover(5);
        let holds = |segment: SegmentMeta| {
            [4..=4, 5..=5, 7..=7, 10..=10, 11..=11, 1..=4, 1..=5, 10..=12]
                .map(|times| segment.may_hold(&times))
        };
        assert_eq!(holds(segment), [false; 8]);
        segment.count = 2;
        assert_eq!(holds(segment), [false, true, true, true, false, false, true, true]);
    }
}
