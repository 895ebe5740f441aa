//! A round of checks: what each step came to, the table at the end, and the closing line.

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::{Table, presets};

use crate::shell::{self, Finished};

/// What a step came to.
pub enum Outcome {
    /// It held; the text may say what was seen.
    Passed(String),
    /// It did not; the text says what to look at.
    Failed(String),
    /// It could not run; the text says why, and what would let it.
    Skipped(String),
}

/// How many tests passed, failed or did not run. A step that is no test run counts as one test
/// where it failed or was skipped, so that the sum never looks better than the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Tally {
    /// Sums the result lines of libtest, one to a test binary, and what tests say that they left
    /// out in a line that begins with `SKIPPED`.
    pub fn of_libtest(output: &str) -> Self {
        let mut tally = Self::default();
        tally.skipped += skipped(output).count() as u64;
        for line in output.lines().filter_map(|line| line.strip_prefix("test result: ")) {
            for part in line.split(['.', ';']) {
                let mut words = part.split_whitespace();
                let Some(count) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
                    continue;
                };
                match words.next() {
                    Some("passed") => tally.passed += count,
                    Some("failed") => tally.failed += count,
                    Some("ignored") => tally.skipped += count,
                    _ => {}
                }
            }
        }
        tally
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

fn skipped(output: &str) -> impl Iterator<Item = &str> {
    output.lines().filter(|line| line.starts_with("SKIPPED"))
}

struct Row {
    step: String,
    outcome: Outcome,
    took: Duration,
}

/// The steps so far.
#[derive(Default)]
pub struct Round {
    rows: Vec<Row>,
    tally: Tally,
}

impl Round {
    /// Notes a step. Its outcome is counted unless it is a test run, whose tests count themselves.
    pub fn note(&mut self, step: &str, outcome: Outcome, took: Duration) {
        match &outcome {
            Outcome::Passed(_) => {}
            Outcome::Failed(why) => {
                eprintln!("  FAILED {step}: {why}");
                self.tally.failed += 1;
            }
            Outcome::Skipped(why) => {
                eprintln!("  SKIPPED {step}: {why}");
                self.tally.skipped += 1;
            }
        }
        self.rows.push(Row { step: step.to_owned(), outcome, took });
    }

    /// Notes a step that cannot be made here.
    pub fn skip(&mut self, step: &str, why: &anyhow::Error) {
        self.note(step, Outcome::Skipped(format!("{why:#}")), Duration::ZERO);
    }

    /// Notes a step that held and is as much as a test.
    pub fn proved(&mut self, step: &str, seen: String, took: Duration) {
        self.tally.passed += 1;
        self.note(step, Outcome::Passed(seen), took);
    }

    /// Notes a step that is Rust code; true when it held.
    pub fn attempt<T>(
        &mut self,
        step: &str,
        work: impl FnOnce() -> Result<(T, String)>,
    ) -> Option<T> {
        let started = Instant::now();
        let (value, outcome) = match work() {
            Ok((value, seen)) => (Some(value), Outcome::Passed(seen)),
            Err(why) => (None, Outcome::Failed(format!("{why:#}"))),
        };
        self.note(step, outcome, started.elapsed());
        value
    }

    /// Runs `command` as a step, showing its output where it fails.
    pub fn command(&mut self, step: &str, command: &mut Command) -> Result<()> {
        let finished = shell::run(step, command)?;
        let took = finished.took;
        let outcome = match finished.or_show(step) {
            Ok(_) => Outcome::Passed(String::new()),
            Err(why) => Outcome::Failed(format!("{why:#}")),
        };
        self.note(step, outcome, took);
        Ok(())
    }

    /// Notes a finished test run with the counts of its binaries, showing its output where it
    /// failed, and what its tests say they left out.
    pub fn tests(&mut self, step: &str, finished: Finished) {
        let tally = Tally::of_libtest(&finished.stdout);
        for line in skipped(&finished.stdout).collect::<BTreeSet<_>>() {
            eprintln!("  {line}");
        }
        let took = finished.took;
        self.test_run(step, tally, finished.or_show(step).map(|_| ()), took);
    }

    fn test_run(&mut self, step: &str, tally: Tally, ended: Result<()>, took: Duration) {
        self.tally += tally;
        let outcome = match ended {
            Ok(()) => Outcome::Passed(tally.to_string()),
            Err(_) if tally.failed > 0 => {
                // Counted by its tests, not once more by the step.
                self.tally.failed -= 1;
                Outcome::Failed(tally.to_string())
            }
            Err(why) => Outcome::Failed(format!("{why:#}")),
        };
        self.note(step, outcome, took);
    }

    /// Prints the table and, alone on the last line, the sum; failure when anything failed.
    pub fn close(self) -> ExitCode {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY).set_header(["step", "result", "", "time"]);
        for Row { step, outcome, took } in &self.rows {
            let (result, text) = match outcome {
                Outcome::Passed(text) => ("ok", text),
                Outcome::Failed(text) => ("FAILED", text),
                Outcome::Skipped(text) => ("SKIPPED", text),
            };
            table.add_row([step, result, text, &format!("{:.1} s", took.as_secs_f64())]);
        }
        println!("\n{table}\n{}", self.tally);
        if self.tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    const TWO_BINARIES: &str = "\
running 8 tests
---- ships_everything_once stdout ----
SKIPPED: on Redis, since there is none
test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.05s
noise: test result: ok. 99 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.05s
";

    #[test]
    fn the_tally_sums_every_test_binary_and_what_tests_say_they_skipped() {
        let tally = Tally::of_libtest(TWO_BINARIES);
        assert_eq!(tally, Tally { passed: 8, failed: 2, skipped: 2 });
        assert_eq!(tally.to_string(), "8 passed, 2 failed, 2 skipped");
    }

    #[test]
    fn a_failed_or_skipped_step_shows_in_the_sum() {
        let mut round = Round::default();
        round.note("lints", Outcome::Failed("one lint".into()), Duration::ZERO);
        round.note("redis", Outcome::Skipped("absent".into()), Duration::ZERO);
        round.note("build", Outcome::Passed(String::new()), Duration::ZERO);
        assert_eq!(round.tally, Tally { passed: 0, failed: 1, skipped: 1 });
        assert_eq!(round.close(), ExitCode::FAILURE);
    }

    #[test]
    fn a_failing_test_run_counts_its_failures_once() {
        let mut round = Round::default();
        let tally = Tally { passed: 8, failed: 2, skipped: 2 };
        round.test_run("tests", tally, Err(anyhow!("exit status 101")), Duration::ZERO);
        assert_eq!(round.tally, tally);
    }

    #[test]
    fn a_test_run_that_does_not_compile_is_a_failure() {
        let mut round = Round::default();
        let ended = Err(anyhow!("exit status 101"));
        round.test_run("tests", Tally::default(), ended, Duration::ZERO);
        assert_eq!(round.tally, Tally { passed: 0, failed: 1, skipped: 0 });
    }
}
