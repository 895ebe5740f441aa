//! What the container image starts.
//!
//! Orchestrators hand over settings as environment variables, secrets included; Spin reads Redis'
//! address and certificates from files. This program writes those files, mode 0600, to the one
//! writable folder, starts Spin, passes signals on as Spin understands them, and ends a Spin whose
//! reports stop coming or say that its connection to Redis is of no use any more: the supervisor
//! starts it anew. No message of it holds a secret.

mod last_report;
mod reports;
mod settings;
mod spin;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, anyhow};

use last_report::LastReport;
use settings::Settings;
use spin::Trigger;

const USAGE: &str = "\
usage: kong-cloudtrail-entrypoint MODE

  service           a run at every tick of Spin's timer trigger, until SIGTERM or SIGINT
  run               one run, then exit; a failed run is a failure
  status            the status page, at port 8080, until SIGTERM or SIGINT
  dead-letters ...  what CloudTrail refused for good, as `kong-cloudtrail dead-letters`
  ledger ...        decisions about the ledger, as `kong-cloudtrail ledger`
  healthy           whether the reports of the service keep coming";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match (mode.as_str(), rest.as_slice()) {
        ("service", []) => start(Trigger::Timer),
        ("run", []) => start(Trigger::Command),
        ("status", []) => start(Trigger::Http),
        (tool @ ("dead-letters" | "ledger"), [verb, rest @ ..]) => operate(tool, verb, rest),
        ("healthy", []) => healthy(),
        _ => Err(anyhow!(USAGE)),
    };
    done.unwrap_or_else(|why| {
        tell("error", &format!("{why:#}"));
        ExitCode::FAILURE
    })
}

/// Writes a line of the form that the component's own lines have.
fn tell(level: &str, message: &str) {
    eprintln!("{}", serde_json::json!({ "event": "log", "level": level, "message": message }));
}

/// The environment, less what is no text: that can be no setting.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn start(trigger: Trigger) -> Result<ExitCode> {
    let settings = Settings::read(environment())?;
    settings.write_files()?;
    spin::supervise(trigger, &settings)
}

fn operate(tool: &str, verb: &str, rest: &[String]) -> Result<ExitCode> {
    let settings = Settings::read(environment())?;
    settings.write_files()?;
    let mut program = Command::new("kong-cloudtrail");
    program.args([tool, verb, "--from"]).arg(settings.manifest("spin.toml"));
    program.arg("--runtime-config-file").arg(settings.runtime_config_path()).args(rest);
    settings.adorn(&mut program);
    Err(program.exec()).context("cannot start kong-cloudtrail")
}

fn healthy() -> Result<ExitCode> {
    let settings = Settings::read(environment())?;
    LastReport::of(&settings).check()?;
    Ok(ExitCode::SUCCESS)
}
