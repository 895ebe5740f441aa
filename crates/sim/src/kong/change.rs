//! The calls that write: what their payload is, which row comes of it, and which keys Kong takes
//! out of either.
//!
//! Keys named in `audit_log_payload_exclude` (by default `token`, `secret`, `password`) do not
//! appear in payloads; until 3.6 only at the top level, from then on at every depth and in objects
//! too. Source: Kong's configuration reference and changelog.

use serde_json::{Value, json};
use uuid::Uuid;

use super::version::Version;
use crate::random::uuid;

/// A call that writes.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) payload: Option<String>,
    pub(crate) removed_from_payload: Option<&'static str>,
    pub(crate) row: Row,
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

    /// A row that Kong writes of itself beside the one that was asked for.
    pub(crate) fn beside(random: &mut fastrand::Rng, workspace: Uuid) -> Self {
        let key = uuid(random);
        let count = random.u32(1..500);
        match random.u8(..3) {
            0 => Self::new(
                "workspace_entity_counters",
                "update",
                workspace,
                &json!({"workspace_id": workspace, "entity_type": "routes", "count": count}),
            ),
            1 => Self::new(
                "rbac_role_entities",
                "create",
                key,
                &json!({"role": {"id": key}, "entity_id": uuid(random), "entity_type": "services",
                        "actions": 15, "negative": false}),
            ),
            _ => Self::new(
                "tags",
                "create",
                key,
                &json!({"entity_id": key, "entity_name": "routes", "tags": ["managed-by-deck"]}),
            ),
        }
    }
}

/// What a change is made of, drawn once for all kinds.
struct Draw {
    at: i64,
    id: Uuid,
    number: u32,
    every_depth: bool,
}

impl Change {
    /// A change of a kind that `random` picks.
    pub(crate) fn drawn(random: &mut fastrand::Rng, at: i64, version: &Version) -> Self {
        let draw = Draw {
            at,
            id: uuid(random),
            number: random.u32(..400),
            every_depth: version.excludes_at_every_depth(),
        };
        match random.u8(..14) {
            0 | 1 => draw.service_created(),
            2 => draw.service_updated(),
            3..=5 => draw.route_created(),
            6 => draw.route_deleted(),
            7 => draw.consumer_created(),
            8 => draw.consumer_deleted(),
            9 => draw.basic_auth_created(),
            10 => draw.plugin_created(),
            11 => draw.plugin_replaced(),
            12 => draw.rbac_user_created(),
            _ => draw.workspace_created(),
        }
    }

    fn new(method: &'static str, path: String, status: u16, payload: &Value, row: Row) -> Self {
        let payload = (!payload.is_null()).then(|| payload.to_string());
        Self { method, path, status, payload, removed_from_payload: None, row }
    }
}

impl Draw {
    fn service(&self) -> Value {
        json!({"id": self.id, "name": format!("svc-{}", self.number), "protocol": "https",
               "host": format!("svc-{}.internal.example.com", self.number), "port": 443,
               "path": "/", "retries": 5, "connect_timeout": 60000, "read_timeout": 60000,
               "write_timeout": 60000, "enabled": true, "tags": null,
               "created_at": self.at, "updated_at": self.at})
    }

    fn route(&self) -> Value {
        json!({"id": self.id, "name": format!("route-{}", self.number),
               "paths": [format!("/api/v{}/orders", self.number % 4)], "methods": ["GET", "POST"],
               "hosts": null, "protocols": ["https"], "strip_path": true, "preserve_host": false,
               "regex_priority": 0, "service": {"id": self.id},
               "created_at": self.at, "updated_at": self.at})
    }

    fn consumer(&self) -> Value {
        json!({"id": self.id, "username": format!("customer-{}", self.number), "custom_id": null,
               "type": 0, "tags": ["tier-gold"], "created_at": self.at})
    }

    fn service_created(&self) -> Change {
        let payload = json!({"name": format!("svc-{}", self.number),
            "url": format!("https://svc-{}.internal.example.com", self.number)});
        let row = Row::new("services", "create", self.id, &self.service());
        Change::new("POST", "/services".to_owned(), 201, &payload, row)
    }

