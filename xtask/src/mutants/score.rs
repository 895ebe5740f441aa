//! What became of the mutants, kept in a file as it is found out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{Table, presets};

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A test failed.
    Caught,
    /// One of the model's, and none of the others.
    CaughtByModel,
    /// No test noticed.
    Survived,
    /// The tests ran out of time or memory.
    NeverEnds,
    /// It does not compile.
    Unviable,
}

impl Verdict {
    const ALL: [(Self, &str); 5] = [
        (Self::Caught, "caught"),
        (Self::CaughtByModel, "caught by the model"),
        (Self::Survived, "survived"),
        (Self::NeverEnds, "never ends"),
        (Self::Unviable, "unviable"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(verdict, _)| *verdict == self).map_or("", |(_, word)| word)
    }
}

/// The verdicts on one state of the sources, by the mutants' names.
pub struct Scores {
    file: File,
    verdicts: HashMap<String, Verdict>,
}

impl Scores {
    /// Reads what `path` has for these `sources`; of others nothing is kept.
    pub fn open(path: &Path, sources: u64) -> Result<Self> {
        let first = format!("{sources:016x}");
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        let mut lines = kept.lines();
        if lines.next() != Some(first.as_str()) {
            std::fs::write(path, format!("{first}\n")).context("the verdicts")?;
            lines = "".lines();
        }
        let read = |line: &str| {
            let (word, name) = line.split_once('\t')?;
            let (verdict, _) = Verdict::ALL.into_iter().find(|(_, other)| *other == word)?;
            Some((name.to_owned(), verdict))
        };
        let verdicts = lines.filter_map(read).collect();
        Ok(Self { file: File::options().append(true).open(path)?, verdicts })
    }

    pub fn of(&self, mutant: &str) -> Option<Verdict> {
        self.verdicts.get(mutant).copied()
    }

    pub fn add(&mut self, mutant: &str, verdict: Verdict) -> Result<()> {
        writeln!(self.file, "{}\t{mutant}", verdict.word()).context("the verdicts")?;
        self.verdicts.insert(mutant.to_owned(), verdict);
        Ok(())
    }

    /// The sums of each module, and by name what was not caught.
    pub fn table(&self, modules: &[(&str, Vec<String>)]) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "module",
            "mutants",
            "caught",
            "of them by the model alone",
            "survived",
            "never end",
            "unviable",
            "not judged",
        ]);
        let mut names = String::new();
        for (module, mutants) in modules {
            let count =
                |verdict| mutants.iter().filter(|mutant| self.of(mutant) == Some(verdict)).count();
            let by_model = count(Verdict::CaughtByModel);
            let sums = [
                mutants.len(),
                count(Verdict::Caught) + by_model,
                by_model,
                count(Verdict::Survived),
                count(Verdict::NeverEnds),
                count(Verdict::Unviable),
                mutants.iter().filter(|mutant| self.of(mutant).is_none()).count(),
            ];
            let sums = sums.map(|sum| sum.to_string());
            table.add_row([(*module).to_owned()].into_iter().chain(sums));
            for verdict in [Verdict::Survived, Verdict::NeverEnds] {
                for name in mutants.iter().filter(|mutant| self.of(mutant) == Some(verdict)) {
                    let _ = writeln!(names, "{}: {name}", verdict.word());
                }
            }
        }
        format!("{table}\n\n{names}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_table_has_the_sums_of_each_module_and_the_names_of_what_was_not_caught() {
        let folder = tempfile::tempdir().unwrap();
        let mut scores = Scores::open(&folder.path().join("verdicts"), 1).unwrap();
        for (name, verdict) in [
            ("a", Verdict::Caught),
            ("b", Verdict::CaughtByModel),
            ("src/lease.rs:9:5: replace hold", Verdict::Survived),
            ("c", Verdict::NeverEnds),
            ("d", Verdict::Unviable),
        ] {
            scores.add(name, verdict).unwrap();
        }
        let lease = names(&["a", "b", "src/lease.rs:9:5: replace hold", "d", "e"]);
        let table = scores.table(&[("lease", lease), ("event", names(&["c"]))]);
        let row = |module: &str| -> Vec<&str> {
            let row = table.lines().find(|line| line.contains(module)).unwrap();
            row.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect()
        };
        assert_eq!(row("lease"), ["lease", "5", "2", "1", "1", "0", "1", "1"]);
        assert_eq!(row("event"), ["event", "1", "0", "0", "0", "1", "0", "0"]);
        assert!(table.ends_with("survived: src/lease.rs:9:5: replace hold\nnever ends: c\n"));
    }

    #[test]
    fn verdicts_are_kept_for_as_long_as_the_sources_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verdicts");
        for (verdict, name) in Verdict::ALL {
            Scores::open(&path, 1).unwrap().add(name, verdict).unwrap();
            assert_eq!(Scores::open(&path, 1).unwrap().of(name), Some(verdict));
        }
        assert_eq!(Scores::open(&path, 1).unwrap().of("caught"), Some(Verdict::Caught));
        assert_eq!(Scores::open(&path, 2).unwrap().of("caught"), None);
        assert_eq!(Scores::open(&path, 1).unwrap().of("caught"), None);
    }
}
