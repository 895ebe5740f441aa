//! That an archive is enough: unpacked in an empty folder, without a compiler, it ships the demonstration.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{COMPONENTS, SUMS};
use crate::build::{self, Binaries};
use crate::{demo, shell, simulators, tool};

/// How the demonstration says that all arrived.
const VERDICT: &str = "VERDICT: each of the ";

/// Packs what is built already, and tries the archive as somebody does who has just fetched it; what was seen.
pub fn prove(binaries: &Binaries) -> Result<String> {
    let fetched = tempfile::tempdir()?;
    let components = tool::root()?.join(build::RELEASES);
    let archive =
        super::pack(fetched.path(), (binaries, &std::env::current_exe()?), &components, "--fast")?;
    super::sums(fetched.path())?;
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", SUMS]).current_dir(fetched.path());
    shell::run("Checking the sums", &mut check)?.or_show("sha256sum")?;

    let empty = tempfile::tempdir()?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(fetched.path().join(archive)).current_dir(empty.path());
    let unpacked = shell::run("Unpacking", &mut tar)?.or_show("tar")?;
    let folder = empty.path().join(super::name()?);

    let commit = tool::commit();
    tells_its_version(&folder, &commit, &components)?;
    reports_its_commit(&folder, &commit)?;
    let mut demo = away(&folder, &Path::new("demo").join(demo::NAME));
    let shipped =
        shell::run("Shipping the demonstration", &mut demo)?.or_show("the demonstration")?;
    let verdict = shipped.stdout.lines().find(|line| line.starts_with(VERDICT));
    verdict.context("the demonstration gives no verdict")?;
    let [unpacked, shipped] = [unpacked.took, shipped.took].map(|took| took.as_secs_f64());
    Ok(format!("unpacked in {unpacked:.1} s, demo in {shipped:.1} s"))
}

/// A program of the archive, with nothing of this environment but a place to keep compiled components.
fn away(folder: &Path, program: &Path) -> Command {
    let mut command = Command::new(folder.join(program));
    command.env_clear().env("PATH", "/nowhere").current_dir(folder);
    for kept in ["HOME", "XDG_CACHE_HOME"] {
        command.envs(std::env::var_os(kept).map(|value| (kept, value)));
    }
    command
}

fn tells_its_version(folder: &Path, commit: &str, components: &Path) -> Result<()> {
    let mut ask = away(folder, Path::new("kong-cloudtrail"));
    let told = shell::run("Asking its version", ask.arg("--version"))?.or_show("--version")?.stdout;
    let mut expected = format!("kong-cloudtrail {} (commit {commit})\n", env!("CARGO_PKG_VERSION"));
    for component in COMPONENTS {
        let sum = tool::sha256(&components.join(component))?;
        writeln!(expected, "{component} sha256:{sum}")?;
    }
    ensure!(told == expected, "--version says {told:?}, and should say {expected:?}");
    Ok(())
}

/// By a run that fails for want of settings.
fn reports_its_commit(folder: &Path, commit: &str) -> Result<()> {
    let mut once = away(folder, Path::new("kong-cloudtrail"));
    once.args(["once", "--quiet", "--variable", "kong_admin_api=http://127.0.0.1:9"]);
    let report = simulators::report(&String::from_utf8_lossy(&once.output()?.stdout))?;
    ensure!(report["commit"] == commit, "built at {commit}, the component reports: {report}");
    Ok(())
}
