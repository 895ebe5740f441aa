//! `kong-cloudtrail`: the operator's program.
//!
//! What works on the store alone is always there. `up` and `once` need the feature `runs`, and with
//! it wasmtime: the container image is built without, since Spin runs the component there.

mod arguments;
mod because;
mod dead_letters;
mod interventions;
mod ledger;
mod port;
#[cfg(feature = "runs")]
mod runs;
mod signals;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use kong_cloudtrail_application::key_value::swapped::Swapped;
use signals::Signals;
use tracing_subscriber::EnvFilter;

/// The operator's program of kong-cloudtrail, beside the component that Spin runs.
///
/// stdout carries what was asked for, stderr words. RUST_LOG sets how much is said on the way
/// (default: warn).
///
/// SIGINT and SIGTERM end it with status 130 and 143. What they interrupt gives its lease back, so
/// that the next run need not wait for it; a second signal ends the process where it stands.
#[derive(Parser)]
#[command(name = "kong-cloudtrail", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the component without Spin until SIGINT (status 130) or SIGTERM (status 143).
    ///
    /// A stand-in with Spin's interfaces and Spin's rules, for tests, demonstrations and a quick
    /// start. Production is Spin itself (https://spinframework.dev): this host keeps no log files
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
    // wasmtime tells of each connection that fails in words for its developers; the report has it in others.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,wasmtime_wasi_http=error"));
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
            #[cfg(feature = "runs")]
            Verb::Up(args) => runs::up(&args).await,
            #[cfg(feature = "runs")]
            Verb::Once(args) => runs::once(&args).await,
            Verb::DeadLetters(verb) => {
                on_the_store(move |swapped| dead_letters::run(&verb, swapped)).await
            }
            Verb::Ledger(verb) => {
                on_the_store(move |swapped| interventions::run(&verb, swapped)).await
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
    work: impl FnOnce(Arc<Swapped>) -> Result<()> + Send + 'static,
) -> Result<ExitCode> {
    let signals = Signals::listen()?;
    let swapped = Arc::new(Swapped::default());
    let theirs = swapped.clone();
    let work = tokio::task::spawn_blocking(move || work(theirs));
    tokio::select! {
        done = work => done?.map(|()| ExitCode::SUCCESS),
        signal = signals.first() => Ok(signals::free(signal, &swapped).await),
    }
}
