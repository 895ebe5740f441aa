//! How spans and numbers are written for people.

use super::DAY_SECS;

/// A span of time in its two largest units.
pub fn span(secs: i64) -> String {
    let secs = secs.max(0);
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..DAY_SECS => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        _ => format!("{} d {} h", secs / DAY_SECS, secs % DAY_SECS / 3600),
    }
}

/// How long something took.
pub fn took(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => span(i64::try_from(millis / 1000).unwrap_or(i64::MAX)),
    }
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
    fn numbers_are_grouped_and_spans_have_the_units_that_fit() {
        let shown = [0, 999, 1000, 123_456, 1_234_567].map(number);
        assert_eq!(shown, ["0", "999", "1,000", "123,456", "1,234,567"]);
        assert_eq!(
            [7, 999, 1049, 59_999, 61_000].map(took),
            ["7 ms", "999 ms", "1.0 s", "59.9 s", "1 min 1 s"]
        );
        assert_eq!(
            [-1, 59, 3599, 86_399, 90_000].map(span),
            ["0 s", "59 s", "59 min 59 s", "23 h 59 min", "1 d 1 h"]
        );
    }
}
