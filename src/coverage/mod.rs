//! What of a stream is covered, and what is due: watermark, look-back, comparison, sweep.
//!
//! One owner of that state. It does no I/O: `plan` says what a run is to read,
//! `advance` takes note of how far the reading has come, `finish` says what a reading
//! that came to its end means. The ledger stores it, and knows nothing of it.
//!
//! Times are Unix seconds by Kong's clock.

mod sweep;

use serde::{Deserialize, Serialize};

pub use sweep::{ByTime, Partly, Sweep};

use crate::terms::{Stream, Window};

/// How far a stream has been read, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// End of the last completed window, or of a slice of one.
    watermark: Option<i64>,
    /// When a run last looked `lookback_secs` back.
    looked_back: Option<i64>,
    /// When everything that Kong retains was last compared.
    reconciled: Option<i64>,
    /// There may be rows without a time that no sweep has met.
    without_filters: bool,
    /// Comparisons since then that could not see everything.
    partly: Option<Partly>,
    /// The comparison that is under way, spread over runs.
    sweep: Option<Sweep>,
    /// The last run did not complete what was due.
    incomplete: bool,
    /// In the last comparison, or since, entries were met that do not tell their time.
    timeless: bool,
    /// Longest `ttl` seen, in seconds: Kong's retention where its `GET /` does not show it.
    longest_ttl: i64,
}

/// How a run goes through a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What is new since the watermark, and a little before it.
    Incremental,
    /// Everything that Kong retains, compared with the ledger.
    Reconcile,
    /// The same on a Kong too old for time filters, where nothing less can be asked for.
    Full,
}

impl Mode {
    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incremental => "incremental",
            Self::Reconcile => "reconcile",
            Self::Full => "full",
        }
    }
}

/// What can be asked of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filters {
    /// Everything only: Kong ignores `after` and `before`.
    Ignored,
    /// Windows, but no window holds rows without a time.
    Partial,
    /// Windows that make up everything.
    Complete,
}

impl Filters {
    /// What can be asked of `stream`. Objects that an older Kong wrote have no time, and no filter finds
    /// them.
    pub fn of(stream: Stream, kong_has_filters: bool) -> Self {
        match stream {
            _ if !kong_has_filters => Self::Ignored,
            Stream::Requests => Self::Complete,
            Stream::Objects => Self::Partial,
        }
    }
}

/// The spans, in seconds, that plans go by: the variables of these names.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    /// `overlap_secs`
    pub overlap: i64,
    /// `lookback_secs`
    pub lookback: i64,
    /// `reconcile_secs`; 0 for none.
    pub reconcile: i64,
    /// `full_secs`
    pub full: i64,
}

/// What a run is to do with a stream: first the window, then the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How.
    pub mode: Mode,
    /// The span to ask for, if any.
    pub window: Option<Window>,
    /// Whether everything that Kong retains is to be read, without filters.
    pub sweep: bool,
    /// New entries from before this are late: incremental runs would never have met them.
    pub late_before: Option<i64>,
    /// The window reaches `lookback_secs` back or further.
    pub looks_back: bool,
}

impl Plan {
    /// Whether nothing is due.
    pub fn is_empty(&self) -> bool {
        self.window.is_none() && !self.sweep
    }

    /// Whether the window is all of time.
    pub(crate) fn is_whole(&self) -> bool {
        self.window == Some(Window::default())
    }

    /// Whether it forgets how far earlier runs came.
    fn begins_anew(&self) -> bool {
        self.mode == Mode::Reconcile && self.is_whole()
    }
}

/// How far a reading has come, once all that was met before is accounted for.
pub enum Progress {
    /// Of a window.
    Window {
        /// The end of what was read of it.
        end: i64,
        /// The window reaches `lookback_secs` back or further.
        looks_back: bool,
    },
    /// Of a sweep.
    Sweep(Sweep),
}

