//! The calls that write: what their payload is, which row comes of it, and which keys Kong takes
//! out of either.
//!
//! Keys named in `audit_log_payload_exclude` (by default `token`, `secret`, `password`) do not
//! appear in payloads; until 3.6 only at the top level, from then on at every depth and in objects
//! too. Source: Kong's configuration reference and changelog.

use serde_json::{Value, json};
use uuid::Uuid;

use super::version::Version;
use crate::random::{generator, uuid};

/// The seed of the ids of services and consumers that others belong to.
const OWNERS: u64 = 1;

/// A call that writes. What it asks for and what it writes are told separately, since a page needs
/// one of the two.
#[derive(Debug)]
pub(crate) struct Change {
    kind: Kind,
    at: i64,
    id: Uuid,
    number: u32,
    every_depth: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    ServiceCreated,
    ServiceUpdated,
    RouteCreated,
    RouteDeleted,
    ConsumerCreated,
    ConsumerDeleted,
    BasicAuthCreated,
    PluginCreated,
    PluginReplaced,
    RbacUserCreated,
    WorkspaceCreated,
}

/// Each as often as it is meant to happen.
const KINDS: [Kind; 14] = [
    Kind::ServiceCreated,
    Kind::ServiceCreated,
    Kind::ServiceUpdated,
    Kind::RouteCreated,
    Kind::RouteCreated,
    Kind::RouteCreated,
    Kind::RouteDeleted,
    Kind::ConsumerCreated,
    Kind::ConsumerDeleted,
    Kind::BasicAuthCreated,
    Kind::PluginCreated,
    Kind::PluginReplaced,
    Kind::RbacUserCreated,
    Kind::WorkspaceCreated,
];

/// What a call asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    /// The status when it succeeds.
    pub(crate) status: u16,
    pub(crate) payload: Option<String>,
    pub(crate) removed_from_payload: Option<&'static str>,
}

/// A row as the audit log keeps it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) table: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) key: Uuid,
    pub(crate) entity: String,
    pub(crate) removed: Option<&'static str>,
}

impl Row {
    fn new(table: &'static str, operation: &'static str, key: Uuid, entity: &Value) -> Self {
        Self { table, operation, key, entity: entity.to_string(), removed: None }
    }

    /// A row that Kong writes of itself beside the one that was asked for: with a deletion, one that goes too.
    pub(crate) fn beside(random: &mut fastrand::Rng, workspace: Uuid, deletes: bool) -> Self {
        let key = uuid(random);
        let count = random.u32(1..500);
        let operation = if deletes { "delete" } else { "create" };
        match random.u8(..3) {
            0 => Self::new(
                "workspace_entity_counters",
                "update",
                workspace,
                &json!({"workspace_id": workspace, "entity_type": "routes", "count": count}),
            ),
            1 => Self::new(
                "rbac_role_entities",
                operation,
                key,
                &json!({"role": {"id": key}, "entity_id": uuid(random), "entity_type": "services",
                        "actions": 15, "negative": false}),
            ),
            _ => Self::new(
                "tags",
                operation,
                key,
                &json!({"entity_id": key, "entity_name": "routes", "tags": ["managed-by-deck"]}),
            ),
        }
    }
}

impl Change {
    /// A change of a kind that `random` picks.
    pub(crate) fn drawn(random: &mut fastrand::Rng, at: i64, version: &Version) -> Self {
        Self {
            kind: KINDS[random.usize(..KINDS.len())],
            at,
            id: uuid(random),
            number: random.u32(..400),
            every_depth: version.excludes_at_every_depth(),
        }
    }

    /// Whether it takes a row away.
    pub(crate) const fn deletes(&self) -> bool {
        matches!(self.kind, Kind::RouteDeleted | Kind::ConsumerDeleted)
    }

    /// What was asked for.
    pub(crate) fn asked(&self) -> Asked {
        let Self { id, number, .. } = self;
        let (method, path, payload) = match self.kind {
            Kind::ServiceCreated => (
                "POST",
                "/services".to_owned(),
                json!({"name": format!("svc-{number}"),
                    "url": format!("https://svc-{number}.internal.example.com")}),
            ),
            Kind::ServiceUpdated => (
                "PATCH",
                format!("/services/svc-{number}"),
                json!({"read_timeout": 15000, "retries": 2}),
            ),
            Kind::RouteCreated => (
                "POST",
                format!("/services/svc-{number}/routes"),
                json!({"name": format!("route-{number}"), "methods": ["GET", "POST"],
                    "paths": [format!("/api/v{}/orders", number % 4)]}),
            ),
            Kind::RouteDeleted => ("DELETE", format!("/routes/{id}"), Value::Null),
            Kind::ConsumerCreated => (
                "POST",
                "/consumers".to_owned(),
                json!({"username": format!("customer-{number}"), "tags": ["tier-gold"]}),
            ),
            Kind::ConsumerDeleted => {
                ("DELETE", format!("/consumers/customer-{number}"), Value::Null)
            }
            Kind::BasicAuthCreated => (
                "POST",
                format!("/consumers/customer-{number}/basic-auth"),
                json!({"username": format!("customer-{number}")}),
            ),
            Kind::PluginCreated => {
                ("POST", format!("/services/svc-{number}/plugins"), self.rate_limiting())
            }
            Kind::PluginReplaced => ("PUT", format!("/plugins/{id}"), cors()),
            Kind::RbacUserCreated => (
                "POST",
                "/rbac/users".to_owned(),
                json!({"name": format!("engineer-{number}"), "comment": COMMENT}),
            ),
            Kind::WorkspaceCreated => {
                ("POST", "/workspaces".to_owned(), json!({"name": format!("team-{number}")}))
            }
        };
        let status = match method {
            "POST" => 201,
            "DELETE" => 204,
            _ => 200,
        };
        let removed_from_payload = match self.kind {
            Kind::BasicAuthCreated => Some("password"),
            Kind::PluginCreated => self.every_depth.then_some("password"),
            _ => None,
        };
        let payload = (!payload.is_null()).then(|| payload.to_string());
        Asked { method, path, status, payload, removed_from_payload }
    }

