//! The binary: its first line, its control endpoints, its end.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A running simulator; killed when the test ends in any other way.
struct Running {
    child: Child,
    url: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(arguments: &[&str]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kong-cloudtrail-sim"))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let url = ready["listening"].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://127.0.0.1:"));
    Running { child, url }
}

async fn status(running: &Running) -> Value {
    reqwest::get(format!("{}/_sim/status", running.url)).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn kong_says_where_it_listens_and_ends_in_peace_on_either_signal() {
    for signal in ["INT", "TERM"] {
        let mut kong = run(&[
            "kong",
            "--kong-version",
            "3.4.3.9",
            "--upgraded-from",
            "2.8.1.1",
            "--upgraded-leaves",
            "null",
            "--requests",
            "12",
            "--objects",
            "3",
            "--seed",
            "5",
            "--span-days",
            "2",
            "--token",
            "t",
            "--audit-readers",
            "--audit-log",
            "on",
            "--latency-ms",
            "1",
            "--payload-bytes",
            "10",
            "--record-ttl-secs",
            "864000",
        ]);
        let told = status(&kong).await;
        assert_eq!((&told["requests"], &told["objects"]), (&json!(12), &json!(3)));
        let objects = reqwest::get(format!("{}/_sim/entries?stream=objects", kong.url)).await;
        let objects: Value = objects.unwrap().json().await.unwrap();
        assert_eq!(objects[0]["request_timestamp"], Value::Null, "as the upgrade left it");
        assert!(objects[0]["ttl"].is_i64());
        let pid = kong.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        assert!(kong.child.wait().unwrap().success(), "SIG{signal}");
    }
}

#[tokio::test]
async fn cloudtrail_takes_its_settings_from_flags() {
    let endpoint = run(&[
        "cloudtrail",
        "--channel-arn",
        "arn:aws:cloudtrail:us-east-1:123456789012:channel/7f3d2e10",
        "--access-key-id",
        "AKIDEXAMPLE",
        "--secret-access-key",
        "secret",
        "--session-token",
        "token",
        "--external-id",
        "kong",
        "--calls-per-sec",
        "100",
        "--latency-ms",
        "1",
        "--keep",
        "ids",
    ]);
    let empty = json!({"calls": 0, "accepted": 0, "distinct": 0, "failed": 0,
                       "refused_calls": 0, "throttled_calls": 0});
    assert_eq!(status(&endpoint).await, empty);
}

#[test]
fn what_is_wrong_with_the_flags_is_said() {
    for (arguments, said) in [
        (vec!["kong", "--kong-version", "new"], "is no Kong version"),
        (
            vec![
                "cloudtrail",
                "--channel-arn",
                "x",
                "--access-key-id",
                "k",
                "--secret-access-key",
                "s3cret",
            ],
            "is no channel ARN",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_kong-cloudtrail-sim"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(said) && !stderr.contains("s3cret"), "{stderr}");
    }
}
