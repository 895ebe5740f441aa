//! The chart of `docs/benchmarks.md`: time by entries retained, in each of the three ways, for the
//! first run and for the steady state. Both axes are logarithmic.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde::Deserialize;

const SIZE: (u32, u32) = (960, 420);
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// Colours where the reader prefers a dark scheme. What plotters writes are attributes, which a style overrides.
const DARK: [(&str, &str, &str); 10] = [
    ("fill", "#FFFFFF", "#0d1117"),
    ("fill", "#333333", "#e6edf3"),
    ("stroke", "#333333", "#9198a1"),
    ("stroke", "#DDDDDD", "#30363d"),
    ("fill", "#0072B2", "#58a6ff"),
    ("stroke", "#0072B2", "#58a6ff"),
    ("fill", "#777777", "#9ea7b3"),
    ("stroke", "#777777", "#9ea7b3"),
    ("fill", "#D55E00", "#ff9e57"),
    ("stroke", "#D55E00", "#ff9e57"),
];

/// Seconds by entries retained.
type Series = Vec<(u64, f64)>;

#[derive(Deserialize)]
struct Figures {
    new: String,
    first: BTreeMap<String, Series>,
    steady: BTreeMap<String, Series>,
}

/// Draws `figures`, JSON, into the SVG file `out`.
pub fn draw(figures: &[u8], out: &Path) -> Result<()> {
    let figures: Figures = serde_json::from_slice(figures)?;
    let (entries, seconds) = ranges(&figures).context("there is nothing to draw")?;
    let area = SVGBackend::new(out, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let panels = area.split_evenly((1, 2));
    let steady = format!("Steady state: {} new entries", figures.new);
    let titles = ["First run: everything that Kong retains", &steady];
    for ((panel, title), series) in panels.iter().zip(titles).zip([&figures.first, &figures.steady])
    {
        draw_panel(panel, title, series, (entries.clone(), seconds.clone()))?;
    }
    area.present()?;
    drop(panels);
    drop(area);
    let svg = std::fs::read_to_string(out)?;
    let (head, body) = svg.split_once(">\n").context("an SVG has a head")?;
    Ok(std::fs::write(out, format!("{head}>\n{}{body}", dark_style()))?)
}

/// A style for the dark.
fn dark_style() -> String {
    let rule = |(attribute, light, dark): &(&str, &str, &str)| {
        format!("[{attribute}=\"{light}\"]{{{attribute}:{dark}}}")
    };
    let rules: String = DARK.iter().map(rule).collect();
    format!("<style>@media (prefers-color-scheme: dark){{{rules}}}</style>\n")
}

/// What the axes span: decades of seconds and a little below, and room for labels beside the last
/// point.
fn ranges(figures: &Figures) -> Option<(Range<f64>, Range<f64>)> {
    let all = || figures.first.values().chain(figures.steady.values()).flatten();
    let entries = all().map(|(retained, _)| decimal(*retained));
    let seconds = || all().map(|(_, seconds)| *seconds);
    let (least, most) = (entries.clone().reduce(f64::min)?, entries.reduce(f64::max)?);
    let lowest = seconds().reduce(f64::min)?.log10().floor();
    let highest = seconds().reduce(f64::max)?.log10().ceil();
    Some((least * 0.8..most * 9.9, 10_f64.powf(lowest - 0.3)..10_f64.powf(highest)))
}

fn draw_panel<'a>(
    panel: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
    title: &str,
    series: &BTreeMap<String, Series>,
    (entries, seconds): (Range<f64>, Range<f64>),
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>> {
    let mut chart = ChartBuilder::on(panel)
        .caption(title, (FONT, 17).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(entries.log_scale(), seconds.log_scale())?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style((FONT, 13).into_font().color(&INK))
        .x_desc("entries retained")
        .y_desc("seconds")
        .x_label_formatter(&|entries| short(*entries))
        .y_label_formatter(&|seconds| seconds.to_string())
        .draw()?;
    for (name, points) in series {
        let color = color(name);
        let points: Vec<_> = points.iter().map(|(at, seconds)| (decimal(*at), *seconds)).collect();
        chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, color.filled())))?;
        if let Some(last) = points.last() {
            let style =
                (FONT, 13).into_font().color(&color).pos(Pos::new(HPos::Left, VPos::Center));
            // The floor may be close to what is above it.
            let down = if name == "floor" { 9 } else { -7 };
            let label = Text::new(format!("{name}, {}", told(last.1)), (9, down), style);
            chart.draw_series([EmptyElement::at(*last) + label])?;
        }
    }
    Ok(())
}

/// Colours that differ for the colour-blind, too.
fn color(name: &str) -> RGBColor {
    match name {
        "ours" => RGBColor(0x00, 0x72, 0xb2),
        "floor" => RGBColor(0x77, 0x77, 0x77),
        _ => RGBColor(0xd5, 0x5e, 0x00),
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn decimal(entries: u64) -> f64 {
    entries as f64
}

fn told(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

fn short(entries: f64) -> String {
    if entries >= 1e6 {
        format!("{} M", entries / 1e6)
    } else if entries >= 1e3 {
        format!("{} k", entries / 1e3)
    } else {
        entries.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn each_way_is_in_the_chart_with_its_last_time() {
        let series =
            r#"{"ours": [[1000, 2.5], [10000, 20]], "floor": [[1000, 1], [10000, 10.25]]}"#;
        let figures = format!(r#"{{"new": "1,400", "first": {series}, "steady": {series}}}"#);
        let file = std::env::temp_dir().join(format!("chart-{}.svg", std::process::id()));
        draw(figures.as_bytes(), &file).unwrap();
        let svg = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        for label in [
            "ours, 20.00 s",
            "floor, 10.25 s",
            "10 k",
            "First run",
            "Steady state: 1,400 new entries",
        ] {
            assert!(svg.contains(label), "{label} is missing");
        }
        // Each colour in it has another one in the dark.
        let drawn = svg.split_once("</style>").unwrap().1;
        for attribute in ["fill", "stroke"] {
            for rest in drawn.split(&format!(" {attribute}=\"#")).skip(1) {
                let rule = format!("[{attribute}=\"#{}\"]", &rest[..6]);
                assert!(svg.contains(&rule), "{rule} is missing");
            }
        }
    }
}
