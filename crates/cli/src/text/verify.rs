//! What `verify` counted, day by day.

use kong_cloudtrail::status::number;
use serde_json::Value;

use super::text;
use crate::screen::{BOLD, FAILED, Screen, WELL, moment};

const HEADER: [&str; 6] = ["DAY (UTC)", "KONG", "RECORDED", "DEAD LETTERS", "MISSING", "ID SUM"];
/// The columns that are summed up, which is all but the day and the sum that is compared as it stands.
const SUMMED: [&str; 4] = ["kong", "recorded", "dead_letters", "missing"];

/// The line of a comparison.
pub fn verify(verify: &Value, screen: Screen) -> String {
    let outcome = text(&verify["outcome"]);
    let style = if outcome == "ok" { WELL } else { FAILED };
    let title = format!("Verification of the ledger {:?}", text(&verify["ledger"]));
    let mut lines = vec![format!(
        "{}, to {}: {}",
        screen.paint(BOLD, title),
        text(&verify["destination"]),
        screen.paint(style, outcome)
    )];
    lines.extend(error(verify, screen));
    for (name, stream) in verify["streams"].as_object().into_iter().flatten() {
        let until = stream["watermark"].as_i64().or_else(|| verify["watermark"].as_i64());
        let until = until.map(|until| format!(" before {}", moment(until)));
        lines.push(String::new());
        lines.push(format!("{}{}", screen.paint(BOLD, name), until.unwrap_or_default()));
        lines.extend(of_stream(stream, screen));
    }
    lines.join("\n")
}

fn error(of: &Value, screen: Screen) -> Option<String> {
    of["error"].is_string().then(|| {
        format!(" {}  {}", screen.paint(FAILED, "error"), screen.wrap(8, &text(&of["error"])))
    })
}

fn of_stream(stream: &Value, screen: Screen) -> Vec<String> {
    let days = stream["days"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows: Vec<_> = days.iter().map(|day| row(text(&day["day"]), day)).collect();
    let derived = &stream["derived"];
    if derived.is_object() {
        rows.push(row("time derived".to_owned(), derived));
    }
    let total = SUMMED.map(|name| {
        let all = days.iter().chain(std::iter::once(derived));
        number(all.map(|day| day[name].as_u64().unwrap_or_default()).sum())
    });
    rows.push(["total".to_owned()].into_iter().chain(total).chain([String::new()]).collect());
    let mut lines = screen.table(&HEADER, 1, &rows);
    for missing in stream["missing"].as_array().into_iter().flatten() {
        let time = missing["time"].as_i64().map_or_else(|| text(&missing["time"]), moment);
        let label = screen.paint(FAILED, "missing");
        lines.push(format!(" {label}  {}  {time}", text(&missing["id"])).trim_end().to_owned());
    }
    for (name, told) in [("later", "from after it"), ("unreadable", "rows that cannot be read")] {
        let count = stream[name].as_u64().filter(|count| *count > 0);
        lines.extend(count.map(|count| format!(" not counted: {} {told}", number(count))));
    }
    lines.extend(error(stream, screen));
    lines
}

/// The sum of ids stays as it is, to be held against what a query gives.
fn row(day: String, counted: &Value) -> Vec<String> {
    let counts = SUMMED.map(|name| counted[name].as_u64().map_or_else(|| "?".to_owned(), number));
    let sum = &counted["id_sum"];
    let sum = sum.as_str().map_or_else(|| sum.to_string(), |_| text(sum));
    [day].into_iter().chain(counts).chain([sum]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_day_has_its_counts_and_what_is_missing_is_named() {
        let day = |day: &str, kong: u64, missing: u64| {
            json!({"day": day, "kong": kong, "recorded": kong - missing, "dead_letters": 0, "missing": missing,
                   "id_sum": 81_234_567})
        };
        let line = json!({
            "event": "verify", "ledger": "default", "destination": "cloudtrail", "outcome": "missing",
            "error": null, "streams": { "requests": {
                "watermark": 1_795_348_800, "later": 3, "unreadable": 0,
                "days": [day("2026-11-21", 1204, 1), day("2026-11-22", 7, 0)],
                "derived": {"kong": 2, "recorded": 2, "dead_letters": 0, "missing": 0, "id_sum": 5},
                "missing": [{"id": "0bAf1b0n", "time": 1_795_262_400}], "error": null,
            } },
        });
        assert_eq!(
            verify(&line, Screen { width: 80, colour: false }),
            "Verification of the ledger \"default\", to cloudtrail: missing\n\n\
             requests before 2026-11-22 12:00:00\n \
             DAY (UTC)      KONG  RECORDED  DEAD LETTERS  MISSING    ID SUM\n \
             2026-11-21    1,204     1,203             0        1  81234567\n \
             2026-11-22        7         7             0        0  81234567\n \
             time derived      2         2             0        0         5\n \
             total         1,213     1,212             0        1\n \
             missing  0bAf1b0n  2026-11-21 12:00:00\n \
             not counted: 3 from after it"
        );
    }
}
