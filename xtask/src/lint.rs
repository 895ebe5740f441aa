//! `cargo xtask lint`: what is said of the code without running it: its format, Clippy's lints, its
//! documentation, and the dependencies' licences, sources and known weaknesses.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Result;

use crate::round::{Outcome, Round};
use crate::shell;
use crate::tool;

/// Runs everything; the exit status is a failure when anything failed.
pub fn run() -> Result<ExitCode> {
    let mut round = Round::default();
    dependencies(&mut round)?;
    if toolchain_has(&mut round, "rustfmt", "formatting") {
        round.command("formatting", tool::cargo()?.args(["fmt", "--all", "--check"]))?;
    }
    if toolchain_has(&mut round, "clippy", "lints") {
        // The operator's program is two: with the runs, and without them for the image.
        for (step, features) in
            [("lints", &[][..]), ("lints, no features", &["--no-default-features"])]
        {
            let mut clippy = tool::cargo()?;
            clippy.args(["clippy", "--workspace", "--all-targets"]).args(features);
            round.command(step, clippy.args(["--", "-D", "warnings"]))?;
        }
    }
    let mut doc = tool::cargo()?;
    doc.args(["doc", "--workspace", "--no-deps"]);
    round.command("documentation", doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(round.close())
}

fn dependencies(round: &mut Round) -> Result<()> {
    const STEPS: [(&str, &[&str]); 2] =
        [("licences, sources", &["bans", "licenses", "sources"]), ("advisories", &["advisories"])];
    for (step, checks) in STEPS {
        if !tool::found("cargo-deny") {
            let why = "no cargo-deny: cargo install cargo-deny --locked".to_owned();
            round.note(step, Outcome::Skipped(why), Duration::ZERO);
            continue;
        }
        let mut deny = Command::new("cargo-deny");
        deny.current_dir(tool::root()?).args(["--workspace", "--all-features", "check"]);
        let finished = shell::run(step, deny.args(checks))?;
        let took = finished.took;
        let unreachable = finished.stderr.contains("failed to fetch advisory database");
        let outcome = match finished.or_show(step) {
            Ok(_) => Outcome::Passed(String::new()),
            Err(_) if unreachable => {
                Outcome::Skipped("the advisory database cannot be reached".to_owned())
            }
            Err(why) => Outcome::Failed(format!("{why:#}")),
        };
        round.note(step, outcome, took);
    }
    Ok(())
}

/// Whether the Rust toolchain has `part`; notes `step` as skipped where not.
fn toolchain_has(round: &mut Round, part: &str, step: &str) -> bool {
    let command = if part == "rustfmt" { "fmt" } else { part };
    let there = tool::answer("cargo", &[command, "--version"]).is_some();
    if !there {
        let why = format!("no {part}: rustup component add {part}");
        round.note(step, Outcome::Skipped(why), Duration::ZERO);
    }
    there
}
