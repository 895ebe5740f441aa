//! Which span of Kong timestamps a run asks for.

use super::{Entry, Stream, Version};
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
    /// Whether Kong may give the entry where it is asked for this window. One without a time is, as SQL has
    /// it, in none that has a bound; on one whose time is not in seconds, nobody can rule.
    pub fn may_hold(&self, entry: &Entry<'_>) -> bool {
        let Some(stamp) = entry.stamp() else {
            return !self.is_bounded() || entry.has_stamp();
        };
        if entry.exact_time().is_none() && stamp > 1 {
            return true;
        }
        self.after.is_none_or(|after| stamp >= after)
            && self.before.is_none_or(|before| stamp < before)
    }

    /// Whether times are asked for at all.
    pub fn is_bounded(&self) -> bool {
        *self != Self::default()
    }

    /// What of it lies before `border`, and the rest; all of it where nothing lies behind.
    pub fn split_at(self, border: i64) -> (Self, Option<Self>) {
        if self.before.is_some_and(|before| before <= border) {
            return (self, None);
        }
        let border = Some(border);
        (Self { before: border, ..self }, Some(Self { after: border, ..self }))
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

/// What can be asked of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filters {
    /// Everything only: Kong ignores `after` and `before`.
    Ignored,
    /// Windows; but rows without a time are in none.
    Partial,
    /// Windows that make up everything.
    Complete,
}

impl Filters {
    /// Rows of objects that Kong wrote before it gave them a time are, as SQL has it, in no window.
    pub fn of(stream: Stream, version: &Version) -> Self {
        match stream {
            _ if !version.has_time_filters() => Self::Ignored,
            Stream::Requests => Self::Complete,
            Stream::Objects => Self::Partial,
        }
    }
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
    /// Entries from before it, that incremental runs would never have met, are late.
    pub late_before: Option<i64>,
    /// The window reaches `lookback_secs` back or further.
    pub looks_back: bool,
}

impl Plan {
    /// Whether nothing is due.
    pub fn is_empty(&self) -> bool {
        self.window.is_none() && !self.sweep
    }

    /// Whether how far earlier runs came does not count.
    pub fn begins_anew(&self) -> bool {
        self.mode == Mode::Reconcile && self.is_whole()
    }

    /// Whether the window is all of time.
    pub fn is_whole(&self) -> bool {
        self.window == Some(Window::default())
    }
}

