//! The programs that `cargo xtask bench` runs beside the component, each of which prints what it
//! did as a line of JSON: the Lambda pattern, the component's core natively, the size of a store.
//! And the chart of it all.

mod chart;
mod lambda;
mod native;
mod store;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use kong_cloudtrail::config::Config;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// One run in the way of Kong's Lambda.
    Lambda(Run),
    /// One run of the component's core, over native ports.
    Native(Run),
    /// What the keys of a Redis take.
    Store {
        #[arg(long)]
        redis: String,
    },
    /// Draws the figures of `cargo xtask bench`.
    Chart {
        #[arg(long)]
        figures: PathBuf,
        #[arg(long)]
        out: PathBuf,
    },
}

/// What a run needs.
#[derive(Args)]
struct Run {
    /// The store.
    #[arg(long)]
    redis: String,
    /// A variable of the component: name=value.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<String>,
}

impl Run {
    /// A variable, as the component asks for it.
    fn variable(&self, name: &str) -> Option<String> {
        let mut given = self.variables.iter().filter_map(|variable| variable.split_once('='));
        given.find(|(given, _)| *given == name).map(|(_, value)| value.to_owned())
    }

    fn config(&self) -> Result<Config> {
        Config::read(|name| Ok(self.variable(name))).map_err(anyhow::Error::msg)
    }

    fn redis(&self) -> Result<redis::Connection> {
        connect(&self.redis)
    }
}

fn connect(url: &str) -> Result<redis::Connection> {
    let client = redis::Client::open(url)?;
    client
        .get_connection()
        .with_context(|| format!("no Redis at {}", client.get_connection_info().addr()))
}

fn main() -> Result<()> {
    let done = match Cli::parse().verb {
        Verb::Lambda(run) => lambda::run(&run.config()?, run.redis()?)?,
        Verb::Native(run) => native::run(&run)?,
        Verb::Store { redis } => store::measure(connect(&redis)?)?,
        Verb::Chart { figures, out } => return chart::draw(&std::fs::read(figures)?, &out),
    };
    println!("{done}");
    Ok(())
}

/// CPU time of this process so far, user and system, in microseconds.
fn cpu_us() -> u64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let spent = Duration::try_from(spent).unwrap_or_default();
    u64::try_from(spent.as_micros()).unwrap_or(u64::MAX)
}
