//! What was shipped a day, as SVG. The two streams differ in pattern, not in colour alone. Sizes are attributes:
//! the page's policy lets no element have a style of its own.

use kong_cloudtrail::status::Day;
use maud::{Markup, html};

use crate::format::{date, number, short};

/// For wide screens and for narrow ones, where the letters of a wide chart would be too small.
pub struct Size {
    /// Its class.
    pub class: &'static str,
    /// How wide it is.
    pub width: u32,
    /// How many days it shows.
    pub days: usize,
}

/// Both of them.
pub const SIZES: [Size; 2] =
    [Size { class: "wide", width: 920, days: 30 }, Size { class: "narrow", width: 360, days: 10 }];

const HEIGHT: u32 = 190;
const TOP: u32 = 12;
const BOTTOM: u32 = 26;
/// For the numbers of the axis.
const LEFT: u32 = 64;
const PLOT: u32 = HEIGHT - TOP - BOTTOM;

/// The patterns that charts and their legend are filled with. What has them must not be hidden.
pub fn patterns() -> Markup {
    html! {
        svg.patterns aria-hidden="true" {
            pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                rect.objects width="6" height="6" {}
                rect.gap width="2" height="6" {}
            }
        }
    }
}

/// The chart; it is drawn for eyes alone, since a table tells the same.
pub fn draw(days: &[Day], size: &Size) -> Markup {
    let days = &days[days.len().saturating_sub(size.days)..];
    let most = days.iter().map(sum).max().unwrap_or_default();
    let top = nice(most);
    let slot = (size.width - LEFT) / u32::try_from(size.days).unwrap_or(1);
    let bar = slot * 7 / 10;
    let height = |entries: u64| {
        let scaled = u128::from(entries) * u128::from(PLOT) / u128::from(top.max(1));
        let scaled = u32::try_from(scaled).unwrap_or(PLOT);
        // However little, it is not nothing.
        scaled.max((entries > 0).into())
    };
    let base = TOP + PLOT;
    let first = size.days - days.len();
    let x = |index: usize| {
        LEFT + slot * u32::try_from(first + index).unwrap_or_default() + (slot - bar) / 2
    };
    html! {
        svg class=(format!("chart {}", size.class)) viewBox=(format!("0 0 {} {HEIGHT}", size.width)) aria-hidden="true" {
            @for (entries, y) in [(top, TOP), (top / 2, TOP + PLOT / 2), (0, base)] {
                line class="grid" x1=(LEFT) x2=(size.width) y1=(y) y2=(y) {}
                text x=(LEFT - 10) y=(y + 4) text-anchor="end" { (short(entries)) }
            }
            @for (index, day) in days.iter().enumerate() {
                @let [requests, objects] = day.shipped.map(height);
                g {
                    title { (date(day.began)) ": " (number(day.shipped[0])) " requests, " (number(day.shipped[1])) " objects" }
                    rect class="requests" x=(x(index)) y=(base - requests) width=(bar) height=(requests) {}
                    rect fill="url(#hatch)" x=(x(index)) y=((base - requests).saturating_sub(objects)) width=(bar) height=(objects) {}
                }
                @if labelled(index, days.len()) {
                    text x=(x(index) + bar / 2) y=(HEIGHT - 6) text-anchor=(if index + 1 == days.len() { "end" } else { "middle" }) { (date(day.began)[5..]) }
                }
            }
        }
    }
}

/// Today, and each seventh day before.
fn labelled(index: usize, days: usize) -> bool {
    (days - 1 - index).is_multiple_of(7)
}

fn sum(day: &Day) -> u64 {
    day.shipped.iter().fold(0, |sum, shipped| sum.saturating_add(*shipped))
}

/// The next number that an axis may end with: an even digit or 10, and noughts.
fn nice(most: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for step in [2, 4, 6, 8, 10] {
            let Some(end) = power.checked_mul(step) else { return most };
            if end >= most {
                return end;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_with_a_round_number_that_holds_the_highest_bar() {
        for (most, end) in [
            (0, 2),
            (2, 2),
            (3, 4),
            (5, 6),
            (11, 20),
            (55_000, 60_000),
            (1234, 2000),
            (9999, 10_000),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(nice(most), end, "{most}");
        }
    }
}
