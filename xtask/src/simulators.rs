//! The simulators as child processes, their control endpoints, and the host pointed at them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use ureq::Agent;

use crate::shell::Service;

const TOKEN: &str = "demo-token";
const CHANNEL_ARN: &str =
    "arn:aws:cloudtrail:us-east-1:123456789012:channel/01234567-89ab-cdef-0123-456789abcdef";
const LOG_GROUP_ARN: &str = "arn:aws:logs:us-east-1:123456789012:log-group:kong-audit";
const BUCKET: &str = "kong-trail";
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";
const ACCESS_KEY_ID: &str = "AKIDDEMO";
const SECRET_ACCESS_KEY: &str = "demo-secret";

const PAGE: usize = 1000;

/// A simulated Kong Admin API.
pub struct Kong {
    pub url: String,
    control: Control,
}

impl Kong {
    /// Starts it; `flags` are the simulator's, beside the token.
    pub fn start(simulator: &Path, flags: &[&str]) -> Result<Self> {
        let mut command = Command::new(simulator);
        command.args(["kong", "--token", TOKEN]).args(flags);
        let control = Control::start(&mut command)?;
        Ok(Self { url: control.url.clone(), control })
    }

    /// Adds entries, stamped now.
    pub fn add_activity(&self, requests: u64, objects: u64) -> Result<()> {
        let activity = json!({ "requests": requests, "objects": objects });
        self.control.post("/_sim/activity", &activity)
    }

    /// Sets its clock to the system's plus `seconds`.
    pub fn set_clock(&self, seconds: i64) -> Result<()> {
        self.control.post("/_sim/clock", &json!({ "offset_secs": seconds }))
    }

    /// The calls that `path` had.
    pub fn calls(&self, path: &str) -> Result<u64> {
        let status = self.control.get("/_sim/status")?;
        status["calls"][path].as_u64().with_context(|| format!("no calls of {path}"))
    }

    /// All that a stream of the audit log holds.
    pub fn entries(&self, stream: &str) -> Result<Vec<Value>> {
        self.control.list(&format!("/_sim/entries?stream={stream}&"))
    }
}

/// Where events go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Destination {
    /// CloudTrail Lake.
    #[default]
    Cloudtrail,
    /// CloudWatch Logs.
    Cloudwatch,
    /// S3 with Object Lock.
    S3,
}

impl Destination {
    /// As people name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cloudtrail => "CloudTrail",
            Self::Cloudwatch => "CloudWatch Logs",
            Self::S3 => "S3",
        }
    }

    /// Its value of the variable `destination`.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Cloudtrail => "cloudtrail",
            Self::Cloudwatch => "cloudwatch",
            Self::S3 => "s3",
        }
    }

    /// The call that takes events.
    pub fn call(self) -> &'static str {
        match self {
            Self::Cloudtrail => "PutAuditEvents",
            Self::Cloudwatch => "PutLogEvents",
            Self::S3 => "PutObject",
        }
    }
}

/// A simulated CloudTrail Data endpoint with one channel, one of CloudWatch Logs with one log stream, or one of S3
/// with one bucket.
pub struct Channel {
    pub url: String,
    pub destination: Destination,
    control: Control,
}

/// What the channel has counted.
pub struct Status {
    pub calls: u64,
    pub throttled_calls: u64,
    pub accepted: u64,
    pub distinct: u64,
}

impl Channel {
    /// Starts it; `flags` are the simulator's, beside target and keys.
    pub fn start(destination: Destination, simulator: &Path, flags: &[&str]) -> Result<Self> {
        let mut command = Command::new(simulator);
        command.args(match destination {
            Destination::Cloudtrail => vec!["cloudtrail", "--channel-arn", CHANNEL_ARN],
            Destination::Cloudwatch => vec!["cloudwatch", "--log-group-arn", LOG_GROUP_ARN],
            Destination::S3 => {
                vec!["s3", "--bucket", BUCKET, "--region", REGION, "--account", ACCOUNT]
            }
        });
        command.args(["--access-key-id", ACCESS_KEY_ID, "--secret-access-key", SECRET_ACCESS_KEY]);
        let control = Control::start(command.args(flags))?;
        Ok(Self { url: control.url.clone(), destination, control })
    }

    /// How often STS, which is beside CloudWatch Logs, was asked whose the keys are.
    pub fn sts_calls(&self) -> Result<u64> {
        self.control.get("/_sim/sts")?.as_u64().context("no calls of STS")
    }

    /// The objects of S3, with their bytes.
    pub fn objects(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let listed = self.control.get("/_sim/objects")?;
        let keys = listed.as_array().context("no objects")?.iter();
        let keys = keys.filter_map(|object| object["key"].as_str());
        keys.map(|key| Ok((key.to_owned(), self.control.bytes(&format!("/_sim/object/{key}"))?)))
            .collect()
    }

