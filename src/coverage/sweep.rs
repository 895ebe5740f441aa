//! How far a reading of everything that Kong retains has come.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::terms::Bucket;

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
    pub buckets: BTreeSet<Bucket>,
    /// An entry from before that place is pending, which only another reading meets again.
    pub left_behind: bool,
    /// It met entries that do not tell their time.
    #[serde(default)]
    pub timeless: bool,
    /// It left out rows that do not tell their bucket.
    #[serde(default)]
    pub untimed: bool,
    /// It has met a row that fails, and reads the rest by time.
    #[serde(default)]
    pub by_time: Option<ByTime>,
}

/// How far a sweep has come that reads by time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByTime {
    /// Everything from before is read; 0 at the beginning.
    pub from: i64,
    /// What to call the place of the row that fails.
    pub place: String,
    /// What Kong says there.
    pub error: String,
}

impl Sweep {
    /// A sweep that begins now.
    pub fn new(now: i64, version: &str) -> Self {
        Self { began: now, version: version.to_owned(), ..Self::default() }
    }
}

/// Comparisons that ended at a row which cannot be read, and did not see what lies behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partly {
    /// When the first of them began.
    pub first: i64,
    /// When the last one began.
    pub last: i64,
}
