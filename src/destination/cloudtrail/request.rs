//! The body of a PutAuditEvents call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::destination::Batch;
use crate::terms::Event;
use crate::wire::{json_string_bytes, query_value};

/// Most events a call (PutAuditEvents API reference).
pub const MAX_EVENTS: usize = 100;
/// Most bytes of body a call: 1 MB.
pub const MAX_BODY: usize = 1_000_000;
/// Bytes of a body beside its events. [`size`] counts a comma behind each event, and the last one has none.
pub(crate) const ENVELOPE: usize = HEAD.len() + TAIL.len() - 1;

const HEAD: &str = r#"{"auditEvents":["#;
const TAIL: &str = "]}";
const ID: &str = r#"{"id":"#;
const DATA: &str = r#","eventData":"#;
const CHECKSUM: &str = r#","eventDataChecksum":""#;
const END: &str = r#""}"#;
/// Of a SHA-256, in base64.
const CHECKSUM_BYTES: usize = 44;

/// The call's address.
pub fn url(endpoint: &str, channel_arn: &str, external_id: Option<&str>) -> String {
    let url = format!("{endpoint}/PutAuditEvents?channelArn={}", query_value(channel_arn));
    match external_id {
        Some(external_id) => format!("{url}&externalId={}", query_value(external_id)),
        None => url,
    }
}

/// The bytes of an event and the comma behind it.
pub fn size(event: &Event) -> usize {
    const FIXED: usize = ID.len() + DATA.len() + CHECKSUM.len() + CHECKSUM_BYTES + END.len() + 1;
    FIXED + json_string_bytes(&event.id) + json_string_bytes(&event.data)
}

/// The call's body.
pub fn body(batch: &Batch) -> Vec<u8> {
    body_with(batch, |data| Sha256::digest(data.as_bytes()).into())
}

/// The call's body, with checksums made by `checksum`.
pub fn body_with(batch: &Batch, checksum: impl Fn(&str) -> [u8; 32]) -> Vec<u8> {
    let events = batch.items.iter().map(|item| &item.event);
    // Escapes rarely take more than a quarter.
    let room = events.clone().map(|event| event.data.len() / 4 * 5 + 256);
    let mut body = Vec::with_capacity(room.sum());
    body.extend_from_slice(HEAD.as_bytes());
    for (place, event) in events.enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(ID.as_bytes());
        write_string(&mut body, &event.id);
        body.extend_from_slice(DATA.as_bytes());
        write_string(&mut body, &event.data);
        body.extend_from_slice(CHECKSUM.as_bytes());
        let checksum = STANDARD.encode(checksum(&event.data));
        body.extend_from_slice(checksum.as_bytes());
        body.extend_from_slice(END.as_bytes());
    }
    body.extend_from_slice(TAIL.as_bytes());
    body
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::destination::cloudtrail::CloudTrail;
    use crate::destination::{Batcher, Item, Limits, Profile};

    fn item(id: &str, data: &str) -> Item {
        Item::new(Event { id: id.to_owned(), time: 0, data: data.to_owned() }, 0, 0)
    }

    fn batches(items: impl IntoIterator<Item = Item>) -> Vec<Batch> {
        let limits = Limits {
            events: MAX_EVENTS,
            bytes: MAX_BODY,
            envelope: ENVELOPE,
            distinct_ids: true,
            at_once: None,
        };
        let profile = Profile { limits, ..Profile::default() };
        let cloudtrail = CloudTrail { profile, ..CloudTrail::default() };
        let mut batcher = Batcher::new(&cloudtrail);
        let mut closed: Vec<_> = items.into_iter().filter_map(|item| batcher.push(item)).collect();
        closed.extend(batcher.close());
        closed
    }

    #[test]
    fn the_body_is_what_the_api_reference_asks_for() {
        let body = body(&batches([item("a", r#"{"x":"é"}"#)])[0]);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let event = &body["auditEvents"][0];
        assert_eq!(event["id"], "a");
        assert_eq!(event["eventData"], r#"{"x":"é"}"#);
        // printf '{"x":"é"}' | openssl dgst -sha256 -binary | base64
        assert_eq!(event["eventDataChecksum"], "l/BvOWpwnDopgk4cx5TuuY4tGiYtfUVUOdKG1CgD8P4=");
    }

    #[test]
    fn a_body_has_the_bytes_that_its_events_were_counted_with() {
        let odd = "\"\\\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}é😀/";
        for data in ["", "{}", odd] {
            for count in 1..4 {
                let batch = &batches((0..count).map(|n| item(&n.to_string(), data)))[0];
                let counted = batch.items.iter().map(|item| size(&item.event)).sum::<usize>();
                assert_eq!(body(batch).len(), ENVELOPE + counted, "{count} of {data:?}");
            }
        }
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
        assert!(all.iter().all(|batch| body(batch).len() <= MAX_BODY));
        assert_eq!(all.iter().map(|batch| batch.items.len()).sum::<usize>(), 10);
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn a_body_has_a_million_bytes_and_not_one_more() {
        let envelope = body(&batches([item("a", ""), item("b", "")])[0]).len();
        for (excess, bodies) in [(0, 1), (1, 2)] {
            let rest = "x".repeat(MAX_BODY - envelope - 300_000 + excess);
            let all = batches([item("a", &"x".repeat(300_000)), item("b", &rest)]);
            assert_eq!(all.len(), bodies, "{excess} bytes too many");
            assert!(all.iter().all(|batch| body(batch).len() <= MAX_BODY));
        }
    }

    #[test]
    fn equal_ids_never_share_a_batch() {
        let all = batches(["a", "b", "a", "a"].into_iter().map(|id| item(id, "{}")));
        let ids: Vec<Vec<_>> = all
            .iter()
            .map(|batch| batch.items.iter().map(|item| item.event.id.as_str()).collect())
            .collect();
        assert_eq!(ids, [vec!["a", "b"], vec!["a"], vec!["a"]]);
    }
}
