//! `cargo xtask fuzz`: each fuzz target of `fuzz/` for a while, after the inputs that once broke one.
//!
//! The core has no unsafe code, so the targets are built without a sanitizer: that needs no nightly
//! Rust, and they run faster. Overflow checks and debug assertions are on.
//! What a fuzzer finds goes to `target/fuzz/`; `fuzz/corpus/` is read alone, until `--keep`.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::round::{Outcome, Round};
use crate::tool::{self, Installs};
use crate::{progress::Step, shell};

const CARGO_FUZZ: (&str, &str) = ("cargo-fuzz", "0.13.2");

/// In the order in which they run.
const TARGETS: [&str; 6] =
    ["kong_page", "cloudtrail_answer", "cloudwatch_answer", "s3_answer", "configuration", "ledger"];

/// How many inputs a target has in git, beside its regressions: what a search begins with. Each next one is that
/// which reaches most that those before it do not.
const SEEDS: usize = 20;

/// Bounds of one input: its bytes, its seconds, its memory in MB.
const LIMITS: [&str; 3] = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=2048"];

#[derive(clap::Args)]
pub struct Arguments {
    /// How long each target runs, in seconds.
    #[arg(long, default_value_t = 60)]
    secs: u64,
    /// Keep twenty of the inputs found and of those kept: those that together reach most.
    #[arg(long)]
    keep: bool,
    /// The only target to run.
    #[arg(value_parser = TARGETS)]
    target: Option<String>,
}

/// Runs the targets; the exit status is a failure when one crashed.
pub fn run(installs: Installs, arguments: &Arguments) -> Result<ExitCode> {
    let mut round = Round::default();
    let named = |target: &&str| arguments.target.as_ref().is_none_or(|name| name == target);
    let targets: Vec<&str> = TARGETS.into_iter().filter(named).collect();
    fuzz(&mut round, installs, &targets, Duration::from_secs(arguments.secs))?;
    if arguments.keep {
        for target in targets {
            Target::new(target)?.keep()?;
        }
    }
    Ok(round.close())
}

/// Runs every target for `time`, as steps of `round`.
pub fn all(round: &mut Round, installs: Installs, time: Duration) -> Result<()> {
    fuzz(round, installs, &TARGETS, time)
}

fn fuzz(round: &mut Round, installs: Installs, targets: &[&str], time: Duration) -> Result<()> {
    build(installs)?;
    // Whether an input leads to each thing that the judge of a target may take for an answer.
    let mut judges = tool::cargo()?;
    judges.args(["test", "--lib", "--manifest-path"]).arg(tool::root()?.join("fuzz/Cargo.toml"));
    judges.arg("--target-dir").arg(folder("judges")?);
    let finished = shell::run("fuzz: the judges' own tests", &mut judges)?;
    round.tests("fuzz: judges", finished);
    for name in targets {
        let target = Target::new(name)?;
        let replayed = target.replay(&format!("fuzz {name}: regressions"))?;
        let searched = target.search(&format!("fuzz {name}"), time)?;
        for Fuzzed { step, outcome, took } in replayed.into_iter().chain([searched]) {
            match outcome {
                Ok(seen) => round.proved(&step, seen, took),
                Err(why) => round.note(&step, Outcome::Failed(why), took),
            }
        }
    }
    Ok(())
}

/// Builds all targets, with libFuzzer, which is C++.
fn build(installs: Installs) -> Result<()> {
    if std::env::var_os("CXX").is_none() && !tool::found("c++") {
        installs.ensure(&["g++"]).context("libFuzzer needs a C++ compiler")?;
    }
    let mut command = tool::nested(tool::pinned(CARGO_FUZZ)?)?;
    command.args(["build", "--sanitizer", "none", "--target-dir"]).arg(folder("build")?);
    shell::run("Building the fuzz targets", &mut command)?.or_show("cargo fuzz build")?;
    Ok(())
}

/// A folder below `target/fuzz/`, which is made where it is missing.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = tool::root()?.join("target/fuzz").join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

struct Target {
    name: String,
    binary: PathBuf,
    /// What its runs found.
    found: PathBuf,
    /// What is in git.
    kept: PathBuf,
    regressions: PathBuf,
    crashes: PathBuf,
}

