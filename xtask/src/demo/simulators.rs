//! The two simulators as child processes, and their control endpoints.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use ureq::Agent;

use super::verdict::{Entry, Event, Stream};
use crate::build::Binaries;
use crate::shell::Service;

pub const TOKEN: &str = "demo-token";
pub const CHANNEL_ARN: &str =
    "arn:aws:cloudtrail:us-east-1:123456789012:channel/01234567-89ab-cdef-0123-456789abcdef";
pub const ACCESS_KEY_ID: &str = "AKIDDEMO";
pub const SECRET_ACCESS_KEY: &str = "demo-secret";

const PAGE: usize = 1000;

/// A simulated Kong Admin API.
pub struct Kong {
    pub url: String,
    control: Control,
}

impl Kong {
    /// Starts it with `backlog` entries in each stream.
    pub fn start(binaries: &Binaries, backlog: u64) -> Result<Self> {
        let backlog = backlog.to_string();
        let control = Control::start(Command::new(&binaries.simulator).args([
            "kong",
            "--requests",
            &backlog,
            "--objects",
            &backlog,
            "--token",
            TOKEN,
        ]))?;
        Ok(Self { url: control.url.clone(), control })
    }

    /// Adds `count` entries to each stream, stamped now.
    pub fn add_activity(&self, count: u64) -> Result<()> {
        let activity = json!({ "requests": count, "objects": count });
        let url = format!("{}/_sim/activity", self.url);
        self.control.agent.post(&url).send_json(activity).context(url)?;
        Ok(())
    }

    /// All that the audit log holds.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for stream in Stream::ALL {
            let path = format!("/_sim/entries?stream={}&", stream.name());
            let page = self.control.list(&path)?.into_iter();
            entries.extend(page.map(|fields| Entry { stream, fields }));
        }
        Ok(entries)
    }
}

/// A simulated CloudTrail Data endpoint with one channel.
pub struct Channel {
    pub url: String,
    control: Control,
}

/// What the channel has counted.
pub struct Status {
    pub calls: u64,
    pub accepted: u64,
}

impl Channel {
    pub fn start(binaries: &Binaries) -> Result<Self> {
        let control = Control::start(
            Command::new(&binaries.simulator)
                .args(["cloudtrail", "--channel-arn", CHANNEL_ARN])
                .args(["--access-key-id", ACCESS_KEY_ID])
                .args(["--secret-access-key", SECRET_ACCESS_KEY]),
        )?;
        Ok(Self { url: control.url.clone(), control })
    }

    pub fn status(&self) -> Result<Status> {
        let status = self.control.get("/_sim/status")?;
        let count = |name: &str| status[name].as_u64().with_context(|| format!("no {name}"));
        Ok(Status { calls: count("calls")?, accepted: count("accepted")? })
    }

    /// All that it accepted, in order.
    pub fn events(&self) -> Result<Vec<Event>> {
        let take = |mut event: Value| Event {
            id: event["id"].as_str().unwrap_or_default().to_owned(),
            data: event["eventData"].take(),
        };
        Ok(self.control.list("/_sim/events?")?.into_iter().map(take).collect())
    }
}

struct Control {
    url: String,
    agent: Agent,
    _process: Service,
}

impl Control {
    fn start(command: &mut Command) -> Result<Self> {
        let process = Service::start(command.stdout(Stdio::piped()))?;
        let line = process.first_line()?;
        let ready: Value = serde_json::from_str(&line).context("a simulator did not start")?;
        let url = ready["listening"].as_str().context("a simulator says no address")?.to_owned();
        // Loopback: whatever proxy the environment names is not for this.
        let config = Agent::config_builder()
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Ok(Self { url, agent: config.into(), _process: process })
    }

    fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let mut response = self.agent.get(&url).call().with_context(|| url.clone())?;
        response.body_mut().with_config().limit(u64::MAX).read_json().context(url)
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
