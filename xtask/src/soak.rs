//! `cargo xtask soak`: the long runs in a row, each of which `cargo xtask test` makes short.
//!
//! What the tests print, their figures and seeds, stays in `target/soak/`.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Result;

use crate::round::{Outcome, Round};
use crate::simulators::Destination;
use crate::test::{self, DESTINATION, REDIS_URL};
use crate::tool::{self, Installs};
use crate::{build, fuzz, shell};

/// The model's histories.
const HISTORIES: u32 = 20_000;
/// What each fuzz target runs for.
const FUZZING: Duration = Duration::from_mins(10);

#[derive(clap::Args)]
pub struct Arguments {
    /// A hundredth of it, and the kills as `cargo xtask test` has them.
    #[arg(long)]
    quick: bool,
}

/// Runs all of it; the exit status is a failure when anything failed.
pub fn run(installs: Installs, arguments: &Arguments) -> Result<ExitCode> {
    let part = if arguments.quick { 100 } else { 1 };
    let mut round = Round::default();
    model(&mut round, HISTORIES / part)?;
    faults(&mut round, installs, arguments.quick)?;
    if let Err(why) = fuzz::all(&mut round, installs, FUZZING / part) {
        round.note("fuzz", Outcome::Failed(format!("{why:#}")), Duration::ZERO);
    }
    Ok(round.close())
}

/// Random histories. The model counts what `PROPTEST_CASES` says.
fn model(round: &mut Round, histories: u32) -> Result<()> {
    let mut command = tool::cargo()?;
    // Optimised, which takes a third off the time of a history. Dependencies stay as `cargo xtask test` has
    // them, wasmtime among them.
    command.args(["test", "--package", "kong-cloudtrail", "--test", "model"]);
    command.args(["--config", "profile.dev.package.kong-cloudtrail.opt-level=3"]);
    command.env("PROPTEST_CASES", histories.to_string());
    tests(round, &format!("model, {histories} histories"), &mut command)
}

/// The built component on a real Redis, with kills and every fault that there is.
fn faults(round: &mut Round, installs: Installs, quick: bool) -> Result<()> {
    let step = if quick { "kills and faults" } else { "kills and faults, long" };
    let built = round.attempt("component", || Ok((build::component(installs)?, String::new())));
    if built.is_none() {
        let why = "the component did not build".to_owned();
        round.note(step, Outcome::Skipped(why), Duration::ZERO);
        return Ok(());
    }
    let Some(redis) = test::redis(round, installs) else {
        let why = "they need a real Redis".to_owned();
        round.note(step, Outcome::Skipped(why), Duration::ZERO);
        return Ok(());
    };
    for destination in [Destination::Cloudtrail, Destination::Cloudwatch, Destination::S3] {
        let mut command = tool::cargo()?;
        command.args(["test", "--package", "kong-cloudtrail", "--test", "faults"]);
        command.env(REDIS_URL, redis.url()).env_remove("KONG_CLOUDTRAIL_SOAK");
        command.env(DESTINATION, destination.variable());
        if !quick {
            command.env("KONG_CLOUDTRAIL_SOAK", "1");
        }
        tests(round, &format!("{step}: {}", destination.name()), &mut command)?;
    }
    Ok(())
}

fn tests(round: &mut Round, step: &str, command: &mut Command) -> Result<()> {
    command.args(["--no-fail-fast", "--", "--show-output"]);
    let finished = shell::run(step, command)?;
    let folder = tool::root()?.join("target/soak");
    std::fs::create_dir_all(&folder)?;
    let name = step.split(',').next().unwrap_or(step).replace(' ', "-");
    std::fs::write(folder.join(format!("{name}.log")), &finished.stdout)?;
    round.tests(step, finished);
    Ok(())
}