    fn service_updated(&self) -> Change {
        let payload = json!({"read_timeout": 15000, "retries": 2});
        let row = Row::new("services", "update", self.id, &self.service());
        Change::new("PATCH", format!("/services/svc-{}", self.number), 200, &payload, row)
    }

    fn route_created(&self) -> Change {
        let payload = json!({"name": format!("route-{}", self.number),
            "paths": [format!("/api/v{}/orders", self.number % 4)], "methods": ["GET", "POST"]});
        let row = Row::new("routes", "create", self.id, &self.route());
        Change::new("POST", format!("/services/svc-{}/routes", self.number), 201, &payload, row)
    }

    fn route_deleted(&self) -> Change {
        let row = Row::new("routes", "delete", self.id, &self.route());
        Change::new("DELETE", format!("/routes/{}", self.id), 204, &Value::Null, row)
    }

    fn consumer_created(&self) -> Change {
        let payload =
            json!({"username": format!("customer-{}", self.number), "tags": ["tier-gold"]});
        let row = Row::new("consumers", "create", self.id, &self.consumer());
        Change::new("POST", "/consumers".to_owned(), 201, &payload, row)
    }

    fn consumer_deleted(&self) -> Change {
        let row = Row::new("consumers", "delete", self.id, &self.consumer());
        Change::new(
            "DELETE",
            format!("/consumers/customer-{}", self.number),
            204,
            &Value::Null,
            row,
        )
    }

    fn basic_auth_created(&self) -> Change {
        let username = format!("customer-{}", self.number);
        let mut entity = json!({"id": self.id, "username": username, "created_at": self.at,
            "consumer": {"id": self.id}});
        if !self.every_depth {
            entity["password"] = json!(hex::encode(self.id.as_bytes()));
        }
        let mut row = Row::new("basicauth_credentials", "create", self.id, &entity);
        row.removed = self.every_depth.then_some("password");
        let path = format!("/consumers/{username}/basic-auth");
        let mut change = Change::new("POST", path, 201, &json!({"username": username}), row);
        change.removed_from_payload = Some("password");
        change
    }

    fn plugin_created(&self) -> Change {
        let mut redis = json!({"host": "redis.internal.example.com", "port": 6379});
        if !self.every_depth {
            redis["password"] = json!("{vault://env/redis-password}");
        }
        let payload = json!({"name": "rate-limiting",
            "config": {"minute": 60, "policy": "redis", "redis": redis}});
        let mut entity = payload.clone();
        entity["id"] = json!(self.id);
        entity["enabled"] = json!(true);
        entity["created_at"] = json!(self.at);
        let removed = self.every_depth.then_some("password");
        let mut row = Row::new("plugins", "create", self.id, &entity);
        row.removed = removed;
        let path = format!("/services/svc-{}/plugins", self.number);
        let mut change = Change::new("POST", path, 201, &payload, row);
        change.removed_from_payload = removed;
        change
    }

    fn plugin_replaced(&self) -> Change {
        let payload = json!({"name": "cors", "config": {"origins": ["https://shop.example.com"],
            "methods": ["GET", "POST"], "credentials": true, "max_age": 3600}});
        let mut entity = payload.clone();
        entity["id"] = json!(self.id);
        entity["updated_at"] = json!(self.at);
        let row = Row::new("plugins", "update", self.id, &entity);
        Change::new("PUT", format!("/plugins/{}", self.id), 200, &payload, row)
    }

    fn rbac_user_created(&self) -> Change {
        let name = format!("engineer-{}", self.number);
        let payload = json!({"name": name, "comment": "Zugriff für das Betriebsteam"});
        let entity = json!({"id": self.id, "name": name, "enabled": true,
            "comment": "Zugriff für das Betriebsteam", "created_at": self.at});
        let row = Row::new("rbac_users", "create", self.id, &entity);
        Change::new("POST", "/rbac/users".to_owned(), 201, &payload, row)
    }

    fn workspace_created(&self) -> Change {
        let name = format!("team-{}", self.number);
        let entity = json!({"id": self.id, "name": name, "comment": null, "config": {},
            "created_at": self.at});
        let row = Row::new("workspaces", "create", self.id, &entity);
        Change::new("POST", "/workspaces".to_owned(), 201, &json!({"name": name}), row)
    }
}
