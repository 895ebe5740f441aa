//! `kong-cloudtrail-host`: the command line over the library.

mod dead_letters;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use kong_cloudtrail_host::manifest::Trigger;
use kong_cloudtrail_host::{App, Ending, Given, Line, Options, Outcome, Sources, report};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Runs a Spin application's timer or command component, without Spin.
///
/// A stand-in with Spin's interfaces and Spin's rules, for tests, demonstrations and a quick start.
/// Production is Spin itself (https://spinframework.dev): this host keeps no log files and no
/// metrics, and does not read all of Spin's configuration (what it lacks, it refuses).
///
/// stdout carries what the component prints to its stdout; the host's own words and the component's
/// stderr go to stderr. RUST_LOG sets how much the host says (default: warn).
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the manifest's trigger until SIGINT or SIGTERM.
    ///
    /// A timer sleeps its interval first, then calls, as Spin's does. A trap of the component ends
    /// the process with status 0, as with Spin, whatever else is said on stderr: a supervisor must
    /// restart it always. A command component is run once, with its own exit status.
    Up(RunArgs),
    /// One tick now: status 0 when the report's outcome is "ok" or "skipped", else 1.
    ///
    /// No report, or a trap, is status 1 with a message.
    Once(RunArgs),
    /// The events that CloudTrail refused for good: what they are, and what becomes of them.
    ///
    /// Works on the store and the ledger that the component uses with the same options, and never
    /// talks to AWS or Kong. stdout carries letters, stderr words.
    #[command(subcommand)]
    DeadLetters(dead_letters::Verb),
}

/// What to load, and from where.
#[derive(Args)]
struct AppArgs {
    /// The manifest, or the folder that holds spin.toml.
    #[arg(short = 'f', long, default_value = "spin.toml", value_name = "PATH")]
    from: PathBuf,

    /// Spin's runtime config: key-value stores ("redis", "spin"; here also "memory"), state_dir,
    /// max_instance_memory.
    #[arg(long, env = "RUNTIME_CONFIG_FILE", value_name = "PATH")]
    runtime_config_file: Option<PathBuf>,

    /// A variable: name=value, name=@file, @file.json or @file.toml. Wins over
    /// SPIN_VARIABLE_<NAME> in the environment, which wins over a .env file in the current folder.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<Given>,

    /// Where the embedded store's file lies; .spin beside the manifest unless set. Empty: the store
    /// is in memory.
    #[arg(long, value_name = "FOLDER", value_parser = clap::builder::OsStringValueParser::new())]
    state_dir: Option<std::ffi::OsString>,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    app: AppArgs,

    /// Print the report line ({"event":"run",...}) alone.
    #[arg(short, long)]
    quiet: bool,

    /// Mount the folders of `files` directly, as they are at any time, in place of copies made at
    /// the start.
    #[arg(long)]
    direct_mounts: bool,

    /// After each call, print on stderr what it took, as a line of JSON: time, and CPU time of this
    /// process, both with the instance's creation; the component's peak memory.
    #[arg(long)]
    usage: bool,
}

impl RunArgs {
    fn options(&self) -> Result<Options> {
        Ok(Options { direct_mounts: self.direct_mounts, ..self.app.options()? })
    }
}

impl AppArgs {
    fn options(&self) -> Result<Options> {
        let mut given = BTreeMap::new();
        for variable in &self.variables {
            given.extend(variable.values()?);
        }
        Ok(Options {
            manifest: self.from.clone(),
            runtime_config: self.runtime_config_file.clone(),
            variables: Sources {
                given,
                // A name or value that is not UTF-8 cannot be a variable's.
                environment: std::env::vars_os()
                    .filter_map(|(name, value)| {
                        Some((name.into_string().ok()?, value.into_string().ok()?))
                    })
                    .collect(),
                env_file: Some(PathBuf::from(".env")),
            },
            state_dir: self.state_dir.clone().map(PathBuf::from),
            ..Options::default()
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    let result = match Cli::parse().verb {
        Verb::Up(args) => up(&args).await,
        Verb::Once(args) => once(&args).await,
        Verb::DeadLetters(verb) => dead_letters::run(&verb).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn once(args: &RunArgs) -> Result<ExitCode> {
    let app = App::load(args.options()?)?;
    let outcome = call(&app, args).await?;
    if let Ending::Trapped(message) = &outcome.ending {
        eprintln!("error: the component trapped: {message}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(match outcome.outcome() {
        "ok" | "skipped" => ExitCode::SUCCESS,
        "" => {
            eprintln!("error: the component printed no report ({{\"event\":\"run\",...}})");
            ExitCode::FAILURE
        }
        other => {
            eprintln!("error: the run's outcome is {other:?}: see the report");
            ExitCode::FAILURE
        }
    })
}

async fn up(args: &RunArgs) -> Result<ExitCode> {
    let app = App::load(args.options()?)?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        result = run(&app, args) => result,
        _ = interrupt.recv() => Ok(ExitCode::SUCCESS),
        _ = terminate.recv() => Ok(ExitCode::SUCCESS),
    }
}

async fn run(app: &App, args: &RunArgs) -> Result<ExitCode> {
    match app.manifest().trigger {
        Trigger::Timer { interval_ms } => {
            let interval = Duration::from_millis(interval_ms);
            eprintln!(
                "component {:?}: the first tick in {interval:?}, then {interval:?} after each tick; \
                 SIGINT or SIGTERM ends it",
                app.manifest().component_id
            );
            loop {
                tokio::time::sleep(interval).await;
                if let Ending::Trapped(message) = call(app, args).await?.ending {
                    eprintln!(
                        "error: the component trapped, which ends the timer trigger: {message}\n\
                         error: the exit status is 0, as Spin's is: have a supervisor restart it \
                         always"
                    );
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        Trigger::Command => Ok(match call(app, args).await?.ending {
            Ending::Returned => ExitCode::SUCCESS,
            Ending::Failed | Ending::ReturnedError => ExitCode::FAILURE,
            Ending::Trapped(message) => {
                eprintln!("error: the component trapped: {message}");
                ExitCode::FAILURE
            }
        }),
    }
}

/// One call, its lines printed as they come.
async fn call(app: &App, args: &RunArgs) -> Result<Outcome> {
    let quiet = args.quiet;
    let cpu_before = cpu_time();
    let print = move |line: Line<'_>| {
        // A reader that went away must not end the run.
        let _ = match line {
            Line::Stdout(line) if !quiet || report(line).is_some() => {
                let mut stdout = std::io::stdout().lock();
                writeln!(stdout, "{line}").and_then(|()| stdout.flush())
            }
            Line::Stdout(_) => Ok(()),
            Line::Stderr(line) => writeln!(std::io::stderr(), "{line}"),
        };
    };
    let outcome = app.call(app.entry(), print).await?;
    if args.usage {
        let cpu = cpu_time().saturating_sub(cpu_before);
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let usage = serde_json::json!({
            "event": "usage",
            "outcome": outcome.outcome(),
            "wall_us": micros(outcome.elapsed),
            "cpu_us": micros(cpu),
            "peak_memory_bytes": outcome.peak_memory,
        });
        eprintln!("{usage}");
    }
    Ok(outcome)
}

/// CPU time of this process so far, user and system, all threads.
fn cpu_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}
