//! The CloudWatch Logs endpoint of one log stream, and STS beside it, which says whose the access keys are.
//!
//! `POST /` is answered as AWS documents `PutLogEvents`: [`crate::cloudtrail::sigv4`] verifies the signature,
//! `put` reads the request, and `rules` judges the call and the age of each event by the endpoint's clock. What
//! is accepted is kept in order, repeats included: CloudWatch Logs does not remove duplicates.

mod control;
mod put;
mod rules;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) use self::put::identified;
use self::rules::Rules;
pub use self::rules::{EndIndex, Missing};
use crate::cloudtrail::accepted::Accepted;
use crate::cloudtrail::faults::Armed;
use crate::cloudtrail::throttle::Throttle;
pub use crate::cloudtrail::{
    Call, Credentials, Event, EventFault, Faults, Keep, RequestError, Status,
};
use crate::front::{Front, lock};
use crate::issuer::Issuer;
use crate::server::{FREE_PORT, Server};

/// Everything that is drawn is drawn from this.
const SEED: u64 = 1;

/// How the simulated endpoint is set up.
#[derive(Clone)]
pub struct Options {
    /// The log group; region and account come from it.
    pub log_group_arn: String,
    /// The log stream in it.
    pub log_stream: String,
    /// The access keys that may put events.
    pub credentials: Vec<Credentials>,
    /// Whose temporary credentials may put events too, while they are valid.
    pub issuer: Option<Issuer>,
    /// How many calls are answered within any one second; 0 is no limit.
    pub calls_per_sec: u32,
    /// How much of accepted events is kept.
    pub keep: Keep,
    /// How long every call of `PutLogEvents` takes at least.
    pub latency: Duration,
}

impl Options {
    /// A log stream with one access key, on a free port of the loopback interface.
    pub fn new(
        log_group_arn: impl Into<String>,
        log_stream: impl Into<String>,
        credentials: Credentials,
    ) -> Self {
        Self {
            log_group_arn: log_group_arn.into(),
            log_stream: log_stream.into(),
            credentials: vec![credentials],
            issuer: None,
            calls_per_sec: 0,
            keep: Keep::default(),
            latency: Duration::ZERO,
        }
    }
}

/// What may change while the endpoint runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The retention of the log group in seconds; with none, nothing expires.
    pub retention_secs: Option<i64>,
    /// What of group and stream does not exist.
    pub missing: Missing,
    /// What the end of a range of refused events means.
    pub end_index: EndIndex,
    /// The account that STS tells; that of the log group where there is none.
    pub account: Option<String>,
}

/// An endpoint that runs until it is dropped.
pub struct Simulator {
    state: Arc<State>,
    server: Server,
    sts: Server,
}

struct State {
    group: Group,
    stream: String,
    front: Arc<Front>,
    sts_front: Arc<Front>,
    credentials: Mutex<Vec<Credentials>>,
    issuer: Option<Issuer>,
    settings: Mutex<Settings>,
    faults: Mutex<Armed>,
    throttle: Mutex<Throttle>,
    accepted: Mutex<Accepted>,
    /// Of each accepted event, in Unix milliseconds.
    timestamps: Mutex<Vec<i64>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    throttled: AtomicU64,
}

/// The parts of a log group's ARN.
#[derive(Debug)]
struct Group {
    name: String,
    region: String,
    account: String,
}

impl Group {
    /// `arn:partition:logs:region:account:log-group:name`, with or without `:*`
    fn parse(arn: &str) -> Option<Self> {
        let parts = arn.trim_end_matches(":*").split(':').collect::<Vec<_>>();
        let ["arn", _, "logs", region, account, "log-group", name] = parts[..] else {
            return None;
        };
        let [name, region, account] = [name, region, account].map(str::to_owned);
        Some(Self { name, region, account })
    }
}

impl Simulator {
    /// Starts an endpoint.
    ///
    /// # Errors
    /// When the ARN is not a log group's, or the address cannot be listened on.
    pub fn start(options: Options) -> io::Result<Self> {
        let group = Group::parse(&options.log_group_arn).ok_or_else(|| {
            let message = format!(
                "{:?} is no log group's ARN: give one such as arn:aws:logs:us-east-1:123456789012:log-group:kong",
                options.log_group_arn
            );
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let state = Arc::new(State {
            group,
            stream: options.log_stream,
            front: Arc::new(Front::new(options.latency, SEED)),
            sts_front: Arc::new(Front::new(Duration::ZERO, SEED)),
            credentials: Mutex::new(options.credentials),
            issuer: options.issuer,
            settings: Mutex::default(),
            faults: Mutex::default(),
            throttle: Mutex::new(Throttle::new(options.calls_per_sec)),
            accepted: Mutex::new(Accepted::new(options.keep, SEED)),
            timestamps: Mutex::default(),
            counts: Counts::default(),
        });
        let server = Server::start(FREE_PORT, control::router(&state), None)?;
        let sts = Server::start(FREE_PORT, control::sts_router(&state), None)?;
        Ok(Self { state, server, sts })
    }

    /// The endpoint, `http://ip:port`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// STS, `http://ip:port`.
    pub fn sts_url(&self) -> String {
        self.sts.url()
    }

    /// How many calls STS had.
    pub fn sts_calls(&self) -> u64 {
        self.state.sts_front.calls().values().sum()
    }

    /// What it holds and has been asked; *failed* are the events that it refused one by one.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// The accepted events from the `from`th on, in the order of acceptance. An event's id is the member `id` of
    /// its message, and its data the rest of it.
    pub fn events(&self, from: usize, limit: usize) -> Vec<Event> {
        lock(&self.state.accepted).events(from, limit)
    }

    /// The timestamps of all accepted events in the order of acceptance, in Unix milliseconds.
    pub fn timestamps(&self) -> Vec<i64> {
        lock(&self.state.timestamps).clone()
    }

    /// The ids of all accepted events in the order of acceptance, repeats included.
    pub fn ids(&self) -> Vec<String> {
        lock(&self.state.accepted).ids()
    }

    /// The calls of which events were accepted, in that order.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state.accepted).calls()
    }

    /// Replaces the faults. An event that is struck has its whole call refused with the fault's code; or, without
    /// a code, it is refused as expired with all before it.
    pub fn set_faults(&self, faults: Faults) {
        self.state.front.set_rules(faults.rules.clone());
        *lock(&self.state.faults) = Armed::new(faults, SEED);
    }

    /// Changes what may change.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.state.settings));
    }

    /// Replaces the access keys, as a rotation does.
    pub fn set_credentials(&self, credentials: Vec<Credentials>) {
        *lock(&self.state.credentials) = credentials;
    }

    /// Sets the endpoint's clock, and that of STS, to the system's plus `offset_secs`.
    pub fn set_clock(&self, offset_secs: i64) {
        self.state.front.clock.set_offset(offset_secs);
        self.state.sts_front.clock.set_offset(offset_secs);
    }
}

impl State {
    fn status(&self) -> Status {
        let accepted = lock(&self.accepted);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            calls: self.front.calls().get("/").copied().unwrap_or(0),
            accepted: accepted.len(),
            distinct: accepted.distinct(),
            failed: count(&self.counts.failed),
            refused_calls: count(&self.counts.refused) + self.front.stopped(),
            throttled_calls: count(&self.counts.throttled),
        }
    }

    fn rules(&self) -> Rules {
        let Settings { retention_secs, end_index, .. } = *lock(&self.settings);
        Rules { now_ms: self.front.clock.now() * 1000, retention_secs, end_index }
    }
}
