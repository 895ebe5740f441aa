//! The repository's files, and the tables in its documents.
#![allow(dead_code, reason = "each test uses its own part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// The part of a document below the heading of that name, up to the next of its level.
pub fn section<'t>(document: &'t str, heading: &str) -> &'t str {
    let (_, rest) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// The cells of each row of a section's table whose first cell is a name in backquotes.
pub fn rows(section: &str) -> BTreeMap<String, Vec<String>> {
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let name = cells.first()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some((name, cells[1..].iter().map(ToString::to_string).collect()))
    };
    section.lines().filter(|line| line.starts_with("| ")).filter_map(row).collect()
}
