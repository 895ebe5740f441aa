//! How times, spans and numbers are written.

use kong_cloudtrail::status::{Status, span};
use kong_cloudtrail::wire::rfc3339;
use maud::{Markup, html};

/// A time, where there is one.
pub fn maybe(time: Option<i64>) -> Markup {
    html! { @match time { Some(time) => (moment(time)), None => "not yet" } }
}

pub fn ago(status: &Status, time: i64) -> String {
    let ahead = time.saturating_sub(status.now);
    if ahead > 0 { format!("{} ahead", span(ahead)) } else { format!("{} ago", span(-ahead)) }
}

pub fn took(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => span(i64::try_from(millis / 1000).unwrap_or(i64::MAX)),
    }
}

/// `2026-11-28 12:38:00 UTC`
pub fn moment(secs: i64) -> Markup {
    let machine = rfc3339(secs);
    let (day, time) = machine.trim_end_matches('Z').split_once('T').unwrap_or_default();
    html! { time datetime=(machine) { span { (day) } " " span { (time) " UTC" } } }
}

/// `2026-11-28`
pub fn date(secs: i64) -> String {
    rfc3339(secs).chars().take(10).collect()
}

/// `12,345`, and from a million on `1.2 M`: for an axis, which has little room.
pub fn short(count: u64) -> String {
    const UNITS: [&str; 5] = ["M", "G", "T", "P", "E"];
    if count < 1_000_000 {
        return number(count);
    }
    let (mut tenths, mut unit) = (count / 100_000, 0);
    while tenths >= 10_000 {
        (tenths, unit) = (tenths / 1000, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `12,345`
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_spans_of_runs_have_the_unit_that_fits() {
        let shown = [0, 999, 1000, 123_456, 1_234_567].map(number);
        assert_eq!(shown, ["0", "999", "1,000", "123,456", "1,234,567"]);
        let shown = [999_999, 1_000_000, 1_250_000_000, u64::MAX].map(short);
        assert_eq!(shown, ["999,999", "1.0 M", "1.2 G", "18.4 E"]);
        assert_eq!(
            [7, 999, 1049, 59_999, 61_000].map(took),
            ["7 ms", "999 ms", "1.0 s", "59.9 s", "1 min 1 s"]
        );
    }
}
