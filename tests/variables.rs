//! The variables are declared once, in `src/variables/declared.rs`: whatever else lists or names them says
//! the same.
#![allow(clippy::unwrap_used)]

mod documents;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use documents::{path, rows, section, text};
use kong_cloudtrail::variables::{PLACEHOLDERS, STATUS_VARIABLES, VARIABLES, Variable};
use toml::{Table, Value};

const PREFIX: &str = "SPIN_VARIABLE_";

fn names() -> BTreeSet<&'static str> {
    VARIABLES.iter().map(|variable| variable.name).collect()
}

/// Those of both components.
fn all_names() -> BTreeSet<&'static str> {
    names().into_iter().chain(STATUS_VARIABLES.iter().map(|variable| variable.name)).collect()
}

#[test]
fn each_is_declared_once() {
    assert_eq!(names().len(), VARIABLES.len());
}

/// What the status page takes: how the ledger is found and opened, and what is its own.
fn of_the_status_page() -> Vec<Variable> {
    let of_the_ledger = |variable: &Variable| variable.name.starts_with("ledger");
    VARIABLES.into_iter().filter(of_the_ledger).chain(STATUS_VARIABLES).collect()
}

#[test]
fn the_manifests_have_them_with_default_secrecy_and_meaning() {
    for (manifest, variables) in [
        ("spin.toml", VARIABLES.to_vec()),
        ("spin-command.toml", VARIABLES.to_vec()),
        ("spin-status.toml", of_the_status_page()),
    ] {
        let mut table: Table = text(manifest).parse().unwrap();
        let mut told = table.remove("variables").unwrap();
        let told = told.as_table_mut().unwrap();
        for Variable { name, default, is_secret, meaning } in variables {
            let mut expected = Table::new();
            expected.insert("description".to_owned(), meaning.into());
            match default {
                Some(default) => expected.insert("default".to_owned(), default.into()),
                None => expected.insert("required".to_owned(), true.into()),
            };
            if is_secret {
                expected.insert("secret".to_owned(), true.into());
            }
            assert_eq!(told.remove(name), Some(Value::Table(expected)), "{manifest}: {name}");
        }
        assert!(told.is_empty(), "{manifest}: not declared: {told}");
    }
}

/// Name, default, and whether *Secret.* stands in the meaning, of each row of a document's table of variables.
fn told(document: &str, heading: &str) -> BTreeMap<String, (String, bool)> {
    let rows = rows(section(&text(document), heading)).into_iter();
    rows.map(|(name, cells)| (name, (cells[0].clone(), cells[1].contains("*Secret.*")))).collect()
}

#[test]
fn the_documents_have_them_with_their_defaults_and_mark_the_secrets() {
    let default = |variable: &Variable| match variable.default {
        None => "required".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
    };
    let row =
        |variable: &Variable| (variable.name.to_owned(), (default(variable), variable.is_secret));
    assert_eq!(told("docs/configuration.md", "Variables"), VARIABLES.iter().map(row).collect());
    assert_eq!(
        told("docs/status.md", "Running it"),
        of_the_status_page().iter().map(row).collect()
    );
}

/// Every file below a folder, or the one file.
fn files(at: &Path) -> Vec<PathBuf> {
    if at.is_file() {
        return vec![at.to_owned()];
    }
    let entries = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
    // What Terraform has fetched lies in a hidden folder.
    let shown =
        entries.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    shown.flat_map(|path| files(&path)).collect()
}

#[test]
fn whatever_is_set_by_name_is_one_of_them() {
    let mut met = BTreeSet::new();
    for place in [
        ".env.example",
        "Containerfile",
        "README.md",
        "crates/entrypoint/src",
        "deploy",
        "docs",
        "terraform",
        "xtask/src",
    ] {
        for file in files(&path(place)) {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            for rest in text.split(PREFIX).skip(1) {
                let end = rest
                    .find(|c: char| !(c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit()));
                let name = rest[..end.unwrap_or(rest.len())].to_lowercase();
                // The prefix alone stands for all of them.
                if !name.is_empty() {
                    assert!(all_names().contains(&*name), "{}: {name}", file.display());
                    met.insert((place, name));
                }
            }
        }
    }
    for place in [".env.example", "deploy", "terraform", "xtask/src"] {
        assert!(met.iter().any(|(at, _)| *at == place), "{place} names none");
    }
}

#[test]
fn the_example_of_an_environment_has_what_must_be_set() {
    let example = text(".env.example");
    let required = VARIABLES.iter().filter(|variable| variable.default.is_none());
    for name in required.map(|variable| variable.name).chain(["log_group_arn"]) {
        let line = format!("\n{PREFIX}{}=", name.to_uppercase());
        assert!(example.contains(&line), "{name}");
    }
}

#[test]
fn what_the_example_of_an_environment_sets_is_usable_or_known_for_an_example() {
    let usable = ["cloudwatch", "s3", "cloudtrail"].map(|name| ("destination", name));
    let usable = usable.into_iter().chain([("log_stream", "kong-cloudtrail")]);
    let example = text(".env.example");
    let lines = example.lines().map(|line| line.trim_start_matches('#'));
    let set = lines.filter_map(|line| line.strip_prefix(PREFIX)?.split_once('='));
    let set = set.filter(|(_, value)| !value.is_empty());
    let set: BTreeSet<_> = set.map(|(name, value)| (name.to_lowercase(), value)).collect();
    let known = PLACEHOLDERS.into_iter().chain(usable);
    assert_eq!(set, known.map(|(name, value)| (name.to_owned(), value)).collect());
}

#[test]
fn the_fuzz_target_sets_all_of_them() {
    let target = text("fuzz/fuzz_targets/configuration.rs");
    let (_, list) = target.split_once("const NAMES: ").unwrap();
    let (list, _) = list.split_once("];").unwrap();
    let told: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    assert_eq!(told, names());
}
