//! One stream in one run: what was to be done, and what was met.

use std::collections::BTreeSet;

use super::Halt;
use crate::coverage::{Filters, Finished, Plan, Sweep};
use crate::delivery::{Failure, Tally};
use crate::terms::{Bucket, Stream};

/// One stream in one run.
#[expect(clippy::struct_excessive_bools, reason = "what was met, each by itself")]
pub struct StreamRun {
    /// Which stream.
    pub stream: Stream,
    /// What Kong can be asked for.
    pub filters: Filters,
    /// What was to be done.
    pub plan: Plan,
    /// No earlier run has recorded anything of it.
    pub first: bool,
    /// One page held all that Kong retains.
    pub read_all: bool,
    /// An entry was met that does not tell its time.
    pub timeless: bool,
    /// Buckets whose entries Kong still holds.
    pub buckets: BTreeSet<Bucket>,
    /// A row was left out that does not tell its bucket.
    pub untimed: bool,
    /// A sweep ended at a row that fails, and cannot tell what lies behind it.
    pub blocked: bool,
    /// The sweep that came to its end.
    pub swept: Option<Sweep>,
    /// Why its reading, or the delivery, ended early.
    pub halted: Option<Halt>,
    /// The outcome of its entries.
    pub tally: Tally,
}

impl StreamRun {
    /// A stream of which nothing was read yet.
    pub fn new(stream: Stream, filters: Filters, plan: Plan, first: bool) -> Self {
        Self {
            stream,
            filters,
            plan,
            first,
            read_all: false,
            timeless: false,
            buckets: BTreeSet::new(),
            untimed: false,
            blocked: false,
            swept: None,
            halted: None,
            tally: Tally::default(),
        }
    }

    /// Whether it came to its end. Otherwise the next run looks back.
    pub fn ended(&self) -> bool {
        self.halted.is_none()
    }

    /// Whether a sweep is due and nothing forbids it.
    pub fn may_sweep(&self) -> bool {
        self.plan.sweep && !self.read_all && self.halted.is_none()
    }

    /// The sweep that ended in this run and began in an earlier one, where no window reads what came since.
    pub fn lags_behind(&self, now: i64) -> Option<&Sweep> {
        self.swept.as_ref().filter(|sweep| self.plan.window.is_none() && sweep.began < now)
    }

    /// Why nothing can be delivered, in whatever stream.
    pub fn failure(&self) -> Option<Failure> {
        match &self.halted {
            Some(Halt::Delivery(failure)) => Some(failure.clone()),
            _ => None,
        }
    }

    /// The stream's run, come to its end, as `Coverage::finish` takes it.
    pub fn finished(&self, now: i64, writes_timeless: bool) -> Finished<'_> {
        let window_was_all =
            self.plan.is_whole() && (self.read_all || self.filters == Filters::Complete);
        Finished {
            plan: self.plan,
            now,
            window_was_all,
            swept: self.swept.as_ref(),
            accounted_for: self.tally.report.pending == 0,
            sweep_accounted_for: self.tally.pending_in_sweep == 0,
            timeless: self.timeless,
            writes_timeless,
            untimed: self.untimed,
            blocked: self.blocked,
        }
    }
}