    /// The bytes of all objects of S3, and those of their lines.
    pub fn object_bytes(&self) -> Result<(u64, u64)> {
        let objects = self.control.get("/_sim/objects")?;
        let objects = objects.as_array().context("no objects")?;
        let sum = |of: &str| objects.iter().filter_map(|object| object[of].as_u64()).sum();
        Ok((sum("bytes"), sum("lines_bytes")))
    }

    pub fn status(&self) -> Result<Status> {
        let status = self.control.get("/_sim/status")?;
        let count = |name: &str| status[name].as_u64().with_context(|| format!("no {name}"));
        Ok(Status {
            calls: count("calls")?,
            throttled_calls: count("throttled_calls")?,
            accepted: count("accepted")?,
            distinct: count("distinct")?,
        })
    }

    /// All events that it accepted, in order.
    pub fn events(&self) -> Result<Vec<Value>> {
        self.control.list("/_sim/events?")
    }
}

/// The component's variables that point it at the two, as arguments.
pub fn variables(kong: &Kong, channel: &Channel) -> Vec<String> {
    let sts = channel.control.sts.as_deref().unwrap_or_default();
    let of_destination = match channel.destination {
        Destination::Cloudtrail => vec![
            ("channel_arn", CHANNEL_ARN),
            ("cloudtrail_endpoint", &channel.url),
            ("allow_outbound", &channel.url),
        ],
        Destination::Cloudwatch => vec![
            ("destination", "cloudwatch"),
            ("log_group_arn", LOG_GROUP_ARN),
            ("aws_endpoint_url_cloudwatch_logs", &channel.url),
            ("aws_endpoint_url_sts", sts),
            ("allow_outbound", "http://127.0.0.1:*"),
        ],
        Destination::S3 => vec![
            ("destination", "s3"),
            ("bucket", BUCKET),
            ("bucket_region", REGION),
            ("account_id", ACCOUNT),
            ("aws_endpoint_url_s3", &channel.url),
            ("allow_outbound", &channel.url),
        ],
    };
    [
        ("kong_admin_api", kong.url.as_str()),
        ("kong_admin_token", TOKEN),
        ("aws_access_key_id", ACCESS_KEY_ID),
        ("aws_secret_access_key", SECRET_ACCESS_KEY),
    ]
    .into_iter()
    .chain(of_destination)
    .map(|(name, value)| format!("--variable={name}={value}"))
    .collect()
}

/// The host, free of what the environment would configure, and in `folder` lest a `.env` of the
/// checkout be read.
pub fn host(program: &Path, verb: &str, manifest: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SPIN_VARIABLE_") || text == "RUNTIME_CONFIG_FILE" {
            command.env_remove(&name);
        }
    }
    command.args([verb, "--quiet", "--from"]).arg(manifest).current_dir(folder);
    command
}

/// The report among the lines that the host printed.
pub fn report(stdout: &str) -> Result<Value> {
    let lines = stdout.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.into_iter().find(|line| line["event"] == "run").context("the component printed no report")
}

struct Control {
    url: String,
    /// STS, where there is one beside it.
    sts: Option<String>,
    agent: Agent,
    _process: Service,
}

impl Control {
    fn start(command: &mut Command) -> Result<Self> {
        let process = Service::start(command.stdout(Stdio::piped()))?;
        let line = process.first_line()?;
        let ready: Value = serde_json::from_str(&line).context("a simulator did not start")?;
        let url = ready["listening"].as_str().context("a simulator says no address")?.to_owned();
        let sts = ready["sts"].as_str().map(str::to_owned);
        // Loopback: whatever proxy the environment names is not for this.
        let config = Agent::config_builder()
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Ok(Self { url, sts, agent: config.into(), _process: process })
    }

    fn post(&self, path: &str, body: &Value) -> Result<()> {
        let url = format!("{}{path}", self.url);
        self.agent.post(&url).send_json(body).context(url)?;
        Ok(())
    }

    fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let mut response = self.agent.get(&url).call().with_context(|| url.clone())?;
        response.body_mut().with_config().limit(u64::MAX).read_json().context(url)
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.url);
        let mut response = self.agent.get(&url).call().with_context(|| url.clone())?;
        response.body_mut().with_config().limit(u64::MAX).read_to_vec().context(url)
    }

    /// Reads a paged list to its end.
    fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut list = Vec::new();
        loop {
            let page = self.get(&format!("{path}from={}&limit={PAGE}", list.len()))?;
            let Value::Array(mut page) = page else { anyhow::bail!("{path} is no list") };
            if page.is_empty() {
                return Ok(list);
            }
            list.append(&mut page);
        }
    }
}
