//! What CloudTrail Lake asks of one event's `eventData`.
//!
//! Source: CloudTrail user guide, "CloudTrail Lake integrations event schema". Lengths of strings
//! are in characters; a kB of an object is taken as 1000 bytes of its JSON, the stricter reading.
//! Members that the schema does not name are let through, since nothing is written about them; a
//! `null` counts as absent.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;
use time::PrimitiveDateTime;
use time::macros::format_description;

/// Why one event is refused: the code and the message of its entry in `failed`.
pub(crate) type Refusal = (&'static str, String);

/// Strings that every event has, and their greatest lengths.
const REQUIRED: [(&str, usize); 5] = [
    ("version", 256),
    ("eventSource", 1024),
    ("eventName", 1024),
    ("UID", 1024),
    ("recipientAccountId", usize::MAX),
];
/// The same of `userIdentity`.
const REQUIRED_OF_IDENTITY: [(&str, usize); 2] = [("type", 128), ("principalId", 1024)];
/// Strings that an event may have.
const OPTIONAL: [(&str, usize); 4] = [
    ("userAgent", 1024),
    ("errorCode", 256),
    ("errorMessage", 256),
    ("sourceIPAddress", usize::MAX),
];
/// Objects that an event may have, and their greatest sizes.
const OBJECTS: [(&str, usize); 3] = [
    ("requestParameters", 100_000),
    ("responseElements", 100_000),
    ("additionalEventData", 28_000),
];
/// The event as a whole (CloudTrail user guide, "Quotas": 256 kB).
const MAX_EVENT: usize = 256_000;

type Members<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

/// Checks the text of `eventData`, for a channel of that account.
pub(crate) fn check(event_data: &str, account: &str) -> Result<(), Refusal> {
    if event_data.len() > MAX_EVENT {
        return Err(too_long("eventData", MAX_EVENT));
    }
    let event = members(event_data, "eventData")?;
    let identity = match present(&event, "userIdentity") {
        Some(identity) => members(identity.get(), "userIdentity")?,
        None => return Err(not_found("userIdentity")),
    };
    for (name, max) in REQUIRED {
        string(&event, name, max)?.ok_or_else(|| not_found(name))?;
    }
    for (name, max) in REQUIRED_OF_IDENTITY {
        string(&identity, name, max)?.ok_or_else(|| not_found(&format!("userIdentity.{name}")))?;
    }
    for (name, max) in OPTIONAL {
        string(&event, name, max)?;
    }
    if let Some(details) = present(&identity, "details") {
        members(details.get(), "userIdentity.details")?;
    }
    for (name, max) in OBJECTS {
        if let Some(object) = present(&event, name) {
            members(object.get(), name)?;
            if object.get().len() > max {
                return Err(too_long(name, max));
            }
        }
    }
    check_time(&event)?;
    check_recipient(&event, account)
}

fn check_time(event: &Members<'_>) -> Result<(), Refusal> {
    let time = string(event, "eventTime", usize::MAX)?.ok_or_else(|| not_found("eventTime"))?;
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    PrimitiveDateTime::parse(time.strip_suffix('Z').unwrap_or(&time), format).map(drop).map_err(
        |_| invalid("eventTime", "must be a time in UTC in the format yyyy-MM-DDTHH:mm:ss"),
    )
}

fn check_recipient(event: &Members<'_>, account: &str) -> Result<(), Refusal> {
    let recipient = string(event, "recipientAccountId", usize::MAX)?.unwrap_or_default();
    if recipient != account {
        let message = format!("recipientAccountId {recipient} does not own the channel");
        return Err(("InvalidRecipient", message));
    }
    Ok(())
}

fn members<'a>(json: &'a str, name: &str) -> Result<Members<'a>, Refusal> {
    serde_json::from_str(json).map_err(|_| invalid(name, "must be a JSON object"))
}

fn present<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    members.get(name).copied().filter(|value| value.get() != "null")
}

fn string(members: &Members<'_>, name: &str, max: usize) -> Result<Option<String>, Refusal> {
    let Some(value) = present(members, name) else { return Ok(None) };
    let text: String =
        serde_json::from_str(value.get()).map_err(|_| invalid(name, "must be a string"))?;
    if text.chars().count() > max { Err(too_long(name, max)) } else { Ok(Some(text)) }
}

fn not_found(name: &str) -> Refusal {
    ("FieldNotFound", format!("The required field {name} is missing"))
}

fn too_long(name: &str, max: usize) -> Refusal {
    ("FieldTooLong", format!("The field {name} is longer than {max}"))
}

fn invalid(name: &str, why: &str) -> Refusal {
    ("InvalidData", format!("The field {name} {why}"))
}
