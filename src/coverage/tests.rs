//! The transitions of a stream's coverage, each as a table.

use super::*;

const NOW: i64 = 1_795_348_800;
const SPANS: Spans = Spans { overlap: 120, lookback: 3600, reconcile: 86_400, full: 3600 };
const NO_RECONCILES: Spans = Spans { reconcile: 0, ..SPANS };
const RETENTION: Retention = Retention { secs: 1000, longest: 3000 };

/// Complete up to 300 seconds ago, looked back and compared 600 seconds ago.
fn covered() -> Coverage {
    Coverage {
        watermark: Some(NOW - 300),
        looked_back: Some(NOW - 600),
        reconciled: Some(NOW - 600),
        ..Coverage::default()
    }
}

fn sweep(began: i64) -> Sweep {
    Sweep { offset: Some("o".to_owned()), ..Sweep::new(began, "3.9") }
}

/// Compared before, and then in part.
fn partly(last: i64) -> Coverage {
    Coverage { partly: Some(Partly { first: NOW - 90_000, last }), ..covered() }
}

fn since(after: i64) -> Window {
    Window { after: Some(after), before: Some(NOW + 1) }
}

#[test]
fn a_first_run_reads_everything_and_sweeps_where_rows_may_be_in_no_window() {
    let first = |filters| Coverage::default().plan(&SPANS, filters, NOW);
    let everything = Plan {
        mode: Mode::Incremental,
        window: Some(Window::default()),
        sweep: false,
        late_before: None,
        looks_back: true,
    };
    assert_eq!(first(Filters::Complete), everything);
    assert_eq!(first(Filters::Partial), Plan { sweep: true, ..everything });
    let swept = Plan { mode: Mode::Full, window: None, sweep: true, ..everything };
    assert_eq!(first(Filters::Ignored), swept);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_due_of_a_stream_that_kong_filters() {
    let covered = covered();
    let with = |change: fn(&mut Coverage)| {
        let mut coverage = covered.clone();
        change(&mut coverage);
        coverage
    };
    let recent = since(NOW - 300 - 120);
    for (case, coverage, spans, window, sweep, looks_back) in [
        ("what is new, and the overlap", with(|_| ()), SPANS, recent, false, false),
        (
            "a look back, from behind the one before",
            with(|it| it.looked_back = Some(NOW - 3600)),
            SPANS,
            since(NOW - 3600 - 3600),
            false,
            true,
        ),
        (
            "a look back after a run that was not complete",
            with(|it| it.incomplete = true),
            SPANS,
            since(NOW - 600 - 3600),
            false,
            true,
        ),
        ("a comparison", with(|it| it.reconciled = Some(NOW - 86_400)), SPANS, recent, true, false),
        (
            "no comparison, where they are switched off",
            with(|it| it.reconciled = Some(NOW - 864_000)),
            NO_RECONCILES,
            recent,
            false,
            false,
        ),
        (
            "the first comparison, also where they are switched off",
            with(|it| it.reconciled = None),
            NO_RECONCILES,
            recent,
            true,
            false,
        ),
        (
            "the comparison under way",
            with(|it| it.sweep = Some(sweep(NOW - 300))),
            NO_RECONCILES,
            recent,
            true,
            false,
        ),
        (
            "a comparison after a Kong without time filters",
            with(|it| it.without_filters = true),
            NO_RECONCILES,
            recent,
            true,
            false,
        ),
        (
            "no comparison within an hour of one that could not see everything",
            with(|it| {
                (it.reconciled, it.partly, it.without_filters) =
                    (None, partly(NOW - 3599).partly, true);
            }),
            SPANS,
            recent,
            false,
            false,
        ),
        (
            "one an hour later, also where they are switched off",
            with(|it| it.partly = partly(NOW - 3600).partly),
            NO_RECONCILES,
            recent,
            true,
            false,
        ),
        (
            "the overlap of before, after a clock that went back a little",
            with(|it| it.watermark = Some(NOW + 60)),
            NO_RECONCILES,
            since(NOW + 60 - 120),
            false,
            false,
        ),
    ] {
        let plan = coverage.plan(&spans, Filters::Complete, NOW);
        let mode = if sweep { Mode::Reconcile } else { Mode::Incremental };
        assert_eq!(
            (plan.mode, plan.window, plan.sweep, plan.looks_back),
            (mode, Some(window), sweep, looks_back),
            "{case}"
        );
        let late = coverage.reconciled.filter(|_| sweep).map(|_| NOW - 300 - 120);
        assert_eq!(plan.late_before, late, "{case}");
    }
}

#[test]
fn a_clock_that_went_back_far_begins_anew() {
    let coverage = Coverage { watermark: Some(NOW + 86_400), ..covered() };
    for (filters, sweeps) in [(Filters::Complete, false), (Filters::Partial, true)] {
        let plan = coverage.plan(&NO_RECONCILES, filters, NOW);
        assert_eq!((plan.mode, plan.sweep), (Mode::Reconcile, sweeps));
        assert!(plan.is_whole() && plan.late_before.is_some());
        let mut begun = Coverage { sweep: Some(sweep(NOW)), ..coverage.clone() };
        begun.begin(&plan, false);
        assert_eq!((begun.watermark, begun.sweep), (None, None));
    }
}

#[test]
fn a_clock_that_went_back_by_just_the_overlap_does_not() {
    let coverage = Coverage { watermark: Some(NOW + 120), ..covered() };
    let plan = coverage.plan(&NO_RECONCILES, Filters::Complete, NOW);
    assert_eq!((plan.mode, plan.window), (Mode::Incremental, Some(since(NOW))));
}

#[test]
fn a_comparison_beside_a_window_forgets_nothing() {
    let due =
        Coverage { reconciled: Some(NOW - 86_400), sweep: Some(sweep(NOW - 60)), ..covered() };
    let plan = due.plan(&SPANS, Filters::Complete, NOW);
    assert_eq!(plan.mode, Mode::Reconcile);
    let mut begun = due.clone();
    begun.begin(&plan, false);
    assert_eq!(begun, Coverage { incomplete: true, ..due });
    assert_eq!(begun.under_way(), Some(&sweep(NOW - 60)));
}

#[test]
fn what_is_due_of_a_stream_that_kong_does_not_filter() {
    for (case, coverage, sweep) in [
        ("nothing before full_secs", covered(), false),
        (
            "everything after full_secs",
            Coverage { reconciled: Some(NOW - 3600), ..covered() },
            true,
        ),
        ("what is under way", Coverage { sweep: Some(sweep(NOW - 300)), ..covered() }, true),
        ("what was not completed", Coverage { incomplete: true, ..covered() }, true),
        (
            "nothing before full_secs after a reading that could not see everything",
            Coverage { reconciled: None, ..partly(NOW - 3599) },
            false,
        ),
        (
            "everything after full_secs of it",
            Coverage { reconciled: None, ..partly(NOW - 3600) },
            true,
        ),
    ] {
        let plan = coverage.plan(&SPANS, Filters::Ignored, NOW);
        assert_eq!((plan.mode, plan.window, plan.sweep), (Mode::Full, None, sweep), "{case}");
        assert_eq!(plan.is_empty(), !sweep, "{case}");
    }
}

#[test]
fn a_run_that_begins_leaves_the_stream_incomplete_unless_nothing_is_due() {
    let due = covered().plan(&SPANS, Filters::Complete, NOW);
    let nothing = covered().plan(&SPANS, Filters::Ignored, NOW);
    for (plan, writes_timeless, incomplete) in [(due, false, true), (nothing, true, false)] {
        let mut coverage = covered();
        coverage.begin(&plan, writes_timeless);
        let expected = Coverage { incomplete, without_filters: writes_timeless, ..covered() };
        assert_eq!(coverage, expected);
    }
}

#[test]
fn a_sweep_goes_on_unless_its_place_is_worthless() {
    let anew = Sweep::new(NOW, "3.9");
    for (under_way, expected) in [
        (None, anew.clone()),
        (Some(sweep(NOW - 60)), sweep(NOW - 60)),
        (Some(Sweep { version: "3.10".to_owned(), ..sweep(NOW - 60) }), anew.clone()),
        (Some(sweep(NOW + 1)), anew),
    ] {
        let coverage = Coverage { sweep: under_way, ..covered() };
        assert_eq!(coverage.sweep(NOW, "3.9"), expected);
    }
}

#[test]
fn progress_moves_the_watermark_forward_only() {
    for (end, looks_back, watermark, looked_back) in [
        (NOW - 100, true, NOW - 100, NOW - 100),
        (NOW - 100, false, NOW - 100, NOW - 600),
        (NOW - 900, true, NOW - 300, NOW - 600),
    ] {
        let mut coverage = covered();
        coverage.advance(&Progress::Window { end, looks_back }, false);
        assert_eq!(
            (coverage.watermark, coverage.looked_back),
            (Some(watermark), Some(looked_back))
        );
        assert_eq!(coverage.reconciled, covered().reconciled);
    }
}

#[test]
fn a_sweep_keeps_that_it_has_left_something_behind() {
    for (before, now, after) in [(false, false, false), (false, true, true), (true, false, true)] {
        let mut coverage = covered();
        let place = Sweep { left_behind: before, ..sweep(NOW - 60) };
        coverage.advance(&Progress::Sweep(place.clone()), now);
        assert_eq!(coverage.sweep, Some(Sweep { left_behind: after, ..place }));
        assert_eq!((coverage.left_behind(), coverage.watermark), (after, Some(NOW - 300)));
    }
}

#[test]
fn a_sweep_whose_beginning_cannot_be_is_read_to_its_end_all_the_same() {
    let swept = sweep(i64::MIN);
    let mut coverage = Coverage { sweep: Some(swept.clone()), ..covered() };
    let end = Finished { swept: Some(&swept), ..finished(&coverage, &SPANS) };
    let expiry = coverage.finish(&end, RETENTION, &SPANS);
    let expected = Expiry { written: i64::MIN, deleted: i64::MIN, untold: true };
    assert_eq!((expiry, coverage.compared()), (Some(expected), Some(i64::MIN)));
}

/// A reading of what is due by `covered()` that came to its end.
fn finished(coverage: &Coverage, spans: &Spans) -> Finished<'static> {
    Finished {
        plan: coverage.plan(spans, Filters::Complete, NOW),
        now: NOW,
        window_was_all: false,
        swept: None,
        accounted_for: true,
        sweep_accounted_for: true,
        timeless: false,
        writes_timeless: false,
        untimed: false,
        blocked: false,
    }
}

