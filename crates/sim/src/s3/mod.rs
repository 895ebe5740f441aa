//! The S3 endpoint of one bucket, by path: `/<bucket>/<key>`.
//!
//! `PUT` is answered as AWS documents `PutObject` to a bucket with Object Lock, whose policy demands
//! `If-None-Match`: [`crate::cloudtrail::sigv4`] verifies the signature, and `put` the body's hash, the checksum, the
//! owner and that there is no object of that name. What is accepted is kept, and nothing deletes or replaces it.

mod control;
mod put;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

use crate::cloudtrail::accepted::Accepted;
use crate::cloudtrail::faults::Armed;
use crate::cloudtrail::throttle::Throttle;
pub use crate::cloudtrail::{Call, Credentials, Event, Faults, Keep, RequestError, Status};
use crate::front::{Front, lock};
use crate::issuer::Issuer;
use crate::server::{FREE_PORT, Server};

/// Everything that is drawn is drawn from this.
const SEED: u64 = 1;

/// How the simulated endpoint is set up.
#[derive(Clone)]
pub struct Options {
    /// The bucket's name.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// The account that owns it.
    pub account: String,
    /// The access keys that may put objects.
    pub credentials: Vec<Credentials>,
    /// Whose temporary credentials may put objects too, while they are valid.
    pub issuer: Option<Issuer>,
    /// How many calls are answered within any one second; 0 is no limit.
    pub calls_per_sec: u32,
    /// How much of accepted objects is kept.
    pub keep: Keep,
    /// How long every call takes at least.
    pub latency: Duration,
}

impl Options {
    /// A bucket with one access key, on a free port of the loopback interface.
    pub fn new(
        bucket: impl Into<String>,
        region: impl Into<String>,
        account: impl Into<String>,
        credentials: Credentials,
    ) -> Self {
        Self {
            bucket: bucket.into(),
            region: region.into(),
            account: account.into(),
            credentials: vec![credentials],
            issuer: None,
            calls_per_sec: 0,
            keep: Keep::default(),
            latency: Duration::ZERO,
        }
    }
}

/// An object, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub key: String,
    /// Its bytes.
    pub bytes: usize,
    /// The bytes of its lines.
    pub lines_bytes: usize,
}

/// An endpoint that runs until it is dropped.
pub struct Simulator {
    state: Arc<State>,
    server: Server,
}

struct State {
    bucket: String,
    region: String,
    account: Mutex<String>,
    keep: Keep,
    front: Arc<Front>,
    credentials: Mutex<Vec<Credentials>>,
    issuer: Option<Issuer>,
    faults: Mutex<Armed>,
    throttle: Mutex<Throttle>,
    kept: Mutex<Kept>,
    counts: Counts,
}

/// What was accepted.
struct Kept {
    accepted: Accepted,
    objects: BTreeMap<String, Object>,
}

/// An object.
struct Object {
    listed: Listed,
    /// Empty when only ids are kept.
    body: Vec<u8>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    refused: AtomicU64,
    throttled: AtomicU64,
    taken: AtomicU64,
}

impl Simulator {
    /// Starts an endpoint.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn start(options: Options) -> io::Result<Self> {
        let state = Arc::new(State {
            bucket: options.bucket,
            region: options.region,
            account: Mutex::new(options.account),
            keep: options.keep,
            front: Arc::new(Front::new(options.latency, SEED)),
            credentials: Mutex::new(options.credentials),
            issuer: options.issuer,
            faults: Mutex::default(),
            throttle: Mutex::new(Throttle::new(options.calls_per_sec)),
            kept: Mutex::new(Kept {
                accepted: Accepted::new(options.keep, SEED),
                objects: BTreeMap::new(),
            }),
            counts: Counts::default(),
        });
        let server = Server::start(FREE_PORT, control::router(&state), None)?;
        Ok(Self { state, server })
    }

    /// The endpoint, `http://ip:port`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What it holds and has been asked; events are the lines of objects.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// How many calls found an object of that name.
    pub fn taken(&self) -> u64 {
        self.state.counts.taken.load(Ordering::Relaxed)
    }

    /// The objects, by name.
    pub fn objects(&self) -> Vec<Listed> {
        self.state.objects()
    }

    /// The bytes of an object.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        lock(&self.state.kept).objects.get(key).map(|object| object.body.clone())
    }

    /// The accepted events from the `from`th on, in the order of acceptance. An event's id is the member `id` of
    /// its line, and its data the rest of it.
    pub fn events(&self, from: usize, limit: usize) -> Vec<Event> {
        lock(&self.state.kept).accepted.events(from, limit)
    }

    /// The ids of all accepted events in the order of acceptance, repeats included.
    pub fn ids(&self) -> Vec<String> {
        lock(&self.state.kept).accepted.ids()
    }

    /// The calls by which objects were written, in that order.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state.kept).accepted.calls()
    }

    /// Replaces the faults. S3 knows no failures of single events: there must be none among them.
    ///
    /// # Panics
    /// When there are.
    pub fn set_faults(&self, faults: Faults) {
        assert!(faults.events.is_empty(), "S3 takes an object whole");
        self.state.front.set_rules(faults.rules.clone());
        *lock(&self.state.faults) = Armed::new(faults, SEED);
    }

    /// Replaces the access keys, as a rotation does.
    pub fn set_credentials(&self, credentials: Vec<Credentials>) {
        *lock(&self.state.credentials) = credentials;
    }

    /// Has another account own the bucket.
    pub fn set_account(&self, account: &str) {
        account.clone_into(&mut lock(&self.state.account));
    }

    /// Sets the endpoint's clock to the system's plus `offset_secs`.
    pub fn set_clock(&self, offset_secs: i64) {
        self.state.front.clock.set_offset(offset_secs);
    }
}

impl State {
    fn status(&self) -> Status {
        let kept = lock(&self.kept);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            calls: self.front.calls().values().sum(),
            accepted: kept.accepted.len(),
            distinct: kept.accepted.distinct(),
            failed: 0,
            refused_calls: count(&self.counts.refused) + self.front.stopped(),
            throttled_calls: count(&self.counts.throttled),
        }
    }

    fn objects(&self) -> Vec<Listed> {
        lock(&self.kept).objects.values().map(|object| object.listed.clone()).collect()
    }
}
