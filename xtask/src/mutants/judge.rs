//! Whether the tests notice a mutant.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::build::Executables;
use super::score::{Scores, Verdict};
use crate::progress::Step;
use crate::shell::Service;

/// Enough for a mutant's one difference to show, and a shrunk example is not looked at.
const PROPERTIES: [(&str, &str); 3] = [
    ("PROPTEST_CASES", "32"),
    ("PROPTEST_MAX_SHRINK_ITERS", "0"),
    ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true"),
];

/// Bytes that a test may take: there are mutants that grow for ever.
const MEMORY: u64 = 4 << 30;
/// A test that waits does not end by its own time.
const PATIENCE: Duration = Duration::from_mins(20);
const POLL: Duration = Duration::from_millis(20);

/// Name, number and tests of a mutant.
pub type Candidate<'a> = (&'a str, u32, &'static [Tests]);

/// Tests that run together.
#[derive(Clone, Copy)]
pub struct Tests {
    /// The name of their target, and what they are called in the table.
    pub target: &'static str,
    arguments: &'static [&'static str],
    /// Seconds of their own time, some ten times what they take, after which they are taken not to
    /// end. The time of a busy machine's other work does not count.
    limit: u32,
}

impl Tests {
    pub const ALL: [Self; 4] = [Self::BESIDE, Self::CASES, Self::PROPERTIES, Self::MODEL];
    /// Those beside the code.
    pub const BESIDE: Self = Self { target: "kong_cloudtrail", arguments: &[], limit: 20 };
    pub const CASES: Self =
        Self { target: "mapping", arguments: &["--skip", "properties::"], limit: 20 };
    pub const PROPERTIES: Self =
        Self { target: "mapping", arguments: &["properties::"], limit: 30 };
    pub const MODEL: Self = Self { target: "model", arguments: &[], limit: 150 };

    fn run(&self, number: u32, executables: &Executables, tree: &Path) -> Result<ExitStatus> {
        let executable = executables.get(self.target).context("no such tests")?;
        let mut command = Command::new("prlimit");
        command.arg(format!("--cpu={0}:{0}", self.limit)).arg(format!("--as={MEMORY}"));
        command.arg("--core=0").arg(executable).args(self.arguments).current_dir(tree);
        command.envs(PROPERTIES).env("MUTANT", number.to_string());
        command.env("CARGO_MANIFEST_DIR", tree).stdout(Stdio::null()).stderr(Stdio::null());
        let begun = std::time::Instant::now();
        let service = Service::start(&mut command).context("prlimit is in util-linux")?;
        loop {
            if let Some(status) = service.exited()? {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                // Dropped, it is killed.
                return Ok(ExitStatus::from_raw(9));
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Judges each of the `mutants`.
pub fn all(
    mutants: &[Candidate<'_>],
    executables: &Executables,
    tree: &Path,
    scores: &mut Scores,
) -> Result<()> {
    for tests in Tests::ALL {
        if !tests.run(0, executables, tree)?.success() {
            bail!("without any mutant the tests of {} fail already", tests.target);
        }
    }
    let step = Mutex::new(Step::counting("Mutants", mutants.len() as u64));
    let scores = Mutex::new(scores);
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some((name, number, tests)) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let verdict = one(*number, tests, executables, tree)?;
            scores.lock().expect("no thread panics").add(name, verdict)?;
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
    Ok(())
}

/// Judges one mutant.
pub fn one(
    number: u32,
    tests: &[Tests],
    executables: &Executables,
    tree: &Path,
) -> Result<Verdict> {
    for tests in tests {
        let status = tests.run(number, executables, tree)?;
        if status.signal().is_some() {
            return Ok(Verdict::NeverEnds);
        } else if !status.success() {
            return Ok(if tests.target == Tests::MODEL.target {
                Verdict::CaughtByModel
            } else {
                Verdict::Caught
            });
        }
    }
    Ok(Verdict::Survived)
}
