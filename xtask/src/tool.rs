//! The tools that a checkout needs from the machine: cargo, and system packages.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::shell;

/// Whether this process may install system packages.
#[derive(Clone, Copy)]
pub enum Installs {
    /// Where the machine lets it.
    Allowed,
    /// The user said no.
    Forbidden,
}

impl Installs {
    /// Installs those of the Debian `packages` that are absent.
    pub fn ensure(self, packages: &[&str]) -> Result<()> {
        const INSTALL: [&str; 3] = ["install", "-y", "--no-install-recommends"];
        let absent: Vec<&str> = packages.iter().copied().filter(|name| !installed(name)).collect();
        if absent.is_empty() {
            return Ok(());
        }
        let names = absent.join(" ");
        let rights = self.rights().with_context(|| format!("cannot install {names}"))?;
        let title = format!("Installing {names}");
        if apt_get(rights, &title, &INSTALL, &absent).is_err() {
            apt_get(rights, "Refreshing the package lists", &["update"], &[])?;
            apt_get(rights, &title, &INSTALL, &absent)?;
        }
        Ok(())
    }

    /// The start of a command line that runs as root.
    fn rights(self) -> Result<&'static [&'static str]> {
        if matches!(self, Self::Forbidden) {
            bail!("--no-install is set");
        } else if !Path::new("/etc/debian_version").exists() || !found("apt-get") {
            bail!("this is no Debian or Ubuntu");
        } else if answer("id", &["-u"]).is_some_and(|uid| uid == "0") {
            Ok(&["env"])
        } else if answer("sudo", &["-n", "true"]).is_some() {
            Ok(&["sudo", "-n", "env"])
        } else {
            bail!("neither root nor passwordless sudo");
        }
    }
}

fn apt_get(rights: &[&str], title: &str, verb: &[&str], packages: &[&str]) -> Result<()> {
    let mut command = Command::new(rights[0]);
    command.args(&rights[1..]).args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]);
    command.args(["-o", "DPkg::Lock::Timeout=120"]).args(verb).args(packages);
    let finished = shell::run(title, &mut command)?;
    if !finished.status.success() {
        bail!("apt-get {}: {}", verb[0], finished.stderr.trim());
    }
    Ok(())
}

fn installed(package: &str) -> bool {
    answer("dpkg-query", &["-W", "-f", "${Status}", package])
        .is_some_and(|status| status == "install ok installed")
}

/// Whether `program` is on PATH.
pub fn found(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// What a quick `program` prints, trimmed; nothing where it is absent or fails.
pub fn answer(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The checkout that this runs in.
pub fn root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    Ok(Path::new(&own).parent().context("xtask lies in the workspace")?.to_owned())
}

/// The cargo that runs this, for another call in the checkout.
pub fn cargo() -> Result<Command> {
    nested(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program out of the package `name` at `version`, which is installed below `target/` where no
/// such program is found.
pub fn pinned(package: (&str, &str)) -> Result<PathBuf> {
    pinned_with(package, &[])
}

/// As [`pinned`], with the package's `features` as cargo takes them.
pub fn pinned_with((name, version): (&str, &str), features: &[&str]) -> Result<PathBuf> {
    let tools = root()?.join("target/tools");
    let own = tools.join("bin").join(name);
    for program in [own.clone(), name.into()] {
        let told = answer(&program.to_string_lossy(), &["--version"]);
        let told = told.as_deref().and_then(|told| told.split_whitespace().nth(1));
        if told.is_some_and(|told| told.trim_start_matches('v') == version) {
            return Ok(program);
        }
    }
    let mut install = cargo()?;
    install.args(["install", name, "--version", version, "--locked", "--root"]).arg(&tools);
    install.args(features);
    shell::run(&format!("Installing {name} {version}"), &mut install)?
        .or_show("cargo install")
        .with_context(|| {
            format!("{name} {version} is missing: install it, or let crates.io be reached")
        })?;
    Ok(own)
}

/// A cargo in the checkout, free of what the outer one set for this crate alone: packages that
/// rebuild when such a variable changes would do so at every turn.
pub fn nested(cargo: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = Command::new(cargo);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.env_remove("CARGO").env(COMMIT, commit()).current_dir(root()?);
    Ok(command)
}

/// What is told the builds of programs and components, and taken where there is no git to ask: in an image's
/// build, say.
pub const COMMIT: &str = "KONG_CLOUDTRAIL_COMMIT";

/// The commit of the checkout, with `-dirty` where tracked files have changed since.
pub fn commit() -> String {
    let given = std::env::var(COMMIT).ok().filter(|given| !given.is_empty());
    let commit = given.or_else(|| commit_of(&root().ok()?));
    commit.unwrap_or_else(|| "unknown".to_owned())
}

fn commit_of(checkout: &Path) -> Option<String> {
    let root = checkout.display().to_string();
    let git = |words: &[&str]| answer("git", &[&["-C", &root], words].concat());
    // Unpacked in another project's checkout, this is none of that one's commits.
    let is_ours = git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix.is_empty());
    let described = || git(&["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]);
    described().filter(|_| is_ours)
}

/// The SHA-256 of a file, as `sha256sum` prints it.
pub fn sha256(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let digest = Sha256::digest(bytes);
    Ok(digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// The files that a `cargo build --message-format json-render-diagnostics` says it made for the
/// library or program `target`.
pub fn artifacts(cargo_stdout: &str, target: &str) -> Vec<PathBuf> {
    let made = |message: &Value| {
        message["reason"] == "compiler-artifact" && message["target"]["name"] == target
    };
    cargo_stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(made)
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_commit_is_told_as_dirty_after_a_change_and_of_no_other_checkout() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display().to_string();
        assert_eq!(commit_of(folder.path()), None, "there is no git");
        let git = |words: &[&str]| answer("git", &[&["-C", &here], words].concat()).unwrap();
        git(&["init", "--quiet"]);
        std::fs::write(folder.path().join("a"), "1").unwrap();
        git(&["add", "a"]);
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        git(&[&who[..], &["commit", "--quiet", "--no-gpg-sign", "--no-verify", "-m", "a"]].concat());
        let clean = commit_of(folder.path()).unwrap();
        assert_eq!(clean, git(&["rev-parse", "HEAD"]));
        std::fs::create_dir(folder.path().join("unpacked")).unwrap();
        assert_eq!(commit_of(&folder.path().join("unpacked")), None);
        std::fs::write(folder.path().join("a"), "2").unwrap();
        assert_eq!(commit_of(folder.path()), Some(format!("{clean}-dirty")));
    }
}
