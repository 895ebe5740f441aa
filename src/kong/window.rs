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

    /// The window in two, the older half first; none when it is unbounded or a single second.
    pub fn halves(&self) -> Option<(Self, Self)> {
        let (after, before) = (self.after?, self.before?);
        let middle = after + (before - after) / 2;
        (after < middle && middle < before).then_some((
            Self { after: Some(after), before: Some(middle) },
            Self { after: Some(middle), before: Some(before) },
        ))
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
/// An incremental window ends with the second after `now`, so that what Kong has written by now is
/// in it; what is still being written in that second is left to the overlap of the next run. A first
/// run and a reconcile ask without any bound: entries without a time are in no window (as SQL has
/// it), and rows that Kong wrote before it gave objects a time are among them. So the first run after
/// an upgrade from such a Kong is a reconcile too.
pub fn plan(config: &Config, head: &StreamHead, time_filters: bool, now: i64) -> Plan {
    let due = |last: Option<i64>, every: i64| {
        last.is_none_or(|last| now < last || now.saturating_sub(last) >= every)
    };
    let everything = Plan {
        mode: Mode::Reconcile,
        window: Some(Window::default()),
        late_before: None,
        looks_back: true,
    };
    if !time_filters {
        let is_due = head.incomplete || due(head.reconciled, config.full_secs);
        let window = is_due.then_some(Window::default());
        return Plan { mode: Mode::Full, window, ..everything };
    }
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
    let reconcile_due = config.reconcile_secs > 0 && due(head.reconciled, config.reconcile_secs);
    // A clock that went back further than the overlap leaves unknown how far the last run saw.
    let clock_went_back = now < watermark.saturating_sub(config.overlap_secs);
    let first = head.reconciled.is_none() || head.without_filters;
    if first || reconcile_due || clock_went_back {
        return Plan { late_before: Some(after), ..everything };
    }
    let window = Some(Window { after: Some(after), before: Some(now + 1) });
    Plan { mode: Mode::Incremental, window, looks_back, ..everything }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

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
        let plan = plan(&config(&[]), &StreamHead::default(), true, NOW);
        assert_eq!((plan.mode, plan.window), (Mode::Incremental, Some(Window::default())));
        assert_eq!(plan.late_before, None);
    }

    #[test]
    fn a_run_asks_for_what_is_new_and_the_overlap() {
        let plan = plan(&config(&[]), &head(NOW - 300, NOW - 600, NOW - 600), true, NOW);
        assert_eq!((plan.mode, plan.window), (Mode::Incremental, Some(since(NOW - 300 - 120))));
        assert!(!plan.looks_back);
    }

    #[test]
    fn a_look_back_reaches_lookback_secs_behind_the_one_before() {
        let plan = plan(&config(&[]), &head(NOW - 300, NOW - 3600, NOW - 3600), true, NOW);
        assert_eq!(plan.window, Some(since(NOW - 3600 - 3600)));
        assert!(plan.looks_back);
    }

    #[test]
    fn a_run_after_one_that_was_not_complete_looks_back() {
        let head = StreamHead { incomplete: true, ..head(NOW - 300, NOW - 300, NOW - 600) };
        assert_eq!(plan(&config(&[]), &head, true, NOW).window, Some(since(NOW - 300 - 3600)));
    }

    #[test]
    fn everything_is_compared_when_that_is_due_and_after_a_clock_went_back() {
        let due = plan(&config(&[]), &head(NOW - 300, NOW - 300, NOW - 86_400), true, NOW);
        assert_eq!((due.mode, due.window), (Mode::Reconcile, Some(Window::default())));
        assert_eq!(due.late_before, Some(NOW - 300 - 120));
        let off = config(&[("reconcile_secs", "0")]);
        assert_eq!(
            plan(&off, &head(NOW - 300, NOW - 300, NOW - 864_000), true, NOW).mode,
            Mode::Incremental
        );
        let ahead = head(NOW + 86_400, NOW + 86_400, NOW - 600);
        assert_eq!(plan(&off, &ahead, true, NOW).mode, Mode::Reconcile);
    }

    #[test]
    fn everything_is_compared_after_an_upgrade_from_a_kong_without_time_filters() {
        let off = config(&[("reconcile_secs", "0")]);
        let head = StreamHead { without_filters: true, ..head(NOW - 300, NOW - 300, NOW - 300) };
        assert_eq!(plan(&off, &head, true, NOW).mode, Mode::Reconcile);
        assert_eq!(plan(&off, &head, false, NOW).window, None);
    }

    #[test]
    fn a_clock_that_went_back_a_little_leaves_no_hole() {
        let off = config(&[("reconcile_secs", "0")]);
        let plan = plan(&off, &head(NOW + 60, NOW, NOW - 600), true, NOW);
        assert_eq!(plan.window, Some(since(NOW + 60 - 120)));
    }

    #[test]
    fn without_time_filters_all_is_read_when_full_secs_have_passed() {
        let full = |head: &StreamHead| plan(&config(&[]), head, false, NOW);
        assert_eq!(full(&head(NOW - 300, NOW - 300, NOW - 300)).window, None);
        assert_eq!(full(&head(NOW - 300, NOW - 300, NOW - 3600)).window, Some(Window::default()));
        assert_eq!(full(&StreamHead::default()).mode, Mode::Full);
    }

    #[test]
    fn a_window_is_cut_in_two_that_make_it_up() {
        let whole = Window { after: Some(100), before: Some(111) };
        let (older, newer) = whole.halves().unwrap();
        assert_eq!((older.after, newer.before), (whole.after, whole.before));
        assert_eq!(older.before, newer.after);
        assert_eq!(Window { after: Some(100), before: Some(101) }.halves(), None);
        assert_eq!(Window::default().halves(), None);
    }
}
