//! The project's chores, one file a verb.
//!
//! `cargo xtask demo` goes from a fresh checkout to a shipped audit trail, `cargo xtask test` runs
//! the tests. This crate is compiled before anything can be shown, so it stays light:
//! what needs wasmtime or a web server runs as a child process.

mod bench;
mod build;
mod demo;
mod deployment;
mod dist;
mod docs;
mod fuzz;
mod kubernetes;
mod lint;
mod picture;
mod progress;
mod python;
mod queries;
mod redis;
mod round;
mod shell;
mod simulators;
mod soak;
mod spin;
mod terraform;
mod test;
mod tool;
mod trigger;
mod up;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tool::Installs;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of kong-cloudtrail")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Never install system packages; say what is missing instead.
    #[arg(long, global = true)]
    no_install: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// From nothing to a shipped audit trail on this machine, with a verdict at the end, and the status page.
    Demo(demo::Arguments),
    /// Ship a real Kong's audit trail, configured by the environment or .env, until interrupted.
    Up(up::Arguments),
    /// Build the WebAssembly components, fetching the wasm32-wasip2 target where needed.
    Build,
    /// Pack what a machine without a compiler can run, below target/dist.
    Dist(dist::Arguments),
    /// Run the tests on SQLite and Redis, the checks of what deploys it, and the demonstration.
    Test,
    /// Check the code without running it: format, lints, documentation, and the dependencies.
    Lint,
    /// Build the book, and check its links, commands and configuration; tell what cannot be tried.
    Docs,
    /// Run the acceptance on the Spin on PATH, with its timer and its command trigger.
    Spin,
    /// Build Spin's timer trigger, which Spin does not publish, and install it as a plugin.
    Trigger(trigger::Arguments),
    /// Check what deploys it: Terraform, the container image.
    Deployment,
    /// Take the pictures of the status page with a headless Chromium.
    Picture,
    /// Try random input on the core, target by target.
    Fuzz(fuzz::Arguments),
    /// Measure the component against Kong's Lambda and against the least possible. Takes an hour.
    Bench(bench::Arguments),
    /// The long runs in a row: the model, kills and faults, fuzzing. Takes hours.
    Soak(soak::Arguments),
}

fn main() -> ExitCode {
    // An archive has this program as its demonstration.
    let own = std::env::current_exe().ok();
    let is_demo = own.is_some_and(|own| own.file_stem() == Some(OsStr::new(demo::NAME)));
    let done = if is_demo {
        let demo = demo::Unpacked::parse();
        shell::end_children_on_signals().and_then(|()| demo.run())
    } else {
        run(Cli::parse())
    };
    done.unwrap_or_else(|why| {
        eprintln!("error: {why:#}");
        ExitCode::FAILURE
    })
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    shell::end_children_on_signals()?;
    let installs = if cli.no_install { Installs::Forbidden } else { Installs::Allowed };
    match cli.verb {
        Verb::Demo(arguments) => demo::run(installs, &arguments),
        Verb::Up(arguments) => up::run(installs, &arguments),
        Verb::Build => build::run(installs),
        Verb::Dist(arguments) => dist::run(installs, &arguments),
        Verb::Test => test::run(installs),
        Verb::Lint => lint::run(),
        Verb::Docs => docs::run(),
        Verb::Spin => spin::run(installs),
        Verb::Trigger(arguments) => trigger::run(&arguments),
        Verb::Deployment => deployment::run(installs),
        Verb::Picture => picture::run(installs),
        Verb::Fuzz(arguments) => fuzz::run(installs, &arguments),
        Verb::Bench(arguments) => bench::run(installs, &arguments),
        Verb::Soak(arguments) => soak::run(installs, &arguments),
    }
}
