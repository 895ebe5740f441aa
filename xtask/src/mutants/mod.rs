//! `cargo xtask mutants`: small changes to the core, one at a time, that some test must notice.
//!
//! cargo-mutants says which changes there are; `.cargo/mutants.toml` says in which files. All are
//! compiled at once, each in a place of its own that a variable of the environment chooses ([`weave`]),
//! so that a mutant takes the time of its tests alone ([`judge`]). A constant has no such place: its
//! mutants are compiled one by one. Tests of the component are left out, since they would build it
//! for each mutant. What is known of a mutant is kept until a file changes, so that a run that was
//! ended goes on ([`score`]).

mod build;
mod judge;
mod score;
mod weave;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{shell, tool};
use build::{Builder, Sources};
use judge::Tests;
use score::{Scores, Verdict};
use weave::Mutant;

const CARGO_MUTANTS: (&str, &str) = ("cargo-mutants", "27.1.0");

/// Name, place, and the tests that are to notice, beside those of the model.
const MODULES: [(&str, &str, &[Tests]); 4] = [
    ("ledger", "src/ledger/", judge::BESIDE),
    ("lease", "src/lease.rs", judge::BESIDE),
    ("event", "src/event/", judge::MAPPING),
    ("cloudtrail", "src/cloudtrail/", judge::BESIDE),
];

#[derive(clap::Args)]
pub struct Arguments {
    /// The modules to change; all of them where none is named.
    #[arg(value_parser = MODULES.map(|(name, ..)| name))]
    modules: Vec<String>,
    /// Only tell what is known so far.
    #[arg(long)]
    table: bool,
    /// Goes to cargo-mutants, which lists the changes, as in `-- --re src/ledger/head.rs`.
    #[arg(last = true)]
    extra: Vec<String>,
}

/// Judges the mutants and tells what survived. Survivors are no failure: that they are explained is
/// for people to see to.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = tool::root()?;
    let folder = root.join("target/mutants");
    std::fs::create_dir_all(&folder)?;
    let sources = Sources::read(&root)?;
    let mut scores = Scores::open(&folder.join("verdicts"), sources.fingerprint())?;
    let listed = list(&arguments.extra)?;
    let mut modules = Vec::new();
    let mut open = Vec::new();
    for (name, place, tests) in MODULES {
        if arguments.modules.is_empty() || arguments.modules.iter().any(|module| module == name) {
            let own = listed.iter().filter(|mutant| mutant.file.starts_with(place));
            modules.push((name, own.clone().map(|mutant| mutant.name.clone()).collect()));
            let unknown = own.filter(|mutant| scores.of(&mutant.name).is_none());
            open.extend(unknown.map(|mutant| (mutant, tests)));
        }
    }
    if !arguments.table && !open.is_empty() {
        judge_all(&folder, sources, &open, &mut scores)?;
    }
    println!("{}", scores.table(&modules));
    let commit = tool::answer("git", &["describe", "--always", "--dirty"]);
    println!("commit {}", commit.as_deref().unwrap_or("unknown"));
    Ok(ExitCode::SUCCESS)
}

/// The changes that cargo-mutants would make.
fn list(extra: &[String]) -> Result<Vec<Mutant>> {
    let mut command = tool::nested(tool::pinned(CARGO_MUTANTS)?)?;
    command.args(["mutants", "--list", "--json", "--package", "kong-cloudtrail"]).args(extra);
    let listed = shell::run("Listing the mutants", &mut command)?.or_show("cargo mutants")?;
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout).context("cargo mutants")?;
    listed.iter().map(|mutant| Mutant::read(mutant).context("a mutant as listed")).collect()
}

fn judge_all(
    folder: &Path,
    sources: Sources,
    open: &[(&Mutant, &'static [Tests])],
    scores: &mut Scores,
) -> Result<()> {
    let (within, alone): (Vec<_>, Vec<_>) =
        open.iter().partition(|(mutant, _)| mutant.function.is_some());
    let builder = Builder::new(folder, sources)?;
    let mutants: Vec<&Mutant> = within.iter().map(|(mutant, _)| *mutant).collect();
    let (executables, compiles) = builder.woven(&mutants)?;
    judge::unchanged(&executables, &builder.tree)?;
    let mut candidates = Vec::new();
    for ((number, (mutant, tests)), compiles) in (1..).zip(within).zip(compiles) {
        if compiles {
            candidates.push((mutant.name.as_str(), number, tests));
        } else {
            scores.add(&mutant.name, Verdict::Unviable)?;
        }
    }
    judge::all(&candidates, &executables, &builder.tree, scores)?;
    for (mutant, tests) in alone {
        let mut verdict = None;
        for tests in tests.iter().chain(judge::MODEL) {
            // Each target when it is its turn: most are caught by the first.
            verdict = match builder.alone(mutant, tests.target)? {
                Some(executables) => judge::one(0, &[*tests], &executables, &builder.tree)?,
                None => Some(Verdict::Unviable),
            };
            if verdict.is_some() {
                break;
            }
        }
        scores.add(&mutant.name, verdict.unwrap_or(Verdict::Survived))?;
    }
    Ok(())
}