/// Plans a stream's run that begins at `now`, by Kong's clock.
///
/// An incremental window ends with the second after `now`, so that what Kong has written by now is
/// in it; what is still being written in that second is left to the overlap of the next run.
/// Everything is read by windows where Kong filters, since they are read oldest first and each of them is
/// progress. A sweep follows where rows may be in no window.
pub fn plan(config: &Config, head: &StreamHead, filters: Filters, now: i64) -> Plan {
    let due = |last: Option<i64>, every: i64| {
        last.is_none_or(|last| now < last || now.saturating_sub(last) >= every)
    };
    let nothing =
        Plan { mode: Mode::Full, window: None, sweep: false, late_before: None, looks_back: true };
    if filters == Filters::Ignored {
        let sweep =
            head.incomplete || head.sweep.is_some() || due(head.reconciled, config.full_secs);
        return Plan { sweep, ..nothing };
    }
    let sweep = filters == Filters::Partial;
    let everything = Plan { window: Some(Window::default()), sweep, ..nothing };
    let Some(watermark) = head.watermark else {
        return Plan { mode: Mode::Incremental, ..everything };
    };
    let looks_back = head.incomplete || due(head.looked_back, config.lookback_secs);
    let after = if looks_back {
        // From where the last look back ended: what appeared since then may be that old.
        let last = watermark.min(head.looked_back.unwrap_or(watermark));
        last.saturating_sub(config.lookback_secs.max(config.overlap_secs))
    } else {
        watermark.saturating_sub(config.overlap_secs)
    };
    // A clock that went back further than the overlap leaves unknown how far the last run saw.
    if now < watermark.saturating_sub(config.overlap_secs) {
        return Plan { mode: Mode::Reconcile, late_before: Some(after), ..everything };
    }
    let window = Some(Window { after: Some(after), before: Some(now + 1) });
    let sweep = head.sweep.is_some()
        || head.reconciled.is_none()
        || head.without_filters
        || (config.reconcile_secs > 0 && due(head.reconciled, config.reconcile_secs));
    if sweep {
        // Until all was compared once, nothing is late.
        let late_before = head.reconciled.map(|_| after);
        return Plan { mode: Mode::Reconcile, window, sweep, late_before, looks_back };
    }
    Plan { mode: Mode::Incremental, window, looks_back, ..nothing }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ledger::Sweep;

    const NOW: i64 = 1_795_348_800;

    fn config(overrides: &[(&str, &str)]) -> Config {
        Config::read(|name| {
            let value = overrides.iter().find(|pair| pair.0 == name);
            Ok(match name {
                "kong_admin_api" => Some("http://kong:8001".to_owned()),
                "channel_arn" => {
                    Some("arn:aws:cloudtrail:eu-west-1:123456789012:channel/a".to_owned())
                }
                "aws_access_key_id" | "aws_secret_access_key" => Some("x".to_owned()),
                _ => value.map(|pair| pair.1.to_owned()),
            })
        })
        .unwrap()
    }

    fn head(watermark: i64, looked_back: i64, reconciled: i64) -> StreamHead {
        StreamHead {
            watermark: Some(watermark),
            looked_back: Some(looked_back),
            reconciled: Some(reconciled),
            ..StreamHead::default()
        }
    }

    fn since(after: i64) -> Window {
        Window { after: Some(after), before: Some(NOW + 1) }
    }

    #[test]
    fn a_first_run_asks_for_everything() {
        let first = |filters| plan(&config(&[]), &StreamHead::default(), filters, NOW);
        let complete = first(Filters::Complete);
        assert_eq!((complete.mode, complete.sweep), (Mode::Incremental, false));
        assert!(complete.is_whole() && complete.late_before.is_none());
        let partial = first(Filters::Partial);
        assert_eq!((partial.mode, partial.sweep), (Mode::Incremental, true));
        assert!(partial.is_whole() && partial.late_before.is_none());
    }

    #[test]
    fn a_run_asks_for_what_is_new_and_the_overlap() {
        let plan =
            plan(&config(&[]), &head(NOW - 300, NOW - 600, NOW - 600), Filters::Complete, NOW);
        assert_eq!((plan.mode, plan.window), (Mode::Incremental, Some(since(NOW - 300 - 120))));
        assert!(!plan.looks_back);
    }

    #[test]
    fn a_look_back_reaches_lookback_secs_behind_the_one_before() {
        let plan =
            plan(&config(&[]), &head(NOW - 300, NOW - 3600, NOW - 3600), Filters::Complete, NOW);
        assert_eq!(plan.window, Some(since(NOW - 3600 - 3600)));
        assert!(plan.looks_back);
    }

    #[test]
    fn a_run_after_one_that_was_not_complete_looks_back() {
        let head = StreamHead { incomplete: true, ..head(NOW - 300, NOW - 300, NOW - 600) };
        assert_eq!(
            plan(&config(&[]), &head, Filters::Complete, NOW).window,
            Some(since(NOW - 300 - 3600))
        );
    }

    #[test]
    fn everything_is_compared_when_that_is_due_and_after_a_clock_went_back() {
        let due =
            plan(&config(&[]), &head(NOW - 300, NOW - 300, NOW - 86_400), Filters::Complete, NOW);
        assert_eq!((due.mode, due.window), (Mode::Reconcile, Some(since(NOW - 300 - 120))));
        assert_eq!((due.sweep, due.late_before), (true, Some(NOW - 300 - 120)));
        let off = config(&[("reconcile_secs", "0")]);
        assert_eq!(
            plan(&off, &head(NOW - 300, NOW - 300, NOW - 864_000), Filters::Complete, NOW).mode,
            Mode::Incremental
        );
        let ahead = head(NOW + 86_400, NOW + 86_400, NOW - 600);
        let complete = plan(&off, &ahead, Filters::Complete, NOW);
        assert_eq!((complete.mode, complete.sweep), (Mode::Reconcile, false));
        assert!(complete.is_whole());
        let partial = plan(&off, &ahead, Filters::Partial, NOW);
        assert_eq!((partial.mode, partial.sweep), (Mode::Reconcile, true));
        assert!(partial.is_whole());
        assert!(complete.begins_anew() && partial.begins_anew() && !due.begins_anew());
    }

    #[test]
    fn a_sweep_that_was_begun_goes_on_beside_what_is_new() {
        let off = config(&[("reconcile_secs", "0")]);
        let sweep = Some(Sweep { began: NOW - 300, ..Sweep::default() });
        let head = StreamHead { sweep, ..head(NOW - 300, NOW - 300, NOW - 600) };
        let plan = plan(&off, &head, Filters::Complete, NOW);
        assert_eq!((plan.window, plan.sweep), (Some(since(NOW - 300 - 120)), true));
    }

    #[test]
    fn everything_is_compared_after_an_upgrade_from_a_kong_without_time_filters() {
        let off = config(&[("reconcile_secs", "0")]);
        let head = StreamHead { without_filters: true, ..head(NOW - 300, NOW - 300, NOW - 300) };
        assert_eq!(plan(&off, &head, Filters::Complete, NOW).mode, Mode::Reconcile);
        assert!(!plan(&off, &head, Filters::Ignored, NOW).sweep);
    }

    #[test]
    fn a_clock_that_went_back_a_little_leaves_no_hole() {
        let off = config(&[("reconcile_secs", "0")]);
        let plan = plan(&off, &head(NOW + 60, NOW, NOW - 600), Filters::Complete, NOW);
        assert_eq!(plan.window, Some(since(NOW + 60 - 120)));
    }

    #[test]
    fn without_time_filters_all_is_read_when_full_secs_have_passed() {
        let full = |head: &StreamHead| plan(&config(&[]), head, Filters::Ignored, NOW);
        assert!(full(&head(NOW - 300, NOW - 300, NOW - 300)).is_empty());
        let due = full(&head(NOW - 300, NOW - 300, NOW - 3600));
        assert_eq!((due.mode, due.window, due.sweep), (Mode::Full, None, true));
        assert!(full(&StreamHead::default()).sweep);
    }

    #[test]
    fn windows_that_are_split_off_make_up_the_whole() {
        let (first, rest) = Window::default().split_at(100);
        assert_eq!(first, Window { after: None, before: Some(100) });
        let (second, last) = rest.unwrap().split_at(200);
        assert_eq!(second, Window { after: Some(100), before: Some(200) });
        assert_eq!(last, Some(Window { after: Some(200), before: None }));
        assert_eq!(since(100).split_at(NOW + 1), (since(100), None));
    }
}
