//! A Kong Gateway control plane's Admin API, as far as the audit log is concerned.
//!
//! It answers as Kong's documentation says for the version that [`Options::version`] names. The
//! sources of the rules stand with them: [`version`] for what differs between versions, `api` for
//! paging, filters and errors, `entry` for the shape of entries, `trail` for order and offsets.
//!
//! Choices where the documentation is silent:
//! - Before `/audit/objects` had an order, and before `/audit/requests` had, entries come by a number
//!   drawn for each: in no order that tells a reader anything, and the same on every page.
//! - Before 3.9.0.0, `next` of `/audit/requests` was "incorrect" with filters, the changelog says no
//!   more. Here it lacks the filters, so that who follows it reads on beyond the window.
//! - Entries go at the second in which their `ttl` runs out, and do not come back when the clock is
//!   set back. (A real Kong purges on insert, so entries may outlive their `ttl`.)
//! - The backlog is spread over [`Options::span_days`], yet over no more than 29/30 of the time for
//!   which Kong keeps records, so that it does not shrink while a test looks at it.
//! - Entries added as they stand are returned byte for byte, their `ttl` included.
//! - `audit_log_ignore_*` are shown by `GET /`; what they would leave out was never generated.

mod activity;
mod api;
mod change;
mod control;
mod entry;
mod trail;
pub mod version;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::activity::Burst;
use self::entry::Age;
use self::trail::{Item, Order, Trail};
use self::version::Version;
use crate::fault::Rule;
use crate::front::{Front, lock};
use crate::server::Server;
use crate::tls::{Acceptor, Tls};

/// One of Kong's two audit streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// `/audit/requests`
    Requests,
    /// `/audit/objects`
    Objects,
}

/// How the simulated Kong is set up.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// HTTPS instead of plain HTTP.
    pub tls: Option<Tls>,
    /// A path before every path of the Admin API, such as `/kong`; empty for none.
    pub admin_path: String,
    /// The version of Kong.
    pub version: Version,
    /// Request entries at the start.
    pub requests: u32,
    /// Object entries at the start.
    pub objects: u32,
    /// Over how many days up to now those are spread.
    pub span_days: u32,
    /// Bodies are filled up to this many bytes: each request's payload and each object's entity.
    /// 0 leaves them as they are.
    pub payload_bytes: usize,
    /// Everything that is drawn is drawn from this.
    pub seed: u64,
    /// The token that `Kong-Admin-Token` must carry, if any.
    pub token: Option<String>,
    /// Whether reading the Admin API adds to the trail.
    pub audit_readers: bool,
    /// Kong's `audit_log`.
    pub audit_log: bool,
    /// Kong's `audit_log_record_ttl`, in seconds.
    pub record_ttl_secs: u32,
    /// Kong's `audit_log_ignore_methods`, shown only.
    pub ignore_methods: Vec<String>,
    /// Kong's `audit_log_ignore_paths`, shown only.
    pub ignore_paths: Vec<String>,
    /// Kong's `audit_log_ignore_tables`, shown only.
    pub ignore_tables: Vec<String>,
    /// How long every call takes at least.
    pub latency: Duration,
    /// How far Kong's clock is ahead of the system's, from the start on.
    pub clock_offset_secs: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            admin_path: String::new(),
            version: Version::current(),
            requests: 0,
            objects: 0,
            span_days: 30,
            payload_bytes: 0,
            seed: 1,
            token: None,
            audit_readers: false,
            audit_log: true,
            record_ttl_secs: 30 * 24 * 60 * 60,
            ignore_methods: Vec::new(),
            ignore_paths: Vec::new(),
            ignore_tables: Vec::new(),
            latency: Duration::ZERO,
            clock_offset_secs: 0,
        }
    }
}

