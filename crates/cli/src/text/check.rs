//! What `check` found, row by row.

use serde_json::Value;

use super::text;
use crate::screen::{ATTENTION, BOLD, DIM, FAILED, Screen, WELL};

/// The line of a check.
pub fn check(check: &Value, screen: Screen) -> String {
    let rows = check["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |result: &str| rows.iter().filter(|row| row["result"] == result).count();
    let sums = ["fail", "warn", "ok", "skipped"].map(|word| (count(word), word));
    let sums = sums.iter().filter(|(rows, _)| *rows > 0);
    let sums: Vec<_> = sums.map(|(rows, word)| format!("{rows} {word}")).collect();
    let title = format!("Check of the ledger {:?}", text(&check["ledger"]));
    let mut lines = vec![
        format!(
            "{}, to {}: {} ({})",
            screen.paint(BOLD, title),
            text(&check["destination"]),
            painted(screen, &text(&check["outcome"]), 0),
            sums.join(", ")
        ),
        String::new(),
    ];
    let names = rows.iter().map(|row| text(&row["name"]).chars().count()).max().unwrap_or_default();
    let indent = 7 + 2 + names + 2;
    for row in rows {
        let (result, name) = (text(&row["result"]), text(&row["name"]));
        let (tried, found) = (text(&row["tried"]), text(&row["found"]));
        let told = if found.is_empty() { &tried } else { &found };
        let word = painted(screen, &result, 7);
        lines.push(format!("{word}  {name:<names$}  {}", screen.wrap(indent, told)));
        if !matches!(result.as_str(), "warn" | "fail") {
            continue;
        }
        for (label, told) in [("tried", tried), ("do", text(&row["remedy"]))] {
            if !told.is_empty() {
                let told = screen.wrap(indent, &format!("{label}: {told}"));
                let told = if label == "do" { told } else { screen.paint(DIM, told) };
                lines.push(format!("{:indent$}{told}", ""));
            }
        }
    }
    lines.join("\n")
}

fn painted(screen: Screen, word: &str, width: usize) -> String {
    let style = match word {
        "ok" => WELL,
        "fail" => FAILED,
        "warn" => ATTENTION,
        _ => DIM,
    };
    screen.paint(style, format!("{word:<width$}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_row_has_its_result_and_one_that_is_not_ok_what_was_tried_and_what_to_do() {
        let line = json!({
            "event": "check", "version": "0.1.0", "ledger": "default", "destination": "cloudtrail", "outcome": "fail",
            "rows": [
                {"name": "kong", "tried": "GET /", "result": "ok", "found": "Kong 3.9.0.0", "remedy": ""},
                {"name": "kong-token", "tried": "GET /audit/requests", "result": "fail",
                 "found": "Kong answered 401", "remedy": "set kong_admin_token"},
                {"name": "store", "tried": "a write", "result": "skipped", "found": "", "remedy": ""},
            ],
        });
        let screen = Screen { width: 80, colour: false };
        assert_eq!(
            check(&line, screen),
            "Check of the ledger \"default\", to cloudtrail: fail (1 fail, 1 ok, 1 skipped)\n\n\
             ok       kong        Kong 3.9.0.0\n\
             fail     kong-token  Kong answered 401\n                     \
             tried: GET /audit/requests\n                     \
             do: set kong_admin_token\n\
             skipped  store       a write"
        );
        let coloured = check(&line, Screen { colour: true, ..screen });
        assert!(coloured.contains("\u{1b}[1m\u{1b}[31mfail   \u{1b}[0m"), "{coloured:?}");
    }
}
