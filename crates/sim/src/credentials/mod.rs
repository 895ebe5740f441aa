//! The endpoints from which a program on AWS has its temporary credentials, on one port:
//!
//! - `container`: what ECS and EKS Pod Identity give a container, at any path below `/v1/` and
//!   `/v2/`, by the `Authorization` header where one is asked for;
//! - `sts`: `AssumeRoleWithWebIdentity` of the Security Token Service, and `GetCallerIdentity` for what it gave,
//!   at `POST /`;
//! - `instance`: EC2's instance metadata, version 2, below `/latest/`.
//!
//! Container and instance hand out the same credentials until they are rotated or near their end,
//! as AWS's do; STS gives new ones at each call. [`crate::cloudtrail`] takes what an [`Issuer`] named
//! `aws` has issued, as long as it is valid.

mod container;
mod instance;
pub(crate) mod sts;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use http::StatusCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::fault::{Rule, Trigger, When};
use crate::front::{Front, lock, stand_before};
pub use crate::issuer::{Issuer, Temporary};
use crate::random::mix;
use crate::server::{FREE_PORT, Server};

/// New ones are handed out at least so many seconds before the old ones end (EC2 user guide,
/// "Retrieve security credentials from instance metadata").
const ROTATED_BEFORE_SECS: i64 = 300;

/// Everything that is drawn is drawn from this.
const SEED: u64 = 1;

/// What is handed out, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long credentials are valid, in seconds.
    pub lifetime_secs: i64,
    /// What `Authorization` must be at the container's endpoint.
    pub authorization: Option<String>,
    /// The token for which STS gives credentials.
    pub web_identity_token: String,
    /// The role that it gives.
    pub role_arn: String,
    /// The region for which calls to STS are signed.
    pub region: String,
    /// The instance's role; `None` for an instance without one.
    pub instance_role: Option<String>,
    /// The instance's metadata service is turned off.
    pub instance_metadata_disabled: bool,
    /// The caller is a hop too far away: the answer to its `PUT` never arrives.
    pub beyond_hop_limit: bool,
    /// The error of which the role's credentials are not to be had from the instance, such as
    /// `AssumeRoleUnauthorizedAccess`.
    pub instance_error: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lifetime_secs: 3600,
            authorization: None,
            web_identity_token: "web-identity-token".to_owned(),
            role_arn: "arn:aws:iam::123456789012:role/kong-cloudtrail".to_owned(),
            region: "eu-west-1".to_owned(),
            instance_role: Some("kong-cloudtrail".to_owned()),
            instance_metadata_disabled: false,
            beyond_hop_limit: false,
            instance_error: None,
        }
    }
}

/// What goes wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Faults of single calls.
    pub rules: Vec<Rule>,
    /// Errors by which STS refuses what it would grant.
    pub sts: Vec<StsError>,
}

/// An error of STS.
#[derive(Clone, Debug, PartialEq)]
pub struct StsError {
    /// Such as `IDPCommunicationError` or `Throttling`.
    pub code: String,
    /// Which calls.
    pub when: When,
}

/// What the endpoints have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How many credentials were issued.
    pub issued: u64,
    /// How many calls each path had.
    pub calls: BTreeMap<String, u64>,
}

/// Endpoints that run until this is dropped.
pub struct Simulator {
    state: Arc<State>,
    server: Server,
}

struct State {
    front: Arc<Front>,
    issuer: Issuer,
    settings: Mutex<Settings>,
    sts_errors: Mutex<Vec<(StsError, Trigger)>>,
    issued: Mutex<Issued>,
}

#[derive(Default)]
struct Issued {
    count: u64,
    /// What container and instance hand out.
    standing: Option<Temporary>,
}

impl Simulator {
    /// Starts the endpoints.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn start() -> io::Result<Self> {
        let front = Front::new(Duration::ZERO, SEED);
        let state = Arc::new(State {
            front: Arc::new(front),
            issuer: Issuer::new("aws"),
            settings: Mutex::default(),
            sts_errors: Mutex::default(),
            issued: Mutex::default(),
        });
        let server = Server::start(FREE_PORT, router(&state), None)?;
        Ok(Self { state, server })
    }

    /// The endpoints' origin, `http://ip:port`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What they have done.
    pub fn status(&self) -> Status {
        Status { issued: lock(&self.state.issued).count, calls: self.state.front.calls() }
    }

    /// Changes what is handed out, and to whom.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.state.settings));
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Faults) {
        self.state.front.set_rules(faults.rules);
        let armed = faults.sts.into_iter().zip(5000..).map(|(error, number)| {
            let trigger = Trigger::new(error.when.clone(), mix(SEED, number));
            (error, trigger)
        });
        *lock(&self.state.sts_errors) = armed.collect();
    }

    /// Container and instance hand out new credentials from now on; the old ones stay valid.
    pub fn rotate(&self) {
        lock(&self.state.issued).standing = None;
    }

    /// Sets the endpoints' clock to the system's plus `offset_secs`.
    pub fn set_clock(&self, offset_secs: i64) {
        self.state.front.clock.set_offset(offset_secs);
    }
}

fn router(state: &Arc<State>) -> Router {
    Router::new()
        .route("/", post(sts::answer))
        .route("/v1/{*path}", get(container::credentials))
        .route("/v2/{*path}", get(container::credentials))
        .route("/latest/api/token", put(instance::token))
        .route("/latest/meta-data/{*path}", get(instance::metadata))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(from_fn_with_state(state.front.clone(), stand_before))
        .with_state(state.clone())
}

impl State {
    /// New credentials.
    fn issue(&self) -> Temporary {
        self.issue_as(&mut lock(&self.issued))
    }

    fn issue_as(&self, issued: &mut Issued) -> Temporary {
        issued.count += 1;
        let lifetime = lock(&self.settings).lifetime_secs;
        self.issuer.issue(issued.count, self.front.clock.now() + lifetime)
    }

    /// The credentials that are handed out to everybody at present.
    fn standing(&self) -> Temporary {
        let mut issued = lock(&self.issued);
        let fresh = self.front.clock.now() + ROTATED_BEFORE_SECS;
        if let Some(standing) = issued.standing.clone().filter(|one| one.expires > fresh) {
            return standing;
        }
        let new = self.issue_as(&mut issued);
        issued.standing = Some(new.clone());
        new
    }
}

fn rfc3339(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}
