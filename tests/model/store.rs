//! What the ledger in the store that the hosts share says, when read by the documented layout.

use std::cell::Ref;

use hmac::{Hmac, KeyInit, Mac};
use kong_cloudtrail::ledger::{self, Fingerprint, Head, Intervention};
use kong_cloudtrail::store::Store;
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail::testing::{Memory, Values};
use sha2::{Digest, Sha256};

use crate::truth::Found;

/// Mark and check come before the body of each value.
pub const HEADER_BYTES: usize = 4 + 12;

/// The key of a value of the ledger.
pub fn key(name: &str) -> String {
    format!("kong-cloudtrail:default:{{0}}{name}")
}

/// Whether a value was written with that `ledger_key`, or without one: by a check of its own.
pub fn is_sealed(name: &str, value: &[u8], ledger_key: Option<&str>) -> bool {
    let key = key(name);
    let (mark, rest) = value.split_at(4);
    let (check, body) = rest.split_at(12);
    let length = u32::try_from(key.len()).unwrap().to_be_bytes();
    let sealed = [&length[..], key.as_bytes(), mark, body].concat();
    let expected = match ledger_key {
        None => Sha256::digest(sealed),
        Some(secret) => {
            let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.chain_update(sealed).finalize().into_bytes()
        }
    };
    *check == expected[..12]
}

/// The body of the ledger's value of that name.
fn body<'v>(values: &'v Values, name: &str) -> Option<&'v [u8]> {
    values.get(&key(name))?.get(HEADER_BYTES..)
}

/// The ledger as it is stored now.
pub fn ledger(memory: &Memory) -> Stored<'_> {
    let values = memory.values.borrow();
    let head = body(&values, "head").map(|head| Head::decode(head).unwrap());
    Stored { values, head }
}

/// An operator goes on without what is lost.
pub fn acknowledge(memory: &Memory, now: i64) {
    let store = Store::new(memory, "default");
    let intervention = Intervention {
        at_ms: now * 1000,
        who: "somebody".to_owned(),
        what: "acknowledge".to_owned(),
        why: "there is no snapshot".to_owned(),
        which: Vec::new(),
        more: 0,
    };
    let number = now.unsigned_abs() * 1000;
    assert_eq!(ledger::acknowledge(&store, intervention, number, || Ok(())).unwrap().len(), 1);
}

pub struct Stored<'a> {
    values: Ref<'a, Values>,
    head: Option<Head>,
}

impl Stored<'_> {
    /// How often the head was written.
    pub fn generation(&self) -> Option<u64> {
        self.head.as_ref().map(|head| head.generation)
    }

    /// The names of all values that runs go by.
    pub fn names(&mut self) -> Vec<String> {
        let Some(head) = &mut self.head else { return Vec::new() };
        let mut names = vec!["head".to_owned(), "reports".to_owned()];
        for stream in Stream::ALL {
            for (bucket, segments) in &head.stream(stream).buckets {
                let numbers = 0..segments.len();
                let name = |number| format!("segment:{}:{bucket}:{number}", stream.name());
                names.extend(numbers.map(name));
            }
        }
        names.extend(head.dead_letters.map(|_| "dead-letters".to_owned()));
        names.extend(head.intents.keys().map(|place| format!("intent:{place}")));
        names
    }

    /// The names under which something was about to be sent.
    pub fn intended(&self) -> Vec<String> {
        let heads = self.head.iter();
        heads.flat_map(|head| head.intents.values().cloned()).collect()
    }

    /// Whether something was about to be sent, and nobody has recorded it.
    pub fn intends(&self) -> bool {
        self.head.as_ref().is_some_and(|head| !head.intents.is_empty())
    }

    /// Whether there were dead letters, or events that failed, and their index is gone or is an earlier one.
    pub fn misses_dead_letters(&self) -> bool {
        let Some(known) = self.head.as_ref().and_then(|head| head.dead_letters) else {
            return false;
        };
        let index = body(&self.values, "dead-letters").unwrap_or(b"{}");
        let index: serde_json::Value = serde_json::from_slice(index).unwrap();
        index["generation"].as_u64().unwrap_or(0) < known.generation
    }

    /// Whether a comparison of everything is under way.
    pub fn is_sweeping(&mut self, stream: Stream) -> bool {
        self.head.as_mut().is_some_and(|head| head.stream(stream).coverage.under_way().is_some())
    }

    /// When everything that Kong retains was last compared.
    pub fn compared(&mut self, stream: Stream) -> Option<i64> {
        self.head.as_mut().and_then(|head| head.stream(stream).coverage.compared())
    }

    /// What a run that begins now finds of a stream. Where no run has come to an end, or to that of a slice,
    /// it is a first run.
    pub fn found(&mut self, stream: Stream) -> Found {
        let watermark =
            self.head.as_mut().and_then(|head| head.stream(stream).coverage.watermark());
        Found { is_fresh: watermark.is_none(), compared: self.compared(stream) }
    }

    /// The buckets in which a segment that the head names holds the fingerprint.
    pub fn places(&mut self, stream: Stream, print: &Fingerprint) -> Vec<String> {
        let Some(head) = &mut self.head else { return Vec::new() };
        let named = head.stream(stream).buckets.iter();
        let named = named.map(|(bucket, segments)| (bucket.to_string(), segments.len()));
        let holds = |bucket: &str, segments| {
            (0..segments).any(|number| {
                let name = format!("segment:{}:{bucket}:{number}", stream.name());
                let segment = body(&self.values, &name).unwrap_or_default();
                let (fingerprints, _) = segment.as_chunks::<{ Fingerprint::LEN }>();
                fingerprints.binary_search(&print.0).is_ok()
            })
        };
        named
            .filter(|(bucket, segments)| holds(bucket, *segments))
            .map(|(bucket, _)| bucket)
            .collect()
    }
}