/// How it went, and how long it took.
struct Fuzzed {
    step: String,
    outcome: Result<String, String>,
    took: Duration,
}

impl Target {
    fn new(name: &str) -> Result<Self> {
        let version = tool::answer("rustc", &["-vV"]).context("no rustc on PATH")?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let built = folder("build")?.join(host.context("rustc -vV names no host")?);
        let fuzz = tool::root()?.join("fuzz");
        Ok(Self {
            name: name.to_owned(),
            binary: built.join("release").join(name),
            found: folder(&format!("corpus/{name}"))?,
            kept: fuzz.join("corpus").join(name),
            regressions: fuzz.join("regressions").join(name),
            crashes: folder(&format!("crashes/{name}"))?,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(LIMITS);
        command
    }

    /// The inputs that once broke it; nothing where none ever did.
    fn replay(&self, step: &str) -> Result<Option<Fuzzed>> {
        let inputs = files(&self.regressions)?;
        if inputs.is_empty() {
            return Ok(None);
        }
        // One by one, since the first that crashes ends the process.
        let progress = Step::start(step);
        let mut broken = Vec::new();
        for input in &inputs {
            let output = self.command().arg(input).output().context("starting the target")?;
            if !output.status.success() {
                let why = crash(&String::from_utf8_lossy(&output.stderr));
                broken.push(format!("{}: {why}", input.display()));
            }
        }
        let outcome = if broken.is_empty() {
            Ok(format!("{} inputs", inputs.len()))
        } else {
            Err(broken.join("\n"))
        };
        let took = progress.end(outcome.is_ok());
        Ok(Some(Fuzzed { step: step.to_owned(), outcome, took }))
    }

    fn search(&self, step: &str, time: Duration) -> Result<Fuzzed> {
        let mut command = self.command();
        command.arg(format!("-max_total_time={}", time.as_secs()));
        command.arg("-print_final_stats=1");
        command.arg(format!("-artifact_prefix={}/", self.crashes.display()));
        command.arg(format!("-dict={}", tool::root()?.join("fuzz/dictionary").display()));
        command.args([&self.found, &self.kept]);
        let finished = shell::run(step, &mut command)?;
        let took = finished.took;
        let outcome = if finished.status.success() {
            let runs = runs(&finished.stderr).context("libFuzzer tells no statistics")?;
            let corpus = files(&self.found)?.len() + files(&self.kept)?.len();
            Ok(format!("{runs} runs, corpus of {corpus}"))
        } else {
            let input = written(&finished.stderr).unwrap_or("no input was written");
            let again = format!("{} {input}", self.binary.display());
            Err(format!("{}\ninput: {input}\nagain: {again}", crash(&finished.stderr)))
        };
        Ok(Fuzzed { step: step.to_owned(), outcome, took })
    }

    /// Replaces what is in git by the inputs that reach most.
    fn keep(&self) -> Result<()> {
        let folder = folder(&format!("merged/{}", self.name))?;
        let (merged, told) = (folder.join("inputs"), folder.join("reached"));
        std::fs::remove_dir_all(&folder)?;
        std::fs::create_dir_all(&merged)?;
        let mut command = self.command();
        // By places reached alone, not by how often. What each input reaches is told on the way.
        command.args(["-set_cover_merge=1", "-use_counters=0"]);
        command.arg(format!("-merge_control_file={}", told.display()));
        command.args([&merged, &self.kept, &self.found]);
        let title = format!("What the inputs of {} reach", self.name);
        shell::run(&title, &mut command)?.or_show("libFuzzer's merge")?;
        let seeds = seeds(&std::fs::read_to_string(told)?)?;
        ensure!(!seeds.is_empty(), "no input of {} reaches anything", self.name);
        let kept = seeds.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
        std::fs::remove_dir_all(&self.kept)?;
        std::fs::create_dir(&self.kept)?;
        for (number, input) in kept.iter().enumerate() {
            std::fs::write(self.kept.join(format!("{:02}", number + 1)), input)?;
        }
        Ok(())
    }
}

/// The inputs that together reach most, out of libFuzzer's account of a merge: how many files there are, how many
/// of them were kept already, their names, and for each a line `FT`, its number and all places that it reaches.
fn seeds(account: &str) -> Result<Vec<PathBuf>> {
    let mut lines = account.lines();
    let count: usize = lines.next().context("an empty account")?.parse()?;
    let names: Vec<&str> = lines.by_ref().skip(1).take(count).collect();
    let mut reached = BTreeMap::new();
    for line in lines.filter_map(|line| line.strip_prefix("FT ")) {
        let mut numbers = line.split(' ').map(str::parse::<usize>);
        let name = names.get(numbers.next().context("a line without a file")??);
        reached.insert(
            *name.context("a file without a name")?,
            numbers.collect::<Result<HashSet<_>, _>>()?,
        );
    }
    let mut seeds = Vec::new();
    while seeds.len() < SEEDS {
        let best = reached.iter().max_by_key(|(_, places)| places.len());
        let Some((name, places)) = best.filter(|(_, places)| !places.is_empty()) else { break };
        seeds.push(PathBuf::from(name));
        let covered = places.clone();
        for places in reached.values_mut() {
            places.retain(|place| !covered.contains(place));
        }
    }
    Ok(seeds)
}

/// The files in a folder, in order of name; none where there is no such folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// How many inputs ran, by libFuzzer's final statistics.
fn runs(stderr: &str) -> Option<u64> {
    let count =
        |line: &str| line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok();
    stderr.lines().find_map(count)
}

/// The file to which libFuzzer wrote the input that it stopped at.
fn written(stderr: &str) -> Option<&str> {
    stderr.lines().find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path))
}

