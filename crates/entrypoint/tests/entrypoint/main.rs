//! The program as the container starts it, with stand-ins for Spin and for the dead-letter tool on
//! PATH that write down how they were started.
#![allow(clippy::unwrap_used)]

mod container;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use container::{Container, said};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use toml::Table;

const REPORT: &str = r#"{"event":"run","outcome":"ok"}"#;
const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIBca\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIBkey\n-----END PRIVATE KEY-----\n";

#[test]
fn the_service_starts_spin_with_the_timer_manifest_and_without_a_state_folder() {
    let container = Container::with_spin("exit 3").set("APPLICATION_DIR", "/app");
    container.run(&["service"]);
    let config = container.path("state/runtime-config.toml").display().to_string();
    let expected =
        ["up", "--from", "/app/spin.toml", "--runtime-config-file", &config, "--state-dir", ""];
    assert_eq!(container.arguments(), expected);
}

#[test]
fn a_single_run_starts_spin_with_the_command_manifest_and_has_its_status() {
    for status in [0, 1, 101] {
        let container = Container::with_spin(&format!("exit {status}"));
        assert_eq!(container.run(&["run"]).status.code(), Some(status));
        assert_eq!(container.arguments()[2], "/opt/kong-cloudtrail/spin-command.toml");
    }
}

#[test]
fn what_is_started_is_told_with_the_sha_256_of_its_component() {
    let container = Container::with_spin("exit 0");
    let application = container.path("state").display().to_string();
    let container = container.set("APPLICATION_DIR", &application);
    let write = |name: &str, text: &str| std::fs::write(container.path("state").join(name), text);
    write("spin-command.toml", "[component.shipper]\nsource = \"shipper.wasm\"\n").unwrap();
    write("shipper.wasm", "abc").unwrap();
    let said = said(&container.run(&["run"]));
    // Of "abc", by FIPS 180-2.
    let sum = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(said.contains(&format!("), shipper.wasm {sum}")), "{said}");
    let told = r#""code":"starting","event":"log","level":"info","message":"kong-cloudtrail 0"#;
    assert!(said.contains(told), "{said}");
}

#[test]
fn check_and_verify_are_single_runs_with_that_task_and_a_run_ships() {
    for (mode, task) in [("check", "check"), ("verify", "verify"), ("run", "ship")] {
        let container = Container::with_spin("exit 1").set("SPIN_VARIABLE_TASK", "another");
        assert_eq!(container.run(&[mode]).status.code(), Some(1));
        assert_eq!(container.arguments()[2], "/opt/kong-cloudtrail/spin-command.toml");
        assert_eq!(container.seen()["SPIN_VARIABLE_TASK"], task);
    }
}

#[test]
fn the_status_page_is_served_at_its_port_and_needs_no_reports() {
    let container = Container::with_spin("sleep 2; exit 3").set("MAX_SILENCE_SECS", "1");
    assert_eq!(container.run(&["page"]).status.code(), Some(3));
    let arguments = container.arguments();
    assert_eq!(arguments[2], "/opt/kong-cloudtrail/spin-status.toml");
    assert_eq!(arguments[5..], ["--state-dir", "", "--listen", "0.0.0.0:8080"]);
    let task = include_str!("../../../../terraform/status.tf");
    assert!(task.contains("status_port     = 8080"));
}

