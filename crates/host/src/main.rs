//! `kong-cloudtrail-host`: the command line over the library.

mod dead_letters;
mod signals;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use kong_cloudtrail_host::key_value::swapped::Swapped;
use kong_cloudtrail_host::manifest::Trigger;
use kong_cloudtrail_host::{App, Call, Ending, Given, Line, Options, Outcome, Sources, report};
use signals::{Signal, Signals};
use tracing_subscriber::EnvFilter;

/// The status of `once` when the run was skipped: EX_TEMPFAIL of sysexits.h.
const SKIPPED: u8 = 75;

/// Runs a Spin application's timer or command component, without Spin.
///
/// A stand-in with Spin's interfaces and Spin's rules, for tests, demonstrations and a quick start.
/// Production is Spin itself (https://spinframework.dev): this host keeps no log files and no
/// metrics, and does not read all of Spin's configuration (what it lacks, it refuses).
///
/// stdout carries what the component prints to its stdout; the host's own words and the component's
/// stderr go to stderr. RUST_LOG sets how much the host says (default: warn).
///
/// SIGINT and SIGTERM end it with status 130 and 143. What they interrupt gives its lease back, so
/// that the next run need not wait for it; a second signal ends the process where it stands.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the manifest's trigger until SIGINT (status 130) or SIGTERM (status 143).
    ///
    /// A timer sleeps its interval first, then calls, as Spin's does. A trap of the component ends
    /// the process with status 0, as with Spin, whatever else is said on stderr: a supervisor must
    /// restart it always. A command component is run once, with its own exit status.
    Up(RunArgs),
    /// One tick now: status 0 when the report's outcome is "ok", 75 when it is "skipped", else 1.
    ///
    /// "skipped" means that an interrupted run or another host holds the lease: try again later. No
    /// report, or a trap, is status 1 with a message. A run that SIGINT or SIGTERM interrupts is
    /// status 130 or 143.
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

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    run(Cli::parse().verb).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(verb: Verb) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
    let done = runtime.block_on(async {
        match verb {
            Verb::Up(args) => up(&args).await,
            Verb::Once(args) => once(&args).await,
            Verb::DeadLetters(verb) => dead_letters(verb).await,
        }
    });
    // Dropping it would wait for what was interrupted.
    runtime.shutdown_background();
    done
}

async fn once(args: &RunArgs) -> Result<ExitCode> {
    let app = App::load(args.options()?)?;
    let outcome = match call(&app, args, &Signals::listen()?).await? {
        Call::Ended(outcome) => outcome,
        Call::Interrupted(signal, swapped) => return Ok(signals::free(signal, &swapped).await),
    };
    if let Ending::Trapped(message) = &outcome.ending {
        eprintln!("error: the component trapped: {message}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(match outcome.outcome() {
        "ok" => ExitCode::SUCCESS,
        "skipped" => SKIPPED.into(),
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
    let signals = Signals::listen()?;
    let Trigger::Timer { interval_ms } = app.manifest().trigger else {
        return run_command(&app, args, &signals).await;
    };
    let interval = Duration::from_millis(interval_ms);
    eprintln!(
        "component {:?}: the first tick in {interval:?}, then {interval:?} after each tick; SIGINT \
         or SIGTERM ends it",
        app.manifest().component_id
    );
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            signal = signals.first() => return Ok(signal.status().into()),
        }
        match call(&app, args, &signals).await? {
            Call::Interrupted(signal, swapped) => return Ok(signals::free(signal, &swapped).await),
            Call::Ended(Outcome { ending: Ending::Trapped(message), .. }) => {
                eprintln!(
                    "error: the component trapped, which ends the timer trigger: {message}\n\
                     error: the exit status is 0, as Spin's is: have a supervisor restart it always"
                );
                return Ok(ExitCode::SUCCESS);
            }
            Call::Ended(_) => {}
        }
    }
}

async fn run_command(app: &App, args: &RunArgs, signals: &Signals) -> Result<ExitCode> {
    let outcome = match call(app, args, signals).await? {
        Call::Ended(outcome) => outcome,
        Call::Interrupted(signal, swapped) => return Ok(signals::free(signal, &swapped).await),
    };
    Ok(match outcome.ending {
        Ending::Returned => ExitCode::SUCCESS,
        Ending::Failed | Ending::ReturnedError => ExitCode::FAILURE,
        Ending::Trapped(message) => {
            eprintln!("error: the component trapped: {message}");
            ExitCode::FAILURE
        }
    })
}

async fn dead_letters(verb: dead_letters::Verb) -> Result<ExitCode> {
    let signals = Signals::listen()?;
    let swapped = Arc::new(Swapped::default());
    let theirs = swapped.clone();
    let work = tokio::task::spawn_blocking(move || dead_letters::run(&verb, theirs));
    tokio::select! {
        done = work => done?.map(|()| ExitCode::SUCCESS),
        signal = signals.first() => Ok(signals::free(signal, &swapped).await),
    }
}

/// One call unless a signal comes, its lines printed as they come.
async fn call(app: &App, args: &RunArgs, signals: &Signals) -> Result<Call<Signal>> {
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
    let call = app.call_unless(signals.first(), app.entry(), print).await?;
    if let (Call::Ended(outcome), true) = (&call, args.usage) {
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
    Ok(call)
}

/// CPU time of this process so far, user and system, all threads.
fn cpu_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}
