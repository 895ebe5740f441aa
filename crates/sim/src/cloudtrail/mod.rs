//! The CloudTrail Data endpoint of one channel.
//!
//! `POST /PutAuditEvents` is answered as AWS documents it: [`sigv4`] verifies the signature by an
//! implementation of its own, `put` reads the request, `schema` judges each event, [`error`] words
//! the errors, and what is accepted is kept in order, repeats included: CloudTrail does not remove
//! duplicates, so neither does this.

pub(crate) mod accepted;
mod control;
pub mod error;
pub(crate) mod faults;
mod put;
mod schema;
pub mod sigv4;
pub(crate) mod throttle;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

pub use self::accepted::{Call, Event, Keep};
pub use self::faults::{EventFault, Faults, RequestError};
pub use self::sigv4::Credentials;

use self::accepted::Accepted;
use self::faults::Armed;
use self::throttle::Throttle;
use crate::front::{Front, lock};
use crate::issuer::Issuer;
use crate::random::{generator, mix, uuid};
use crate::server::{FREE_PORT, Server};
use crate::tls::{Acceptor, Tls};

/// The name under which requests are signed.
const SERVICE: &str = "cloudtrail-data";

/// Everything that is drawn is drawn from this.
const SEED: u64 = 1;

/// How the simulated endpoint is set up.
#[derive(Clone)]
pub struct Options {
    /// HTTPS instead of plain HTTP.
    pub tls: Option<Tls>,
    /// The channel; region and account come from it.
    pub channel_arn: String,
    /// The access keys that may put events.
    pub credentials: Vec<Credentials>,
    /// Whose temporary credentials may put events too, while they are valid.
    pub issuer: Option<Issuer>,
    /// The external id that the channel's resource policy asks for, if any.
    pub external_id: Option<String>,
    /// How many calls are answered within any one second; 0 is no limit.
    pub calls_per_sec: u32,
    /// How much of accepted events is kept.
    pub keep: Keep,
    /// How long every call takes at least.
    pub latency: Duration,
}

impl Options {
    /// A channel with one access key, on a free port of the loopback interface.
    pub fn new(channel_arn: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            tls: None,
            channel_arn: channel_arn.into(),
            credentials: vec![credentials],
            issuer: None,
            external_id: None,
            calls_per_sec: 0,
            keep: Keep::default(),
            latency: Duration::ZERO,
        }
    }
}

/// What the simulator holds and has been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Calls of `PutAuditEvents`, all of them.
    pub calls: u64,
    /// Events accepted, repeats included.
    pub accepted: usize,
    /// Different ids among them.
    pub distinct: usize,
    /// Events refused one by one.
    pub failed: u64,
    /// Calls refused whole, by an error or by a fault that stopped them; not the throttled ones.
    pub refused_calls: u64,
    /// Calls throttled.
    pub throttled_calls: u64,
}

/// An endpoint that runs until it is dropped.
pub struct Simulator {
    state: Arc<State>,
    server: Server,
}

struct State {
    channel: Channel,
    external_id: Option<String>,
    front: Arc<Front>,
    credentials: Mutex<Vec<Credentials>>,
    issuer: Option<Issuer>,
    faults: Mutex<Armed>,
    throttle: Mutex<Throttle>,
    accepted: Mutex<Accepted>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    throttled: AtomicU64,
}

/// The parts of a channel's ARN.
#[derive(Debug)]
struct Channel {
    arn: String,
    region: String,
    account: String,
    id: String,
}

impl Channel {
    /// `arn:partition:cloudtrail:region:account:channel/id`
    fn parse(arn: &str) -> Option<Self> {
        let parts = arn.split(':').collect::<Vec<_>>();
        let ["arn", _, "cloudtrail", region, account, resource] = parts[..] else { return None };
        let id = resource.strip_prefix("channel/").filter(|id| !id.is_empty())?;
        let [arn, region, account, id] = [arn, region, account, id].map(str::to_owned);
        Some(Self { arn, region, account, id })
    }
}

impl Simulator {
    /// Starts an endpoint.
    ///
    /// # Errors
    /// When the ARN is not a channel's, the TLS settings do not go together, or the address cannot be
    /// listened on.
    pub fn start(options: Options) -> io::Result<Self> {
        let channel = Channel::parse(&options.channel_arn).ok_or_else(|| {
            let message = format!(
                "{:?} is no channel ARN: give one such as arn:aws:cloudtrail:us-east-1:123456789012:channel/<uuid>",
                options.channel_arn
            );
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let front = Front::new(options.latency, SEED);
        let state = Arc::new(State {
            channel,
            external_id: options.external_id,
            front: Arc::new(front),
            credentials: Mutex::new(options.credentials),
            issuer: options.issuer,
            faults: Mutex::default(),
            throttle: Mutex::new(Throttle::new(options.calls_per_sec)),
            accepted: Mutex::new(Accepted::new(options.keep, SEED)),
            counts: Counts::default(),
        });
        let tls = options.tls.as_ref().map(Acceptor::new).transpose()?;
        let server = Server::start(FREE_PORT, control::router(&state), tls)?;
        Ok(Self { state, server })
    }

    /// The endpoint, `http://ip:port` or `https://ip:port`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What it holds and has been asked.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// The accepted events from the `from`th on, in the order of acceptance.
    pub fn events(&self, from: usize, limit: usize) -> Vec<Event> {
        lock(&self.state.accepted).events(from, limit)
    }

    /// The ids of all accepted events in the order of acceptance, repeats included.
    pub fn ids(&self) -> Vec<String> {
        lock(&self.state.accepted).ids()
    }

    /// The calls of which events were accepted, in that order.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state.accepted).calls()
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Faults) {
        self.state.set_faults(faults);
    }

    /// Replaces the access keys, as a rotation does.
    pub fn set_credentials(&self, credentials: Vec<Credentials>) {
        *lock(&self.state.credentials) = credentials;
    }

    /// Sets the endpoint's clock to the system's plus `offset_secs`.
    pub fn set_clock(&self, offset_secs: i64) {
        self.state.front.clock.set_offset(offset_secs);
    }
}

impl State {
    fn status(&self) -> Status {
        let accepted = lock(&self.accepted);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            calls: self.front.calls().get("/PutAuditEvents").copied().unwrap_or(0),
            accepted: accepted.len(),
            distinct: accepted.distinct(),
            failed: count(&self.counts.failed),
            refused_calls: count(&self.counts.refused) + self.front.stopped(),
            throttled_calls: count(&self.counts.throttled),
        }
    }

    fn set_faults(&self, faults: Faults) {
        self.front.set_rules(faults.rules.clone());
        *lock(&self.faults) = Armed::new(faults, SEED);
    }
}

fn request_id(number: u64) -> String {
    uuid(&mut generator(mix(SEED, 4000), number)).to_string()
}