/// A reading that came to its end.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "seven answers that do not depend on each other")]
pub struct Finished<'r> {
    /// What was to be done.
    pub plan: Plan,
    /// When the run began.
    pub now: i64,
    /// The window made up all that Kong retains.
    pub window_was_all: bool,
    /// The sweep that came to its end, if one did.
    pub swept: Option<&'r Sweep>,
    /// No entry that was met is pending.
    pub accounted_for: bool,
    /// No entry that the sweep met is pending.
    pub sweep_accounted_for: bool,
    /// An entry was met that does not tell its time.
    pub timeless: bool,
    /// Kong goes on writing rows that may have no time.
    pub writes_timeless: bool,
    /// A row was left out of which nobody knows in which bucket it is filed.
    pub untimed: bool,
    /// The reading ended at a row behind which more may lie.
    pub blocked: bool,
}

/// What the ledger need not keep any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Entries that were written before this.
    pub written: i64,
    /// Entries that Kong deleted before this.
    pub deleted: i64,
    /// Whether entries that tell no time at all go too: only when all that Kong retains was met.
    pub untold: bool,
}

/// How long Kong keeps entries, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// What is known of it.
    pub secs: i64,
    /// The longest that it may be.
    pub longest: i64,
}

impl Coverage {
    /// End of the last completed window, or of a slice of one.
    pub fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// When everything that Kong retains was last compared.
    pub fn compared(&self) -> Option<i64> {
        self.reconciled
    }

    /// Comparisons that could not see everything, since the last one that did.
    pub(crate) fn partly(&self) -> Option<Partly> {
        self.partly
    }

    /// Whether every entry that Kong holds tells its time, by the last comparison and what came since.
    pub(crate) fn all_have_times(&self) -> bool {
        self.reconciled.is_some() && !self.timeless && !self.without_filters
    }

    /// Whether Kong holds entries that do not tell their time.
    pub(crate) fn has_timeless(&self) -> bool {
        self.timeless
    }

    /// The longest `ttl` seen.
    pub(crate) fn longest_ttl(&self) -> i64 {
        self.longest_ttl
    }

    /// The sweep under way.
    pub fn under_way(&self) -> Option<&Sweep> {
        self.sweep.as_ref()
    }

    /// Whether the sweep under way has left entries behind that only another one meets.
    pub(crate) fn left_behind(&self) -> bool {
        self.sweep.as_ref().is_some_and(|sweep| sweep.left_behind)
    }

    /// Plans a stream's run that begins at `now`.
    ///
    /// An incremental window ends with the second after `now`, so that what Kong has written by now is in it;
    /// what is still being written in that second is left to the overlap of the next run.
    ///
    /// Where Kong filters, everything is read by a window: its slices are read oldest first, and each of them
    /// is progress. A sweep follows where rows may be in no window.
    pub(crate) fn plan(&self, spans: &Spans, filters: Filters, now: i64) -> Plan {
        let due = |last: Option<i64>, every: i64| {
            last.is_none_or(|last| now < last || now.saturating_sub(last) >= every)
        };
        let (mode, late_before) = (Mode::Full, None);
        let nothing = Plan { mode, window: None, sweep: false, late_before, looks_back: true };
        if filters == Filters::Ignored {
            let last = self.reconciled.max(self.partly.map(|partly| partly.last));
            let sweep = self.incomplete || self.sweep.is_some() || due(last, spans.full);
            return Plan { sweep, ..nothing };
        }
        let sweep = filters == Filters::Partial;
        let everything = Plan { window: Some(Window::default()), sweep, ..nothing };
        let Some(watermark) = self.watermark else {
            return Plan { mode: Mode::Incremental, ..everything };
        };
        let looks_back = self.incomplete || due(self.looked_back, spans.lookback);
        let after = if looks_back {
            // From where the last look back ended: what appeared since then may be that old.
            let last = watermark.min(self.looked_back.unwrap_or(watermark));
            last.saturating_sub(spans.lookback.max(spans.overlap))
        } else {
            watermark.saturating_sub(spans.overlap)
        };
        // A clock that went back further than the overlap leaves unknown how far the last run saw.
        if now < watermark.saturating_sub(spans.overlap) {
            return Plan { mode: Mode::Reconcile, late_before: Some(after), ..everything };
        }
        let window = Some(Window { after: Some(after), before: Some(now + 1) });
        let wanted = self.reconciled.is_none()
            || self.without_filters
            || (spans.reconcile > 0 && due(self.reconciled, spans.reconcile));
        // One that cannot see everything is not made in each run.
        let owed = self.partly.map(|partly| due(Some(partly.last), spans.lookback));
        let sweep = self.sweep.is_some() || owed.unwrap_or(wanted);
        if sweep {
            // Until all was compared once, nothing is late.
            let late_before = self.reconciled.map(|_| after);
            return Plan { mode: Mode::Reconcile, window, sweep, late_before, looks_back };
        }
        Plan { mode: Mode::Incremental, window, looks_back, ..nothing }
    }

