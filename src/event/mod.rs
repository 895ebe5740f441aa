//! From an entry to the events that a destination receives: pure, without HTTP, store or clock.
//!
//! In the order in which an entry meets them:
//!
//! - `time`: when it happened, and from what that was reckoned;
//! - `envelope`: who, what and when, the ids, and the schema's limits on strings;
//! - `request` and `object`: what only an entry of that stream has;
//! - `document`: a payload or an entity, spread for queries;
//! - `additional`: every other field, verbatim;
//! - `section`: the three large members of an event, each within its limit;
//! - `parts`: what does not fit, in events of its own;
//! - [`rebuild`]: the way back, from events to the entry;
//! - `json`: the text itself.
//!
//! The room keeps invariant 3: every field that Kong sent can be read back from the events.
//! A value is either told exactly in the place that the mapping gives it, or stands verbatim in
//! `additionalEventData`; what is too large is split. `docs/event-mapping.md` is the mapping.

use crate::kong::Entry;
use crate::terms::{Event, Stream};

mod additional;
mod document;
mod envelope;
mod json;
mod object;
mod parts;
pub mod rebuild;
mod request;
mod section;
mod time;

pub use additional::id_sum;
pub use envelope::event_id;
pub use parts::whole_of;
pub use time::{Times, told_time};

use envelope::{Envelope, Placed};
use parts::Parts;

/// What an event tells beside its entry.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Kong's version, from `GET /`.
    pub kong_version: &'a str,
    /// The variable `event_source`.
    pub event_source: &'a str,
    /// The account that receives the event.
    pub account: &'a str,
    /// `kong_admin_api` as configured, without user and password.
    pub kong_hostname: &'a str,
    /// `GET /` says that RBAC is off.
    pub rbac_is_off: bool,
    /// What its time is reckoned from, where it tells none.
    pub times: Times<'a>,
}

/// The events of an entry, never empty: the event itself, then its parts if it has any. Each is
/// within the schema's limits, and no two have the same id.
pub fn events(entry: &Entry<'_>, context: &Context<'_>) -> Vec<Event> {
    let mut placed = Placed::default();
    let mut parts = Parts::default();
    let envelope = Envelope::new(entry, context, &mut placed);

    // What is placed elsewhere must be known before the other fields are listed.
    let (parameters, elements) = match entry.stream {
        Stream::Requests => (request::request_parameters(entry, &mut placed), None),
        Stream::Objects => {
            let elements = object::response_elements(entry, &mut placed);
            (object::request_parameters(entry), Some(elements))
        }
    };
    let mut data = String::with_capacity(4096);
    let mut event = envelope.open(&mut data, &envelope.uid);
    if entry.stream == Stream::Requests {
        if let Some(code) = request::error_code(entry) {
            event.text("errorCode", &code);
        }
        if let Some(address) = request::source_ip_address(entry, &mut placed) {
            event.text("sourceIPAddress", &address);
        }
    }
    additional::section(entry, &envelope, &placed).write(&mut event, &mut parts);
    parameters.write(&mut event, &mut parts);
    if let Some(elements) = elements {
        elements.write(&mut event, &mut parts);
    }
    event.close();

    let mut events = parts.events(&envelope);
    events.insert(0, Event { id: envelope.id, time: envelope.time.seconds, data });
    events
}
