//! `up` and `once`, shown with the probe of the host's tests.
#![allow(clippy::unwrap_used)]

#[path = "../../host/tests/common/mod.rs"]
mod common;
#[path = "../../../tests/component/driver.rs"]
mod driver;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{COMMAND, MANIFEST, TIMER, cache_dir, folder};
use driver::{Start, Verb};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fn timer() -> TempDir {
    folder(&format!("{MANIFEST}{TIMER}"))
}

fn command() -> TempDir {
    folder(&format!("{MANIFEST}{COMMAND}"))
}

/// The program in `folder`, with an environment of its own.
fn cli(folder: &TempDir, verb: &str) -> Command {
    let mut cli = Command::new(env!("CARGO_BIN_EXE_kong-cloudtrail"));
    cli.arg(verb).current_dir(folder.path()).env_clear().env("XDG_CACHE_HOME", cache_dir());
    cli
}

fn once(folder: &TempDir, act: &str) -> Output {
    cli(folder, "once").args(["--variable", &format!("act={act}")]).output().unwrap()
}

fn up(folder: &TempDir, act: &str) -> Child {
    cli(folder, "up")
        .args(["--variable", &format!("act={act}")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let signalled = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(signalled.unwrap().success());
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn once_prints_the_components_lines_and_succeeds_when_the_report_is_ok() {
    let output = once(&timer(), "print");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "{\"event\":\"log\"}\n{\"event\":\"run\",\"outcome\":\"ok\"}\nunfinished\n"
    );
}

#[test]
fn quiet_prints_the_report_alone() {
    let folder = timer();
    let output =
        cli(&folder, "once").args(["--quiet", "--variable", "act=print"]).output().unwrap();
    assert_eq!(stdout(&output), "{\"event\":\"run\",\"outcome\":\"ok\"}\n");
}

#[test]
fn which_component_runs_is_told_with_its_sha_256_unless_quiet_and_with_the_version() {
    let folder = timer();
    let sum = Sha256::digest(std::fs::read(folder.path().join("probe.wasm")).unwrap());
    let component = format!("probe.wasm sha256:{}\n", hex::encode(sum));
    let version = format!("kong-cloudtrail {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(stderr(&once(&folder, "print")).contains(&format!("), {component}")));
    let quiet = cli(&folder, "once").args(["--quiet", "--variable", "act=print"]).output();
    assert_eq!(stderr(&quiet.unwrap()), "");
    let told = stdout(&cli(&folder, "--version").output().unwrap());
    assert!(told.starts_with(&version) && told.ends_with(&format!(")\n{component}")), "{told}");
    std::fs::remove_file(folder.path().join("spin.toml")).unwrap();
    let told = stdout(&cli(&folder, "--version").output().unwrap());
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn an_empty_state_folder_leaves_no_file_behind() {
    let folder = timer();
    let arguments = ["--state-dir", "", "--variable", "act=print"];
    let output = cli(&folder, "once").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!folder.path().join(".spin").exists());
}

#[test]
fn once_fails_without_a_report() {
    let output = once(&timer(), "variable");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no report"), "{}", stderr(&output));
}

#[test]
fn once_fails_on_a_trap_with_what_was_printed_before() {
    let output = once(&timer(), "trap");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "before the trap\n");
    assert!(stderr(&output).contains("trapped"), "{}", stderr(&output));
}

#[test]
fn variables_come_from_flag_environment_and_env_file_in_this_order() {
    let folder = timer();
    std::fs::write(folder.path().join(".env"), "SPIN_VARIABLE_GREETING=file\n").unwrap();
    let greeting = |cli: &mut Command| {
        let output = cli.args(["--variable", "act=variable"]).output().unwrap();
        stdout(&output)
    };
    assert_eq!(greeting(&mut cli(&folder, "once")), "<file>\n");
    let environment = ("SPIN_VARIABLE_GREETING", "environment");
    assert_eq!(greeting(cli(&folder, "once").env(environment.0, environment.1)), "<environment>\n");
    assert_eq!(
        greeting(
            cli(&folder, "once")
                .env(environment.0, environment.1)
                .args(["--variable", "greeting=flag"])
        ),
        "<flag>\n"
    );
}

#[test]
fn up_sleeps_first_then_ticks_again_and_again_until_a_signal() {
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let folder = timer();
        let started = Instant::now();
        let mut child = up(&folder, "print");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        assert!(started.elapsed() >= Duration::from_secs(1), "the first tick came too early");
        // Two more lines of the first tick; then the second tick's first.
        let fourth = lines.nth(2).unwrap().unwrap();
        assert_eq!(fourth, "{\"event\":\"log\"}");
        assert!(started.elapsed() >= Duration::from_secs(2), "the second tick came too early");
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(status), "SIG{name}");
    }
}