#[test]
fn a_window_that_is_accounted_for_completes_the_stream() {
    let begun = Coverage { incomplete: true, ..covered() };
    let whole = Finished { window_was_all: true, ..finished(&Coverage::default(), &SPANS) };
    let window = finished(&covered(), &SPANS);
    for (case, end, watermark, compared, complete) in [
        ("a window", window, Some(NOW), Some(NOW - 600), true),
        ("one with pending entries", pending(window), Some(NOW - 300), Some(NOW - 600), false),
        ("one that was all", whole, Some(NOW), Some(NOW), true),
        (
            "one that was all, but for a few",
            pending(whole),
            Some(NOW - 300),
            Some(NOW - 600),
            false,
        ),
    ] {
        let mut coverage = begun.clone();
        let expiry = coverage.finish(&end, RETENTION, &SPANS);
        assert_eq!(coverage.watermark, watermark, "{case}");
        assert_eq!(coverage.reconciled, compared, "{case}");
        assert_eq!(coverage.incomplete, !complete, "{case}");
        let all_was_met = compared == Some(NOW);
        let expected = Expiry { written: NOW - 1000, deleted: NOW, untold: true };
        assert_eq!(expiry, all_was_met.then_some(expected), "{case}");
    }
}

#[test]
fn a_watermark_goes_back_with_kongs_clock() {
    let mut coverage = Coverage { watermark: Some(NOW + 60), ..covered() };
    let end = finished(&coverage, &SPANS);
    coverage.finish(&end, RETENTION, &SPANS);
    assert_eq!(coverage.watermark(), Some(NOW));
}

