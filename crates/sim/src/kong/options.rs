//! How a simulated Kong is set up: what stays as it is while it runs, and where it begins.
//!
//! Sources: Kong's configuration reference (Kong/developer.konghq.com, `app/_data/kong-conf/`) for
//! `audit_log_*`, `enforce_rbac`, `rbac_auth_header`, `database` and `role`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::page::{Dates, EmptyList};
use super::version::Version;
use crate::server::FREE_PORT;
use crate::tls::Tls;

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
    /// From which version it was upgraded when the entries of the start were there already.
    pub upgraded: Option<Upgrade>,
    /// What kind of node it is, and how it lets callers in.
    pub node: Node,
    /// How answers are written where that may differ.
    pub shape: Shape,
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
    /// The token that a call must carry, if any. It is not asked for where [`Node::enforce_rbac`]
    /// is [`Rbac::Off`].
    pub token: Option<String>,
    /// Whether reading the Admin API adds to the trail.
    pub audit_readers: bool,
    /// Kong's `audit_log`.
    pub audit_log: bool,
    /// Kong's `audit_log_record_ttl`, in seconds. With 0 nothing expires, and `ttl` is null.
    pub record_ttl_secs: u32,
    /// Kong's `audit_log_ignore_paths`, shown only.
    pub ignore_paths: Vec<String>,
    /// How long every call takes at least.
    pub latency: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: FREE_PORT,
            tls: None,
            admin_path: String::new(),
            version: Version::current(),
            upgraded: None,
            node: Node::default(),
            shape: Shape::default(),
            requests: 0,
            objects: 0,
            span_days: 30,
            payload_bytes: 0,
            seed: 1,
            token: None,
            audit_readers: false,
            audit_log: true,
            record_ttl_secs: 30 * 24 * 60 * 60,
            ignore_paths: Vec::new(),
            latency: Duration::ZERO,
        }
    }
}

/// An upgrade of Kong that found object entries in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The version that wrote those entries.
    pub from: Version,
    /// What they show afterwards.
    pub leaves: Leaves,
}

/// The `request_timestamp` of object entries that were written before their table had one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leaves {
    /// 1, which is the likely one. Nothing that Kong publishes says so.
    #[default]
    One,
    /// null.
    Null,
}

/// A node of Kong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Kong's `enforce_rbac`. Where it is not given it is `on` with a token and `off` without one,
    /// and then the entries name users all the same, so that a trail needs no token to have them.
    pub enforce_rbac: Option<Rbac>,
    /// Kong's `rbac_auth_header`: the header that carries the token.
    pub rbac_auth_header: String,
    /// Kong's `database`.
    pub database: Database,
    /// Kong's `role`.
    pub role: Role,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            enforce_rbac: None,
            rbac_auth_header: "Kong-Admin-Token".to_owned(),
            database: Database::default(),
            role: Role::default(),
        }
    }
}

impl Node {
    /// Whether the node has a place to keep an audit log. Without one its pages are empty, also
    /// where `audit_log` is on.
    pub(super) fn keeps_records(&self) -> bool {
        self.database == Database::Postgres && self.role != Role::DataPlane
    }
}

impl Options {
    /// `enforce_rbac` as `GET /` shows it.
    pub(super) fn enforce_rbac(&self) -> Rbac {
        let usual = if self.token.is_some() { Rbac::On } else { Rbac::Off };
        self.node.enforce_rbac.unwrap_or(usual)
    }
}

/// What RBAC is enforced on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rbac {
    /// Endpoints.
    On,
    /// Nothing: no token is asked for, and Kong knows no user.
    Off,
    /// Endpoints and entities.
    Both,
    /// Entities.
    Entity,
}

/// Where Kong keeps its configuration, and its audit log beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Database {
    /// In PostgreSQL.
    #[default]
    Postgres,
    /// In memory alone.
    Off,
}

/// What a node is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    #[default]
    Traditional,
    /// Configuration.
    ControlPlane,
    /// Traffic.
    DataPlane,
}

/// How answers are written where that may differ from one Kong, or from what stands before it, to
/// the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// In which form `before` and `after` are taken.
    pub dates: Dates,
    /// How a page without entries writes its list.
    pub empty_list: EmptyList,
    /// What `GET /` shows for its `configuration`.
    pub configuration: Configuration,
    /// Whether a byte order mark stands before every body.
    pub byte_order_mark: bool,
}

/// The `configuration` of `GET /`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Configuration {
    /// The settings in force.
    #[default]
    Shown,
    /// `[]`, as an empty map may be written.
    EmptyList,
    /// `null`
    Null,
    /// There is none.
    Hidden,
}