/// What goes wrong with this Kong. `POST /_sim/faults` takes the same as JSON:
///
/// ```json
/// {"rules": [{"path": "/audit/requests", "when": {"every": 3}, "fault": "reset"}],
///  "shifting_offsets": true, "end_early_after_pages": 2}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Faults of single calls. Paths in them include [`Options::admin_path`].
    pub rules: Vec<Rule>,
    /// Offsets are positions: entries that arrive while a reader pages push older ones across the
    /// borders of pages, so that the reader meets them twice, or, as entries expire, never.
    pub shifting_offsets: bool,
    /// Pages read with `before` or `after` end after so many, although there is more.
    pub end_early_after_pages: Option<u64>,
}

/// What the simulator holds and has been asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Kong's clock, in Unix seconds.
    pub now: i64,
    /// Request entries retained.
    pub requests: usize,
    /// Object entries retained.
    pub objects: usize,
    /// Calls by path, those that faults struck included.
    pub calls: BTreeMap<String, u64>,
}

/// A Kong that runs until it is dropped.
pub struct Simulator {
    state: Arc<State>,
    server: Server,
}

struct State {
    options: Options,
    front: Arc<Front>,
    faults: Mutex<Faults>,
    trails: Mutex<Trails>,
}

struct Trails {
    requests: Trail,
    objects: Trail,
    bursts: u64,
    reader_calls: u64,
}

impl Simulator {
    /// Starts a Kong.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the TLS settings do not go together.
    pub fn start(options: Options) -> io::Result<Self> {
        let listen = options.listen;
        let tls = options.tls.as_ref().map(Acceptor::new).transpose()?;
        let state = Arc::new(State::new(options));
        let server = Server::start(listen, api::router(&state), tls)?;
        Ok(Self { state, server })
    }

    /// The origin of the Admin API, `http://ip:port` or `https://ip:port`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What it holds and has been asked.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// Adds entries of fresh believable activity, stamped now.
    pub fn add_activity(&self, requests: u32, objects: u32) {
        self.state.add_activity(requests, objects);
    }

    /// Adds entries as they stand: any JSON objects.
    pub fn add_entries(
        &self,
        stream: Stream,
        entries: impl IntoIterator<Item = serde_json::Value>,
    ) {
        let entries = entries
            .into_iter()
            .filter_map(|entry| serde_json::value::to_raw_value(&entry).ok())
            .collect();
        self.state.add_entries(stream, entries);
    }

    /// The retained entries as Kong would show them, oldest first, from the `from`th on.
    pub fn entries(&self, stream: Stream, from: usize, limit: usize) -> Vec<serde_json::Value> {
        serde_json::from_slice(&self.state.entries(stream, from, limit)).unwrap_or_default()
    }

    /// The ids of all retained entries, oldest first: `request_id` or `id`, empty where an entry
    /// has none.
    pub fn ids(&self, stream: Stream) -> Vec<String> {
        self.state.ids(stream)
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Faults) {
        self.state.set_faults(faults);
    }

    /// Sets Kong's clock to the system's plus `offset_secs`.
    pub fn set_clock(&self, offset_secs: i64) {
        self.state.front.clock.set_offset(offset_secs);
    }
}

impl State {
    fn new(options: Options) -> Self {
        let front = Front::new(options.clock_offset_secs, options.latency, options.seed);
        let ttl = i64::from(options.record_ttl_secs);
        let order = |sorted| if sorted { Order::NewestFirst } else { Order::ByKey };
        let version = &options.version;
        let trails = Trails {
            requests: Trail::new(order(version.sorts_requests()), false, options.seed, ttl),
            objects: Trail::new(order(version.filters_by_time()), true, options.seed, ttl),
            bursts: 0,
            reader_calls: 0,
        };
        let span = (i64::from(options.span_days) * 24 * 60 * 60).min(ttl - ttl / 30);
        let (requests, objects) = (options.requests, options.objects);
        let state = Self {
            options,
            front: Arc::new(front),
            faults: Mutex::default(),
            trails: Mutex::new(trails),
        };
        state.add_burst(requests, objects, span);
        state
    }

