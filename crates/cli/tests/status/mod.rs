//! `status` as a process, on a store that is in each of its states.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use kong_cloudtrail::testing::Memory;
use kong_cloudtrail_application::key_value::StoreManager;
use kong_cloudtrail_application::key_value::sqlite::SqliteStores;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::scene::{Scene, letter};

const KEY: &str = "a key of more than thirty-two characters";

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// A ledger with a run that was ok a minute ago.
fn well() -> Scene {
    Scene::at(now()).run(60, &json!({}))
}

/// What `memory` holds, as the embedded store's file has it.
fn stored(memory: &Memory) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let stores = SqliteStores::new(Some(folder.path().join("sqlite_key_value.db")));
    let values: Vec<_> = memory.values.borrow().clone().into_iter().collect();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        stores.open("default").await.unwrap().set_many(values).await.unwrap();
    });
    folder
}

fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut cli = Command::new(env!("CARGO_BIN_EXE_kong-cloudtrail"));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spin-status.toml");
    cli.args(["status", "--from"]).arg(manifest).arg("--state-dir").arg(folder.path());
    cli.args(arguments).current_dir(folder.path()).env_clear();
    cli
}

/// Its exit status, the line, and what else was said.
fn status(scene: &Scene, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let Output { status, stdout, stderr } =
        command(&stored(&scene.memory), arguments).output().unwrap();
    let line = serde_json::from_slice(&stdout).unwrap_or_default();
    (status.code(), line, String::from_utf8(stderr).unwrap())
}

#[test]
fn it_ends_with_0_where_all_is_well_1_where_somebody_should_look_and_2_where_it_cannot_tell() {
    let failed = json!({ "outcome": "failed", "error": "Kong is away: start it" });
    let lost = well().written(60, &[]);
    lost.store().delete("head").unwrap();
    let leased = well().written(60, &[]);
    let foreign = Scene::at(now()).under(KEY);
    let lease = foreign.store().key("lease");
    let value = json!({ "owner": "x", "until_ms": 0, "check": "" }).to_string();
    leased.memory.values.borrow_mut().insert(lease, value.into_bytes());
    for (name, scene, code, title) in [
        ("well", well().written(60, &[]), 0, None),
        (
            "a first run",
            Scene::at(now()).run(60, &json!({ "attention": ["new-ledger"] })).written(60, &[]),
            0,
            Some("Something happened"),
        ),
        ("failing", well().run(5, &failed).written(60, &[]), 1, Some("Runs fail")),
        ("stale", Scene::at(now()).run(1000, &json!({})).written(60, &[]), 1, Some("No progress")),
        ("behind", well().written(7300, &[]), 1, Some("A stream is behind")),
        ("letters", well().written(60, &[letter("a")]), 1, Some("Dead letters")),
        ("lost", lost, 1, Some("The store has lost something")),
        ("leased", leased, 1, Some("The lease cannot be read")),
        ("empty", Scene::at(now()), 2, Some("No run is kept")),
        ("keyed", well().under(KEY).written(60, &[]), 2, Some("The store cannot be read")),
    ] {
        let (status, line, said) = status(&scene, &[]);
        assert_eq!(status, Some(code), "{name}: {line} {said}");
        let first = line["findings"][0]["title"].as_str();
        assert_eq!((first, said.as_str()), (title, ""), "{name}: {line}");
        let outcome = ["well", "attention", "unknown"][usize::try_from(code).unwrap()];
        assert_eq!((&line["event"], &line["outcome"]), (&"status".into(), &outcome.into()));
    }
}

#[test]
fn the_key_is_the_shippers_and_how_old_a_success_may_be_is_the_pages_variable() {
    let scene = Scene::at(now()).under(KEY).run(1000, &json!({})).written(60, &[]);
    let key = format!("ledger_key={KEY}");
    assert_eq!(status(&scene, &["--variable", &key]).0, Some(1));
    let hourly = ["--variable", &key, "--variable", "stale_after_secs=7800"];
    assert_eq!(status(&scene, &hourly).0, Some(0));
    let (code, _, said) = status(&scene, &["--variable", "ledger_key=short"]);
    assert_eq!(code, Some(2));
    assert!(said.starts_with("error: ledger_key"), "{said}");
}

#[test]
fn a_store_that_cannot_be_opened_is_told_and_its_status_is_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sqlite_key_value.db")).unwrap();
    let Output { status, stdout, stderr } = command(&folder, &[]).output().unwrap();
    let line: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!((status.code(), stderr.len()), (Some(2), 0), "{line}");
    let finding = &line["findings"][0];
    assert_eq!(finding["runbook"], "docs/operations.md#the-store-cannot-be-read");
    let told = finding["text"].as_str().unwrap();
    assert!(told.contains("the SQLite file cannot be opened"), "{told}");
    assert!(told.contains("have its folder there"), "{told}");
}

/// What it prints on a terminal, with its exit status behind it; none where no `script` makes one.
fn on_a_terminal(scene: &Scene, environment: &[(&str, &str)], arguments: &str) -> Option<String> {
    let folder = stored(&scene.memory);
    let told = command(&folder, &[]);
    let words: Vec<_> = told.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let program = told.get_program().to_string_lossy().into_owned();
    let line = format!("{program} {} {arguments}; echo status $?", words.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(folder.path()).env_clear();
    script.env("PATH", "/usr/bin:/bin").envs(environment.iter().copied());
    let Ok(output) = script.stdin(std::process::Stdio::null()).output() else {
        eprintln!("SKIPPED: on a terminal, since there is no program `script` (util-linux)");
        return None;
    };
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn on_a_terminal_it_is_text_in_colours_where_the_terminal_has_them_and_nobody_switched_them_off() {
    let scene = || well().written(60, &[letter("a")]);
    let xterm = ("TERM", "xterm-256color");
    for (environment, coloured) in [
        (&[xterm][..], true),
        (&[xterm, ("NO_COLOR", "")], true),
        (&[xterm, ("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
        (&[], false),
    ] {
        let Some(text) = on_a_terminal(&scene(), environment, "") else { return };
        for part in
            ["How things stand:", "needs attention", "Dead letters", "status 1", "REMEMBERED"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(text.contains('\u{1b}'), coloured, "{environment:?}: {text:?}");
    }
    let Some(json) = on_a_terminal(&scene(), &[xterm], "--json") else { return };
    assert!(json.starts_with(r#"{"event":"status""#) && !json.contains('\u{1b}'), "{json:?}");
}

#[test]
fn it_looks_again_and_again_until_a_signal() {
    let folder = stored(&well().written(60, &[]).memory);
    let mut command = command(&folder, &["--watch"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap());
    let two: Vec<_> = std::io::BufRead::lines(lines).take(2).map(Result::unwrap).collect();
    assert!(two.iter().all(|line| line.starts_with(r#"{"event":"status""#)), "{two:?}");
    Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
}
