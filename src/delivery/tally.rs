//! What was done for each stream.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::Failure;
use crate::report::StreamReport;
use crate::terms::Stream;

/// What was done for a stream.
#[derive(Default)]
pub struct Tally {
    /// The counts.
    pub report: StreamReport,
    /// Entries that count as shipped because Kong's Lambda recorded them.
    pub adopted: u64,
    /// Pending entries that the sweep met and the window did not.
    pub pending_in_sweep: u64,
    /// Why events are pending, and how many for each reason.
    pub pending: BTreeMap<String, u64>,
    /// How many of these cannot be read.
    pub left_out: u64,
    /// Why events became dead letters.
    pub rejected: BTreeSet<String>,
    /// Why places that could not be read became dead letters, and how many for each reason.
    pub unreadable: BTreeMap<String, u64>,
}

/// How far a delivery is, for those who watch it.
#[derive(Debug, Default)]
pub struct HowFar {
    /// The stream that is read; none before the first one.
    pub stream: Cell<Option<Stream>>,
    /// Its entries that were read from Kong.
    pub fetched: Cell<u64>,
    /// Those of them that the destination has.
    pub shipped: Cell<u64>,
    /// Up to when every one is accounted for, in Unix seconds by Kong's clock.
    pub until: Cell<Option<i64>>,
}

/// The result of a delivery.
pub struct Closed {
    /// What was done for each stream.
    pub tallies: BTreeMap<Stream, Tally>,
    /// Why it ended early.
    pub failure: Option<Failure>,
    /// The store has lost fingerprints.
    pub store_lost: bool,
    /// Entries that a run that died was about to send, and that Kong no longer shows.
    pub gone: u64,
    /// Entries that such a run was about to send, and that go out under new names.
    pub renamed: u64,
}
