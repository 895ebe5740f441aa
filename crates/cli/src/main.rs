//! `kong-cloudtrail`: the operator's program.
//!
//! What works on the store alone (`status`, `dead-letters`) is always there. `up` and `once` need the feature `runs`, and with
//! it wasmtime: the container image is built without, since Spin runs the component there.

mod arguments;
mod because;
mod dead_letters;
#[cfg(all(test, feature = "runs"))]
#[allow(clippy::unwrap_used)]
mod documented;
#[cfg(feature = "runs")]
mod evidence;
mod interventions;
mod ledger;
mod port;
#[cfg(feature = "runs")]
mod printer;
#[cfg(feature = "runs")]
mod runs;
mod screen;
mod settings;
mod signals;
mod status;
mod text;
mod version;

#[cfg(test)]
#[path = "../tests/scene/mod.rs"]
#[allow(clippy::unwrap_used)]
mod scene;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use kong_cloudtrail_application::key_value::swapped::Swapped;
use signals::Signals;
use tracing_subscriber::EnvFilter;
use version::VERSION;

/// The operator's program of kong-cloudtrail, beside the component that Spin runs.
///
/// stdout carries what was asked for, stderr words: on a terminal text for people, in a pipe, or with
/// --json, lines of JSON. NO_COLOR switches colours off. RUST_LOG sets how much is said on the way
/// (default: warn).
///
/// SIGINT and SIGTERM end it with status 130 and 143. What they interrupt gives its lease back, so
/// that the next run need not wait for it; a second signal ends the process where it stands.
#[derive(Parser)]
#[command(name = "kong-cloudtrail", version = VERSION.as_str(), propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// What is said on the way. wasmtime tells of each connection that fails in words for its developers, and a store in its
/// library's own: the report, or the error, has both in others, with what to do.
const QUIETER: &str = "warn,wasmtime_wasi_http=error,kong_cloudtrail_application::key_value=error";

#[derive(Subcommand)]
enum Verb {
    /// Runs the component without Spin until SIGINT (status 130) or SIGTERM (status 143).
    ///
    /// A stand-in with Spin's interfaces and Spin's rules, for one machine: to try things out, and
    /// under systemd where Spin is not wanted. For production Spin itself is recommended
    /// (https://spinframework.dev), since others run and maintain it too: this host keeps no log files
    /// and no metrics, and does not read all of Spin's configuration (what it lacks, it refuses).
    /// stdout carries what the component prints to its stdout; the host's own words and the
    /// component's stderr go to stderr.
    ///
    /// A timer sleeps its interval first, then calls, as Spin's does. A trap of the component ends
    /// the process with status 0, as with Spin, whatever else is said on stderr: a supervisor must
    /// restart it always. A command component is run once, with its own exit status.
    #[cfg(feature = "runs")]
    Up(runs::UpArgs),
    /// One run now: status 0 when the report's outcome is "ok", 75 when it is "skipped", else 1.
    ///
    /// On the host of `up`. "skipped" means that an interrupted run or another host holds the lease:
    /// try again later. No report, or a trap, is status 1 with a message. A run that SIGINT or
    /// SIGTERM interrupts is status 130 or 143.
    #[cfg(feature = "runs")]
    Once(runs::RunArgs),
    /// How things stand, from the store alone: status 0 when all is well, 1 when somebody should look,
    /// 2 when it cannot be told.
    ///
    /// Last runs, how far the streams are shipped and how far behind they are, who has the lease, dead
    /// letters, and what somebody should know, with what to do. Works on the store and the ledger that
    /// the component uses with the same options, changes nothing, and never talks to AWS or Kong: of the
    /// component's variables it needs ledger, ledger_key and ledger_key_previous alone. With --from
    /// spin-status.toml it also goes by stale_after_secs (default: 900).
    Status(status::StatusArgs),
    /// Would a run work? Tries each thing that it needs: status 0 when none fails, else 1.
    ///
    /// On the host of `up`, with the component's `task` set to check. One line of JSON says what was
    /// tried, found, and is to be done. No change lasts, and nothing is sent that counts. Redis is also
    /// asked what it does when it is full, which the component may not.
    #[cfg(feature = "runs")]
    Check(runs::RunArgs),
    /// Is all that Kong retains recorded? Compares it with the ledger: status 0 when nothing is
    /// missing, else 1.
    ///
    /// On the host of `up`, with the component's `task` set to verify. It takes no lease and changes
    /// nothing. One line of JSON has a table by stream and day, and the first hundred entries that are
    /// missing.
    #[cfg(feature = "runs")]
    Verify(runs::RunArgs),
    /// The events that CloudTrail refused for good: what they are, and what becomes of them.
    ///
    /// Works on the store and the ledger that the component uses with the same options, and never
    /// talks to AWS or Kong: of the component's variables it needs ledger, ledger_key and
    /// ledger_key_previous alone. stdout carries letters, stderr words.
    #[command(subcommand)]
    DeadLetters(dead_letters::Verb),
    /// Decisions about the ledger that no run makes by itself; who made them, when and why stays in it.
    ///
    /// On the same store and ledger as `dead-letters`, under the lease of a run. The next run says
    /// `intervened` in its report, and logs who and why.
    #[command(subcommand)]
    Ledger(interventions::Verb),
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIETER));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(screen::Screen::of_stderr().is_some_and(|stderr| stderr.colour))
        .with_target(false)
        .init();
    let cli = Cli::try_parse().unwrap_or_else(|told| {
        let _ = told.print();
        if told.kind() == ErrorKind::DisplayVersion {
            for line in version::components() {
                println!("{line}");
            }
        }
        std::process::exit(told.exit_code())
    });
    run(cli.verb).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(verb: Verb) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
    let done = runtime.block_on(async {
        match verb {
            #[cfg(feature = "runs")]
            Verb::Up(args) => runs::up(&args).await,
            #[cfg(feature = "runs")]
            Verb::Once(args) => runs::once(&args).await,
            Verb::Status(args) => {
                on_the_store(move |swapped| Ok(status::run(&args, &swapped))).await
            }
            #[cfg(feature = "runs")]
            Verb::Check(args) => evidence::check(&args).await,
            #[cfg(feature = "runs")]
            Verb::Verify(args) => evidence::verify(&args).await,
            Verb::DeadLetters(verb) => {
                let run = move |swapped| dead_letters::run(&verb, swapped);
                on_the_store(move |swapped| run(swapped).map(|()| ExitCode::SUCCESS)).await
            }
            Verb::Ledger(verb) => {
                let run = move |swapped| interventions::run(&verb, swapped);
                on_the_store(move |swapped| run(swapped).map(|()| ExitCode::SUCCESS)).await
            }
        }
    });
    // Dropping the runtime would wait for what was interrupted.
    runtime.shutdown_background();
    done
}

/// Does `work`, which blocks, until a signal comes. `work` is given the place where its lease is remembered,
/// so that the lease can be freed then.
async fn on_the_store(
    work: impl FnOnce(Arc<Swapped>) -> Result<ExitCode> + Send + 'static,
) -> Result<ExitCode> {
    let signals = Signals::listen()?;
    let swapped = Arc::new(Swapped::default());
    let theirs = swapped.clone();
    let work = tokio::task::spawn_blocking(move || work(theirs));
    tokio::select! {
        done = work => done?,
        signal = signals.first() => Ok(signals::free(signal, &swapped).await),
    }
}
