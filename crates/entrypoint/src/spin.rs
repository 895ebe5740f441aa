//! Spin as a child process: started, watched and ended.

use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest, Sha256};
use toml::Table;

use crate::last_report::LastReport;
use crate::reports::Reports;
use crate::settings::Settings;
use crate::{Code, tell};

const POLL: Duration = Duration::from_millis(100);
/// How long a Spin that was told to end may take.
const ENDING: Duration = Duration::from_secs(10);

/// Which of the manifests is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A run at every tick.
    Timer,
    /// One run, with that task.
    Command(&'static str),
    /// The status page.
    Http,
}

/// Where the status page is served, as terraform/status.tf has it.
const LISTEN: &str = "0.0.0.0:8080";

impl Trigger {
    fn manifest(self) -> &'static str {
        match self {
            Self::Timer => "spin.toml",
            Self::Command(_) => "spin-command.toml",
            Self::Http => "spin-status.toml",
        }
    }
}

/// Why Spin is being ended.
#[derive(Clone, Copy)]
enum Reason {
    /// A signal asked for it.
    Asked,
    /// Its reports say that it is of no use any more.
    Useless,
}

/// Runs Spin to its end.
///
/// An end that nobody asked for is a failure of a service, whatever Spin's own status: when the
/// component traps, the timer trigger ends with 0.
pub fn supervise(trigger: Trigger, settings: &Settings) -> Result<ExitCode> {
    let asked = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&asked);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed))
        .context("installing the signal handler")?;

    tell("info", Code::Starting, &what_is_started(&settings.manifest(trigger.manifest())));
    let reports = Reports::begin(LastReport::of(settings))?;
    let mut spin = Command::new("spin");
    spin.args(["up", "--from"]).arg(settings.manifest(trigger.manifest()));
    spin.arg("--runtime-config-file").arg(settings.runtime_config_path());
    // Without a state folder Spin writes no log files, which would grow without limit.
    spin.args(["--state-dir", ""]);
    if trigger == Trigger::Http {
        spin.args(["--listen", LISTEN]);
    }
    settings.adorn(&mut spin);
    if let Trigger::Command(task) = trigger {
        spin.env("SPIN_VARIABLE_TASK", task);
    }
    // A group of its own: the trigger is Spin's child, and signals must reach both.
    spin.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spin.spawn().context("cannot start spin")?;
    let group = Pid::from_child(&child);
    let outputs = [
        child.stdout.take().map(|out| forward(out, reports.clone())),
        child.stderr.take().map(|out| forward(out, reports.clone())),
    ];

    // The page makes no runs, and so has no reports.
    let watched = (trigger != Trigger::Http).then_some(&reports);
    let (status, reason) = watch(&mut child, group, &asked, watched)?;
    // What Spin left behind, were it the trigger itself, would go on unwatched.
    let _ = kill_process_group(group, Signal::KILL);
    for output in outputs.into_iter().flatten() {
        let _ = output.join();
    }
    Ok(match reason {
        // A single run that was ended has not been made.
        Some(Reason::Asked) if !matches!(trigger, Trigger::Command(_)) => ExitCode::SUCCESS,
        Some(Reason::Asked | Reason::Useless) => ExitCode::FAILURE,
        None => by_itself(trigger, status),
    })
}

/// Version, commit, and the SHA-256 by which a release's checksums know the component. What cannot be read is left
/// out: Spin says so.
fn what_is_started(manifest: &Path) -> String {
    let component = || {
        let table: Table = std::fs::read_to_string(manifest).ok()?.parse().ok()?;
        let of = table.get("component")?.as_table()?.values().next()?;
        let source = Path::new(of.get("source")?.as_str()?);
        let bytes = std::fs::read(manifest.with_file_name(source)).ok()?;
        let name = source.file_name()?.display();
        Some(format!(", {name} sha256:{}", hex::encode(Sha256::digest(bytes))))
    };
    let version = env!("CARGO_PKG_VERSION");
    let commit = kong_cloudtrail::commit!();
    format!("kong-cloudtrail {version} (commit {commit}){}", component().unwrap_or_default())
}

/// Waits for Spin's end, and brings it about where that is due.
fn watch(
    child: &mut Child,
    group: Pid,
    asked: &AtomicBool,
    reports: Option<&Reports>,
) -> Result<(ExitStatus, Option<Reason>)> {
    let mut ending: Option<(Reason, Instant)> = None;
    loop {
        if let Some(status) = child.try_wait().context("waiting for spin")? {
            return Ok((status, ending.map(|(reason, _)| reason)));
        }
        match ending {
            Some((_, since)) if since.elapsed() > ENDING => {
                let _ = kill_process_group(group, Signal::KILL);
            }
            Some(_) => {}
            None => {
                let reason = if asked.load(Ordering::Relaxed) {
                    Some(Reason::Asked)
                } else if let Some(Err(why)) = reports.map(Reports::check) {
                    tell(
                        "error",
                        Code::SpinUseless,
                        &format!("{why:#}; ending Spin, for a supervisor to start it again"),
                    );
                    Some(Reason::Useless)
                } else {
                    None
                };
                if let Some(reason) = reason {
                    // The timer trigger ignores SIGTERM.
                    let _ = kill_process_group(group, Signal::INT);
                    ending = Some((reason, Instant::now()));
                }
            }
        }
        thread::sleep(POLL);
    }
}

fn by_itself(trigger: Trigger, status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    match (trigger, code) {
        (Trigger::Timer, Some(0)) => {
            let why = "Spin's timer trigger ended by itself: the component trapped";
            tell("error", Code::SpinTrapped, why);
            ExitCode::FAILURE
        }
        (_, Some(code)) => code.into(),
        (_, None) => {
            tell("error", Code::SpinEnded, &format!("Spin ended: {status}"));
            ExitCode::FAILURE
        }
    }
}

/// Passes on what Spin prints, line by line, and has the reports read.
fn forward(output: impl Read + Send + 'static, reports: Reports) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            // Nobody there to read it is no reason to end: reports count all the same.
            let _ = stderr().write_all(&line);
            reports.read(&line);
            line.clear();
        }
    })
}
