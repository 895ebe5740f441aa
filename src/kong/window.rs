//! Which span of Kong timestamps a run asks for.

use crate::config::Config;
use crate::ledger::StreamHead;

/// A half-open span of Kong timestamps `[after, before)`, in Unix seconds; `None` is unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// First second that is in it.
    pub after: Option<i64>,
    /// First second that is not.
    pub before: Option<i64>,
}

impl Window {
    /// Whether an entry of that time is in it. One without a time is: no filter can rule on it.
    pub fn holds(&self, time: Option<i64>) -> bool {
        time.is_none_or(|time| {
            self.after.is_none_or(|after| time >= after)
                && self.before.is_none_or(|before| time < before)
        })
    }
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

/// What a run is to do with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How.
    pub mode: Mode,
    /// The span to ask for; `None` when nothing is due.
    pub window: Option<Window>,
    /// Entries from before it, that incremental runs would never have met, are late.
    pub late_before: Option<i64>,
    /// The window reaches `lookback_secs` back or further.
    pub looks_back: bool,
}

/// Plans a stream's run that begins at `now`, by Kong's clock.
///
/// The window ends with the second after `now`, so that what Kong has written by now is in it; what
/// is still being written in that second is left to the overlap of the next run.
pub fn plan(config: &Config, head: &StreamHead, time_filters: bool, now: i64) -> Plan {
    let due =
        |last: Option<i64>, every: i64| last.is_none_or(|last| now < last || now - last >= every);
    let look_back = head.incomplete || due(head.looked_back, config.lookback_secs);
    let back =
        if look_back { config.lookback_secs.max(config.overlap_secs) } else { config.overlap_secs };
    // A clock that was set back must not leave a hole between its old and its new time.
    let after = head.watermark.map(|watermark| watermark.min(now) - back);
    let before = Some(now + 1);

    if !time_filters {
        let is_due = head.incomplete || due(head.reconciled, config.full_secs);
        let window = is_due.then_some(Window::default());
        return Plan { mode: Mode::Full, window, late_before: None, looks_back: true };
    }
    let reconcile_due = head.reconciled.is_none()
        || (config.reconcile_secs > 0 && due(head.reconciled, config.reconcile_secs));
    match after {
        Some(_) if !reconcile_due => Plan {
            mode: Mode::Incremental,
            window: Some(Window { after, before }),
            late_before: None,
            looks_back: look_back,
        },
        Some(_) => Plan {
            mode: Mode::Reconcile,
            window: Some(Window { after: None, before }),
            late_before: after,
            looks_back: true,
        },
        // The first run: the window has no beginning, and counts as a reconcile once complete.
        None => Plan {
            mode: Mode::Incremental,
            window: Some(Window { after: None, before }),
            late_before: None,
            looks_back: true,
        },
    }
}
