//! A run in one line, what somebody should know below it, and log lines.

use kong_cloudtrail::status::{meaning, number, span, took};
use serde_json::Value;

use super::text;
use crate::screen::{ATTENTION, DIM, FAILED, Screen, WELL, moment};

/// So far the texts below a run's line are indented.
const INDENT: usize = 11;

/// The report of a run that ended at `at`, in Unix seconds.
pub fn run(report: &Value, screen: Screen, at: i64) -> String {
    let outcome = text(&report["outcome"]);
    let style = match outcome.as_str() {
        "ok" => WELL,
        "failed" => FAILED,
        _ => ATTENTION,
    };
    let painted = screen.paint(style, format!("{outcome:<7}"));
    let mut lines = vec![format!("{}  {painted}  {}", moment(at), came_to(report))];
    let mut below = |label: &str, told: &str| {
        lines.push(format!("{:INDENT$}{}", "", screen.wrap(INDENT, &format!("{label}{told}"))));
    };
    if report["error"].is_string() {
        below("", &text(&report["error"]));
    }
    for word in report["attention"].as_array().into_iter().flatten() {
        let word = text(word);
        below(&format!("{word}: "), meaning(&word));
    }
    lines.join("\n")
}

/// What was shipped, what is pending, and how far behind the streams are.
fn came_to(report: &Value) -> String {
    let [requests, objects] = ["requests", "objects"].map(|stream| &report["streams"][stream]);
    let of = |stream: &Value, name: &str| stream[name].as_u64().unwrap_or_default();
    let sum = |name| of(requests, name).saturating_add(of(objects, name));
    let mut parts = vec![match sum("shipped") {
        0 => "nothing shipped".to_owned(),
        shipped => format!(
            "{} shipped ({} requests, {} objects)",
            number(shipped),
            number(of(requests, "shipped")),
            number(of(objects, "shipped"))
        ),
    }];
    for (name, word) in
        [("pending", "pending"), ("rejected", "refused"), ("unrecorded", "not recorded")]
    {
        if name == "pending" || sum(name) > 0 {
            parts.push(format!("{} {word}", number(sum(name))));
        }
    }
    let lags = [requests, objects].map(|stream| stream["lag_secs"].as_i64());
    parts.extend(lags.iter().flatten().max().map(|lag| format!("{} behind", span(*lag))));
    let letters = report["dead_letters"].as_u64().filter(|letters| *letters > 0);
    parts.extend(letters.map(|letters| format!("{} dead letters kept", number(letters))));
    parts.push(format!("in {}", took(report["duration_ms"].as_u64().unwrap_or_default())));
    parts.join(", ")
}

/// How far a run is, short enough for one line of a terminal. What is worded otherwise stays as it is.
pub fn progress(line: &Value) -> String {
    text(&line["message"])
        .replace(" entries fetched and ", " fetched, ")
        .replace(" so far in this run; all accounted for up to ", ", done to ")
}

/// A log line.
pub fn log(line: &Value, screen: Screen) -> String {
    let message = text(&line["message"]);
    match line["level"].as_str() {
        Some("error") => screen.wrap(0, &format!("{} {message}", screen.paint(FAILED, "error:"))),
        Some("warn") => {
            screen.wrap(0, &format!("{} {message}", screen.paint(ATTENTION, "warning:")))
        }
        _ => screen.paint(DIM, screen.wrap(0, &message)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kong_cloudtrail::report::{Attention, Outcome, Report};
    use kong_cloudtrail::terms::Stream;
    use kong_cloudtrail::words::Told;

    use super::*;

    const SCREEN: Screen = Screen { width: 80, colour: false };
    const AT: i64 = 1_795_348_800;

    fn shown(report: &Report) -> String {
        run(&serde_json::from_str(&report.line()).unwrap(), SCREEN, AT)
    }

    #[test]
    fn a_run_is_a_line_with_what_it_shipped_what_is_pending_and_how_far_behind_it_is() {
        let mut report = Report::default();
        report.duration_ms = 1234;
        report.stream(Stream::Requests).shipped = 1400;
        report.stream(Stream::Objects).shipped = 120;
        report.stream(Stream::Requests).lag_secs = Some(0);
        report.stream(Stream::Objects).lag_secs = Some(75);
        assert_eq!(
            shown(&report),
            "2026-11-22 12:00:00  ok       1,520 shipped (1,400 requests, 120 objects), 0 pending, 1 min 15 s behind, in 1.2 s"
        );
        let mut report = Report::default();
        report.dead_letters = Some(2);
        assert_eq!(
            shown(&report),
            "2026-11-22 12:00:00  ok       nothing shipped, 0 pending, 2 dead letters kept, in 0 ms"
        );
    }

    #[test]
    fn how_far_a_run_is_fits_into_a_line() {
        let message = "requests: 29307 entries fetched and 29300 shipped so far in this run; all accounted for up to \
                       2026-11-22T12:00:00Z";
        let told = progress(&serde_json::json!({ "message": message }));
        assert_eq!(told, "requests: 29307 fetched, 29300 shipped, done to 2026-11-22T12:00:00Z");
    }

    #[test]
    fn what_is_wrong_and_what_happened_stand_below_it_and_nothing_steers_the_terminal() {
        let mut report = Report::default();
        report.stream(Stream::Requests).pending = 3;
        report.attention.insert(Attention::Rekeyed);
        report.add(Outcome::Partial, Told::new("CloudTrail\u{1b}[2J is away", "try again"));
        assert_eq!(
            shown(&report),
            "2026-11-22 12:00:00  partial  nothing shipped, 3 pending, in 0 ms\n           \
             CloudTrail\\u001b[2J is away: try again\n           \
             rekeyed: The ledger was written anew with a new ledger_key: clear\n           \
             ledger_key_previous."
        );
    }
}
