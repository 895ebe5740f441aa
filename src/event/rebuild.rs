//! The way back: from an event and its parts to the entry that Kong sent.
//!
//! This is what keeps the mapping honest (invariant 3), and what an auditor puts a split
//! entry together with.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::additional::{ABSENT_FIELDS, TAKEN};
use super::json::{self, Object};
use super::object::ENTITY;
use super::request::{PAYLOAD, QUERY_PARAMETERS};
use super::section::OTHER_FIELDS;
use crate::kong::entry::Fields;
use crate::terms::Stream;

/// Why no entry could be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebuildError {
    /// One of the texts is not eventData as this crate writes it.
    NotAnEvent(String),
    /// There are only parts.
    NoEvent,
    /// There are events of more than one entry, or one of them twice.
    SeveralEntries,
    /// A part that the event refers to is not there.
    MissingPart {
        /// The value that the part belongs to.
        field: String,
        /// The part's number.
        number: usize,
    },
    /// The parts together are not the value that was sent.
    Damaged {
        /// The value that the parts make up.
        field: String,
    },
}

impl fmt::Display for RebuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnEvent(why) => write!(f, "this is not eventData from kong-cloudtrail: {why}"),
            Self::NoEvent => write!(
                f,
                "there are only parts: add the event whose id is requestParameters.part.of"
            ),
            Self::SeveralEntries => write!(
                f,
                "the events are not of one entry, or one is there twice: give one event and the \
                 parts whose requestParameters.part.of is its id"
            ),
            Self::MissingPart { field, number } => {
                write!(f, "part {number}, which belongs to {field}, is missing: add it")
            }
            Self::Damaged { field } => write!(
                f,
                "the parts of {field} do not have the SHA-256 that the event tells: fetch them again"
            ),
        }
    }
}

impl std::error::Error for RebuildError {}

impl From<serde_json::Error> for RebuildError {
    fn from(error: serde_json::Error) -> Self {
        Self::NotAnEvent(error.to_string())
    }
}

/// The entry, as JSON, from the eventData of its event and of all its parts, in any order.
///
/// Every field has the value that Kong sent; the fields' order may differ. A payload or an entity
/// is the same text where the event kept the text, else the same JSON value.
pub fn entry<T: AsRef<str>>(stream: Stream, events: &[T]) -> Result<String, RebuildError> {
    let mut event = None;
    let mut parts = Parts::default();
    for text in events {
        let data: EventData<'_> = serde_json::from_str(text.as_ref())?;
        match data.request_parameters.map(RawValue::get).map(serde_json::from_str) {
            Some(Ok(Parameters { part: Some(part) })) => parts.add(part)?,
            _ => {
                if event.replace(data).is_some() {
                    return Err(RebuildError::SeveralEntries);
                }
            }
        }
    }
    let event = event.ok_or(RebuildError::NoEvent)?;
    let mut out = String::new();
    let mut entry = Object::open(&mut out);
    write_fields(&mut entry, stream, &event, &parts)?;
    entry.close();
    Ok(out)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventData<'e> {
    #[serde(borrow)]
    user_identity: UserIdentity<'e>,
    #[serde(borrow)]
    event_time: Cow<'e, str>,
    #[serde(rename = "UID", borrow)]
    uid: Cow<'e, str>,
    #[serde(borrow)]
    request_parameters: Option<&'e RawValue>,
    #[serde(borrow)]
    response_elements: Option<&'e RawValue>,
    #[serde(rename = "sourceIPAddress", borrow)]
    source_ip_address: Option<Cow<'e, str>>,
    #[serde(rename = "additionalEventData", borrow)]
    additional: Option<&'e RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity<'e> {
    #[serde(borrow)]
    r#type: Cow<'e, str>,
    #[serde(borrow)]
    principal_id: Cow<'e, str>,
    #[serde(default, borrow)]
    details: Details<'e>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details<'e> {
    #[serde(borrow)]
    user_name: Option<Cow<'e, str>>,
}

#[derive(Deserialize)]
struct Parameters<'e> {
    #[serde(borrow)]
    part: Option<Part<'e>>,
}

#[derive(Deserialize)]
struct Part<'e> {
    #[serde(borrow)]
    of: Cow<'e, str>,
    number: usize,
    #[serde(borrow)]
    encoding: Cow<'e, str>,
    #[serde(borrow)]
    slice: Cow<'e, str>,
}

/// What stands in an event for a value that went out in parts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    parts: [usize; 2],
    sha256: String,
    bytes: usize,
}

#[derive(Default)]
struct Parts<'e>(BTreeMap<usize, Part<'e>>);

impl<'e> Parts<'e> {
    fn add(&mut self, part: Part<'e>) -> Result<(), RebuildError> {
        let stranger = self.0.values().next().is_some_and(|other| other.of != part.of);
        if stranger || self.0.insert(part.number, part).is_some() {
            return Err(RebuildError::SeveralEntries);
        }
        Ok(())
    }

