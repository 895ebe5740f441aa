//! The licences of what the programs and components are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::{shell, tool};

/// Whose dependencies are in an archive.
const PACKAGES: [&str; 5] = [
    "kong-cloudtrail-cli",
    "kong-cloudtrail-sim",
    "kong-cloudtrail-shipper",
    "kong-cloudtrail-status",
    "xtask",
];

/// How files with a licence's text begin, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// Each package with the licence that it names, and after them the texts, each once with those that it belongs to.
pub fn texts() -> Result<String> {
    let packed = packed()?;
    let mut list =
        "The programs and components are made of these packages, beside their own code.\n\n"
            .to_owned();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in super::packages("Reading the packages", "--locked")? {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} v{}", text("name"), text("version"));
        // Those of the workspace have no source.
        if package["source"].is_null() || !packed.contains(&name) {
            continue;
        }
        writeln!(list, "{name}: {}", text("license"))?;
        let folder =
            Path::new(text("manifest_path")).parent().context("a manifest is in a folder")?;
        for file in std::fs::read_dir(folder)? {
            let file = file?;
            let capitals = file.file_name().to_string_lossy().to_uppercase();
            if file.path().is_file() && NAMES.iter().any(|name| capitals.starts_with(name)) {
                let text = String::from_utf8_lossy(&std::fs::read(file.path())?).trim().to_owned();
                texts.entry(text).or_default().insert(name.clone());
            }
        }
    }
    for (text, of) in texts {
        let of: Vec<_> = of.into_iter().collect();
        write!(list, "\n{}\n{}\n\n{text}\n", "-".repeat(72), of.join(", "))?;
    }
    Ok(list)
}

/// What an archive holds, on whatever platform, as `name v1.2.3`.
fn packed() -> Result<BTreeSet<String>> {
    let mut cargo = tool::cargo()?;
    cargo.args(["tree", "--locked", "--edges", "normal", "--target", "all"]);
    cargo.args(["--prefix", "none", "--format", "{p}"]);
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    let told =
        shell::run("Reading what depends on what", &mut cargo)?.or_show("cargo tree")?.stdout;
    let name = |line: &str| Some(line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    Ok(told.lines().filter_map(name).collect())
}
