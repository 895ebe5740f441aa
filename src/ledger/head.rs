//! The head: one small value for both streams that says what the ledger holds and how far it got.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::sealed::{self, Mark, ValueFault};
use crate::kong::Stream;

const MARK: Mark = *b"kch1";

/// The head as stored: JSON, sealed ([`super::sealed`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The channel whose events the ledger remembers.
    pub channel: String,
    /// The Kong whose entries they were: origin and path of its Admin API.
    pub kong: String,
    /// When Kong's ignore settings were last warned of.
    #[serde(default)]
    pub warned: Option<i64>,
    /// There is an index of dead letters.
    #[serde(default)]
    pub dead_letters: bool,
    streams: BTreeMap<String, StreamHead>,
}

/// One stream's part of the head. Times are Unix seconds by Kong's clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamHead {
    /// End of the last completed window, or of a slice of one.
    pub watermark: Option<i64>,
    /// When a run last looked `lookback_secs` back.
    pub looked_back: Option<i64>,
    /// When everything that Kong retains was last compared.
    pub reconciled: Option<i64>,
    /// There may be rows without a time that no sweep has met.
    pub without_filters: bool,
    /// When a window last met a second with more entries than a page of an older Kong, until a sweep
    /// that began then or later has come to its end.
    pub crowded: Option<i64>,
    /// The comparison that is under way, spread over runs.
    pub sweep: Option<Sweep>,
    /// The last run did not complete its window.
    pub incomplete: bool,
    /// Longest `ttl` seen, in seconds: Kong's retention where its `GET /` does not show it.
    pub longest_ttl: i64,
    /// Buckets by number (ledger time divided by [`BUCKET_SECS`]).
    pub buckets: BTreeMap<i64, Vec<SegmentMeta>>,
}

/// How far a reading of everything that Kong retains has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// When it began.
    pub began: i64,
    /// Kong's version.
    pub version: String,
    /// Where its next page begins.
    pub offset: Option<String>,
    /// Buckets whose entries Kong still holds.
    pub buckets: BTreeSet<i64>,
    /// An entry from before that place is pending, which only another reading meets again.
    pub left_behind: bool,
}

/// Six hours.
pub const BUCKET_SECS: i64 = 6 * 3600;

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
    pub const EMPTY: Self = Self { count: 0, from: i64::MAX, to: i64::MIN };

    /// Whether an entry of that ledger time could be in it.
    pub fn may_hold(&self, time: i64) -> bool {
        self.count > 0 && self.from <= time && time <= self.to
    }

    /// Widens the range so that `time` is in it.
    pub fn cover(&mut self, time: i64) {
        self.from = self.from.min(time);
        self.to = self.to.max(time);
    }
}

impl Head {
    /// The head of an empty ledger.
    pub fn new(channel: &str, kong: &str) -> Self {
        Self {
            channel: channel.to_owned(),
            kong: kong.to_owned(),
            warned: None,
            dead_letters: false,
            streams: BTreeMap::new(),
        }
    }

    /// One stream's part.
    pub fn stream(&mut self, stream: Stream) -> &mut StreamHead {
        self.streams.entry(stream.name().to_owned()).or_default()
    }

    /// Each stream's watermark, in their order.
    pub fn watermarks(&mut self) -> [Option<i64>; Stream::ALL.len()] {
        Stream::ALL.map(|stream| self.stream(stream).watermark)
    }

    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        sealed::seal_json(MARK, self)
    }

    /// Reads a stored value.
    pub fn decode(value: &[u8]) -> Result<Self, ValueFault> {
        sealed::open_json(MARK, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_may_hold_what_its_range_covers_and_an_empty_one_nothing() {
        let mut segment = SegmentMeta::EMPTY;
        assert!(!segment.may_hold(0));
        segment.cover(10);
        segment.cover(5);
        let holds = |segment: SegmentMeta| [4, 5, 7, 10, 11].map(|time| segment.may_hold(time));
        assert_eq!(holds(segment), [false; 5]);
        segment.count = 2;
        assert_eq!(holds(segment), [false, true, true, true, false]);
    }
}