#[test]
fn the_operators_program_has_the_same_manifest_and_store() {
    for [tool, verb, argument] in
        [["dead-letters", "replay", "--all"], ["ledger", "rekey", "--yes"]]
    {
        let container = Container::with_spin("echo done").set("REDIS_PASSWORD", "hunter2");
        let output = container.run(&[tool, verb, argument]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
        let config = container.path("state/runtime-config.toml").display().to_string();
        let manifest = "/opt/kong-cloudtrail/spin.toml";
        let expected =
            [tool, verb, "--from", manifest, "--runtime-config-file", config.as_str(), argument];
        assert_eq!(container.arguments(), expected);
        assert_eq!(container.redis_url().password(), Some("hunter2"));
    }
}

#[test]
fn how_things_stand_is_told_by_the_pages_manifest_with_the_programs_own_status() {
    let container = Container::with_spin("exit 2");
    let output = container.run(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let config = container.path("state/runtime-config.toml").display().to_string();
    let manifest = "/opt/kong-cloudtrail/spin-status.toml";
    let expected = ["status", "--from", manifest, "--runtime-config-file", &config, "--json"];
    assert_eq!(container.arguments(), expected);
}

#[test]
fn a_setting_that_sets_nothing_is_told_with_the_nearest_and_the_start_goes_on() {
    let container = Container::with_spin("exit 0")
        .set("SPIN_VARIABLE_KONG_ADMIN_TOKN", "hunter2")
        .set("SPIN_VARIABLE_KONG_ADMIN_API", "https://kong-admin.example.internal:8444");
    let output = container.run(&["run"]);
    assert!(output.status.success());
    let said = said(&output);
    for told in [
        r#""code":"odd-setting","event":"log","level":"warn""#,
        "SPIN_VARIABLE_KONG_ADMIN_TOKN sets nothing",
        "the nearest is SPIN_VARIABLE_KONG_ADMIN_TOKEN",
        "SPIN_VARIABLE_KONG_ADMIN_API is still the example",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn whatever_the_password_redis_gets_that_password() {
    for password in [
        "plain",
        "a/b?c#d@e:f",
        "100%25%zz",
        "quote\"quote'back\\slash",
        "[]{}<>|^`~!$&()*+,;=",
        " blank and\ttab ",
        "grüße 🔑",
        "line\nbreak",
        "\u{1}\u{7f}",
    ] {
        let container = Container::with_spin("exit 0").set("REDIS_PASSWORD", password);
        container.run(&["run"]);
        let url = container.redis_url();
        let encoded = url.password().unwrap();
        let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap();
        assert_eq!(decoded, password);
        assert_eq!((url.host_str(), url.port()), (Some("ledger.example"), Some(6379)));
    }
}

#[test]
fn what_is_written_is_for_this_user_alone_and_replaces_what_was_there() {
    let container = Container::with_spin("exit 0")
        .set("SPIN_VARIABLE_KONG_ADMIN_API", "https://kong.example:8444")
        .set("KONG_CA", CA)
        .set("KONG_CLIENT_CERT", CA)
        .set("KONG_CLIENT_KEY", KEY);
    let files = ["runtime-config.toml", "kong-ca.pem", "kong-client.pem", "kong-client.key"];
    for file in files {
        let path = container.path("state").join(file);
        std::fs::write(&path, "a much longer text of an earlier start".repeat(99)).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    container.run(&["run"]);
    for file in files {
        let path = container.path("state").join(file);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(std::fs::read_to_string(container.path("state/kong-client.key")).unwrap(), KEY);
    let tls = container.config()["client_tls"][0].clone();
    let expected: Table = "component_ids = ['kong-cloudtrail']\n\
        hosts = ['kong.example']\n\
        ca_roots_file = 'kong-ca.pem'\n\
        ca_use_webpki_roots = false\n\
        ca_use_platform_roots = false\n\
        client_cert_file = 'kong-client.pem'\n\
        client_private_key_file = 'kong-client.key'"
        .parse()
        .unwrap();
    assert_eq!(tls, expected.into());
}

#[test]
fn without_certificates_there_is_nothing_about_tls() {
    let container = Container::with_spin("exit 0");
    container.run(&["run"]);
    let expected: Table = "[key_value_store.default]\n\
        type = 'redis'\n\
        url = 'rediss://ledger.example:6379'"
        .parse()
        .unwrap();
    assert_eq!(container.config(), expected);
}

#[test]
fn a_client_certificate_alone_leaves_the_other_authorities_in_force() {
    let container = Container::with_spin("exit 0")
        .set("SPIN_VARIABLE_KONG_ADMIN_API", "https://kong.example")
        .set("KONG_CLIENT_CERT", CA)
        .set("KONG_CLIENT_KEY", KEY);
    container.run(&["run"]);
    let tls = container.config()["client_tls"][0].clone();
    assert_eq!(tls["ca_use_webpki_roots"].as_bool(), Some(true));
    assert_eq!(tls["ca_use_platform_roots"].as_bool(), Some(true));
    assert_eq!(tls.get("ca_roots_file"), None);
}

#[test]
fn spin_is_given_what_aws_gave_the_container_and_none_of_the_secrets_for_files() {
    let container = Container::with_spin("exit 0")
        .set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1")
        .set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-token")
        .set("AWS_USE_FIPS_ENDPOINT", "true")
        .set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/a")
        .set("SPIN_VARIABLE_AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/b")
        .set("SPIN_VARIABLE_KONG_ADMIN_TOKEN", "the-token")
        .set("REDIS_PASSWORD", "hunter2");
    container.run(&["run"]);
    let seen = container.seen();
    let variable = |name: &str| seen.get(&format!("SPIN_VARIABLE_{name}")).map(String::as_str);
    assert_eq!(variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), Some("/v2/credentials/1"));
    assert_eq!(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"), Some("a-token"));
    assert_eq!(variable("USE_FIPS_ENDPOINT"), Some("true"));
    assert_eq!(variable("AWS_ROLE_ARN"), Some("arn:aws:iam::123456789012:role/b"));
    assert_eq!(variable("KONG_ADMIN_TOKEN"), Some("the-token"));
    assert_eq!(variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"), None);
    assert!(!seen.contains_key("REDIS_PASSWORD") && !seen.contains_key("REDIS_URL"));
    let state = container.path("state").display().to_string();
    assert_eq!((seen["HOME"].as_str(), seen["TMPDIR"].as_str()), (state.as_str(), state.as_str()));
}

#[test]
fn every_mistake_is_named_at_once_spin_is_not_started_and_no_value_is_shown() {
    let container = Container::with_spin("exit 0")
        .set("REDIS_URL", "rediss://:hunter2@ledger.example")
        .set("REDIS_PASSWORD", "hunter3")
        .set("KONG_CLIENT_KEY", "hunter4")
        .set("MAX_SILENCE_SECS", "hunter5");
    let output = container.run(&["service"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1));
    for name in ["REDIS_PASSWORD", "KONG_CLIENT_KEY", "MAX_SILENCE_SECS"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(!said.contains("hunter"), "{said}");
    assert!(!container.path("arguments").exists());
    let line: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&line["event"], &line["level"]), (&"log".into(), &"error".into()));
}

#[test]
fn a_setting_that_cannot_work_is_refused_with_what_to_do() {
    let ca = |api: &str| {
        Container::with_spin("exit 0").set("KONG_CA", CA).set("SPIN_VARIABLE_KONG_ADMIN_API", api)
    };
    let with = |name: &str, value: &str| Container::with_spin("exit 0").set(name, value);
    for (container, expected) in [
        (with("REDIS_URL", ""), "REDIS_URL is not set"),
        (with("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), "use deploy/kubernetes"),
        (with("REDIS_URL", "ledger.example:6379"), "REDIS_URL must begin with rediss://"),
        (with("REDIS_URL", "https://ledger.example"), "REDIS_URL must begin with rediss://"),
        (with("REDIS_URL", "rediss://"), "REDIS_URL"),
        (with("REDIS_URL", "rediss://:hunter2@ho st"), "REDIS_URL is no address"),
        (with("REDIS_PASSWORD", "hunter2\n"), "REDIS_PASSWORD ends with a line break"),
        (with("REDIS_URL", "redis://:hunter2@ledger.example"), "give a rediss:// address"),
        (
            with("REDIS_URL", "redis://10.0.0.1:6379").set("REDIS_PASSWORD", "hunter2"),
            "SPIN_VARIABLE_ALLOW_PLAINTEXT to true",
        ),
        (with("KONG_CLIENT_CERT", CA), "KONG_CLIENT_CERT and KONG_CLIENT_KEY go together"),
        (with("KONG_CA", "/etc/ssl/hunter2.pem"), "KONG_CA is no PEM text"),
        (ca("http://kong.example:8001"), "must be an https:// address"),
        (ca("kong.example"), "must be an https:// address"),
        (with("STATE_DIR", "/nowhere/at/all"), "mount /nowhere/at/all as a writable volume"),
    ] {
        let output = container.run(&["service"]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{expected}");
        assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
        assert!(!container.path("arguments").exists(), "{expected}");
    }
}

#[test]
fn a_password_goes_in_the_clear_to_this_machine_alone_or_where_that_is_allowed() {
    let to = |url: &str| {
        Container::with_spin("exit 0").set("REDIS_URL", url).set("REDIS_PASSWORD", "hunter2")
    };
    for container in [
        to("redis://localhost:6379"),
        to("redis://127.0.0.1:6379"),
        to("redis://[::1]:6379"),
        to("rediss://ledger.example:6379"),
        to("redis://ledger.example:6379").set("SPIN_VARIABLE_ALLOW_PLAINTEXT", "true"),
        Container::with_spin("exit 0").set("REDIS_URL", "redis://ledger.example:6379"),
    ] {
        let output = container.run(&["run"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}

#[test]
fn the_time_of_the_last_report_is_noted_in_no_file_that_a_link_leads_to() {
    let container = Container::with_spin(&format!("echo '{REPORT}'; exit 7"));
    let elsewhere = container.path("elsewhere");
    std::fs::write(&elsewhere, "of somebody else").unwrap();
    for name in ["last-report", "last-report.new"] {
        std::os::unix::fs::symlink(&elsewhere, container.path("state").join(name)).unwrap();
    }
    assert_eq!(container.run(&["healthy"]).status.code(), Some(1), "it counts as nothing");
    container.run(&["service"]);
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "of somebody else");
    assert!(container.path("state/last-report").symlink_metadata().unwrap().is_file());
}

#[test]
fn an_unknown_mode_says_which_there_are() {
    for arguments in [&[][..], &["serve"], &["service", "now"], &["dead-letters"], &["ledger"]] {
        let output = Container::with_spin("exit 0").run(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("usage: kong-cloudtrail-entrypoint MODE"));
    }
}

#[test]
fn a_service_that_ends_by_itself_has_failed_even_where_spin_says_it_has_not() {
    let output = Container::with_spin("exit 0").run(&["service"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the component trapped"));
    assert_eq!(Container::with_spin("exit 7").run(&["service"]).status.code(), Some(7));
    let killed = Container::with_spin("kill -9 $$").run(&["service"]);
    assert_eq!(killed.status.code(), Some(1));
    assert!(said(&killed).contains("signal: 9"));
}

#[test]
fn what_spin_prints_comes_out_unchanged() {
    let script = format!("echo '{REPORT}'\necho 'Storing default key-value data' >&2\nexit 0");
    let output = Container::with_spin(&script).run(&["run"]);
    let said = said(&output);
    let (own, mut lines): (Vec<&str>, Vec<&str>) =
        said.lines().partition(|line| line.contains(r#""code":"starting""#));
    lines.sort_unstable();
    assert_eq!(lines, ["Storing default key-value data", REPORT]);
    assert_eq!(own.len(), 1, "{said}");
}

/// A Spin as it is: its trigger is a process of its own that ignores SIGTERM and ends on SIGINT.
const AS_SPIN_IS: &str = r#"
trap '' TERM
sh -c '
  trap "" TERM
  trap "echo int >$0/ended; exit 0" INT
  echo $$ >$0/trigger
  while :; do sleep 0.05; done
' "$here"
exit 0
"#;

#[test]
fn a_signal_to_end_reaches_spin_and_its_trigger_as_sigint() {
    for signal in [Signal::TERM, Signal::INT] {
        let container = Container::with_spin(AS_SPIN_IS);
        let mut service = container.start(&["service"]);
        let trigger = container.wait_for_pid("trigger");
        kill_process(Pid::from_child(&service), signal).unwrap();
        assert_eq!(service.wait().unwrap().code(), Some(0), "{signal:?}");
        assert_eq!(container.wait_for("ended"), "int\n", "{signal:?}");
        let started = Instant::now();
        while test_kill_process(trigger).is_ok() {
            assert!(started.elapsed() < Duration::from_secs(5), "the trigger lives on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_spin_that_gives_no_report_is_ended_and_that_is_a_failure() {
    let container = Container::with_spin("sleep 60").set("MAX_SILENCE_SECS", "1");
    let started = Instant::now();
    let output = container.run(&["service"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("MAX_SILENCE_SECS"), "{}", said(&output));
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// A report of a run that the store has failed.
fn failed(why: &str) -> String {
    let error = format!("the key-value store failed at kong-cloudtrail:default:head: {why}; check");
    serde_json::json!({ "event": "run", "outcome": "failed", "error": error }).to_string()
}

/// As the library with which Spin reaches Redis words it, and as Redis does.
const READ_ONLY: [&str; 2] = [
    "Error::Other(\"ReadOnly: You can't write against a read only replica.\")",
    "READONLY You can't write against a read only replica.",
];

/// A Spin that prints those lines, by turns on both of its outputs, and then stays.
fn that_prints(lines: &[String]) -> Container {
    let print = |(number, line)| {
        let output = number % 2 + 1;
        format!("cat >&{output} <<'EOF'\n{line}\nEOF\nsleep 0.2\n")
    };
    let script: String = lines.iter().enumerate().map(print).collect();
    Container::with_spin(&format!("{script}sleep 1; exit 7"))
}

#[test]
fn a_spin_that_stays_with_a_demoted_primary_is_ended_and_that_is_a_failure() {
    let [theirs, its_own] = READ_ONLY.map(failed);
    let started = Instant::now();
    for reports in [[&theirs, &theirs], [&its_own, &theirs]] {
        let output = that_prints(&reports.map(Clone::clone)).run(&["service"]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let last = said.lines().last().unwrap();
        let line: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!((&line["event"], &line["level"]), (&"log".into(), &"error".into()));
        for words in ["READONLY", "demoted", "ending Spin"] {
            assert!(last.contains(words), "{last}");
        }
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_spin_that_may_recover_or_that_no_restart_would_help_is_left_alone() {
    let read_only = failed(READ_ONLY[0]);
    let sqlite = failed(
        "Error::Other(\"SqliteFailure(Error { code: ReadOnly, extended_code: 8 }, \
         Some(\\\"attempt to write a readonly database\\\"))\")",
    );
    let partial = read_only.replace("failed\"", "partial\"");
    let log =
        READ_ONLY.map(|why| serde_json::json!({ "event": "log", "message": why }).to_string());
    for lines in [
        vec![read_only.clone()],
        vec![read_only.clone(), REPORT.to_owned(), read_only.clone()],
        vec![sqlite.clone(), sqlite.clone(), sqlite],
        vec![partial.clone(), partial],
        vec![failed("Connection refused"), failed("Connection refused")],
        log.to_vec(),
    ] {
        let output = that_prints(&lines).run(&["service"]);
        assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    }
}

#[test]
fn reports_keep_a_service_alive_and_healthy_and_their_absence_shows() {
    let reports = format!("while :; do echo '{REPORT}' >&2; sleep 0.3; done");
    let container = Container::with_spin(&reports).set("MAX_SILENCE_SECS", "3");
    assert_eq!(container.run(&["healthy"]).status.code(), Some(1), "nothing is started yet");
    let mut service = container.start(&["service"]);
    container.wait_for("arguments");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(service.try_wait().unwrap(), None, "the reports came");
    assert_eq!(container.run(&["healthy"]).status.code(), Some(0));
    kill_process(Pid::from_child(&service), Signal::KILL).unwrap();
    service.wait().unwrap();
    // Its Spin is an orphan now; in a container it would have ended too.
    kill_process_group(container.wait_for_pid("pid"), Signal::KILL).unwrap();
    std::thread::sleep(Duration::from_secs(5));
    let output = container.run(&["healthy"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no report for"), "{}", said(&output));
}
