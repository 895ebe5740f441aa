//! `cargo xtask bench`: what the component costs, beside Kong's own way and the least possible, all
//! measured in one run on the same simulators and the same real Redis.
//!
//! `stage` runs the programs, `figures` compares the results with the targets, `page` writes it down.
//! Whatever the figures, the exit status is 0.

mod another;
mod figures;
mod page;
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::redis::Redis;
use crate::simulators::Destination;
use crate::tool::{self, Installs};
use crate::{build, shell};
use figures::{Comparison, Figures, Job, Size, Throughput};
use stage::{Load, Programs, Stage};

/// Entries that Kong retains.
const SIZES: &[u64] = &[10_000, 100_000, 1_000_000];
const QUICK_SIZES: &[u64] = &[10_000, 100_000];
/// Entries that are new in the steady state.
const NEW: u64 = 1400;
/// What the throughput is measured on, how often; its median counts.
const THROUGHPUT: u64 = 100_000;
const ROUNDS: usize = 3;
/// Runs with nothing to do; their median counts.
const IDLE_RUNS: usize = 50;
/// The component's `max_calls_per_sec` on a first run: a little below the quota of 100.
const MAX_CALLS_PER_SEC: &str = "max_calls_per_sec=95";
/// Makes the daily comparison due with the hour that has passed since the first run.
const HOURLY_COMPARISON: &str = "reconcile_secs=3600";

#[derive(clap::Args)]
pub struct Arguments {
    /// Without the largest size, and without writing docs/benchmarks.md.
    #[arg(long)]
    quick: bool,
    /// Where events go. On CloudWatch Logs and S3 there is no way of Kong's own to compare with, and nothing is written.
    #[arg(long, value_enum, default_value_t)]
    destination: Destination,
}

/// Measures, prints, and writes the page.
pub fn run(installs: Installs, arguments: &Arguments) -> Result<ExitCode> {
    let conditions = page::conditions();
    eprintln!("Building");
    Redis::find(installs)?;
    build::component(installs)?;
    let binaries = build::fast_binaries()?;
    let [benches, benches_soft] = build::benches()?;
    let programs = Programs { binaries, benches, benches_soft };
    let measured = if arguments.quick { QUICK_SIZES } else { SIZES };
    if arguments.destination != Destination::Cloudtrail {
        let table = another::measure(&programs, measured, arguments.destination)?;
        println!("{conditions}\n\n{table}");
        return Ok(ExitCode::SUCCESS);
    }

    let mut sizes = Vec::new();
    for &retained in measured {
        sizes.push(size(&programs, retained)?);
    }
    let throughput = throughput(&programs)?;
    let idle_cpu = idle(&programs)?;
    let figures = Figures { sizes, new: NEW, throughput, idle_cpu };

    let section = page::section(&conditions, &figures);
    println!("{section}");
    if !arguments.quick {
        let chart = tool::root()?.join("docs/images/benchmarks.svg");
        shell::run("Drawing the chart", &mut programs.chart(&figures, &chart)?)?
            .or_show("the chart")?;
        page::write(&section)?;
        println!("Written: docs/benchmarks.md and {}", chart.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// First run and steady state, in both ways, and the component's daily comparison.
fn size(programs: &Programs, retained: u64) -> Result<Size> {
    eprintln!("\n{retained} entries retained");
    let pages = retained.div_ceil(1000);
    let batches = retained.div_ceil(100);

    let stage = Stage::start(programs, &Load::real(retained))?;
    let first = stage.component("First run", &[MAX_CALLS_PER_SEC], retained)?;
    let channel = stage.channel.status()?;
    let ours_store = stage.store()?;
    stage.an_hour_later(NEW)?;
    let steady = stage.component("Steady state", &[MAX_CALLS_PER_SEC], NEW)?;
    let comparison =
        stage.component("Daily comparison", &[MAX_CALLS_PER_SEC, HOURLY_COMPARISON], 0)?;
    ensure!(comparison.fetched >= retained, "the comparison read {} entries", comparison.fetched);
    drop(stage);

    let stage = Stage::start(programs, &Load::real(retained))?;
    let lambda_first = stage.lambda("First run, Lambda pattern", retained, retained)?;
    let lambda_store = stage.store()?;
    stage.an_hour_later(NEW)?;
    let lambda_steady = stage.lambda("Steady state, Lambda pattern", retained + NEW, NEW)?;

    Ok(Size {
        retained,
        peak_memory: first.peak_memory,
        first: Job {
            ours: first.cost,
            lambda: lambda_first,
            floor: figures::floor(pages, batches),
        },
        steady: Job {
            ours: steady.cost,
            lambda: lambda_steady,
            floor: figures::floor(NEW.div_ceil(1000), NEW.div_ceil(100)),
        },
        comparison: Comparison { ours: comparison.cost, peak_memory: comparison.peak_memory },
        throttled: channel.throttled_calls,
        calls: channel.calls,
        ours_store,
        lambda_store,
    })
}

/// Events a second of CPU time, by the component and by the same code natively.
fn throughput(programs: &Programs) -> Result<Throughput> {
    const UNLIMITED: &[&str] = &["max_calls_per_sec=1000000"];
    eprintln!("\nThroughput on {THROUGHPUT} entries, without latency and limits");
    let (mut component, mut native, mut soft) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let on_fresh_stage = |cpu: &dyn Fn(&Stage<'_>) -> Result<Duration>| {
            cpu(&Stage::start(programs, &Load::unhindered(THROUGHPUT))?)
        };
        component.push(on_fresh_stage(&|stage| {
            Ok(stage.component("Component", UNLIMITED, THROUGHPUT)?.cpu)
        })?);
        native.push(on_fresh_stage(&|stage| {
            stage.native("Native", &programs.benches, UNLIMITED, THROUGHPUT)
        })?);
        soft.push(on_fresh_stage(&|stage| {
            let title = "Native without SHA instructions";
            stage.native(title, &programs.benches_soft, UNLIMITED, THROUGHPUT)
        })?);
    }
    let per_second = |cpu: Vec<Duration>| -> Result<f64> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let events = THROUGHPUT as f64;
        Ok(events / median(cpu)?.as_secs_f64())
    };
    Ok(Throughput {
        component: per_second(component)?,
        native: per_second(native)?,
        native_soft: per_second(soft)?,
    })
}

/// CPU time of a run that finds nothing new.
fn idle(programs: &Programs) -> Result<Duration> {
    const RETAINED: u64 = 10_000;
    eprintln!("\nIdle runs, {RETAINED} entries retained");
    let stage = Stage::start(programs, &Load::real(RETAINED))?;
    stage.component("First run", &[], RETAINED)?;
    median(stage.idle("Idle runs", IDLE_RUNS)?)
}

fn median(mut of: Vec<Duration>) -> Result<Duration> {
    ensure!(!of.is_empty(), "nothing was measured");
    of.sort();
    of.get(of.len() / 2).copied().context("no middle")
}
