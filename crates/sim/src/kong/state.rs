//! What a simulated Kong holds while it runs.

use std::sync::{Arc, Mutex};

use axum::response::Response;
use serde_json::Value;
use serde_json::value::RawValue;

use super::activity::{self, Burst, Called, Users, Writer};
use super::bad::{BadRow, Struck};
use super::entry::{self, Row};
use super::options::{Leaves, Options, Rbac, Shape};
use super::page::{Manner, Place, Rows, page};
use super::trail::{Item, Order, Trail, What};
use super::version::Version;
use super::{Faults, Status, Stream};
use crate::front::{Front, lock};

/// A Kong, as its handlers see it.
pub(super) struct State {
    pub(super) options: Options,
    pub(super) front: Arc<Front>,
    pub(super) faults: Mutex<Faults>,
    held: Mutex<Held>,
}

/// What changes.
struct Held {
    version: Arc<Version>,
    record_ttl_secs: u32,
    requests: Trail,
    objects: Trail,
    bursts: u64,
    reader_calls: u64,
}

impl State {
    pub(super) fn new(options: Options) -> Self {
        let front = Front::new(options.latency, options.seed);
        let first = options.upgraded.as_ref().map_or(&options.version, |upgrade| &upgrade.from);
        let held = Held::new(first.clone(), &options);
        let state = Self {
            front: Arc::new(front),
            faults: Mutex::default(),
            held: Mutex::new(held),
            options,
        };
        state.add_burst(state.options.requests, state.options.objects, state.span());
        if let Some(upgrade) = &state.options.upgraded {
            state.upgrade(state.options.version.clone(), upgrade.leaves);
        }
        state
    }

    /// Over how many seconds the entries of the start are spread.
    fn span(&self) -> i64 {
        let days = i64::from(self.options.span_days) * 24 * 60 * 60;
        match i64::from(self.options.record_ttl_secs) {
            0 => days,
            ttl => days.min(ttl - ttl / 30),
        }
    }

    /// The version that it is now.
    pub(super) fn version(&self) -> Arc<Version> {
        lock(&self.held).version.clone()
    }

    /// For how long records are kept that are written now, as it is configured.
    pub(super) fn record_ttl_secs(&self) -> u32 {
        lock(&self.held).record_ttl_secs
    }

    pub(super) fn set_record_ttl(&self, secs: u32) {
        let mut held = lock(&self.held);
        held.record_ttl_secs = secs;
        held.requests.set_lifetime(lifetime(secs));
        held.objects.set_lifetime(lifetime(secs));
    }

    /// Becomes another version, over the same database.
    pub(super) fn upgrade(&self, to: Version, leaves: Leaves) {
        let mut held = lock(&self.held);
        let column_comes = to.filters_by_time() && !held.version.filters_by_time();
        held.requests.upgrade(requests_order(&to), None);
        held.objects.upgrade(objects_order(&to), column_comes.then_some(leaves));
        held.version = Arc::new(to);
    }

    /// Whether the audit log exists and is on.
    pub(super) fn audits(&self) -> bool {
        self.options.audit_log && self.version().is_enterprise()
    }

    /// What RBAC makes of those who call.
    fn users(&self) -> Users {
        match (self.options.node.enforce_rbac, self.options.enforce_rbac()) {
            (Some(Rbac::Off), _) => Users::Unknown,
            (_, Rbac::Off) => Users::Named,
            _ => Users::Required,
        }
    }

    fn add_burst(&self, requests: u32, objects: u32, span: i64) {
        if !self.options.node.keeps_records() {
            return;
        }
        let Options { seed, payload_bytes, .. } = self.options;
        let first_at = self.front.clock.now() - span;
        let mut held = lock(&self.held);
        let writer = Writer { version: held.version.clone(), users: self.users() };
        let counts = (requests, objects);
        let burst =
            Burst::new((seed, held.bursts), counts, (first_at, span), payload_bytes, writer);
        held.bursts += 1;
        let burst = Arc::new(burst);
        held.requests.add_burst(&burst, requests);
        held.objects.add_burst(&burst, objects);
    }

    pub(super) fn add_activity(&self, requests: u32, objects: u32) {
        self.add_burst(requests, objects, 0);
    }

    pub(super) fn add_entries(&self, stream: Stream, entries: Vec<Box<RawValue>>) {
        if !self.options.node.keeps_records() {
            return;
        }
        let now = self.front.clock.now();
        let mut held = lock(&self.held);
        for entry in entries {
            held.of(stream).add(entry, now);
        }
    }

    pub(super) fn add_reader_call(&self, called: Called) {
        if !self.options.node.keeps_records() {
            return;
        }
        let now = self.front.clock.now();
        let mut held = lock(&self.held);
        held.reader_calls += 1;
        let number = held.reader_calls;
        let named = held.version.names_users();
        let call = activity::reader_call(self.options.seed, number, now, called, named);
        held.requests.add_call(call);
    }