    /// `value` as JSON, put together where it is a reference.
    fn resolve<'v>(&self, field: &str, value: &'v RawValue) -> Result<Cow<'v, str>, RebuildError> {
        let Ok(reference) = serde_json::from_str::<Reference>(value.get()) else {
            return Ok(value.get().into());
        };
        let mut bytes = String::new();
        let mut is_text = false;
        for number in reference.parts[0]..=reference.parts[1] {
            let part = self
                .0
                .get(&number)
                .ok_or_else(|| RebuildError::MissingPart { field: field.to_owned(), number })?;
            bytes.push_str(&part.slice);
            is_text = part.encoding == "text";
        }
        let sha256 = hex::encode(Sha256::digest(bytes.as_bytes()));
        if bytes.len() != reference.bytes || sha256 != reference.sha256 {
            return Err(RebuildError::Damaged { field: field.to_owned() });
        }
        Ok(if is_text { quoted(&bytes) } else { bytes }.into())
    }
}

fn write_fields(
    entry: &mut Object<'_>,
    stream: Stream,
    event: &EventData<'_>,
    parts: &Parts<'_>,
) -> Result<(), RebuildError> {
    let additional = members(event.additional)?;
    let get =
        |name: &str| additional.iter().find(|(other, _)| other == name).map(|(_, value)| value);

    // The others come first: of a repeated field, the last one stands under its own name.
    if let Some(value) = get(OTHER_FIELDS) {
        #[derive(Deserialize)]
        struct Other<'o> {
            #[serde(borrow)]
            name: Cow<'o, str>,
            #[serde(borrow)]
            value: &'o RawValue,
        }
        let list = parts.resolve(OTHER_FIELDS, value)?;
        for Other { name, value } in serde_json::from_str::<Vec<Other<'_>>>(&list)? {
            entry.json(&name, value.get());
        }
    }
    for (name, value) in additional.iter().filter(|(name, _)| !TAKEN.contains(&name.as_ref())) {
        entry.json(name, &parts.resolve(name, value)?);
    }

    let absent: Vec<&str> = get(ABSENT_FIELDS)
        .map(|names| serde_json::from_str(names.get()))
        .transpose()?
        .unwrap_or_default();
    let is_elsewhere = |name: &str| get(name).is_none() && !absent.contains(&name);
    if is_elsewhere(stream.id_field()) {
        entry.text(stream.id_field(), &event.uid);
    }
    if is_elsewhere("request_timestamp") {
        let time = OffsetDateTime::parse(&event.event_time, &Rfc3339)
            .map_err(|error| RebuildError::NotAnEvent(format!("eventTime: {error}")))?;
        entry.json("request_timestamp", &time.unix_timestamp().to_string());
    }
    if is_elsewhere("rbac_user_id") && event.user_identity.r#type == "RBACUser" {
        entry.text("rbac_user_id", &event.user_identity.principal_id);
    }
    if is_elsewhere("rbac_user_name")
        && let Some(name) = &event.user_identity.details.user_name
    {
        entry.text("rbac_user_name", name);
    }
    if is_elsewhere("client_ip")
        && let Some(address) = &event.source_ip_address
    {
        entry.text("client_ip", address);
    }
    let (name, section, beside) = match stream {
        Stream::Requests => (PAYLOAD, event.request_parameters, Some(QUERY_PARAMETERS)),
        Stream::Objects => (ENTITY, event.response_elements, None),
    };
    if is_elsewhere(name)
        && let Some(document) = document(name, members(section)?, beside, parts)?
    {
        entry.json(name, &document);
    }
    Ok(())
}

/// A payload or an entity, as the JSON string that it was.
fn document(
    name: &str,
    mut members: Vec<(Cow<'_, str>, &RawValue)>,
    beside: Option<&str>,
    parts: &Parts<'_>,
) -> Result<Option<String>, RebuildError> {
    if let Some((_, value)) = members.iter().find(|(member, _)| member == name) {
        let value = parts.resolve(name, value)?;
        return Ok(Some(if value.starts_with('"') { value.into_owned() } else { quoted(&value) }));
    }
    if let Some(beside) = beside {
        members.retain(|(member, _)| member != beside);
    }
    if members.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    let mut object = Object::open(&mut text);
    for (name, value) in members {
        object.json(&name, value.get());
    }
    object.close();
    Ok(Some(quoted(&text)))
}

fn members(object: Option<&RawValue>) -> Result<Vec<(Cow<'_, str>, &RawValue)>, RebuildError> {
    let Some(object) = object else { return Ok(Vec::new()) };
    let Fields(members) = serde_json::from_str(object.get())?;
    Ok(members)
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4 + 2);
    json::string(&mut out, text);
    out
}