fn pending(finished: Finished<'_>) -> Finished<'_> {
    Finished { accounted_for: false, ..finished }
}

#[test]
fn a_sweep_that_came_to_its_end_counts_from_when_it_began() {
    let swept = Sweep { timeless: true, ..sweep(NOW - 60) };
    let under_way = Coverage { sweep: Some(sweep(NOW - 60)), incomplete: true, ..covered() };
    let end = Finished { swept: Some(&swept), ..finished(&under_way, &SPANS) };
    let alone = Plan { window: None, mode: Mode::Full, ..end.plan };
    for (case, end, watermark, compared) in [
        ("beside a window", end, NOW, NOW - 60),
        ("what only the window met is pending", pending(end), NOW - 300, NOW - 60),
        (
            "what it met is pending",
            Finished { sweep_accounted_for: false, ..pending(end) },
            NOW - 300,
            NOW - 600,
        ),
        ("without a window", Finished { plan: alone, ..end }, NOW - 60, NOW - 60),
    ] {
        let mut coverage = under_way.clone();
        let expiry = coverage.finish(&end, RETENTION, &SPANS);
        assert_eq!(coverage.watermark, Some(watermark), "{case}");
        assert_eq!(coverage.reconciled, Some(compared), "{case}");
        let through = compared == NOW - 60;
        assert_eq!(coverage.sweep.is_none(), through, "{case}");
        assert_eq!(coverage.timeless, through, "{case}");
        let expected = Expiry { written: NOW - 60 - 1000, deleted: NOW - 60, untold: true };
        assert_eq!(expiry, through.then_some(expected), "{case}");
    }
}

#[test]
fn a_sweep_that_could_not_see_everything_is_no_comparison_and_lets_nothing_go() {
    let swept = sweep(NOW - 60);
    let under_way =
        Coverage { sweep: Some(sweep(NOW - 60)), incomplete: true, ..partly(NOW - 9000) };
    let end = Finished { swept: Some(&swept), blocked: true, ..finished(&under_way, &SPANS) };
    let alone = Plan { window: None, mode: Mode::Full, ..end.plan };
    let held = Finished { sweep_accounted_for: false, ..pending(end) };
    for (case, end, watermark) in [
        ("beside a window", end, NOW),
        ("its place is pending", held, NOW - 300),
        ("without a window", Finished { plan: alone, ..end }, NOW - 60),
        ("without a window, its place is pending", Finished { plan: alone, ..held }, NOW - 300),
    ] {
        let mut coverage = under_way.clone();
        assert_eq!(coverage.finish(&end, RETENTION, &SPANS), None, "{case}");
        assert_eq!(coverage.watermark, Some(watermark), "{case}");
        assert_eq!((coverage.reconciled, &coverage.sweep), (Some(NOW - 600), &None), "{case}");
        let expected = Partly { first: NOW - 90_000, last: NOW - 60 };
        assert_eq!(coverage.partly, Some(expected), "{case}");
        coverage.finish(&Finished { blocked: false, ..end }, RETENTION, &SPANS);
        assert_eq!(coverage.partly.is_none(), end.sweep_accounted_for, "{case}: one that saw all");
    }
}

#[test]
fn a_comparison_that_left_out_a_row_of_unknown_time_lets_nothing_go() {
    let swept = sweep(NOW - 60);
    let end = Finished { swept: Some(&swept), untimed: true, ..finished(&covered(), &SPANS) };
    let mut coverage = covered();
    assert_eq!(coverage.finish(&end, RETENTION, &SPANS), None);
    assert_eq!(coverage.reconciled, Some(NOW - 60));
}

#[test]
fn whether_all_entries_tell_their_time_is_known_after_a_comparison() {
    for (coverage, known) in [
        (covered(), true),
        (Coverage { reconciled: None, ..covered() }, false),
        (Coverage { timeless: true, ..covered() }, false),
        (Coverage { without_filters: true, ..covered() }, false),
    ] {
        assert_eq!(coverage.all_have_times(), known, "{coverage:?}");
    }
}

#[test]
fn rows_without_a_time_are_looked_for_until_a_comparison_after_kong_gave_up_writing_them() {
    for writes_timeless in [true, false] {
        let whole = Finished {
            window_was_all: true,
            writes_timeless,
            ..finished(&Coverage::default(), &SPANS)
        };
        let mut coverage = Coverage { without_filters: true, timeless: true, ..covered() };
        coverage.finish(&whole, RETENTION, &SPANS);
        assert_eq!((coverage.without_filters, coverage.timeless), (writes_timeless, false));
    }
}

#[test]
fn without_comparisons_the_ledger_forgets_what_is_twice_as_old_as_kong_keeps_anything() {
    let incremental = finished(&covered(), &NO_RECONCILES);
    let expiry = Expiry { written: NOW - 6000, deleted: NOW - 3000, untold: false };
    for (end, spans, expected) in [
        (incremental, NO_RECONCILES, Some(expiry)),
        (pending(incremental), NO_RECONCILES, None),
        (incremental, SPANS, None),
    ] {
        assert_eq!(covered().finish(&end, RETENTION, &spans), expected);
    }
}

#[test]
fn what_a_run_met_is_kept_whether_or_not_it_came_to_its_end() {
    let mut coverage = Coverage { longest_ttl: 10, ..covered() };
    coverage.met(true, 5);
    assert_eq!((coverage.timeless, coverage.longest_ttl), (true, 10));
    coverage.met(false, 20);
    assert_eq!((coverage.timeless, coverage.longest_ttl), (true, 20));
}

#[test]
fn another_kongs_entries_have_not_been_compared() {
    let mut coverage = Coverage { sweep: Some(sweep(NOW)), ..covered() };
    coverage.forget_comparisons();
    assert_eq!(coverage, Coverage { reconciled: None, ..covered() });
}