    /// The row that was written.
    pub(crate) fn row(&self) -> Row {
        let Self { id, number, at, .. } = self;
        let (table, operation, entity) = match self.kind {
            Kind::ServiceCreated => ("services", "create", self.service()),
            Kind::ServiceUpdated => ("services", "update", self.service()),
            Kind::RouteCreated => ("routes", "create", self.route()),
            Kind::RouteDeleted => ("routes", "delete", self.route()),
            Kind::ConsumerCreated => ("consumers", "create", self.consumer()),
            Kind::ConsumerDeleted => ("consumers", "delete", self.consumer()),
            Kind::BasicAuthCreated => ("basicauth_credentials", "create", self.basic_auth()),
            Kind::PluginCreated => ("plugins", "create", self.stored(self.rate_limiting())),
            Kind::PluginReplaced => ("plugins", "update", self.stored(cors())),
            Kind::RbacUserCreated => (
                "rbac_users",
                "create",
                self.stored(json!({"name": format!("engineer-{number}"), "comment": COMMENT})),
            ),
            Kind::WorkspaceCreated => (
                "workspaces",
                "create",
                json!({"id": id, "name": format!("team-{number}"), "comment": null, "config": {},
                    "created_at": at}),
            ),
        };
        let mut row = Row::new(table, operation, *id, &entity);
        if let Kind::BasicAuthCreated | Kind::PluginCreated = self.kind {
            row.removed = self.every_depth.then_some("password");
        }
        row
    }

    /// A row is what was sent, with what Kong adds.
    fn stored(&self, mut sent: Value) -> Value {
        sent["id"] = json!(self.id);
        sent["enabled"] = json!(true);
        sent["created_at"] = json!(self.at);
        sent
    }

    fn service(&self) -> Value {
        json!({"id": self.id, "name": format!("svc-{}", self.number), "protocol": "https",
            "host": format!("svc-{}.internal.example.com", self.number), "port": 443, "path": "/",
            "retries": 5, "connect_timeout": 60000, "read_timeout": 60000, "write_timeout": 60000,
            "enabled": true, "tags": null, "created_at": self.at, "updated_at": self.at})
    }

    fn route(&self) -> Value {
        json!({"id": self.id, "name": format!("route-{}", self.number),
            "paths": [format!("/api/v{}/orders", self.number % 4)], "methods": ["GET", "POST"],
            "hosts": null, "protocols": ["https"], "strip_path": true, "regex_priority": 0,
            "service": {"id": self.owner()}, "created_at": self.at, "updated_at": self.at})
    }

    /// The row that this one belongs to.
    fn owner(&self) -> Uuid {
        uuid(&mut generator(OWNERS, self.number.into()))
    }

    fn consumer(&self) -> Value {
        json!({"id": self.id, "username": format!("customer-{}", self.number), "custom_id": null,
            "type": 0, "tags": ["tier-gold"], "created_at": self.at})
    }

    fn basic_auth(&self) -> Value {
        let mut entity = json!({"id": self.id, "username": format!("customer-{}", self.number),
            "consumer": {"id": self.owner()}, "created_at": self.at});
        if !self.every_depth {
            // The hash under which Kong stores it.
            entity["password"] = json!(hex::encode(self.id.as_bytes()));
        }
        entity
    }

    fn rate_limiting(&self) -> Value {
        let mut redis = json!({"host": "redis.internal.example.com", "port": 6379});
        if !self.every_depth {
            redis["password"] = json!("{vault://env/redis-password}");
        }
        json!({"name": "rate-limiting",
            "config": {"minute": 60, "policy": "redis", "redis": redis}})
    }
}

/// Beyond ASCII, as comments are.
const COMMENT: &str = "Zugriff für das Betriebsteam";

fn cors() -> Value {
    json!({"name": "cors", "config": {"origins": ["https://shop.example.com"],
        "methods": ["GET", "POST"], "credentials": true, "max_age": 3600}})
}
