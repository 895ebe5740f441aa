//! `cargo xtask demo`: the whole job on one machine, from a fresh checkout to the verdict.
//!
//! Nothing here knows how the component works: it sees a Kong, a CloudTrail channel, the shipped
//! `spin.toml`, and compares what the one holds with what arrived at the other. It ends with the status page.

mod page;
mod verdict;
mod view;

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::Value;
use tempfile::TempDir;

use crate::build::{self, Binaries};
use crate::progress::Step;
use crate::shell;
use crate::simulators::{self, Channel, Kong};
use crate::tool::{self, Installs};
use page::Page;
use verdict::{Entry, Event, Stream};

/// Entries in each stream before the first run, and what comes in before the second.
const BACKLOG: u64 = 5000;
const FRESH: u64 = 120;

#[derive(Args)]
pub struct Arguments {
    /// Open the status page in the browser, and keep it up.
    #[arg(long)]
    open: bool,
}

/// Runs the demonstration; a failure when the verdict is not that everything arrived once.
pub fn run(installs: Installs, arguments: &Arguments) -> Result<ExitCode> {
    heading("1  Build the component, and a host and simulators to try it with");
    build::component(installs)?;
    let binaries = build::binaries()?;

    heading("2  Start a Kong control plane and a CloudTrail channel");
    let backlog = BACKLOG.to_string();
    let kong = Kong::start(&binaries.simulator, &["--requests", &backlog, "--objects", &backlog])?;
    let channel = Channel::start(&binaries.simulator, &[])?;
    println!(
        "  Kong Admin API     {}  simulated: Gateway 3.9 Enterprise, 30 days of audit log",
        kong.url
    );
    println!(
        "  CloudTrail Data    {}  simulated: checks signature, checksums and schema",
        channel.url
    );
    let state = tempfile::tempdir()?;
    let host = Host { binaries: &binaries, kong: &kong, channel: &channel, state };

    heading("3  First run: the backlog");
    let first = host.tick("Shipping", 2 * BACKLOG)?;

    heading("4  Second run: what has happened since, and that alone");
    kong.add_activity(FRESH, FRESH)?;
    println!("  {FRESH} new entries in each of Kong's two streams");
    // An entry of the second that has not ended is left for the next run.
    std::thread::sleep(Duration::from_secs(2));
    let fresh = host.tick("Shipping", 2 * FRESH)?;

    heading("5  Third run: nothing new");
    let calls = channel.status()?.calls;
    let idle = host.tick("Looking", 0)?;
    let more_calls = channel.status()?.calls - calls;
    println!("  PutAuditEvents calls in this run: {more_calls}");

    heading("Result");
    let entries = entries(&kong)?;
    let events = events(&channel)?;
    println!("{}", view::streams(&entries, &[first, fresh, idle], &events));
    println!("\nAs an auditor reads it:\n{}", view::trail(&events));
    if let Some(event) = view::example(&events) {
        println!("\nOne event in full:\n{}", serde_json::to_string_pretty(event)?);
    }
    let verdict = verdict::check(&entries, &events);
    println!("\n{verdict}");
    if !verdict.holds() {
        return Ok(ExitCode::FAILURE);
    }
    ensure!(more_calls == 0, "a run with nothing to ship made {more_calls} PutAuditEvents calls");
    heading("Next: your own Kong and channel");
    println!(
        "  cp .env.example .env    fill in Kong's address, the channel's ARN and credentials\n  \
         cargo xtask up          the same component against them\n  \
         Production is Spin: the README says how to run spin.toml with it."
    );
    heading("The status page of these runs");
    Page::serve(&host.binaries.host, host.state.path())?.show(arguments.open)?;
    Ok(ExitCode::SUCCESS)
}

fn heading(text: &str) {
    println!("\n{text}");
}

/// The shipped application on the host, pointed at the simulators.
struct Host<'a> {
    binaries: &'a Binaries,
    kong: &'a Kong,
    channel: &'a Channel,
    /// Holds the SQLite store.
    state: TempDir,
}

impl Host<'_> {
    /// One run, with the channel's count of accepted events as its progress; its report.
    fn tick(&self, title: &str, expected: u64) -> Result<Value> {
        let before = self.channel.status()?.accepted;
        let finished =
            shell::watch(Step::counting(title, expected), &mut self.command()?, |step| {
                step.reached(self.channel.status()?.accepted - before);
                Ok(())
            })?
            .or_show("the run")?;
        let report = simulators::report(&finished.stdout)?;
        ensure!(report["outcome"] == "ok", "the run is not ok: {report}");
        println!("  {}", view::summary(&report));
        Ok(report)
    }

    fn command(&self) -> Result<Command> {
        let manifest = tool::root()?.join("spin.toml");
        let mut command =
            simulators::host(&self.binaries.host, "once", &manifest, self.state.path());
        command.arg("--state-dir").arg(self.state.path());
        command.args(simulators::variables(self.kong, self.channel));
        Ok(command)
    }
}

/// What Kong holds.
fn entries(kong: &Kong) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for stream in Stream::ALL {
        let of = kong.entries(stream.name())?.into_iter();
        entries.extend(of.map(|fields| Entry { stream, fields }));
    }
    Ok(entries)
}

/// What CloudTrail accepted.
fn events(channel: &Channel) -> Result<Vec<Event>> {
    let take = |mut event: Value| Event {
        id: event["id"].as_str().unwrap_or_default().to_owned(),
        data: event["eventData"].take(),
    };
    Ok(channel.events()?.into_iter().map(take).collect())
}
