//! The shape of an audit entry as a given Kong version returns it: the fields, their types, and
//! which of them are there.
//!
//! Sources: the entries printed in Kong's audit log documentation and API description, and the
//! columns of the two tables in public dumps of Kong's databases of 2.8 and 3.10. From 0.35 on an
//! entry has a field for every column, null where there is nothing, and no `expire`. Entries of
//! 0.34 are printed with `expire`, with times in milliseconds, without `ttl`, and without fields
//! that have no value.

use serde::Serialize;
use uuid::Uuid;

use super::activity::{Call, Write};
use super::version::Version;

/// A field that is there from some version on, and may then be null.
type Since<T> = Option<Option<T>>;

#[derive(Serialize)]
struct RequestEntry<'a> {
    client_ip: &'a str,
    method: &'a str,
    path: &'a str,
    payload: Option<&'a str>,
    rbac_user_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rbac_user_name: Since<&'a str>,
    removed_from_payload: Option<&'a str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_source: Since<&'a str>,
    request_timestamp: Option<i64>,
    signature: Option<&'a str>,
    status: u16,
    ttl: Option<i64>,
    workspace: Uuid,
}

#[derive(Serialize)]
struct ObjectEntry<'a> {
    dao_name: &'a str,
    entity: &'a str,
    entity_key: Uuid,
    id: Uuid,
    operation: &'a str,
    rbac_user_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_from_entity: Since<&'a str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_timestamp: Since<i64>,
    signature: Option<&'a str>,
    ttl: Option<i64>,
}

/// A request entry of 0.34.
#[derive(Serialize)]
struct FirstRequestEntry<'a> {
    client_ip: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire: Option<i64>,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rbac_user_id: Option<Uuid>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_timestamp: Option<i64>,
    status: u16,
    workspace: Uuid,
}

/// An object entry of 0.34.
#[derive(Serialize)]
struct FirstObjectEntry<'a> {
    dao_name: &'a str,
    entity: &'a str,
    entity_key: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire: Option<i64>,
    id: Uuid,
    operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rbac_user_id: Option<Uuid>,
    request_id: &'a str,
}

/// What an entry's row in the database adds to what was called and written, and who reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// The version that shows it.
    pub(crate) version: &'a Version,
    /// Kong's present second.
    pub(crate) now: i64,
    /// Its `request_timestamp`.
    pub(crate) stored_at: Option<i64>,
    /// The second in which it goes, if ever.
    pub(crate) expires_at: Option<i64>,
}

impl Row<'_> {
    fn ttl(self) -> Option<i64> {
        self.expires_at.map(|at| at - self.now)
    }
}

/// A time of 0.34. The fraction is as good as any: entries of one second differ in it.
fn milliseconds(at: Option<i64>, distinct: &[u8]) -> Option<i64> {
    let fraction = distinct.iter().map(|byte| i64::from(*byte)).sum::<i64>() % 1000;
    at.map(|at| at * 1000 + fraction)
}

/// Appends the request entry of `call`.
pub(crate) fn write_request(out: &mut Vec<u8>, call: &Call, row: Row) -> serde_json::Result<()> {
    let rbac_user_id = call.user.map(|(id, _)| id);
    if row.version.counts_milliseconds() {
        let distinct = call.request_id.as_bytes();
        let entry = FirstRequestEntry {
            client_ip: &call.client_ip,
            expire: milliseconds(row.expires_at, distinct),
            method: &call.method,
            path: &call.path,
            rbac_user_id,
            request_id: &call.request_id,
            request_timestamp: milliseconds(row.stored_at, distinct),
            status: call.status,
            workspace: call.workspace,
        };
        return serde_json::to_writer(out, &entry);
    }
    // What an older version wrote stays without what it did not know.
    let name = call.user.map(|(_, name)| name).filter(|_| call.named);
    let source = (call.named && call.from_manager).then_some("kong-manager");
    let shows_names = row.version.names_users();
    let entry = RequestEntry {
        client_ip: &call.client_ip,
        method: &call.method,
        path: &call.path,
        payload: call.payload.as_deref(),
        rbac_user_id,
        rbac_user_name: shows_names.then_some(name),
        removed_from_payload: call.removed_from_payload,
        request_id: &call.request_id,
        request_source: shows_names.then_some(source),
        request_timestamp: row.stored_at,
        signature: None,
        status: call.status,
        ttl: row.ttl(),
        workspace: call.workspace,
    };
    serde_json::to_writer(out, &entry)
}

/// Appends the object entry of `write`.
pub(crate) fn write_object(out: &mut Vec<u8>, write: &Write, row: Row) -> serde_json::Result<()> {
    let rbac_user_id = write.call.user.map(|(id, _)| id);
    if row.version.counts_milliseconds() {
        let entry = FirstObjectEntry {
            dao_name: write.row.table,
            entity: &write.row.entity,
            entity_key: write.row.key,
            expire: milliseconds(row.expires_at, write.id.as_bytes()),
            id: write.id,
            operation: write.row.operation,
            rbac_user_id,
            request_id: &write.call.request_id,
        };
        return serde_json::to_writer(out, &entry);
    }
    let entry = ObjectEntry {
        dao_name: write.row.table,
        entity: &write.row.entity,
        entity_key: write.row.key,
        id: write.id,
        operation: write.row.operation,
        rbac_user_id,
        removed_from_entity: row.version.excludes_at_every_depth().then_some(write.row.removed),
        request_id: &write.call.request_id,
        request_timestamp: row.version.filters_by_time().then_some(row.stored_at),
        signature: None,
        ttl: row.ttl(),
    };
    serde_json::to_writer(out, &entry)
}
