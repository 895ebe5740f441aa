//! `cargo xtask demo`: the whole job on one machine, from a fresh checkout to the verdict.
//!
//! Nothing here knows how the component works: it sees a Kong, a destination, the shipped
//! `spin.toml`, and compares what the one holds with what arrived at the other. It ends with the status page.

mod bucket;
mod page;
mod verdict;
mod view;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, Parser};
use serde_json::Value;

use crate::build::{self, Binaries};
use crate::progress::Step;
use crate::shell;
use crate::simulators::{self, Channel, Destination, Kong};
use crate::tool::Installs;
use page::Page;
use verdict::{Entry, Event, Stream};

/// Entries in each stream before the first run, and what comes in before the second.
const BACKLOG: u64 = 5000;
const FRESH: u64 = 120;
/// The backlog where only the verdict is wanted.
const SHORT_BACKLOG: u64 = 300;
/// What the last demonstration has left in the checkout, to be asked: its store, the events that arrived, and the
/// objects of the bucket.
const KEPT: &str = "target/demo";
const EVENTS: &str = "events.ndjson";
const BUCKET: &str = "bucket";
/// Why a first run meets entries twice: `docs/decisions/0007-slices-and-sweeps.md`.
const READ_TWICE: &str = "  Duplicates, in a first run: each stream's first page is read once to see whether it is all, and again in its\n  \
     turn; objects are all read once more without a time filter, which would hide rows that tell no time.";

/// What this program is called in an archive, where it makes the demonstration alone.
pub const NAME: &str = "kong-cloudtrail-demo";

#[derive(Args)]
pub struct Arguments {
    /// Where events go.
    #[arg(long, value_enum, default_value_t)]
    destination: Destination,
    /// Open the status page in the browser, and keep it up.
    #[arg(long)]
    open: bool,
}

/// Runs the demonstration; a failure when the verdict is not that everything arrived once.
pub fn run(installs: Installs, arguments: &Arguments) -> Result<ExitCode> {
    heading("1  Build the component, and a host and simulators to try it with");
    if build::tested_binaries().is_err() {
        println!(
            "  Once, some five minutes on two cores, and 2 GB below target. Afterwards the demo takes 20 seconds."
        );
    }
    build::component(installs)?;
    let next = "cp .env.example .env    fill in Kong's address, the destination and credentials\n  \
                cargo xtask up          the same component against them";
    show(build::binaries()?, arguments, "target/debug/kong-cloudtrail", next)
}

/// The demonstration of an archive that was unpacked, by the programs in it.
#[derive(Parser)]
#[command(name = NAME, version, about = "The whole job on this machine: a simulated Kong, a simulated AWS, a verdict")]
pub struct Unpacked {
    #[command(flatten)]
    arguments: Arguments,
}

impl Unpacked {
    /// As [`run`], and nothing is built.
    pub fn run(&self) -> Result<ExitCode> {
        let binaries = build::unpacked_binaries()?;
        heading("1  Nothing to build: the component, a host and simulators are at hand");
        let next = "cp .env.example .env    fill in Kong's address, the destination and credentials\n  \
                    ./kong-cloudtrail check and then ./kong-cloudtrail up --now: the same component against them";
        show(binaries, &self.arguments, "./kong-cloudtrail", next)
    }
}

/// `program` is what looks at the store afterwards, and `next` what to do then.
fn show(binaries: Binaries, arguments: &Arguments, program: &str, next: &str) -> Result<ExitCode> {
    let destination = arguments.destination;
    heading(&format!("2  Start a Kong control plane and {}", destination.name()));
    let kept = emptied(binaries.application.join(KEPT))?;
    let stage = Stage::start(binaries, destination, BACKLOG, &kept)?;
    println!(
        "  Kong Admin API     {}  simulated: Gateway 3.9 Enterprise, 30 days of audit log",
        stage.kong.url
    );
    let (name, url) = (destination.name(), &stage.channel.url);
    println!("  {name:<18} {url}  simulated: {}", checks(destination));
    let reports = stage.three_runs(BACKLOG, &|line| println!("{line}"))?;

    heading("Result");
    let (entries, events) = (entries(&stage.kong)?, events(&stage.channel)?);
    println!("{}", view::streams(destination, &entries, &reports, &events));
    println!(
        "\nAs an auditor reads it (who: Kong's word; the name: likely the caller's own):\n{}",
        view::trail(&events)
    );
    if let Some(event) = view::example(&events) {
        println!("\nOne event in full:\n{}", serde_json::to_string_pretty(event)?);
    }
    if destination == Destination::S3 {
        let objects = bucket::objects(&stage.channel)?;
        println!("\n{}", bucket::keep(&objects, &stage.state.join(BUCKET))?);
    }
    let verdict = verdict::check(&entries, &events);
    println!("\n{}", verdict.told(destination.name()));
    if !verdict.holds() {
        return Ok(ExitCode::FAILURE);
    }
    keep(&events, &stage.state)?;
    heading("Ask it something: docs/tutorial.md has a first question");
    println!(
        "  {KEPT}/{EVENTS}    what was sent to {}, an event a line\n  \
         {program} status --state-dir {KEPT}    how things stand",
        destination.name()
    );
    heading("Next: your own Kong and AWS account");
    println!("  {next}\n  Production is Spin: docs/spin.md says how to run spin.toml with it.");
    heading("The status page of these runs");
    Page::serve(&stage.binaries, &stage.state)?.show(arguments.open)?;
    Ok(ExitCode::SUCCESS)
}

