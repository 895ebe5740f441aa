//! What a report says of a stream that is not complete.

use crate::kong::{Stream, Version};
use crate::ledger::Sweep;

/// Most entries of a stream that are meant to be read as a whole again and again.
pub const MOST_WITHOUT_FILTERS: usize = 1_000_000;

pub fn too_many(stream: Stream, version: &Version, kept: usize) -> String {
    format!(
        "the ledger holds {kept} fingerprints of {}, and Kong {} gives only all of them at once, which is meant for \
         {MOST_WITHOUT_FILTERS} at most: nothing is lost, but runs take ever longer; upgrade Kong to 3.7 or later, shorten \
         audit_log_record_ttl, or let no proxy drop the query",
        stream.name(),
        version
    )
}

pub fn left_behind_by(stream: Stream) -> String {
    format!(
        "{} entries that the comparison with all that Kong retains met before are pending: it begins again when it is \
         through, and tries them again",
        stream.name()
    )
}

pub fn not_compared(stream: Stream) -> String {
    format!(
        "all {} entries that tell their time are shipped, and those that do not are being looked for among all that Kong \
         retains: the next run goes on with it",
        stream.name()
    )
}

pub fn spread(stream: Stream, sweep: &Sweep) -> String {
    format!(
        "all {} entries that Kong {} held at {} are accounted for, and what came since is left to the next run: reading all \
         of them took several; raise run_budget_secs, or upgrade Kong to 3.7 or later",
        stream.name(),
        sweep.version,
        sweep.began
    )
}
