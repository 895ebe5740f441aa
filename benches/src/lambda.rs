//! The Lambda pattern: the calls that Kong's own Lambda for CloudTrail makes, in its order, one
//! after the other.
//!
//! For each page of 100 entries: the page, `GET /` for Kong's version, `EXISTS` for each id,
//! PutAuditEvents with those that are new, `SET` with a time to live for each of them. Every run
//! reads all that Kong retains.
//!
//! As in the original, `EXISTS` and `SET` each go out as one pipeline and connections are kept open.
//! Its events are those of the component, with checksums, which the original does not send, and
//! nothing ends it after the minute that the original has.

use std::collections::HashMap;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Error, Result, bail, ensure};
use kong_cloudtrail::aws;
use kong_cloudtrail::aws::credentials::Source;
use kong_cloudtrail::config::Config;
use kong_cloudtrail::destination::{Batch, Item};
use kong_cloudtrail::event;
use kong_cloudtrail::kong::Entry;
use kong_cloudtrail::ports::unix_ms;
use kong_cloudtrail::terms::{Event, Stream};
use kong_cloudtrail::wire::query_value;
use redis::{Connection, pipe};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use ureq::Agent;

const PAGE: usize = 100;
const BATCH: usize = 100;
/// As long as Kong retains an entry.
const TTL_SECS: u64 = 30 * 24 * 60 * 60;

#[derive(Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    offset: Option<String>,
}

#[derive(Deserialize)]
struct Root {
    version: String,
}

#[derive(Deserialize)]
struct Answer {
    failed: Vec<Value>,
}

/// Calls made.
#[derive(Default)]
struct Calls {
    kong: u64,
    cloudtrail: u64,
    kv: usize,
}

/// One run.
pub fn run(config: &Config, mut redis: Connection) -> Result<Value> {
    let began = Instant::now();
    let agent: Agent = Agent::config_builder().proxy(None).build().into();
    let kong = Kong { agent: &agent, config };
    let mut calls = Calls::default();
    let mut offset = String::new();
    loop {
        let page: Page = kong.get(&format!("/audit/requests?size={PAGE}{offset}"))?;
        let root: Root = kong.get("/")?;
        calls.kong += 2;
        let entries = parse(&page.data)?;
        let new = unknown(&mut redis, entries, &mut calls)?;
        for entries in new.chunks(BATCH) {
            put(&agent, config, events(entries, config, &root.version))?;
            calls.cloudtrail += 1;
        }
        remember(&mut redis, &new, &mut calls)?;
        let Some(next) = page.offset else { break };
        offset = format!("&offset={}", query_value(&next));
    }
    Ok(json!({
        "wall_us": u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "calls": { "kong": calls.kong, "destination": calls.cloudtrail, "kv": calls.kv },
    }))
}

struct Kong<'a> {
    agent: &'a Agent,
    config: &'a Config,
}

impl Kong<'_> {
    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let url = format!("{}{path}", self.config.kong.api);
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.config.kong.token {
            request = request.header("kong-admin-token", token.expose());
        }
        let mut response = request.call().with_context(|| url.clone())?;
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
        serde_json::from_slice(&body).context(url)
    }
}

/// The entries of a page, with their ids.
fn parse(page: &[Box<RawValue>]) -> Result<Vec<(String, Entry<'_>)>> {
    page.iter()
        .map(|json| {
            let entry = Entry::parse(Stream::Requests, json.get())?;
            let id = entry.id().context("an entry without an id")?.into_owned();
            Ok((id, entry))
        })
        .collect()
}

/// Those that the store does not know.
fn unknown<'e>(
    redis: &mut Connection,
    entries: Vec<(String, Entry<'e>)>,
    calls: &mut Calls,
) -> Result<Vec<(String, Entry<'e>)>> {
    let mut exists = pipe();
    for (id, _) in &entries {
        exists.exists(id);
    }
    calls.kv += entries.len();
    let known: Vec<bool> = if entries.is_empty() { Vec::new() } else { exists.query(redis)? };
    Ok(entries.into_iter().zip(known).filter(|(_, known)| !known).map(|(new, _)| new).collect())
}

fn remember(
    redis: &mut Connection,
    entries: &[(String, Entry<'_>)],
    calls: &mut Calls,
) -> Result<()> {
    let mut set = pipe();
    for (id, _) in entries {
        set.set_ex(id, 1, TTL_SECS).ignore();
    }
    calls.kv += entries.len();
    if entries.is_empty() { Ok(()) } else { Ok(set.query(redis)?) }
}

fn events(entries: &[(String, Entry<'_>)], config: &Config, version: &str) -> Vec<Event> {
    let context = event::Context {
        kong_version: version,
        event_source: &config.event_source,
        account: &config.destination.profile().place.account,
        kong_hostname: &config.kong.api,
        rbac_is_off: false,
        times: event::Times {
            now: i64::MAX,
            host_now: i64::MAX,
            date: 0,
            retention_secs: 0,
            not_before: None,
            request_times: &HashMap::new(),
        },
    };
    entries.iter().flat_map(|(_, entry)| event::events(entry, &context)).collect()
}

/// PutAuditEvents.
fn put(agent: &Agent, config: &Config, events: Vec<Event>) -> Result<()> {
    let items = events.into_iter().map(|event| Item::new(event, 0, 0)).collect();
    let profile = config.destination.profile();
    let mut request = config.destination.request(&Batch::of(items), 0).map_err(Error::msg)?;
    let now_ms = unix_ms(SystemTime::now());
    let Source::Static(credentials) = &config.credentials else { bail!("no static credentials") };
    aws::sign(&mut request, credentials, &profile.place.region, profile.service, now_ms)
        .map_err(Error::msg)?;
    let mut answer = agent.run(request).context("PutAuditEvents")?;
    let answer: Answer = answer.body_mut().read_json()?;
    ensure!(answer.failed.is_empty(), "CloudTrail refuses events: {:?}", answer.failed);
    Ok(())
}
