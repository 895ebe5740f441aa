//! Whether the tests notice a mutant.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use super::build::Executables;
use super::score::{Scores, Verdict};
use crate::progress::Step;
use crate::shell::Service;

/// Enough for a mutant's one difference to show, the same ones with every mutant and without, and a
/// shrunk example is not looked at.
const PROPERTIES: [(&str, &str); 4] = [
    ("PROPTEST_CASES", "32"),
    ("PROPTEST_RNG_SEED", "1"),
    ("PROPTEST_MAX_SHRINK_ITERS", "0"),
    ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true"),
];

/// Bytes that a test may take: there are mutants that grow for ever.
const MEMORY: u64 = 4 << 30;
/// A test that waits does not end by its own time.
const PATIENCE: Duration = Duration::from_mins(20);
const POLL: Duration = Duration::from_millis(30);

/// Name, number and tests of a mutant.
pub type Candidate<'a> = (&'a str, u32, &'static [Tests]);

/// The tests beside the code.
pub const BESIDE: &[Tests] = &[Tests { target: LIBRARY, arguments: &[], limit: 20 }];
/// Those of the mapping.
pub const MAPPING: &[Tests] = &[
    Tests { target: LIBRARY, arguments: &[], limit: 20 },
    Tests { target: "mapping", arguments: &["--skip", "properties::"], limit: 20 },
    Tests { target: "mapping", arguments: &["properties::"], limit: 30 },
];
/// What takes longest is for those that the others miss.
pub const MODEL: &[Tests] = &[Tests { target: "model", arguments: &[], limit: 150 }];

/// Targets of tests: the library's is for those beside the code.
pub const LIBRARY: &str = "kong_cloudtrail";
pub const TARGETS: [&str; 3] = [LIBRARY, "mapping", "model"];

/// Tests that run together.
#[derive(Clone, Copy)]
pub struct Tests {
    /// The name of their target.
    pub target: &'static str,
    arguments: &'static [&'static str],
    /// Seconds of their own time, some ten times what they take, after which they are taken not to
    /// end. The time of a busy machine's other work does not count.
    limit: u32,
}

impl Tests {
    fn run(&self, number: u32, executables: &Executables, tree: &Path) -> Result<Ended> {
        let executable = executables.get(self.target).context("no such tests")?;
        let mut command = Command::new("prlimit");
        command.arg(format!("--cpu={0}:{0}", self.limit)).arg(format!("--as={MEMORY}"));
        command.arg("--core=0").arg(executable).args(self.arguments).current_dir(tree);
        command.envs(PROPERTIES).env("MUTANT", number.to_string());
        // Their lines tell of a failure before all tests have run.
        let said = NamedTempFile::new()?;
        command.env("CARGO_MANIFEST_DIR", tree).stdout(said.reopen()?).stderr(Stdio::null());
        let begun = Instant::now();
        let service = Service::start(&mut command).context("prlimit is in util-linux")?;
        loop {
            if let Some(status) = service.exited()? {
                let ended = if status.success() { Ended::Passed } else { Ended::Failed };
                return Ok(if status.signal().is_some() { Ended::Killed } else { ended });
            } else if std::fs::read_to_string(&said)?.contains(" ... FAILED\n") {
                return Ok(Ended::Failed);
            } else if begun.elapsed() > PATIENCE {
                return Ok(Ended::Killed);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// How tests ended.
#[derive(PartialEq)]
enum Ended {
    Passed,
    Failed,
    /// At the limit of their time or memory.
    Killed,
}

/// Without any mutant, all tests pass.
pub fn unchanged(executables: &Executables, tree: &Path) -> Result<()> {
    for tests in [BESIDE, MAPPING, MODEL].into_iter().flatten() {
        if tests.run(0, executables, tree)? != Ended::Passed {
            bail!("without any mutant the tests of {} fail already", tests.target);
        }
    }
    Ok(())
}

/// Judges each of the `mutants`.
pub fn all(
    mutants: &[Candidate<'_>],
    executables: &Executables,
    tree: &Path,
    scores: &mut Scores,
) -> Result<()> {
    let missed = round("Mutants", mutants, executables, tree, scores)?;
    let model: Vec<_> = missed.iter().map(|(name, number, _)| (*name, *number, MODEL)).collect();
    for (name, ..) in
        round("Mutants that only the model is left for", &model, executables, tree, scores)?
    {
        scores.add(name, Verdict::Survived)?;
    }
    Ok(())
}

/// Gives those that the tests missed.
fn round<'a>(
    title: &str,
    mutants: &[Candidate<'a>],
    executables: &Executables,
    tree: &Path,
    scores: &mut Scores,
) -> Result<Vec<Candidate<'a>>> {
    let step = Mutex::new(Step::counting(title, mutants.len() as u64));
    let judged = Mutex::new((scores, Vec::new()));
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (name, number, tests) = mutant;
            let verdict = one(*number, tests, executables, tree)?;
            let mut judged = judged.lock().expect("no thread panics");
            match verdict {
                Some(verdict) => judged.0.add(name, verdict)?,
                None => judged.1.push(*mutant),
            }
            let mut step = step.lock().expect("no thread panics");
            step.reached(next.load(Ordering::Relaxed).min(mutants.len()) as u64);
            step.still(String::new);
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        started.into_iter().try_for_each(|worker| worker.join().expect("no thread panics"))
    })?;
    step.into_inner().expect("no thread panics").end(true);
    Ok(judged.into_inner().expect("no thread panics").1)
}

/// What `tests` make of a mutant; nothing where they all pass.
pub fn one(
    number: u32,
    tests: &[Tests],
    executables: &Executables,
    tree: &Path,
) -> Result<Option<Verdict>> {
    for tests in tests {
        match tests.run(number, executables, tree)? {
            Ended::Passed => {}
            Ended::Killed => return Ok(Some(Verdict::NeverEnds)),
            Ended::Failed if tests.target == MODEL[0].target => {
                return Ok(Some(Verdict::CaughtByModel));
            }
            Ended::Failed => return Ok(Some(Verdict::Caught)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn verdict(target: &'static str, script: &'static [&'static str]) -> Option<Verdict> {
        let executables = Executables::from([(target.to_owned(), "/bin/sh".into())]);
        one(7, &[Tests { target, arguments: script, limit: 1 }], &executables, Path::new("/"))
            .unwrap()
    }

    #[test]
    fn a_mutant_is_caught_by_a_test_that_fails_and_by_no_other() {
        assert_eq!(verdict("mapping", &["-c", "exit 101"]), Some(Verdict::Caught));
        assert_eq!(verdict("model", &["-c", "exit 101"]), Some(Verdict::CaughtByModel));
        assert_eq!(verdict("mapping", &["-c", "test $MUTANT = 7"]), None);
    }

    #[test]
    fn a_failed_test_ends_the_others() {
        let begun = Instant::now();
        let script = &["-c", "echo 'test a ... FAILED'; exec sleep 60"];
        assert_eq!(verdict("mapping", script), Some(Verdict::Caught));
        assert!(begun.elapsed() < Duration::from_mins(1));
    }

    #[test]
    fn only_its_own_time_tells_that_a_test_never_ends() {
        assert_eq!(verdict("mapping", &["-c", "while :; do :; done"]), Some(Verdict::NeverEnds));
        assert_eq!(verdict("mapping", &["-c", "sleep 2"]), None);
    }
}