/// The verdict alone, on a short backlog, by programs that are built already, and so is the component.
pub fn prove(binaries: Binaries, destination: Destination) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let stage = Stage::start(binaries, destination, SHORT_BACKLOG, folder.path())?;
    stage.three_runs(SHORT_BACKLOG, &|_| ())?;
    let verdict = verdict::check(&entries(&stage.kong)?, &events(&stage.channel)?);
    let told = verdict.told(destination.name());
    ensure!(verdict.holds(), "{told}");
    Ok(told)
}

/// The folder in the checkout, with nothing in it.
fn emptied(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Writes the events into `folder`, one a line.
fn keep(events: &[Event], folder: &Path) -> Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join(EVENTS))?);
    for event in events {
        writeln!(file, "{}", event.data)?;
    }
    Ok(file.flush()?)
}

/// What the simulator looks at.
fn checks(destination: Destination) -> &'static str {
    match destination {
        Destination::Cloudtrail => "checks signature, checksums and schema",
        Destination::Cloudwatch => {
            "checks signature, order, span and bytes, and refuses what is older than 14 days"
        }
        Destination::S3 => "checks signature and checksums, and writes no object twice",
    }
}

fn heading(text: &str) {
    println!("\n{text}");
}

/// The shipped application on the host, and the simulators that it is pointed at.
struct Stage {
    binaries: Binaries,
    kong: Kong,
    channel: Channel,
    /// Holds the SQLite store.
    state: PathBuf,
}

impl Stage {
    /// Starts the simulators, with so many entries in each of Kong's streams. The store is in `state`.
    fn start(
        binaries: Binaries,
        destination: Destination,
        backlog: u64,
        state: &Path,
    ) -> Result<Self> {
        let backlog = backlog.to_string();
        let flags = ["--requests", &backlog, "--objects", &backlog];
        let kong = Kong::start(&binaries.simulator, &flags)?;
        let channel = Channel::start(destination, &binaries.simulator, &[])?;
        Ok(Self { binaries, kong, channel, state: state.to_owned() })
    }

    /// A run that ships the backlog, one that ships what has come since, and one with nothing to ship; their
    /// reports. Each line of the story goes to `tell`.
    fn three_runs(&self, backlog: u64, tell: &dyn Fn(&str)) -> Result<[Value; 3]> {
        let run = |title: &str, expected| {
            let report = self.tick(title, expected)?;
            tell(&format!("  {}", view::summary(self.channel.destination, &report)));
            anyhow::Ok(report)
        };
        tell("\n3  First run: the backlog");
        let first = run("Shipping", 2 * backlog)?;
        tell(READ_TWICE);

        tell("\n4  Second run: what has happened since, and that alone");
        self.kong.add_activity(FRESH, FRESH)?;
        tell(&format!("  {FRESH} new entries in each of Kong's two streams"));
        // An entry of the second that has not ended is left for the next run.
        std::thread::sleep(Duration::from_secs(2));
        let fresh = run("Shipping", 2 * FRESH)?;

        tell("\n5  Third run: nothing new");
        let calls = self.channel.status()?.calls;
        let idle = run("Looking", 0)?;
        let more_calls = self.channel.status()?.calls - calls;
        let call = self.channel.destination.call();
        tell(&format!("  {call} calls in this run: {more_calls}"));
        ensure!(more_calls == 0, "a run with nothing to ship made {more_calls} {call} calls");
        Ok([first, fresh, idle])
    }

    /// One run, with the channel's count of accepted events as its progress; its report.
    fn tick(&self, title: &str, expected: u64) -> Result<Value> {
        let before = self.channel.status()?.accepted;
        let finished =
            shell::watch(Step::counting(title, expected), &mut self.command(), |step| {
                step.reached(self.channel.status()?.accepted - before);
                Ok(())
            })?
            .or_show("the run")?;
        let report = simulators::report(&finished.stdout)?;
        ensure!(report["outcome"] == "ok", "the run is not ok: {report}");
        Ok(report)
    }

    fn command(&self) -> Command {
        let manifest = self.binaries.application.join("spin.toml");
        let mut command = simulators::host(&self.binaries.host, "once", &manifest, &self.state);
        command.arg("--state-dir").arg(&self.state);
        command.args(simulators::variables(&self.kong, &self.channel));
        command
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

/// What the destination accepted; of a bucket, what is in its objects.
fn events(channel: &Channel) -> Result<Vec<Event>> {
    if channel.destination == Destination::S3 {
        return bucket::events(&bucket::objects(channel)?);
    }
    let take = |mut event: Value| Event {
        id: event["id"].as_str().unwrap_or_default().to_owned(),
        data: event["eventData"].take(),
    };
    Ok(channel.events()?.into_iter().map(take).collect())
}
