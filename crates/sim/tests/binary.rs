//! The binary: its first line, its flags, its end.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

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

#[tokio::test]
async fn each_says_where_it_listens_and_ends_in_peace_on_either_signal() {
    let kong = "kong --token t --requests 12 --objects 3 --payload-bytes 10 --latency-ms 1";
    let cloudtrail = "cloudtrail --channel-arn arn:aws:cloudtrail:us-east-1:1:channel/7f3d2e10 \
                      --access-key-id k --secret-access-key s --keep ids --calls-per-sec 100 \
                      --latency-ms 1";
    for signal in ["INT", "TERM"] {
        for (flags, name, held) in [(kong, "objects", 3), (cloudtrail, "accepted", 0)] {
            let mut simulator = run(&flags.split_whitespace().collect::<Vec<_>>());
            let status = reqwest::get(format!("{}/_sim/status", simulator.url)).await.unwrap();
            assert_eq!(status.json::<Value>().await.unwrap()[name], held);
            let pid = simulator.child.id().to_string();
            assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
            assert!(simulator.child.wait().unwrap().success(), "SIG{signal}");
        }
    }
}

#[test]
fn what_is_wrong_with_the_flags_is_said() {
    let channel = ["cloudtrail", "--channel-arn", "x", "--access-key-id", "k"];
    let output = Command::new(env!("CARGO_BIN_EXE_kong-cloudtrail-sim"))
        .args(channel)
        .args(["--secret-access-key", "s3cret"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("is no channel ARN") && !stderr.contains("s3cret"), "{stderr}");
}
