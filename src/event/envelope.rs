//! What an event and its parts have in common: who, what, when, and the ids.
//!
//! The schema's limits count characters; here they count bytes of UTF-8, which are never fewer.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::json::Object;
use super::time::EventTime;
use super::{Context, object, parts, request};
use crate::kong::Entry;
use crate::terms::Stream;

/// Most characters of `version`, `errorCode` (CloudTrail user guide, integrations event schema).
pub(super) const SHORT: usize = 256;
/// Most characters of `principalId`, `eventSource`, `eventName` and `UID`.
pub(super) const LONG: usize = 1024;
/// Stands where the schema requires a text and there is none.
const UNKNOWN: &str = "unknown";

/// The fields that need not stand in `additionalEventData`, and those that the entry lacks.
#[derive(Default)]
pub(super) struct Placed {
    /// Fields whose value the event tells exactly, in a place of its own.
    pub elsewhere: Vec<&'static str>,
    /// Fields that the entry lacks although the event fills their place.
    pub absent: Vec<&'static str>,
}

/// The members that an event shares with its parts.
pub(super) struct Envelope<'a> {
    /// The event's id.
    pub id: String,
    /// Kong's own id of the entry, as far as there is one.
    pub uid: Cow<'a, str>,
    pub context: &'a Context<'a>,
    /// When it happened.
    pub time: EventTime,
    user_id: Option<Cow<'a, str>>,
    user_name: Option<Cow<'a, str>>,
    event_name: String,
}

impl<'a> Envelope<'a> {
    pub fn new(entry: &Entry<'a>, context: &'a Context<'a>, placed: &mut Placed) -> Self {
        let (id, uid) = ids(entry, placed);
        let mut name = match entry.stream {
            Stream::Requests => request::event_name(entry),
            Stream::Objects => object::event_name(entry),
        };
        name.truncate(name.floor_char_boundary(LONG));
        Self {
            id,
            uid,
            context,
            user_id: user(entry, "rbac_user_id", placed),
            user_name: user(entry, "rbac_user_name", placed),
            event_name: name,
            time: event_time(entry, context, placed),
        }
    }

    /// Begins an event; the caller adds what is its own and closes it.
    pub fn open<'o>(&self, out: &'o mut String, uid: &str) -> Object<'o> {
        let mut event = Object::open(out);
        event.text("version", required(self.context.kong_version, SHORT));
        let mut identity = event.object("userIdentity");
        identity.text("type", if self.user_id.is_some() { "RBACUser" } else { "Anonymous" });
        identity.text("principalId", self.user_id.as_deref().unwrap_or("anonymous"));
        let not_enforced = self.user_id.is_none() && self.context.rbac_is_off;
        if not_enforced || self.user_name.is_some() {
            let mut details = identity.object("details");
            if let Some(name) = &self.user_name {
                details.text("userName", name);
            }
            if not_enforced {
                details.text("rbac", "not enforced");
            }
            details.close();
        }
        identity.close();
        event.text("eventSource", required(self.context.event_source, LONG));
        event.text("eventName", required(&self.event_name, LONG));
        event.text("eventTime", &self.time.text());
        event.text("UID", uid);
        event.text("recipientAccountId", self.context.account);
        event
    }
}

/// The id of the event that an entry becomes.
pub fn event_id(entry: &Entry<'_>) -> String {
    ids(entry, &mut Placed::default()).0
}

/// The event's id and its UID.
fn ids<'a>(entry: &Entry<'a>, placed: &mut Placed) -> (String, Cow<'a, str>) {
    let field = entry.stream.id_field();
    if entry.get(field).is_none() {
        placed.absent.push(field);
    }
    let Some(own) = entry.id() else {
        let id = content_id(entry);
        return (id.clone(), id.into());
    };
    let id = if is_allowed(&own) && !parts::is_part_id(&own) {
        own.to_string()
    } else {
        content_id(entry)
    };
    if own.len() <= LONG {
        placed.elsewhere.push(field);
    }
    (id, shorten(own, LONG))
}

/// The id of an entry whose own id cannot be an event's.
fn content_id(entry: &Entry<'_>) -> String {
    hex::encode(Sha256::digest(entry.canonical()))
}

/// `[-_A-Za-z0-9]{1,128}` (CloudTrail Data API reference, `AuditEvent`).
fn is_allowed(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn user<'a>(entry: &Entry<'a>, field: &'static str, placed: &mut Placed) -> Option<Cow<'a, str>> {
    let text = entry.text(field).filter(|text| !text.is_empty())?;
    if text.len() <= LONG {
        placed.elsewhere.push(field);
    }
    Some(shorten(text, LONG))
}

fn event_time(entry: &Entry<'_>, context: &Context<'_>, placed: &mut Placed) -> EventTime {
    const FIELD: &str = "request_timestamp";
    let time = EventTime::of(entry, &context.times);
    match entry.get(FIELD) {
        None => placed.absent.push(FIELD),
        Some(value) if value.get() == time.seconds.to_string() => placed.elsewhere.push(FIELD),
        Some(_) => {}
    }
    time
}

/// `text` up to `limit` bytes, whole characters.
pub(super) fn shorten(text: Cow<'_, str>, limit: usize) -> Cow<'_, str> {
    let end = text.floor_char_boundary(limit);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

fn required(text: &str, limit: usize) -> &str {
    if text.is_empty() { UNKNOWN } else { &text[..text.floor_char_boundary(limit)] }
}