    /// The trails, rid of what has expired.
    pub(super) fn with_trail<T>(&self, stream: Stream, read: impl FnOnce(&Trail) -> T) -> T {
        let now = self.front.clock.now();
        let mut held = lock(&self.held);
        let trail = held.of(stream);
        trail.expire(now);
        read(trail)
    }

    pub(super) fn status(&self) -> Status {
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

    /// The answer with the page that `query` asks for, or Kong's refusal.
    pub(super) fn page(&self, stream: Stream, query: &str) -> Result<Response, Value> {
        let faults = lock(&self.faults).clone();
        let Shape { dates, empty_list, .. } = self.options.shape;
        let version = self.version();
        let manner =
            Manner { dates, empty_list, endless: faults.endless, ..Manner::sound(&version) };
        let now = self.front.clock.now();
        let struck = Struck::default();
        let body = self.with_trail(stream, |trail| {
            let (bad, struck) = (faults.bad_rows.as_slice(), &struck);
            page(
                manner,
                stream,
                &Shown { trail, stream, version: &version, now, bad, struck },
                query,
            )
        })?;
        Ok(struck.answer(body, faults.most_rows))
    }

    pub(super) fn entries(&self, stream: Stream, from: usize, limit: usize) -> Vec<u8> {
        let items = self.with_trail(stream, |trail| trail.oldest(from, limit));
        let (version, now) = (self.version(), self.front.clock.now());
        let mut out = b"[".to_vec();
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            write(item, stream, &version, now, &mut out);
        }
        out.push(b']');
        out
    }

    pub(super) fn ids(&self, stream: Stream) -> Vec<String> {
        let items = self.with_trail(stream, |trail| trail.oldest(0, usize::MAX));
        items.iter().map(|item| id_of(item, stream)).collect()
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.front.set_rules(faults.rules.clone());
        *lock(&self.faults) = faults;
    }
}

fn id_of(item: &Item, stream: Stream) -> String {
    match (&item.what, stream) {
        (What::Generated(burst, index), Stream::Requests) => burst.request_id(*index),
        (What::Generated(burst, index), Stream::Objects) => burst.object_id(*index).to_string(),
        (What::Call(call), _) => call.request_id.clone(),
        (What::Added(added), stream) => added.id(stream),
    }
}

/// A trail, as a Kong of that version shows it at that time.
struct Shown<'t> {
    trail: &'t Trail,
    stream: Stream,
    version: &'t Version,
    now: i64,
    bad: &'t [BadRow],
    struck: &'t Struck,
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.trail.len()
    }

    fn place(&self, n: usize) -> Place {
        self.trail.place(n)
    }

    fn stored_at(&self, n: usize) -> Option<i64> {
        self.trail.time_of(n)
    }

    fn write(&self, n: usize, out: &mut Vec<u8>) {
        let (row, start) = (self.trail.row(n), out.len());
        write(&row, self.stream, self.version, self.now, out);
        // Ids are drawn anew each time they are asked for.
        let id = if self.bad.is_empty() { String::new() } else { id_of(&row, self.stream) };
        self.struck.written(self.bad, &id, out, start);
    }
}

/// Appends an entry.
fn write(item: &Item, stream: Stream, version: &Version, now: i64, out: &mut Vec<u8>) {
    let Item { what, stored_at, expires_at } = item;
    let row = Row { version, now, stored_at: *stored_at, expires_at: *expires_at };
    let written = match (what, stream) {
        (What::Generated(burst, index), Stream::Requests) => {
            entry::write_request(out, &burst.call(*index), row)
        }
        (What::Generated(burst, index), Stream::Objects) => {
            entry::write_object(out, &burst.write(*index), row)
        }
        (What::Call(call), _) => entry::write_request(out, call, row),
        (What::Added(added), _) => {
            out.extend_from_slice(added.json.get().as_bytes());
            Ok(())
        }
    };
    debug_assert!(written.is_ok(), "strings and numbers always make JSON");
}

impl Held {
    fn new(version: Version, options: &Options) -> Self {
        let (seed, secs) = (options.seed, options.record_ttl_secs);
        Self {
            requests: Trail::new(requests_order(&version), false, seed, lifetime(secs)),
            objects: Trail::new(objects_order(&version), true, seed, lifetime(secs)),
            version: Arc::new(version),
            record_ttl_secs: secs,
            bursts: 0,
            reader_calls: 0,
        }
    }

    fn of(&mut self, stream: Stream) -> &mut Trail {
        match stream {
            Stream::Requests => &mut self.requests,
            Stream::Objects => &mut self.objects,
        }
    }
}

/// How long a row lives under this `audit_log_record_ttl`; 0 is for ever.
fn lifetime(record_ttl_secs: u32) -> Option<i64> {
    (record_ttl_secs > 0).then(|| record_ttl_secs.into())
}

fn requests_order(version: &Version) -> Order {
    if version.sorts_requests() { Order::NewestFirst } else { Order::ByKey }
}

fn objects_order(version: &Version) -> Order {
    if version.filters_by_time() { Order::NewestFirst } else { Order::ByKey }
}
