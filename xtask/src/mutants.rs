//! `cargo xtask mutants`: small changes to the core, one at a time, that some test must notice.
//!
//! `.cargo/mutants.toml` says which files are changed. The core's own tests look, natively, since
//! those of the component would build it anew for each mutant: first those beside the code and of
//! the mapping, which are built and run in seconds, then the model at what they let through. The changes are made in a copy below `target/`, which stays where it is
//! and has a target folder of its own: what a mutant leaves as it was is not compiled again, and its
//! tests' time goes on no other build.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::{shell, tool};

const CARGO_MUTANTS: (&str, &str) = ("cargo-mutants", "27.1.0");

/// Enough for a mutant's one difference to show, and a shrunk example is not looked at.
const PROPERTIES: [(&str, &str); 3] = [
    ("PROPTEST_CASES", "32"),
    ("PROPTEST_MAX_SHRINK_ITERS", "0"),
    ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true"),
];

#[derive(clap::Args)]
pub struct Arguments {
    /// Goes to cargo-mutants, as in `-- --re src/lease.rs` for a part of them.
    #[arg(last = true)]
    extra: Vec<String>,
}

/// Runs cargo-mutants to its end and tells what survived. Survivors are no failure: that they are
/// explained is for people to see to.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let cargo_mutants = tool::pinned(CARGO_MUTANTS)?;
    let root = tool::root()?;
    let tree = copy(&root, &root.join("target/mutants"))?;
    let output = root.join("target/mutants.out");
    let round = |iterate: &[&str], tests: &[&str]| {
        let mut command = tool::nested(cargo_mutants.clone())?;
        command.args(["mutants", "--in-place", "--colors", "never", "--dir"]).arg(&tree);
        command.arg("--output").arg(root.join("target")).args(iterate);
        // For building as well as for testing.
        command.args(tests.iter().map(|argument| format!("--cargo-arg={argument}")));
        command.args(&arguments.extra);
        command.envs(PROPERTIES).env("CARGO_TARGET_DIR", root.join("target/mutants/build"));
        let status = shell::show(&mut command)?;
        let outcomes = std::fs::read(output.join("outcomes.json"))
            .with_context(|| format!("cargo-mutants ended with {status} and left no outcomes"))?;
        Score::of(&serde_json::from_slice(&outcomes).context("outcomes.json")?)
    };
    let quick = round(&[], &["--lib", "--test=mapping"])?;
    println!("\nquick tests: {quick}");
    let score = if quick.missed.is_empty() && quick.timed_out.is_empty() {
        quick
    } else {
        quick.then(round(&["--iterate"], &["--test=model"])?)
    };
    println!("\n{score}\noutput: {}", output.display());
    Ok(ExitCode::SUCCESS)
}

/// Brings the copy below `folder` up to date; its path. A file that is as it was stays untouched,
/// so that nothing is compiled for it.
fn copy(root: &Path, folder: &Path) -> Result<PathBuf> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = git.output().context("git lists the files to copy")?;
    if !listed.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim());
    }
    let tree = folder.join("tree");
    for name in String::from_utf8(listed.stdout)?.split_terminator('\0') {
        let (from, to) = (root.join(name), tree.join(name));
        if !from.is_file() {
            continue;
        }
        let mut wanted = std::fs::read(&from)?;
        if name == "Cargo.toml" {
            // No test of a mutant needs the component.
            wanted = String::from_utf8(wanted)?.replace(r#""cdylib", "#, "").into_bytes();
        }
        if std::fs::read(&to).ok().as_ref() != Some(&wanted) {
            std::fs::create_dir_all(to.parent().context("a file has a folder")?)?;
            std::fs::write(&to, wanted).with_context(|| to.display().to_string())?;
        }
    }
    Ok(tree)
}

/// What became of the mutants.
#[derive(Debug, Default, PartialEq)]
struct Score {
    caught: u32,
    /// Those that no test noticed, as cargo-mutants names them: file, place, change.
    missed: Vec<String>,
    /// Those with which the tests did not end.
    timed_out: Vec<String>,
    /// Those that do not compile.
    unviable: u32,
    /// What the tests of the mutants took.
    took: Duration,
}

