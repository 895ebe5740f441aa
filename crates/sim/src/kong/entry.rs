//! The shape of an audit entry as a given Kong version returns it: the fields, their types, and
//! which of them are there.
//!
//! Source: the entries printed in Kong's audit log documentation and API description.

use serde::Serialize;

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
    rbac_user_id: Option<uuid::Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rbac_user_name: Since<&'a str>,
    removed_from_payload: Option<&'a str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_source: Since<&'a str>,
    request_timestamp: i64,
    signature: Option<&'a str>,
    status: u16,
    ttl: i64,
    workspace: uuid::Uuid,
}

#[derive(Serialize)]
struct ObjectEntry<'a> {
    dao_name: &'a str,
    entity: &'a str,
    entity_key: uuid::Uuid,
    expire: i64,
    id: uuid::Uuid,
    operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rbac_user_id: Since<uuid::Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_from_payload: Since<&'a str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Since<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
}

/// What the time makes of an entry: Kong's present second, and for how long it keeps records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    pub(crate) now: i64,
    pub(crate) record_ttl: i64,
}

impl Age {
    fn ttl(self, at: i64) -> i64 {
        at + self.record_ttl - self.now
    }
}

/// Appends the request entry of `call`.
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    call: &Call,
    version: &Version,
    age: Age,
) -> serde_json::Result<()> {
    let named = version.names_users();
    let entry = RequestEntry {
        client_ip: &call.client_ip,
        method: &call.method,
        path: &call.path,
        payload: call.payload.as_deref(),
        rbac_user_id: call.user.map(|(id, _)| id),
        rbac_user_name: named.then_some(call.user.map(|(_, name)| name)),
        removed_from_payload: call.removed_from_payload,
        request_id: &call.request_id,
        request_source: named.then_some(call.from_manager.then_some("kong-manager")),
        request_timestamp: call.at,
        signature: None,
        status: call.status,
        ttl: age.ttl(call.at),
        workspace: call.workspace,
    };
    serde_json::to_writer(out, &entry)
}

/// Appends the object entry of `write`.
pub(crate) fn write_object(
    out: &mut Vec<u8>,
    write: &Write,
    version: &Version,
    age: Age,
) -> serde_json::Result<()> {
    let at = write.call.at;
    let whole = version.shows_whole_objects();
    let user = write.call.user.map(|(id, _)| id);
    let entry = ObjectEntry {
        dao_name: write.row.table,
        entity: &write.row.entity,
        entity_key: write.row.key,
        // The fraction is the database's: rows of one second expire at different milliseconds.
        expire: (at + age.record_ttl) * 1000 + i64::from(write.id.as_bytes()[0]),
        id: write.id,
        operation: write.row.operation,
        rbac_user_id: (whole || user.is_some()).then_some(user),
        removed_from_payload: version.excludes_at_every_depth().then_some(write.row.removed),
        request_id: &write.call.request_id,
        request_timestamp: version.filters_by_time().then_some(at),
        signature: whole.then_some(None),
        ttl: whole.then(|| age.ttl(at)),
    };
    serde_json::to_writer(out, &entry)
}
