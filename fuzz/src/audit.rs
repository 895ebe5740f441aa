//! What CloudTrail is sent, judged by its documentation and put together again as an auditor would.

use std::collections::{BTreeMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kong_cloudtrail::event::rebuild;
use kong_cloudtrail::terms::Event;
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail::ports::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::answer;
use crate::{kong, limits};

/// Accepted events by id, each with the id of the event that it is, or is a part of.
#[derive(Default)]
pub struct Channel(BTreeMap<String, (String, Event)>);

impl Channel {
    /// Accepts a whole batch.
    pub fn accept(&mut self, events: Vec<Event>) -> HttpResponse {
        let successful: Vec<Value> =
            events.iter().map(|event| json!({"id": event.id, "eventID": event.id})).collect();
        for event in events {
            let of = part_of(&event).unwrap_or_else(|| event.id.clone());
            self.0.insert(event.id.clone(), (of, event));
        }
        answer(200, json!({"failed": [], "successful": successful}).to_string())
    }

    /// The entries that can be rebuilt; each event is within CloudTrail's limits, and each entry
    /// is there with all its parts.
    pub fn entries(&self, stream: Stream) -> Vec<String> {
        let mut groups: BTreeMap<&str, Vec<Event>> = BTreeMap::new();
        for (of, event) in self.0.values() {
            groups.entry(of).or_default().push(event.clone());
        }
        groups
            .values()
            .map(|events| {
                limits::assert_within(events);
                let texts: Vec<&str> = events.iter().map(|event| event.data.as_str()).collect();
                rebuild::entry(stream, &texts).expect("an entry that can be rebuilt")
            })
            .collect()
    }

    /// Whether it has the entry.
    pub fn identities(&self, stream: Stream) -> HashSet<String> {
        self.entries(stream).iter().map(|entry| kong::identity(stream, entry)).collect()
    }
}

/// The events of a PutAuditEvents call, whose body is as the API reference wants it.
pub fn events(request: &HttpRequest) -> Vec<Event> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Body {
        audit_events: Vec<AuditEvent>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct AuditEvent {
        id: String,
        event_data: String,
        event_data_checksum: String,
    }
    assert!(request.body().len() <= 1_000_000, "a body of {} bytes", request.body().len());
    let body: Body = serde_json::from_slice(request.body()).expect("a PutAuditEvents body");
    let events = body.audit_events;
    assert!((1..=100).contains(&events.len()), "{} events in a batch", events.len());
    let ids: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), events.len(), "two events of a batch with one id");
    events
        .into_iter()
        .map(|event| {
            let checksum = STANDARD.encode(Sha256::digest(&event.event_data));
            assert_eq!(event.event_data_checksum, checksum, "of the event {}", event.id);
            Event { id: event.id, time: 0, data: event.event_data }
        })
        .collect()
}

/// The id of the event whose part this is.
fn part_of(event: &Event) -> Option<String> {
    let data: Value = serde_json::from_str(&event.data).expect("eventData that is JSON");
    Some(data["requestParameters"]["part"]["of"].as_str()?.to_owned())
}