impl Score {
    fn of(outcomes: &Value) -> Result<Self> {
        let mut score = Self::default();
        for outcome in outcomes["outcomes"].as_array().context("outcomes.json has no outcomes")? {
            let summary = outcome["summary"].as_str().unwrap_or_default();
            let Some(name) = outcome["scenario"]["Mutant"]["name"].as_str() else {
                if summary != "Success" {
                    bail!("without any mutant the tests fail already: see target/mutants.out/log");
                }
                continue;
            };
            match summary {
                "CaughtMutant" => score.caught += 1,
                "MissedMutant" => score.missed.push(name.to_owned()),
                "Timeout" => score.timed_out.push(name.to_owned()),
                "Unviable" => score.unviable += 1,
                other => bail!("the mutant {name} came to {other:?}, which is unknown here"),
            }
            let phases = outcome["phase_results"].as_array().into_iter().flatten();
            let seconds: f64 = phases.filter_map(|phase| phase["duration"].as_f64()).sum();
            score.took += Duration::from_secs_f64(seconds);
        }
        Ok(score)
    }

    /// With what further tests made of those that these missed or did not end with.
    fn then(self, further: Self) -> Self {
        Self {
            caught: self.caught + further.caught,
            unviable: self.unviable + further.unviable,
            took: self.took + further.took,
            ..further
        }
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { caught, missed, timed_out, unviable, took } = self;
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY).set_header(["", "mutant"]);
        for (what, names) in [("survived", missed), ("timed out", timed_out)] {
            for name in names {
                table.add_row([what, name]);
            }
        }
        if !table.is_empty() {
            writeln!(f, "{table}")?;
        }
        let judged = caught + count(missed);
        let all = judged + count(timed_out) + unviable;
        let percent = 100.0 * f64::from(*caught) / f64::from(judged.max(1));
        write!(
            f,
            "{caught} of {judged} caught ({percent:.1} %), {} timed out, {unviable} unviable; {} s, {:.1} s each",
            timed_out.len(),
            took.as_secs(),
            (*took / all.max(1)).as_secs_f64(),
        )
    }
}

fn count(names: &[String]) -> u32 {
    u32::try_from(names.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn outcome(name: &str, summary: &str) -> Value {
        json!({
            "scenario": {"Mutant": {"name": name, "file": "src/lease.rs"}},
            "summary": summary,
            "phase_results": [{"phase": "Build", "duration": 1.5}, {"phase": "Test", "duration": 2.5}],
        })
    }

    #[test]
    fn the_score_counts_what_timed_out_or_does_not_compile_apart() {
        let outcomes = json!({"outcomes": [
            {"scenario": "Baseline", "summary": "Success", "phase_results": []},
            outcome("a", "CaughtMutant"), outcome("b", "CaughtMutant"), outcome("c", "CaughtMutant"),
            outcome("src/lease.rs:9:5: replace hold", "MissedMutant"),
            outcome("d", "Timeout"), outcome("e", "Unviable"),
        ]});
        let score = Score::of(&outcomes).unwrap();
        assert_eq!(
            (score.caught, score.missed.len(), score.timed_out.len(), score.unviable),
            (3, 1, 1, 1)
        );
        let told = score.to_string();
        assert!(told.contains("src/lease.rs:9:5: replace hold"), "{told}");
        assert!(
            told.ends_with("3 of 4 caught (75.0 %), 1 timed out, 1 unviable; 24 s, 4.0 s each"),
            "{told}"
        );
    }

    #[test]
    fn what_a_second_round_finds_takes_the_place_of_what_the_first_missed() {
        let score = |caught, missed: &[&str]| Score {
            caught,
            missed: missed.iter().map(|name| (*name).to_owned()).collect(),
            ..Score::default()
        };
        assert_eq!(score(7, &["a", "b", "c"]).then(score(2, &["b"])), score(9, &["b"]));
    }

    #[test]
    fn tests_that_fail_without_a_mutant_judge_none() {
        let outcomes = json!({"outcomes": [{"scenario": "Baseline", "summary": "Failure"}]});
        assert!(Score::of(&outcomes).is_err());
    }

    #[test]
    fn an_outcome_that_is_not_known_is_no_success() {
        assert!(Score::of(&json!({"outcomes": [outcome("a", "Escaped")]})).is_err());
        assert!(Score::of(&json!({})).is_err());
    }
}
