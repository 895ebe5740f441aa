//! `cargo xtask ci`: the tests, and the dependencies' licences, sources and known weaknesses.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Result;

use crate::round::{Outcome, Round};
use crate::tool::{self, Installs};
use crate::{shell, test};

/// Runs everything; the exit status is a failure when anything failed.
pub fn run(installs: Installs) -> Result<ExitCode> {
    let mut round = Round::default();
    dependencies(&mut round)?;
    test::all(&mut round, installs)?;
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
