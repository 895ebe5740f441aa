//! The time under which the ledger files an entry, in buckets of six hours.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Six hours.
pub const BUCKET_SECS: i64 = 6 * 3600;

/// How far the time of the same entry may be off in another run: `ttl` is in whole seconds, and clocks of
/// Kong's nodes differ.
const SLACK_SECS: i64 = 300;

/// The time by which an entry is filed, in Unix seconds. It never moves, so that a later run looks for the
/// entry where an earlier one has filed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerTime {
    /// When it was written, by its own bytes.
    Written(i64),
    /// When Kong deletes it, where it does not tell when it was written: `Date` and `ttl`, which stay the
    /// same to a second or two.
    Expires(i64),
}

impl LedgerTime {
    /// The time of an entry that Kong showed at `date`: when it was `written`; else when Kong deletes it, by
    /// the `ttl` that is left. An entry that has neither is filed under 0.
    pub fn of(written: Option<i64>, ttl: Option<i64>, date: i64) -> Self {
        match (written, ttl) {
            (Some(written), _) => Self::Written(written),
            (None, Some(ttl)) => Self::Expires(date.saturating_add(ttl)),
            (None, None) => Self::Written(0),
        }
    }

    /// The seconds.
    pub fn secs(self) -> i64 {
        match self {
            Self::Written(secs) | Self::Expires(secs) => secs,
        }
    }

    /// The bucket in which it is filed.
    pub fn bucket(self) -> Bucket {
        self.bucket_of(self.secs())
    }

    /// The buckets in which an earlier run may have filed it.
    pub fn buckets(self) -> impl Iterator<Item = Bucket> {
        let seconds = self.range();
        let [first, last] = [*seconds.start(), *seconds.end()].map(|secs| self.bucket_of(secs));
        [Some(first), Some(last).filter(|last| *last != first)].into_iter().flatten()
    }

    /// The seconds under which an earlier run may have filed it.
    pub(crate) fn range(self) -> RangeInclusive<i64> {
        match self {
            Self::Written(secs) => secs..=secs,
            Self::Expires(secs) => {
                secs.saturating_sub(SLACK_SECS)..=secs.saturating_add(SLACK_SECS)
            }
        }
    }

    fn bucket_of(self, secs: i64) -> Bucket {
        let number = secs.div_euclid(BUCKET_SECS);
        match self {
            Self::Written(_) => Bucket::Written(number),
            Self::Expires(_) => Bucket::Expires(number),
        }
    }
}

/// Six hours of one kind of time; numbered from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Bucket {
    /// Entries written in it.
    Written(i64),
    /// Entries that Kong deletes in it.
    Expires(i64),
}

impl Bucket {
    /// The second after its last one.
    pub fn end(self) -> i64 {
        let (Self::Written(number) | Self::Expires(number)) = self;
        number.saturating_add(1).saturating_mul(BUCKET_SECS)
    }
}

/// As it stands in names and in the head: `83116`, or `x83116` where entries expire in it.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(number) => number.fmt(f),
            Self::Expires(number) => write!(f, "x{number}"),
        }
    }
}

impl FromStr for Bucket {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix('x') {
            Some(number) => number.parse().map(Self::Expires),
            None => text.parse().map(Self::Written),
        }
    }
}

impl From<Bucket> for String {
    fn from(bucket: Bucket) -> Self {
        bucket.to_string()
    }
}

impl TryFrom<String> for Bucket {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const DATE: i64 = 1_795_348_800;

    #[test]
    fn an_entry_is_filed_under_when_it_was_written_else_under_when_it_expires() {
        for (written, ttl, expected) in [
            (Some(1_542_130_367), Some(60), LedgerTime::Written(1_542_130_367)),
            (None, Some(60), LedgerTime::Expires(DATE + 60)),
            (None, Some(-60), LedgerTime::Expires(DATE - 60)),
            (None, None, LedgerTime::Written(0)),
        ] {
            assert_eq!(LedgerTime::of(written, ttl, DATE), expected);
        }
    }

    #[test]
    fn one_that_expires_is_looked_for_on_both_sides_of_a_near_border() {
        let border = 83_116 * BUCKET_SECS;
        let buckets = |secs| LedgerTime::Expires(secs).buckets().collect::<Vec<_>>();
        let [before, after] = [Bucket::Expires(83_115), Bucket::Expires(83_116)];
        assert_eq!(buckets(border - SLACK_SECS - 1), [before]);
        assert_eq!(buckets(border - SLACK_SECS), [before, after]);
        assert_eq!(buckets(border + SLACK_SECS - 1), [before, after]);
        assert_eq!(buckets(border + SLACK_SECS), [after]);
        let written = LedgerTime::Written(border - 1).buckets().collect::<Vec<_>>();
        assert_eq!(written, [Bucket::Written(83_115)]);
        assert_eq!(LedgerTime::Written(border).bucket().end(), border + BUCKET_SECS);
    }

    #[test]
    fn a_bucket_is_read_back_from_its_name() {
        for (bucket, name) in [
            (Bucket::Written(83_116), "83116"),
            (Bucket::Written(-1), "-1"),
            (Bucket::Expires(83_116), "x83116"),
        ] {
            assert_eq!(bucket.to_string(), name);
            assert_eq!(name.parse(), Ok(bucket));
        }
        assert!("y1".parse::<Bucket>().is_err());
    }
}