    /// Takes note that a run begins `plan`. The stream is incomplete until the run has come to its end; the
    /// next write stores that. `writes_timeless` says that this Kong may write rows without a time.
    pub fn begin(&mut self, plan: &Plan, writes_timeless: bool) {
        self.without_filters |= writes_timeless;
        self.incomplete |= !plan.is_empty();
        if plan.begins_anew() {
            (self.watermark, self.sweep) = (None, None);
        }
    }

    /// The sweep to go on with: the one under way, or a new one where its place is worthless. That is so
    /// after Kong's clock went back, and on another version of Kong, which may order its pages otherwise.
    pub fn sweep(&self, now: i64, version: &str) -> Sweep {
        let under_way = self.sweep.clone();
        under_way
            .filter(|sweep| sweep.began <= now && sweep.version == version)
            .unwrap_or_else(|| Sweep::new(now, version))
    }

    /// Takes note of progress. All entries met before are accounted for, except those that a sweep has
    /// `left_behind`.
    pub fn advance(&mut self, progress: &Progress, left_behind: bool) {
        match progress {
            Progress::Window { end, looks_back } => {
                self.watermark = self.watermark.max(Some(*end));
                if *looks_back {
                    self.looked_back = self.looked_back.max(Some(*end));
                }
            }
            Progress::Sweep(sweep) => {
                let left_behind = sweep.left_behind || left_behind;
                self.sweep = Some(Sweep { left_behind, ..sweep.clone() });
            }
        }
    }

    /// Takes note of what a run met, whether or not it came to its end.
    pub fn met(&mut self, timeless: bool, longest_ttl: i64) {
        self.timeless |= timeless;
        self.longest_ttl = self.longest_ttl.max(longest_ttl);
    }

    /// Takes note of a reading that came to its end. Moves the watermark when every entry that was met is
    /// accounted for. Returns what the ledger may forget, when all that Kong retains was compared. An entry
    /// that only a window met does not hold up a sweep.
    pub fn finish(
        &mut self,
        finished: &Finished<'_>,
        retention: Retention,
        spans: &Spans,
    ) -> Option<Expiry> {
        let Finished { plan, now, accounted_for, .. } = *finished;
        let swept = finished.swept.filter(|_| finished.sweep_accounted_for);
        let read = match swept {
            Some(sweep) => Some(sweep.began),
            None => (finished.window_was_all && accounted_for).then_some(now),
        };
        let watermark = plan.window.map_or(read, |_| Some(now));
        if accounted_for && let Some(watermark) = watermark {
            self.watermark = Some(watermark);
            self.looked_back = plan.looks_back.then_some(watermark).or(self.looked_back);
            self.incomplete = false;
        }
        if let Some(last) = finished.swept.filter(|_| finished.blocked).map(|sweep| sweep.began) {
            let first = self.partly.map_or(last, |partly| partly.first);
            (self.partly, self.sweep) = (Some(Partly { first, last }), None);
            return None;
        }
        if let Some(compared) = read {
            (self.reconciled, self.partly, self.sweep) = (Some(compared), None, None);
            self.timeless = finished.timeless || swept.is_some_and(|sweep| sweep.timeless);
            self.without_filters = finished.writes_timeless;
            let written = compared.saturating_sub(retention.secs);
            let expiry = Expiry { written, deleted: compared, untold: true };
            return (!finished.untimed).then_some(expiry);
        }
        // Without comparisons, the ledger keeps what it knows twice as long as Kong keeps entries.
        let lets_go = accounted_for && spans.reconcile == 0 && plan.mode == Mode::Incremental;
        lets_go.then(|| Expiry {
            written: now - 2 * retention.longest,
            deleted: now - retention.longest,
            untold: false,
        })
    }

    /// The entries are another Kong's: none of them has been compared.
    pub(crate) fn forget_comparisons(&mut self) {
        (self.reconciled, self.partly, self.sweep) = (None, None, None);
    }
}

#[cfg(test)]
mod tests;
