//! The core and its tests, compiled with mutants in them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::judge;
use super::weave::{self, Mutant};
use crate::shell::{self, Finished};
use crate::tool;

/// What the core and its tests are made of.
const SOURCES: [&str; 7] = [
    "Cargo.lock",
    "Cargo.toml",
    "docs/event-mapping.md",
    "src/",
    "tests/golden/",
    "tests/mapping/",
    "tests/model/",
];

/// Path and text of each file.
#[derive(Clone)]
pub struct Sources(pub BTreeMap<String, String>);

impl Sources {
    /// As they are in the checkout.
    pub fn read(root: &Path) -> Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listed = git.args(SOURCES).output().context("git lists the files")?;
        if !listed.status.success() {
            bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim());
        }
        let mut sources = BTreeMap::new();
        for name in String::from_utf8(listed.stdout)?.split_terminator('\0') {
            if root.join(name).is_file() {
                let text = std::fs::read_to_string(root.join(name)).context(name.to_owned())?;
                sources.insert(name.to_owned(), text);
            }
        }
        Ok(Self(sources))
    }

    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    /// A file that is as it was stays untouched, so that nothing is compiled for it.
    fn write(&self, tree: &Path) -> Result<()> {
        for (name, text) in &self.0 {
            let file = tree.join(name);
            if std::fs::read_to_string(&file).ok().as_ref() != Some(text) {
                std::fs::create_dir_all(file.parent().context("a file has a folder")?)?;
                std::fs::write(&file, text).with_context(|| file.display().to_string())?;
            }
        }
        Ok(())
    }
}

/// Tests by the name of their target.
pub type Executables = BTreeMap<String, PathBuf>;

/// Compiles in a copy below `target/`, with a target folder of its own.
pub struct Builder {
    pub tree: PathBuf,
    target: PathBuf,
    sources: Sources,
}

impl Builder {
    pub fn new(folder: &Path, mut sources: Sources) -> Result<Self> {
        let whole = sources.0.get_mut("Cargo.toml").context("no Cargo.toml")?;
        *whole = manifest(whole).context("Cargo.toml has another form")?;
        Ok(Self { tree: folder.join("tree"), target: folder.join("build"), sources })
    }

    /// All tests with all `mutants`, numbered from 1, and which of them compile. One that does not is
    /// found by the place of the error and left out.
    pub fn woven(&self, mutants: &[&Mutant]) -> Result<(Executables, Vec<bool>)> {
        let mut compiles = vec![true; mutants.len()];
        loop {
            let (woven, places) = weave::all(&self.sources, mutants, &compiles)?;
            woven.write(&self.tree)?;
            let count = compiles.iter().filter(|compiles| **compiles).count();
            let built = self.cargo(&format!("Compiling {count} mutants"), &judge::TARGETS)?;
            if built.finished.status.success() {
                return Ok((built.executables(), compiles));
            }
            let mut found = false;
            for mutant in built.errors().filter_map(|error| places.of(error)) {
                found |= std::mem::take(&mut compiles[mutant]);
            }
            if !found {
                let rendered = built.errors().filter_map(|error| error["rendered"].as_str());
                bail!("{}{}", rendered.collect::<String>(), built.finished.stderr);
            }
        }
    }

    /// The tests of one target with one mutant, if it compiles.
    pub fn alone(&self, mutant: &Mutant, target: &str) -> Result<Option<Executables>> {
        weave::one(&self.sources, mutant)?.write(&self.tree)?;
        let built = self.cargo(&format!("Compiling {}", mutant.name), &[target])?;
        Ok(built.finished.status.success().then(|| built.executables()))
    }

    fn cargo(&self, title: &str, targets: &[&str]) -> Result<Built> {
        let mut command = tool::cargo()?;
        command.args(["test", "--no-run", "--message-format=json", "--config=profile.dev.debug=0"]);
        command.arg("--config=build.rustflags=['--cap-lints=warn']");
        // Where these tests spend their time.
        for name in ["proptest", "serde_json"] {
            command.arg(format!("--config=profile.dev.package.{name}.opt-level=1"));
        }
        for target in targets {
            match *target {
                judge::LIBRARY => command.arg("--lib"),
                target => command.arg(format!("--test={target}")),
            };
        }
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target);
        let finished = shell::run(title, &mut command)?;
        let lines = finished.stdout.lines();
        let messages = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Built { finished, messages })
    }
}

struct Built {
    finished: Finished,
    messages: Vec<Value>,
}

impl Built {
    fn errors(&self) -> impl Iterator<Item = &Value> {
        let messages = self.messages.iter().map(|message| &message["message"]);
        messages.filter(|message| message["level"] == "error")
    }

    fn executables(&self) -> Executables {
        let made = |message: &Value| {
            let executable = message["executable"].as_str()?;
            Some((message["target"]["name"].as_str()?.to_owned(), executable.into()))
        };
        self.messages.iter().filter_map(made).collect()
    }
}

/// The core alone, as a library for these tests: what others need is not compiled.
fn manifest(whole: &str) -> Option<String> {
    let (before, members) = whole.split_once("members = [")?;
    let (_, after) = members.split_once(']')?;
    let (middle, tests) = after.split_once("[dev-dependencies]\n")?;
    let (tests, rest) = tests.split_once("\n\n")?;
    let middle = middle.replace(r#""cdylib", "#, "");
    let needed: Vec<&str> = tests.lines().filter(|line| line.starts_with("proptest")).collect();
    let needed = needed.join("\n");
    Some(format!("{before}members = [\".\"]{middle}[dev-dependencies]\n{needed}\n\n{rest}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::manifest;

    #[test]
    fn the_copy_is_the_core_with_what_its_own_tests_need() {
        let whole = "[workspace]\nmembers = [\".\", \"benches\"]\n\n[lib]\n\
                     crate-type = [\"cdylib\", \"rlib\"]\n\n[dev-dependencies]\n\
                     fastrand = \"2\"\nproptest.workspace = true\n\n[profile.release]\nlto = true\n";
        let expected = "[workspace]\nmembers = [\".\"]\n\n[lib]\ncrate-type = [\"rlib\"]\n\n\
                        [dev-dependencies]\nproptest.workspace = true\n\n[profile.release]\nlto = true\n";
        assert_eq!(manifest(whole).unwrap(), expected);
        assert_eq!(manifest("[package]"), None);
    }
}
