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

use kong_cloudtrail::variables::{Place, oddities};
use last_report::LastReport;
use serde::Serialize;
use serde_json::json;
use settings::Settings;
use spin::Trigger;

const USAGE: &str = "\
usage: kong-cloudtrail-entrypoint MODE

  service           a run at every tick of Spin's timer trigger, until SIGTERM or SIGINT
  run               one run, then exit; a failed run is a failure
  check             would a run work? one line says what was tried and found
  verify            is all that Kong retains recorded? one line has the table
  page              the status page, at port 8080, until SIGTERM or SIGINT
  status            how things stand, as `kong-cloudtrail status`
  dead-letters ...  what CloudTrail refused for good, as `kong-cloudtrail dead-letters`
  ledger ...        decisions about the ledger, as `kong-cloudtrail ledger`
  healthy           whether the reports of the service keep coming";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match (mode.as_str(), rest.as_slice()) {
        ("service", []) => start(Trigger::Timer),
        ("run", []) => start(Trigger::Command("ship")),
        ("check", []) => start(Trigger::Command("check")),
        ("verify", []) => start(Trigger::Command("verify")),
        ("page", []) => start(Trigger::Http),
        ("status", rest) => tool(&["status"], "spin-status.toml", rest),
        (mode @ ("dead-letters" | "ledger"), [verb, rest @ ..]) => {
            tool(&[mode, verb], "spin.toml", rest)
        }
        ("healthy", []) => healthy(),
        _ => Err(anyhow!(USAGE)),
    };
    done.unwrap_or_else(|why| {
        tell("error", Code::NotStarted, &format!("{why:#}"));
        ExitCode::FAILURE
    })
}

/// What a line is about. By these words `docs/operations.md` tells what to do.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Code {
    /// What was asked for could not begin, or the answer of `healthy` is no.
    NotStarted,
    /// Which version and which component are started.
    Starting,
    /// A setting that sets nothing, or is still an example.
    OddSetting,
    /// That a report came could not be noted.
    ReportNotNoted,
    /// Spin ended by itself, by a signal.
    SpinEnded,
    /// The component trapped, which ends Spin's timer trigger.
    SpinTrapped,
    /// Spin's reports stop coming, or name a Redis that takes no writes.
    SpinUseless,
}

/// Writes a line of the form that the component's own lines have.
fn tell(level: &str, code: Code, message: &str) {
    let line = json!({ "event": "log", "level": level, "code": code, "message": message });
    eprintln!("{line}");
}

/// The environment, less what is no text: that can be no setting.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn start(trigger: Trigger) -> Result<ExitCode> {
    let environment: Vec<_> = environment().collect();
    let set = environment.iter().map(|(name, value)| (Place::Environment, &**name, &**value));
    for odd in oddities(set, &[]) {
        tell("warn", Code::OddSetting, &odd);
    }
    let settings = Settings::read(environment.into_iter())?;
    settings.write_files()?;
    spin::supervise(trigger, &settings)
}

/// The operator's program in this one's place, on the ledger of this container.
fn tool(verbs: &[&str], manifest: &str, rest: &[String]) -> Result<ExitCode> {
    let settings = Settings::read(environment())?;
    settings.write_files()?;
    let mut tool = Command::new("kong-cloudtrail");
    tool.args(verbs).arg("--from").arg(settings.manifest(manifest));
    tool.arg("--runtime-config-file").arg(settings.runtime_config_path()).args(rest);
    settings.adorn(&mut tool);
    Err(tool.exec()).context("cannot start kong-cloudtrail")
}

fn healthy() -> Result<ExitCode> {
    let settings = Settings::read(environment())?;
    LastReport::of(&settings).check()?;
    Ok(ExitCode::SUCCESS)
}
