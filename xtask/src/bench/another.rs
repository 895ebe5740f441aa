//! The first run and the steady state on CloudWatch Logs or S3, against their targets.

use std::time::Duration;

use anyhow::Result;
use comfy_table::{Table, presets};

use super::figures::{KONG_LATENCY, PUT_LATENCY, mib, thousands};
use super::stage::{Load, Programs, Stage};
use super::{HOURLY_COMPARISON, NEW};
use crate::simulators::Destination;

const MOST_MEMORY: u64 = 64 * 1024 * 1024;
/// From so many entries on, the first run has a target for its time.
const MANY: u64 = 1_000_000;

/// A table of what was measured with so many entries retained, spread over 30 days.
pub fn measure(programs: &Programs, sizes: &[u64], destination: Destination) -> Result<Table> {
    let name = destination.name();
    // To S3 each object is intended first.
    let most_kv = if destination == Destination::S3 { 20 } else { 16 };
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["retained", "what", "target", "measured", "met"]);
    for &retained in sizes {
        eprintln!("\n{retained} entries retained, on {name}");
        let mut row = |what: &str, target: String, measured: String, met: bool| {
            let met = if met { "yes" } else { "no" };
            table.add_row([&thousands(retained), what, &target, &measured, met]);
        };
        let stage = Stage::start(programs, &Load::real(retained).on(destination))?;
        let first = stage.component("First run", &[], retained)?;
        let (floor, wall) = (floor(retained.div_ceil(1000)), first.cost.wall);
        let least = floor.max(first.cpu);
        // Over few entries, what a run does once is most of it.
        let (most, met) = if retained >= MANY {
            ("at most 1.5", wall <= least.mul_f64(1.5))
        } else {
            ("none;", true)
        };
        row(
            "first run: time, over the larger of floor and CPU",
            format!("{most} (floor {}, CPU {})", s(floor), s(first.cpu)),
            format!("{}, {:.2} times", s(wall), wall.as_secs_f64() / least.as_secs_f64()),
            met,
        );
        row(
            "first run: peak guest memory",
            mib(MOST_MEMORY),
            mib(first.peak_memory),
            first.peak_memory <= MOST_MEMORY,
        );
        stage.an_hour_later(NEW)?;
        let steady = stage.component("Steady state", &[], NEW)?;
        let cost = steady.cost;
        row("steady state: calls to Kong", "5".to_owned(), cost.kong.to_string(), cost.kong <= 5);
        row(
            "steady state: key-value operations",
            most_kv.to_string(),
            cost.kv.to_string(),
            cost.kv <= most_kv,
        );
        let calls = cost.cloudtrail;
        let what = format!("steady state: calls to {name}");
        row(&what, "3".to_owned(), calls.to_string(), calls <= 3);
        of_its_own(&stage, destination, retained + NEW, &mut row)?;
        let variables = &[HOURLY_COMPARISON];
        let comparison = stage.component("Daily comparison", variables, 0)?;
        row(
            "comparison: peak guest memory",
            mib(MOST_MEMORY),
            mib(comparison.peak_memory),
            comparison.peak_memory <= MOST_MEMORY,
        );
        let status = stage.channel.status()?;
        let lost = retained + NEW - status.distinct;
        row("entries lost", "0".to_owned(), lost.to_string(), lost == 0);
    }
    Ok(table)
}

/// What is told of one destination alone, once so many entries have arrived.
fn of_its_own(
    stage: &Stage,
    destination: Destination,
    entries: u64,
    row: &mut impl FnMut(&str, String, String, bool),
) -> Result<()> {
    match destination {
        Destination::Cloudwatch => {
            // In the first run, and in the steady one.
            let asked = stage.channel.sts_calls()?;
            row("calls to STS", "2".to_owned(), asked.to_string(), asked == 2);
        }
        Destination::S3 => {
            let (bytes, lines) = stage.channel.object_bytes()?;
            let measured =
                format!("{}, of lines {}", bytes.div_ceil(entries), lines.div_ceil(entries));
            row("bytes an entry in the bucket", "none".to_owned(), measured, true);
        }
        Destination::Cloudtrail => {}
    }
    Ok(())
}

/// Pages one after the other, and the last batch.
fn floor(pages: u64) -> Duration {
    KONG_LATENCY * u32::try_from(pages).unwrap_or(u32::MAX) + PUT_LATENCY
}

fn s(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}
