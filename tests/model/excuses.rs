//! What the judge in [`crate::arrived`] does not hold against a run, each thing by its name. Each is needed, and
//! none excuses more than it says: [`crate::excused`] has a history for either.

use kong_cloudtrail::terms::Stream;

use crate::entry::Kept;
use crate::host::FULL_SECS;
use crate::truth::{Run, Truth};

/// Why an entry may be missing from CloudTrail, or a run be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// The run does not say ok, so it claims nothing.
    NotOk,
    /// Kong gives only everything, and everything was compared a moment ago: the run did not read the stream.
    NothingWasDue,
    /// Kong showed the entry after the run had begun.
    ShownLater,
    /// Kong does not show the entry any more.
    Gone,
    /// Offsets are positions, and what went while the run was reading moved the entry out of its sight.
    Shifted,
    /// That happened in an earlier run, and since then none has looked at everything.
    Missed,
    /// No window has shown the entry yet: it has no time, or is later than any of them goes back.
    NoWindow,
    /// Kong's clock was set, so that its seconds do not tell when a look-back was due.
    ClockMoved,
    /// Another run was under way when this one began: what that has completed is not on the accounts.
    NotAlone,
    /// The comparison is spread over runs, and what came after it had begun is left to the next one.
    Spread,
    /// The store lost writes under the run, which had read it before.
    StoreWentBack,
    /// The store lost writes, so that the ledger may say again what it said under another clock.
    Forgotten,
}

impl Truth {
    /// Whether that excuses something. A test takes an excuse away to see that it is needed.
    pub fn excuses(&self, excuse: Excuse, holds: bool) -> bool {
        holds && self.without != Some(excuse)
    }
}

/// Whether the run had nothing to read of the stream, by its `mode`, and by when everything was `compared`
/// last, as the ledger had it in the beginning and has it now.
pub fn nothing_was_due(
    run: &Run,
    stream: Stream,
    mode: Option<&str>,
    compared: Option<i64>,
    now: i64,
) -> bool {
    let before = run.compared[stream as usize];
    let is_recent = before.is_some_and(|last| (0..FULL_SECS).contains(&(now - last)));
    mode == Some("full") && compared == before && is_recent
}

/// Whether Kong showed the entry after a run had begun, or in that very second.
pub fn shown_later(entry: &Kept, began: i64) -> bool {
    entry.visible >= began
}

/// Whether Kong's clock was set, and no run has said ok between that and the entry. After one the last
/// look-back is not ahead of Kong's clock.
pub fn clock_moved(truth: &Truth, entry: &Kept) -> bool {
    truth.kong_clock_moved.is_some_and(|moved| {
        let settles = |run: &Run| run.said_ok && run.started > moved && run.started < entry.visible;
        !truth.runs.iter().any(settles)
    })
}
