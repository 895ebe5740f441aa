//! `additionalEventData`: every field that the event does not tell exactly in a place of its own,
//! verbatim (invariant 3).

use std::borrow::Cow;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::envelope::{Envelope, LONG, Placed, shorten};
use super::json;
use super::section::{Member, OTHER_FIELDS, Section};
use crate::kong::Entry;

/// What the Lambda calls the Admin API's address.
pub(super) const KONG_HOSTNAME: &str = "konghostname";
/// Names the fields that the entry lacks although the event fills their place.
pub(super) const ABSENT_FIELDS: &str = "absentFields";
/// What `eventTime` was reckoned from, where the entry does not tell it.
pub(super) const DERIVED_TIME: &str = "derivedTime";
/// A number made from the event's id. The same events have the same sum of it, whatever program adds it up.
pub(super) const ID_SUM: &str = "idSum";
/// Names that no field of an entry can have here, since they are taken.
pub(super) const TAKEN: [&str; 5] =
    [KONG_HOSTNAME, ABSENT_FIELDS, DERIVED_TIME, ID_SUM, OTHER_FIELDS];

/// The fields that the mapping names, of both streams.
const NAMED: [&str; 21] = [
    "client_ip",
    "dao_name",
    "entity",
    "entity_key",
    "expire",
    "id",
    "method",
    "operation",
    "path",
    "payload",
    "rbac_user_id",
    "rbac_user_name",
    "removed_from_entity",
    "removed_from_payload",
    "request_id",
    "request_source",
    "request_timestamp",
    "signature",
    "status",
    "ttl",
    "workspace",
];

pub(super) fn section<'a>(
    entry: &'a Entry<'a>,
    envelope: &Envelope<'a>,
    placed: &Placed,
) -> Section<'a> {
    let mut section = Section::additional_event_data();
    let last = last_of_each(entry);
    for (at, (name, value)) in entry.fields.iter().enumerate() {
        let name = name.as_ref();
        let is_followed = last.as_ref().is_some_and(|last| last[name] != at);
        if is_followed || TAKEN.contains(&name) {
            section.others.push(name, value.get());
        } else if !placed.elsewhere.contains(&name) {
            let named = NAMED.contains(&name);
            section.members.push(Member::verbatim(name, value.get(), named));
        }
    }
    let hostname = envelope.context.kong_hostname;
    section.members.push(Member::text(KONG_HOSTNAME, shorten(hostname.into(), LONG)));
    section.members.push(Member::json(ID_SUM, id_sum(&envelope.id).to_string()));
    if let Some(derived) = &envelope.time.derived {
        section.members.push(Member::json(DERIVED_TIME, derived.clone()));
    }
    if !placed.absent.is_empty() {
        section.members.push(Member::names(ABSENT_FIELDS, &placed.absent));
    }
    section
}

/// The first 32 bits of the SHA-256 of an event's id.
pub fn id_sum(id: &str) -> u32 {
    let digest = Sha256::digest(id);
    digest.iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// Where the last field of each name stands; none when no name is repeated. Of repeated fields the last one
/// counts.
fn last_of_each<'a>(entry: &'a Entry<'a>) -> Option<HashMap<&'a str, usize>> {
    let names = || entry.fields.iter().map(|(name, _)| name.as_ref());
    let mut sorted: Vec<_> = names().map(Cow::Borrowed).collect();
    json::sort_names(&mut sorted)
        .then(|| names().enumerate().map(|(at, name)| (name, at)).collect())
}
