//! `cargo xtask trigger`: Spin's timer trigger as a plugin. Spin has it as an example, and does not
//! publish it; it is built from the tag of the Spin that it is for.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::shell;
use crate::spin::Spin;
use crate::tool;

const REPOSITORY: &str = "https://github.com/spinframework/spin";
const PROGRAM: &str = "trigger-timer";
/// What the image's build takes, and where it is there.
const IMAGE: [&str; 2] = ["deploy/image/timer-trigger", "/plugins"];

#[derive(Args)]
pub struct Arguments {
    /// Build it for the container image, from the tag of this version of Spin, and install nothing.
    /// Run this on the image's system and architecture.
    #[arg(long, value_name = "VERSION")]
    image: Option<String>,
}

/// Builds the trigger, and installs it for the Spin on PATH.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = tool::root()?;
    if let Some(version) = &arguments.image {
        let plugin = Plugin::build(version, &root.join(IMAGE[0]), Path::new(IMAGE[1]))?;
        println!("{}: the image's build takes it from here", plugin.manifest.display());
        return Ok(ExitCode::SUCCESS);
    }
    let spin = Spin::find()?;
    let folder = root.join("target/tools").join(PROGRAM);
    let plugin = Plugin::build(&spin.version, &folder, &folder)?;
    let mut install = Command::new(&spin.program);
    install.args(["plugins", "install", "--yes", "--file"]).arg(&plugin.manifest);
    shell::run("Installing the plugin", &mut install)?.or_show("spin plugins install")?;
    println!("Spin {} has {PROGRAM}", spin.version);
    Ok(ExitCode::SUCCESS)
}

struct Plugin {
    manifest: PathBuf,
}

impl Plugin {
    /// Builds it into `folder`, to be installed from where that is `seen`.
    fn build(version: &str, folder: &Path, seen: &Path) -> Result<Self> {
        let source = source(version)?.join("examples/spin-timer");
        let program = compile(&source)?;
        std::fs::create_dir_all(folder)?;
        let archive = format!("{PROGRAM}.tar.gz");
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(folder.join(&archive)).arg("-C");
        tar.arg(program.parent().context("the program is in a folder")?).arg(PROGRAM);
        shell::run("Packing it", &mut tar)?.or_show("tar")?;

        let example = std::fs::read(source.join("trigger-timer.json"))?;
        let sum = tool::sha256(&folder.join(&archive))?;
        let url = format!("file://{}", seen.join(&archive).display());
        let text = manifest(&example, version, &url, &sum)?;
        let manifest = folder.join(format!("{PROGRAM}.json"));
        std::fs::write(&manifest, text)?;
        Ok(Self { manifest })
    }
}

/// Spin's source at the tag of that version.
fn source(version: &str) -> Result<PathBuf> {
    let folder = tool::root()?.join("target/tools").join(format!("spin-{version}"));
    if folder.join("examples/spin-timer").is_dir() {
        return Ok(folder);
    }
    let mut clone = Command::new("git");
    clone.args(["clone", "--quiet", "--depth", "1", "--branch", &format!("v{version}")]);
    clone.arg(REPOSITORY).arg(&folder);
    shell::run(&format!("Fetching Spin {version}"), &mut clone)?
        .or_show("git clone")
        .with_context(|| format!("{REPOSITORY} at v{version} cannot be had"))?;
    Ok(folder)
}

fn compile(source: &Path) -> Result<PathBuf> {
    let mut build = tool::cargo()?;
    build.current_dir(source).args(["build", "--release", "--locked"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    let finished = shell::run("Building the timer trigger", &mut build)?.or_show("cargo build")?;
    let made = tool::artifacts(&finished.stdout, PROGRAM).into_iter();
    let program = made.rev().find(|file| file.file_name().is_some_and(|name| name == PROGRAM));
    program.context("cargo reports no trigger-timer")
}

/// The plugin's manifest: the example's, with this one package.
fn manifest(example: &[u8], version: &str, url: &str, sum: &str) -> Result<String> {
    let mut manifest: Value = serde_json::from_slice(example).context("trigger-timer.json")?;
    let numbers = version.split('.').count();
    ensure!(numbers >= 3, "{version} is no version of Spin: write it as in 4.0.2");
    let os = std::env::consts::OS;
    ensure!(["linux", "macos"].contains(&os), "Spin's plugins are not for {os}");
    let arch = if std::env::consts::ARCH == "x86_64" { "amd64" } else { std::env::consts::ARCH };
    // The trigger holds the runtime: under another Spin it would still be this one's.
    manifest["spinCompatibility"] = json!(format!("={version}"));
    manifest["packages"] = json!([{ "os": os, "arch": arch, "url": url, "sha256": sum }]);
    Ok(serde_json::to_string_pretty(&manifest)? + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const EXAMPLE: &[u8] = br#"{"name": "trigger-timer", "version": "0.1.0", "spinCompatibility": ">=2.2",
        "packages": [{"os": "linux", "arch": "amd64", "url": "file:///path/to/spin", "sha256": "d69b"}]}"#;

    #[test]
    fn the_manifest_is_the_examples_with_this_package_for_this_spin() {
        let text = manifest(EXAMPLE, "4.0.2", "file:///plugins/a.tar.gz", "00ff").unwrap();
        let manifest: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(manifest["name"], "trigger-timer");
        assert_eq!(manifest["spinCompatibility"], "=4.0.2");
        let packages = manifest["packages"].as_array().unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0]["url"], "file:///plugins/a.tar.gz");
        assert_eq!(packages[0]["sha256"], "00ff");
    }

    #[test]
    fn a_version_that_is_none_is_refused_with_an_example() {
        let refused = manifest(EXAMPLE, "canary", "file:///a", "00").unwrap_err();
        assert!(refused.to_string().contains("as in 4.0.2"), "{refused}");
    }
}
