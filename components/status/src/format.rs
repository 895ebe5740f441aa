//! How times, spans and numbers are written.

use kong_cloudtrail::status::{Status, span};
pub use kong_cloudtrail::status::{number, took};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_have_a_unit() {
        let shown = [999_999, 1_000_000, 1_250_000_000, u64::MAX].map(short);
        assert_eq!(shown, ["999,999", "1.0 M", "1.2 G", "18.4 E"]);
    }
}