#[test]
fn up_may_tick_at_once_and_then_at_its_interval() {
    let folder = timer();
    let manifest = std::fs::read_to_string(folder.path().join("spin.toml")).unwrap();
    let slow = manifest.replace("interval_secs = 1", "interval_secs = 30");
    std::fs::write(folder.path().join("spin.toml"), slow).unwrap();
    let started = Instant::now();
    let mut up = cli(&folder, "up");
    up.args(["--now", "--variable", "act=print"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = up.spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).lines().nth(2).unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(25), "it waited for the interval");
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(stderr(&output).contains("the first tick now, then 30s"), "{}", stderr(&output));
}

#[test]
fn on_a_terminal_a_run_is_a_line_of_text_and_log_lines_go_to_stderr() {
    let folder = timer();
    let program = env!("CARGO_BIN_EXE_kong-cloudtrail");
    let line = format!("{program} once --variable act=print 2>said");
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(folder.path()).env_clear();
    script.env("PATH", "/usr/bin:/bin").env("XDG_CACHE_HOME", cache_dir()).env("NO_COLOR", "1");
    let Ok(output) = script.stdin(Stdio::null()).output() else {
        eprintln!("SKIPPED: on a terminal, since there is no program `script` (util-linux)");
        return;
    };
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].ends_with("  ok       nothing shipped, 0 pending, in 0 ms"), "{text}");
    assert_eq!(lines[1].trim_end(), "unfinished");
}

#[test]
fn a_component_that_computes_for_ever_ends_at_the_second_signal() {
    let folder = timer();
    let mut once = cli(&folder, "once");
    let mut child = once.args(["--variable", "act=loop"]).stdout(Stdio::piped()).spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    signal(&child, "TERM");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(child.try_wait().unwrap(), None, "it is given up at its next wait");
    signal(&child, "TERM");
    std::thread::sleep(Duration::from_secs(2));
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(143));
}

/// The status of a process that runs the probe without a state folder, and all that it said.
fn on_host_or_spin(verb: Verb, folder: &TempDir, act: &str) -> (Option<i32>, String) {
    let manifest = folder.path().join("spin.toml");
    let mut command = Start::new(verb, &manifest).command();
    command.env("SPIN_VARIABLE_ACT", act).env("XDG_CACHE_HOME", cache_dir());
    let output = command.output().unwrap();
    (output.status.code(), stdout(&output) + &stderr(&output))
}

#[test]
fn a_call_may_hold_601_open_stores_and_without_a_state_folder_no_file_is_left() {
    let folder = timer();
    let (_, said) = on_host_or_spin(Verb::Once, &folder, "open");
    assert!(said.contains(&".".repeat(601)), "{said}");
    assert!(!folder.path().join(".spin").exists());
}

#[test]
fn a_trap_ends_up_with_status_0_and_a_loud_word() {
    let (status, said) = on_host_or_spin(Verb::Up, &timer(), "trap");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("before the trap"), "{said}");
    assert_eq!(said.contains("supervisor"), !driver::is_spin(), "{said}");
}

#[test]
fn up_runs_a_command_component_once_and_passes_its_failure_on() {
    let ok = up(&command(), "print").wait_with_output().unwrap();
    assert_eq!(ok.status.code(), Some(0), "{}", stderr(&ok));
    let failed = up(&command(), "error").wait_with_output().unwrap();
    assert_eq!(failed.status.code(), Some(1));
}

#[test]
fn help_recommends_spin_for_production_and_what_the_exit_statuses_mean() {
    let folder = timer();
    for (words, help) in [
        ("status 130 and 143", &["--help"][..]),
        ("For production Spin itself is recommended", &["up", "--help"]),
        ("75 when it is \"skipped\"", &["once", "--help"]),
    ] {
        let output = cli(&folder, help[0]).args(&help[1..]).output().unwrap();
        assert!(stdout(&output).contains(words), "{}", stdout(&output));
    }
}
