//! What an application does on the host, shown with the probe of `tests/guests`.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use common::{COMMAND, MANIFEST, TIMER, folder, options, probe};
use kong_cloudtrail_host::{App, Ending, Entry, Line};

fn timer() -> String {
    format!("{MANIFEST}{TIMER}")
}

#[tokio::test]
async fn a_tick_gives_lines_report_memory_and_time() {
    let folder = folder(&timer());
    let outcome = probe(&folder, "print").tick().await.unwrap();
    assert_eq!(outcome.ending, Ending::Returned);
    assert_eq!(
        outcome.stdout,
        [r#"{"event":"log"}"#, r#"{"event":"run","outcome":"ok"}"#, "unfinished"]
    );
    assert_eq!(outcome.report.as_ref().unwrap()["event"], "run");
    assert_eq!(outcome.outcome(), "ok");
    assert_eq!(outcome.peak_memory, 64 * 1024);
    assert!(!outcome.elapsed.is_zero());
}

#[tokio::test]
async fn lines_are_told_as_they_are_printed_also_before_a_trap() {
    let folder = folder(&timer());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let outcome = probe(&folder, "trap")
        .call(Entry::Timer, move |line| {
            if let Line::Stdout(line) = line {
                sink.lock().unwrap().push(line.to_owned());
            }
        })
        .await
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), ["before the trap"]);
    let Ending::Trapped(message) = outcome.ending else {
        panic!("ended otherwise: {:?}", outcome.ending)
    };
    assert!(message.contains("unreachable"), "{message}");
}

#[tokio::test]
async fn each_tick_has_a_fresh_instance() {
    let folder = folder(&timer());
    let app = probe(&folder, "memory");
    for _ in 0..2 {
        let outcome = app.tick().await.unwrap();
        assert_eq!(outcome.ending, Ending::Returned);
        assert_eq!(outcome.peak_memory, 33 * 64 * 1024);
    }
}

#[tokio::test]
async fn memory_beyond_max_instance_memory_is_not_given() {
    let folder = folder(&timer());
    let config = folder.path().join("runtime-config.toml");
    std::fs::write(&config, "max_instance_memory = 1000000").unwrap();
    let mut options = options(&folder, "memory");
    options.application.runtime_config = Some(config);
    let outcome = App::load(options).unwrap().tick().await.unwrap();
    assert!(matches!(outcome.ending, Ending::Trapped(_)), "{:?}", outcome.ending);
    assert_eq!(outcome.peak_memory, 64 * 1024);
}

#[tokio::test]
async fn the_command_trigger_runs_wasi_cli_run_whose_error_is_seen() {
    let folder = folder(&format!("{MANIFEST}{COMMAND}"));
    assert_eq!(probe(&folder, "print").entry(), Entry::Command);
    assert_eq!(probe(&folder, "print").tick().await.unwrap().ending, Ending::Returned);
    assert_eq!(probe(&folder, "error").tick().await.unwrap().ending, Ending::ReturnedError);
    let timer = probe(&folder, "error").call(Entry::Timer, |_| {}).await.unwrap();
    assert_eq!(timer.ending, Ending::Returned);
}

#[tokio::test]
async fn an_undefined_variable_is_an_error_for_the_component() {
    let folder = folder(&timer().replace("greeting = \"<{{ greeting }}>\"", ""));
    let outcome = probe(&folder, "variable").tick().await.unwrap();
    assert!(outcome.stdout[0].contains("greeting"), "{:?}", outcome.stdout);
}

#[tokio::test]
async fn both_key_value_interfaces_reach_the_same_store_which_outlives_the_application() {
    let folder = folder(&timer());
    assert_eq!(probe(&folder, "key").tick().await.unwrap().stdout, ["value"]);
    let file = folder.path().join(".spin/sqlite_key_value.db");
    let rows: Vec<u8> = rusqlite::Connection::open(file)
        .unwrap()
        .query_row(
            "SELECT value FROM spin_key_value WHERE store = 'default' AND key = 'key'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(rows, b"value");
}

#[tokio::test]
async fn a_store_that_the_manifest_does_not_grant_is_denied() {
    let folder = folder(&timer().replace("key_value_stores = [\"default\"]", ""));
    assert_eq!(probe(&folder, "key").tick().await.unwrap().stdout, ["denied"]);
}

#[tokio::test]
async fn ticks_of_one_application_may_overlap() {
    let folder = folder(&timer());
    let app = probe(&folder, "key");
    let (first, second) = tokio::join!(app.tick(), app.tick());
    assert_eq!(first.unwrap().stdout, ["value"]);
    assert_eq!(second.unwrap().stdout, ["value"]);
}

/// What loading says of a manifest that is the probe's with `from` replaced by `to`.
fn refusal(from: &str, to: &str) -> String {
    let manifest = timer();
    assert!(manifest.contains(from), "{from}");
    let folder = folder(&manifest.replace(from, to));
    format!("{:#}", App::load(options(&folder, "print")).err().expect("it was loaded"))
}

#[test]
fn what_spin_refuses_at_load_is_refused_with_the_setting_named() {
    assert!(refusal("act = { required = true }", "act = {}").contains("`required`"));
    assert!(refusal("key_value_stores = [", "key_value_store = [").contains("key_value_store"));
    assert!(refusal("interval_secs = 1", "interval_secs = \"1\"").contains("trigger.timer"));
    assert!(refusal("interval_secs = 1", "interval_secs = 1\nspeed = 2").contains("speed"));
    assert!(refusal("= [\"default\"]", "= [\"other\"]").contains("[key_value_store.other]"));
    assert!(refusal("component = \"probe\"", "component = \"prober\"").contains("prober"));
    assert!(
        refusal("spin_manifest_version = 2", "spin_manifest_version = 1").contains("version 2")
    );
    assert!(refusal("\"{{ act }}\"", "\"{{ akt }}\"").contains("akt"));
    assert!(refusal("probe.wasm", "absent.wasm").contains("build it first"));
    let bad_host = "source = \"probe.wasm\"\nallowed_outbound_hosts = [\"http://a/path\"]";
    assert!(refusal("source = \"probe.wasm\"", bad_host).contains("allowed_outbound_hosts"));
    let bad_default = "source = \"probe.wasm\"\nallowed_outbound_hosts = [\"{{ greeting }}\"]";
    assert!(refusal("source = \"probe.wasm\"", bad_default).contains("defaults"));
}

#[test]
fn sections_that_only_spin_has_a_use_for_are_accepted() {
    let manifest = timer()
        .replace(
            "[component.probe.variables]",
            "sqlite_databases = [\"default\"]\n[component.probe.build]\ncommand = \"make\"\n\
             [component.probe.tool.wiring]\nx = 1\n[component.probe.variables]",
        )
        .replace("[variables]", "[application.trigger.timer]\nspeedup = 2\n[variables]");
    let app = probe(&folder(&manifest), "print");
    let interval_ms = 500;
    let trigger = kong_cloudtrail_host::application::manifest::Trigger::Timer { interval_ms };
    assert_eq!(app.manifest().trigger, trigger);
}
