//! `status`: how things stand, from the store alone.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use kong_cloudtrail::lease::Holder;
use kong_cloudtrail::ports::Clock as _;
use kong_cloudtrail::status::{Found, Run, Status, StreamStatus, Urgency};
use kong_cloudtrail::words::json_shown;
use kong_cloudtrail_application::key_value::swapped::Swapped;
use serde::Serialize;

use crate::arguments::AppArgs;
use crate::ledger::{Ledger, Place};
use crate::screen::Screen;
use crate::text;

/// How often `--watch` looks.
const INTERVAL: Duration = Duration::from_secs(5);

/// Clears a terminal, and goes to its beginning.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Most runs in a line of JSON.
const RUNS: usize = 10;

#[derive(Args)]
pub struct StatusArgs {
    #[command(flatten)]
    app: AppArgs,

    /// A line of JSON, as in a pipe.
    #[arg(long)]
    json: bool,

    /// Look again every five seconds, until SIGINT or SIGTERM.
    #[arg(long)]
    watch: bool,
}

/// Status 0 where all is well, 1 where somebody should look, 2 where it cannot be told.
pub fn run(args: &StatusArgs, swapped: &Arc<Swapped>) -> ExitCode {
    let screen = Screen::of_stdout(args.json);
    let again_and_again = |place: Place| {
        loop {
            // Opened anew each time: a store that was away may be there again.
            let told = place.open(swapped.clone(), None, |ledger| look(ledger, screen, args.watch));
            if !args.watch {
                return told;
            }
            told?;
            std::thread::sleep(INTERVAL);
        }
    };
    let urgency = Place::read(&args.app).and_then(again_and_again).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Urgency::Unknown
    });
    match urgency {
        Urgency::Note => ExitCode::SUCCESS,
        Urgency::Attention => ExitCode::from(1),
        Urgency::Unknown => ExitCode::from(2),
    }
}

/// Reads the store, and prints how things stand.
fn look(ledger: &Ledger<'_>, screen: Option<Screen>, clears: bool) -> Result<Urgency> {
    let mut found = Found::read_all(&ledger.store);
    let status = Status::of(&mut found, ledger.port.now_ms(), ledger.stale_after);
    let lease = found.lease.as_ref();
    let holder = lease.and_then(|lease| lease.as_ref().ok()).map(Option::as_ref).ok_or(());
    let mut out = std::io::stdout().lock();
    if let Some(screen) = screen {
        let clear = if clears { CLEAR } else { "" };
        let text = text::status::status(&status, &ledger.place, holder, screen);
        writeln!(out, "{clear}{text}")?;
    } else {
        let json = serde_json::to_string(&line(&status, ledger, holder))?;
        writeln!(out, "{}", json_shown(&json))?;
    }
    out.flush()?;
    Ok(status.urgency())
}

/// The line of JSON. Times are Unix seconds.
#[derive(Serialize)]
struct Line<'s> {
    event: &'static str,
    version: &'static str,
    ledger: &'s str,
    outcome: &'static str,
    time: i64,
    findings: Vec<ShownFinding>,
    streams: Option<Streams>,
    last_progress: Option<i64>,
    lease: Option<ShownLease<'s>>,
    dead_letters: Option<u64>,
    intents: Option<usize>,
    generation: Option<u64>,
    notes: &'s [String],
    runs: Vec<ShownRun<'s>>,
}

#[derive(Serialize)]
struct ShownFinding {
    urgency: &'static str,
    title: &'static str,
    text: String,
    runbook: String,
}

#[derive(Serialize)]
struct Streams {
    requests: ShownStream,
    objects: ShownStream,
}

#[derive(Serialize)]
struct ShownStream {
    watermark: Option<i64>,
    lag_secs: Option<i64>,
    compared: Option<i64>,
    remembered: u64,
}

#[derive(Serialize)]
struct ShownLease<'s> {
    owner: &'s str,
    until: i64,
}

#[derive(Serialize)]
struct ShownRun<'s> {
    time: i64,
    outcome: &'s str,
    duration_ms: u64,
    shipped: u64,
    pending: u64,
    rejected: u64,
    attention: &'s [String],
    error: Option<&'s str>,
}

fn word(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Note => "well",
        Urgency::Attention => "attention",
        Urgency::Unknown => "unknown",
    }
}

fn line<'s>(
    status: &'s Status,
    ledger: &'s Ledger<'_>,
    holder: Result<Option<&'s Holder>, ()>,
) -> Line<'s> {
    let findings = status.findings.iter().map(|finding| ShownFinding {
        urgency: word(finding.urgency()),
        title: finding.title(),
        text: finding.to_string(),
        runbook: format!("docs/operations.md#{}", text::status::anchor(finding.title())),
    });
    let stream = |stream: &StreamStatus| ShownStream {
        watermark: stream.watermark,
        lag_secs: stream.lag_secs,
        compared: stream.compared,
        remembered: stream.remembered,
    };
    let streams = status.streams.as_ref().map(|[requests, objects]| Streams {
        requests: stream(requests),
        objects: stream(objects),
    });
    let holder = holder.ok().flatten();
    Line {
        event: "status",
        version: env!("CARGO_PKG_VERSION"),
        ledger: ledger.name,
        outcome: word(status.urgency()),
        time: status.now,
        findings: findings.collect(),
        streams,
        last_progress: status.last_progress().map(Run::at),
        lease: holder.map(|Holder { owner, until_ms }| ShownLease {
            owner,
            until: until_ms.div_euclid(1000),
        }),
        dead_letters: status.dead_letters,
        intents: status.intents,
        generation: status.generation,
        notes: status.notes(),
        runs: status.runs.iter().take(RUNS).map(shown).collect(),
    }
}

fn shown(run: &Run) -> ShownRun<'_> {
    ShownRun {
        time: run.at(),
        outcome: run.outcome.word(),
        duration_ms: run.duration_ms,
        shipped: run.sum(|stream| stream.shipped),
        pending: run.sum(|stream| stream.pending),
        rejected: run.sum(|stream| stream.rejected),
        attention: &run.attention,
        error: run.error.as_deref(),
    }
}
