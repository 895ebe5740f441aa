//! Batches: events packed for one PutAuditEvents call, each hashed and serialised once.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::event::Event;

/// Most events a call (PutAuditEvents API reference).
const MAX_EVENTS: usize = 100;
/// Most bytes of body a call: 1 MB.
const MAX_BODY: usize = 1_000_000;

const HEAD: &str = r#"{"auditEvents":["#;
const TAIL: &str = "]}";

/// An event, ready to stand in a body.
#[derive(Clone, Debug)]
pub struct Item {
    /// The event's id.
    pub id: String,
    /// The parcel of events that it belongs to: those of one entry.
    pub parcel: u64,
    /// Its number among them.
    pub number: usize,
    /// It was in a call whose answer was lost, or did not mention it.
    pub doubtful: bool,
    json: Vec<u8>,
}

impl Item {
    /// Serialises the event with its checksum.
    pub fn new(event: Event, parcel: u64, number: usize) -> Self {
        let checksum = STANDARD.encode(Sha256::digest(event.data.as_bytes()));
        let mut json = Vec::with_capacity(event.data.len() + event.data.len() / 4 + 256);
        json.extend_from_slice(br#"{"id":"#);
        write_string(&mut json, &event.id);
        json.extend_from_slice(br#","eventData":"#);
        write_string(&mut json, &event.data);
        json.extend_from_slice(br#","eventDataChecksum":"#);
        write_string(&mut json, &checksum);
        json.push(b'}');
        Self { id: event.id, parcel, number, doubtful: false, json }
    }
}

impl Item {
    /// The event that it was made of.
    pub fn event(&self) -> Event {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            event_data: String,
        }
        // What `new` wrote can be read.
        let data = serde_json::from_slice(&self.json)
            .map_or_else(|_| String::new(), |Wire { event_data }| event_data);
        Event { id: self.id.clone(), data }
    }
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Events of one call.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Between 1 and 100 of them, no two with the same id.
    pub items: Vec<Item>,
}

impl Batch {
    /// The call's body.
    pub fn body(&self) -> Vec<u8> {
        let mut texts = vec![HEAD.as_bytes()];
        let mut separator: &[u8] = b"";
        for item in &self.items {
            texts.extend([separator, &item.json]);
            separator = b",";
        }
        texts.push(TAIL.as_bytes());
        texts.concat()
    }
}

/// Fills batches by count and bytes, in order.
#[derive(Debug, Default)]
pub struct Batcher {
    open: Batch,
    ids: HashSet<String>,
    /// Of the events alone, without what stands between them.
    bytes: usize,
}

impl Batcher {
    /// Adds an event; gives a batch when this one had no room in it any more.
    pub fn push(&mut self, item: Item) -> Option<Batch> {
        let events = self.open.items.len();
        let bytes = HEAD.len() + self.bytes + events + item.json.len() + TAIL.len();
        let full = events == MAX_EVENTS || bytes > MAX_BODY || self.ids.contains(&item.id);
        let closed = if full { self.close() } else { None };
        self.ids.insert(item.id.clone());
        self.bytes += item.json.len();
        self.open.items.push(item);
        closed
    }

    /// Gives what has been gathered, if anything has.
    pub fn close(&mut self) -> Option<Batch> {
        let Self { open, .. } = std::mem::take(self);
        (!open.items.is_empty()).then_some(open)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn item(id: &str, data: &str) -> Item {
        Item::new(Event { id: id.to_owned(), data: data.to_owned() }, 0, 0)
    }

    fn batches(items: impl Iterator<Item = Item>) -> Vec<Batch> {
        let mut batcher = Batcher::default();
        let mut closed: Vec<_> = items.filter_map(|item| batcher.push(item)).collect();
        closed.extend(batcher.close());
        closed
    }

    #[test]
    fn the_body_is_what_the_api_reference_asks_for() {
        let body = batches([item("a", r#"{"x":"é"}"#)].into_iter())[0].body();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let event = &body["auditEvents"][0];
        assert_eq!(event["id"], "a");
        assert_eq!(event["eventData"], r#"{"x":"é"}"#);
        // printf '{"x":"é"}' | openssl dgst -sha256 -binary | base64
        assert_eq!(event["eventDataChecksum"], "l/BvOWpwnDopgk4cx5TuuY4tGiYtfUVUOdKG1CgD8P4=");
    }

    #[test]
    fn an_item_gives_its_event_back() {
        let event = Event { id: "a".to_owned(), data: r#"{"x":"\"é\u0000"}"#.to_owned() };
        assert_eq!(Item::new(event.clone(), 0, 0).event(), event);
    }

    #[test]
    fn a_batch_closes_at_a_hundred_events() {
        let sizes: Vec<_> = batches((0..250).map(|n| item(&n.to_string(), "{}")))
            .iter()
            .map(|batch| batch.items.len())
            .collect();
        assert_eq!(sizes, [100, 100, 50]);
    }

    #[test]
    fn a_batch_closes_before_a_million_bytes() {
        let large = "\"".repeat(120_000);
        let all = batches((0..10).map(|n| item(&n.to_string(), &large)));
        assert!(all.iter().all(|batch| batch.body().len() <= MAX_BODY));
        assert_eq!(all.iter().map(|batch| batch.items.len()).sum::<usize>(), 10);
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn a_body_has_a_million_bytes_and_not_one_more() {
        let envelope = batches([item("a", ""), item("b", "")].into_iter())[0].body().len();
        for (excess, bodies) in [(0, 1), (1, 2)] {
            let rest = "x".repeat(MAX_BODY - envelope - 300_000 + excess);
            let all = batches([item("a", &"x".repeat(300_000)), item("b", &rest)].into_iter());
            assert_eq!(all.len(), bodies, "{excess} bytes too many");
            assert!(all.iter().all(|batch| batch.body().len() <= MAX_BODY));
        }
    }

    #[test]
    fn equal_ids_never_share_a_batch() {
        let all = batches(["a", "b", "a", "a"].into_iter().map(|id| item(id, "{}")));
        let ids: Vec<Vec<_>> = all
            .iter()
            .map(|batch| batch.items.iter().map(|item| item.id.as_str()).collect())
            .collect();
        assert_eq!(ids, [vec!["a", "b"], vec!["a"], vec!["a"]]);
    }
}
