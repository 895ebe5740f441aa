//! `cargo xtask spin`: the acceptance, on the Spin that is found.
//!
//! The scenarios are tests of the project that start their runs on Spin where a variable names it
//! (`tests/component/driver.rs`), and on the project's host otherwise.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::redis::Redis;
use crate::round::{Outcome, Round};
use crate::test::{self, REDIS_URL};
use crate::tool::{self, Installs};
use crate::{build, shell};

/// Where the tests find Spin.
const TEST_SPIN: &str = "KONG_CLOUDTRAIL_TEST_SPIN";
const TIMER: &str = "trigger-timer";
const COMMAND: &str = "trigger-command";
/// It comes with Spin.
const HTTP: &str = "trigger-http";

/// A part of the acceptance: tests of one test file.
struct Scenario {
    says: &'static str,
    /// The test file.
    tests: &'static str,
    /// What the names of its tests contain; nothing is all of them.
    names: &'static [&'static str],
    trigger: &'static str,
}

const fn timer(
    says: &'static str,
    tests: &'static str,
    names: &'static [&'static str],
) -> Scenario {
    Scenario { says, tests, names, trigger: TIMER }
}

const SCENARIOS: [Scenario; 15] = [
    timer("the whole job on SQLite and Redis, and the runs after it", "component", &["job::"]),
    timer(
        "bad configuration, and answers that are not Kong's",
        "component",
        &["bad_input::", "a_missing_admin_api"],
    ),
    timer("runs that meet, on one store; a budget; parts", "component", &["runs::"]),
    timer("[[client_tls]]: private and wrong authorities, certificates", "tls", &["kong::"]),
    timer("the same for CloudTrail's endpoint", "tls", &["cloudtrail::"]),
    // Of what is wrong there, Spin 4.0.2 says so after 5 to 10 minutes, whatever it is.
    timer("rediss:// with the system's authorities", "tls", &["redis::a_user"]),
    Scenario {
        trigger: COMMAND,
        ..timer("the command trigger's exit statuses", "component", &["command_trigger"])
    },
    Scenario {
        trigger: COMMAND,
        ..timer("check and verify, by the command trigger", "component", &["evidence::"])
    },
    Scenario {
        trigger: HTTP,
        ..timer("the status page, on SQLite and Redis", "component", &["status::"])
    },
    timer("a trap; more than 256 handles", "runs", &["a_trap_ends_up", "a_call_may_hold"]),
    timer("SIGKILL and SIGINT in mid-run, the next run", "faults", &["kills::", "after_sigint"]),
    timer("stores that refuse writes, a demoted Redis among them", "faults", &["refusing::"]),
    timer("CloudWatch Logs: the job, ages, refusals, groups", "component", &["cloudwatch::"]),
    timer("credentials and their endpoints", "component", &["credentials::"]),
    timer(
        "Kong's versions and answers, dates, keys, sizes, dead letters, the Lambda's keys",
        "component",
        &["answers::", "dead_letters::", "keys::", "kongs::", "lambda::", "sizes::", "times::"],
    ),
];

/// A Spin, and which plugins it has.
pub struct Spin {
    pub program: PathBuf,
    /// Such as `4.0.2`.
    pub version: String,
    plugins: String,
}

impl Spin {
    /// The one on PATH.
    pub fn find() -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path).map(|folder| folder.join("spin"));
        let program = program
            .into_iter()
            .find(|program| program.is_file())
            .context("no spin on PATH: https://spinframework.dev/install says how to install it")?;
        let told = |words: &[&str]| tool::answer(&program.to_string_lossy(), words);
        let version = told(&["--version"]).unwrap_or_default();
        let mut words = version.split_whitespace();
        let named = words.next() == Some("spin");
        let version = words.next().filter(|_| named).unwrap_or_default().to_owned();
        ensure!(!version.is_empty(), "{} is not Spin", program.display());
        let plugins = told(&["plugins", "list", "--installed"]).unwrap_or_default();
        Ok(Self { program, version, plugins })
    }

    fn has(&self, trigger: &str) -> Result<()> {
        if trigger == HTTP {
            return Ok(());
        }
        let remedy = match trigger {
            TIMER => "cargo xtask trigger",
            _ => "spin plugins update && spin plugins install trigger-command",
        };
        // Spin marks a plugin that is for another Spin.
        let fits = |line: &str| line.starts_with(trigger) && !line.contains("[requires");
        let has = self.plugins.lines().any(fits);
        ensure!(has, "Spin {} has no {trigger}: {remedy}", self.version);
        Ok(())
    }
}

/// Runs the acceptance; the exit status is a failure when anything failed.
pub fn run(installs: Installs) -> Result<ExitCode> {
    let mut round = Round::default();
    match Spin::find() {
        Ok(spin) => all(&mut round, installs, &spin)?,
        Err(why) => round.skip("spin", &why),
    }
    Ok(round.close())
}

fn all(round: &mut Round, installs: Installs, spin: &Spin) -> Result<()> {
    if [TIMER, COMMAND].iter().all(|trigger| spin.has(trigger).is_err()) {
        for trigger in [TIMER, COMMAND] {
            if let Err(why) = spin.has(trigger) {
                round.skip(trigger, &why);
            }
        }
        return Ok(());
    }
    let built = round.attempt("component, host", || {
        let built = (build::component(installs)?, build::binaries()?);
        Ok((built, String::new()))
    });
    if built.is_none() {
        let why = "the component or the host did not build".to_owned();
        round.note("scenarios", Outcome::Skipped(why), Duration::ZERO);
        return Ok(());
    }
    let redis = test::redis(round, installs);
    for scenario in &SCENARIOS {
        scenario.play(round, spin, redis.as_ref())?;
    }
    Ok(())
}

impl Scenario {
    fn play(&self, round: &mut Round, spin: &Spin, redis: Option<&Redis>) -> Result<()> {
        let step = format!("Spin {}: {}", spin.version, self.says);
        if let Err(why) = spin.has(self.trigger) {
            round.skip(&step, &why);
            return Ok(());
        }
        let mut tests = tool::cargo()?;
        // Of the workspace, so that what `cargo xtask test` has built serves.
        tests.args(["test", "--workspace", "--test", self.tests, "--no-fail-fast"]);
        tests.arg("--").arg("--show-output").args(self.names);
        tests.env(TEST_SPIN, &spin.program).env("RUST_TEST_THREADS", "4");
        match redis {
            Some(redis) => tests.env(REDIS_URL, redis.url()),
            None => tests.env_remove(REDIS_URL),
        };
        let finished = shell::run(&step, &mut tests)?;
        let ran = |name: &str| {
            let mut passed = finished.stdout.lines().filter(|line| line.ends_with(" ok"));
            passed.any(|line| line.starts_with("test ") && line.contains(name))
        };
        let mut names = self.names.iter().copied();
        match names.find(|&name| finished.status.success() && !ran(name)) {
            Some(name) => {
                let why = format!("no test of {} has {name} in its name", self.tests);
                round.note(&step, Outcome::Failed(why), finished.took);
            }
            None => round.tests(&step, finished),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_look_for_spin_in_the_variable_that_is_set() {
        let driver = include_str!("../../tests/component/driver.rs");
        assert!(driver.contains(&format!("{TEST_SPIN:?}")));
    }
}