    fn add_burst(&self, requests: u32, objects: u32, span: i64) {
        let mut trails = lock(&self.trails);
        let Options { seed, payload_bytes, .. } = self.options;
        let first_at = self.front.clock.now() - span;
        let burst =
            Burst::new(seed, trails.bursts, (requests, objects), (first_at, span), payload_bytes);
        trails.bursts += 1;
        let burst = Arc::new(burst);
        trails.requests.add_burst(&burst, requests);
        trails.objects.add_burst(&burst, objects);
    }

    fn add_activity(&self, requests: u32, objects: u32) {
        self.add_burst(requests, objects, 0);
    }

    fn add_entries(&self, stream: Stream, entries: Vec<Box<RawValue>>) {
        let now = self.front.clock.now();
        let mut trails = lock(&self.trails);
        for entry in entries {
            trails.of(stream).add(entry, now);
        }
    }

    /// The trails, rid of what has expired.
    fn with_trail<T>(&self, stream: Stream, read: impl FnOnce(&Trail) -> T) -> T {
        let now = self.front.clock.now();
        let mut trails = lock(&self.trails);
        let trail = trails.of(stream);
        trail.expire(now);
        read(trail)
    }

    fn status(&self) -> Status {
        let of = |stream| self.with_trail(stream, Trail::len);
        let prefix = &self.options.admin_path;
        let calls = self.front.calls();
        let count = |path| calls.get(&format!("{prefix}{path}")).copied().unwrap_or(0);
        Status {
            now: self.front.clock.now(),
            requests: of(Stream::Requests),
            objects: of(Stream::Objects),
            calls: ["/", "/audit/requests", "/audit/objects"]
                .map(|path| (path.to_owned(), count(path)))
                .into(),
        }
    }

    /// The entries of `items` as a JSON array.
    fn write(&self, stream: Stream, items: &[Item], out: &mut Vec<u8>) {
        let version = &self.options.version;
        let record_ttl = i64::from(self.options.record_ttl_secs);
        let age = Age { now: self.front.clock.now(), record_ttl };
        out.push(b'[');
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            let written = match (item, stream) {
                (Item::Generated(burst, index), Stream::Requests) => {
                    entry::write_request(out, &burst.call(*index, version), version, age)
                }
                (Item::Generated(burst, index), Stream::Objects) => {
                    entry::write_object(out, &burst.write(*index, version), version, age)
                }
                (Item::Call(call), _) => entry::write_request(out, call, version, age),
                (Item::Added(added), _) => {
                    out.extend_from_slice(added.json.get().as_bytes());
                    Ok(())
                }
            };
            debug_assert!(written.is_ok(), "strings and numbers always make JSON");
        }
        out.push(b']');
    }

    fn entries(&self, stream: Stream, from: usize, limit: usize) -> Vec<u8> {
        let items = self.with_trail(stream, |trail| trail.oldest(from, limit));
        let mut out = Vec::new();
        self.write(stream, &items, &mut out);
        out
    }

    fn ids(&self, stream: Stream) -> Vec<String> {
        let version = &self.options.version;
        let id_of = |item| match (item, stream) {
            (Item::Generated(burst, index), Stream::Requests) => burst.request_id(index, version),
            (Item::Generated(burst, index), Stream::Objects) => burst.object_id(index).to_string(),
            (Item::Call(call), _) => call.request_id.clone(),
            (Item::Added(added), stream) => added.id(stream),
        };
        let items = self.with_trail(stream, |trail| trail.oldest(0, usize::MAX));
        items.into_iter().map(id_of).collect()
    }

    fn set_faults(&self, faults: Faults) {
        self.front.set_rules(faults.rules.clone());
        *lock(&self.faults) = faults;
    }
}

impl Trails {
    fn of(&mut self, stream: Stream) -> &mut Trail {
        match stream {
            Stream::Requests => &mut self.requests,
            Stream::Objects => &mut self.objects,
        }
    }
}
