//! The rooms of the core are as `docs/architecture.md` draws them, and no file is too long.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What all rooms may know, each with the leaves below it.
const LEAVES: [(&str, &[&str]); 8] = [
    ("terms", &[]),
    ("ports", &[]),
    ("words", &[]),
    ("wire", &["ports", "words"]),
    ("retry", &["ports"]),
    ("log", &["ports", "words"]),
    ("variables", &[]),
    ("testing", &["ports"]),
];

const MOST_LINES: usize = 400;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether the file holds tests alone.
fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

/// The rooms that a file knows, its tests left out: whatever follows `crate::`, alone or in a list.
fn known(source: &str) -> BTreeSet<String> {
    let product = source.split("#[cfg(test)]").next().unwrap();
    let code: String =
        product.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    code.match_indices("crate::")
        .filter_map(|(at, name)| {
            let rest = &code[at + name.len()..];
            assert!(!rest.starts_with('{'), "one room an import: {}", &rest[..rest.len().min(80)]);
            rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().map(str::to_owned)
        })
        .collect()
}

/// What each room knows, its own files taken together.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let src = root().join("src");
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources(&src).iter().filter(|path| !is_test(path)) {
        let inside = path.strip_prefix(&src).unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = room.trim_end_matches(".rs").to_owned();
        if room == "lib" {
            continue;
        }
        let mut known = known(&fs::read_to_string(path).unwrap());
        known.remove(&room);
        imports.entry(room).or_default().extend(known);
    }
    imports
}

/// The arrows of the drawing, each from a room to one that it knows.
fn drawn() -> BTreeSet<(String, String)> {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let drawing = page.split("```mermaid").nth(1).unwrap().split("```").next().unwrap();
    let arrows = drawing.lines().filter_map(|line| line.split_once("-->"));
    arrows
        .flat_map(|(room, known)| {
            let known = known.split('&').map(|other| other.trim().to_owned());
            known.map(|other| (room.trim().to_owned(), other)).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn each_room_knows_those_that_are_drawn_below_it_and_the_leaves() {
    let leaves: BTreeMap<&str, &[&str]> = LEAVES.into_iter().collect();
    let mut found = BTreeSet::new();
    for (room, known) in imports() {
        for other in known {
            if let Some(below) = leaves.get(room.as_str()) {
                assert!(below.contains(&other.as_str()), "the leaf {room} knows {other}");
            } else if !leaves.contains_key(other.as_str()) {
                found.insert((room.clone(), other));
            }
        }
    }
    assert_eq!(found, drawn());
}

/// Takes away rooms that know none of the others, until none is left.
#[test]
fn no_room_knows_one_that_knows_it() {
    let mut imports = imports();
    while !imports.is_empty() {
        let left: BTreeSet<String> = imports.keys().cloned().collect();
        let before = imports.len();
        imports.retain(|_, known| known.iter().any(|other| left.contains(other)));
        assert!(imports.len() < before, "in a circle: {:?}", imports.keys());
    }
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    for folder in ["src", "components", "crates"] {
        for path in sources(&root().join(folder)).iter().filter(|path| !is_test(path)) {
            let text = fs::read_to_string(path).unwrap();
            let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
            assert!(lines <= MOST_LINES, "{name} has {lines} lines");
        }
    }
}