/// Why it stopped: the panic, else libFuzzer's own word for it.
fn crash(stderr: &str) -> String {
    let mut lines = stderr.lines();
    let panic =
        lines.by_ref().find(|line| line.starts_with("thread ") && line.contains(" panicked at "));
    if let Some(panic) = panic {
        let place = panic.split_once("panicked at ").map_or(panic, |(_, place)| place);
        let message: String = lines.next().unwrap_or_default().chars().take(300).collect();
        return format!("{place} {message}");
    }
    let summary = stderr.lines().find_map(|line| line.strip_prefix("SUMMARY: libFuzzer: "));
    summary.unwrap_or("it ended without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "\
#10481\tDONE   cov: 9042 ft: 23110 corp: 873/210Kb lim: 4096 exec/s: 255 rss: 36Mb
Done 10481 runs in 41 second(s)
stat::number_of_executed_units: 10481
stat::average_exec_per_sec:     255
stat::new_units_added:          873
";

    const PANIC: &str = "\
INFO: seed corpus: files: 8
thread '<unnamed>' (2453) panicked at src/shipper.rs:397:41:
attempt to multiply with overflow
stack backtrace:
SUMMARY: libFuzzer: deadly signal
artifact_prefix='target/fuzz/crashes/kong_page/'; Test unit written to target/fuzz/crashes/kong_page/crash-3f62
stat::number_of_executed_units: 7278
";

    const SLOW: &str = "\
ALARM: working on the last Unit for 21 seconds
SUMMARY: libFuzzer: timeout
";

    #[test]
    fn seeds_are_the_inputs_that_reach_what_those_before_them_do_not() {
        let account = "4\n1\nkept/a\nfound/b\nfound/c\nfound/d\nSTARTED 0 9\nFT 0 1 2\nCOV 0 7\nFT 1 1 2 3\n\
                       FT 2 4\nFT 3 2 3\n";
        assert_eq!(seeds(account).ok(), Some(vec!["found/b".into(), "found/c".into()]));
        assert!(seeds("").is_err());
    }

    #[test]
    fn the_final_statistics_tell_how_many_inputs_ran() {
        assert_eq!(runs(SOUND), Some(10481));
        assert_eq!(runs("Done 3 runs in 1 second(s)"), None);
    }

    #[test]
    fn a_crash_is_told_with_its_place_and_its_input() {
        assert_eq!(crash(PANIC), "src/shipper.rs:397:41: attempt to multiply with overflow");
        assert_eq!(written(PANIC), Some("target/fuzz/crashes/kong_page/crash-3f62"));
        assert_eq!(written(SOUND), None);
    }

    #[test]
    fn what_is_no_panic_is_told_in_libfuzzers_words() {
        assert_eq!(crash(SLOW), "timeout");
        assert_eq!(crash(""), "it ended without a word");
    }
}
