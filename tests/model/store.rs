//! The key-value store that the hosts share: what it holds, what it loses, and what the ledger in
//! it says when read by the documented layout.

use std::collections::{HashMap, VecDeque};

use hmac::{Hmac, KeyInit, Mac};
use kong_cloudtrail::ledger::{Fingerprint, Head};
use kong_cloudtrail::terms::Stream;
use sha2::{Digest, Sha256};

/// A value to be written at a key, or none to delete it.
pub type Change = (String, Option<Vec<u8>>);

/// How many writes a failover can undo.
const UNDOABLE: usize = 40;

#[derive(Default)]
pub struct Values {
    values: HashMap<String, Vec<u8>>,
    /// For each of the last writes, what it replaced.
    undo: VecDeque<Vec<Change>>,
}

impl Values {
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice)
    }

    pub fn apply(&mut self, changes: Vec<Change>) {
        let replaced = changes.into_iter().map(|change| self.put(change)).collect();
        self.undo.push_back(replaced);
        if self.undo.len() > UNDOABLE {
            self.undo.pop_front();
        }
    }

    /// The store goes back to its state some writes ago.
    pub fn fail_over(&mut self, writes: usize) {
        for _ in 0..writes {
            let Some(replaced) = self.undo.pop_back() else { return };
            for change in replaced.into_iter().rev() {
                self.put(change);
            }
        }
    }

    pub fn lose_all(&mut self) {
        *self = Self::default();
    }

    fn put(&mut self, (key, value): Change) -> Change {
        let replaced = match value {
            Some(value) => self.values.insert(key.clone(), value),
            None => self.values.remove(&key),
        };
        (key, replaced)
    }

    /// No failover goes back to before now.
    pub fn forget_undo(&mut self) {
        self.undo.clear();
    }

    /// The body of the ledger's value of that name.
    fn body(&self, name: &str) -> Option<&[u8]> {
        self.get(&key(name))?.get(HEADER_BYTES..)
    }

    /// The ledger as it is stored now.
    pub fn ledger(&self) -> Stored<'_> {
        let head = self.body("head");
        Stored { values: self, head: head.map(|head| Head::decode(head).unwrap()) }
    }
}

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

pub struct Stored<'a> {
    values: &'a Values,
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
        names
    }

    /// Whether there were dead letters, or events that failed, and their index is gone or is an earlier one.
    pub fn misses_dead_letters(&self) -> bool {
        let Some(known) = self.head.as_ref().and_then(|head| head.dead_letters) else {
            return false;
        };
        let index = self.values.body("dead-letters").unwrap_or(b"{}");
        let index: serde_json::Value = serde_json::from_slice(index).unwrap();
        index["generation"].as_u64().unwrap_or(0) < known.generation
    }

    /// When the comparison of everything began that is under way.
    pub fn sweep_began(&mut self, stream: Stream) -> Option<i64> {
        Some(self.head.as_mut()?.stream(stream).coverage.under_way()?.began)
    }

    /// Whether no run has come to an end, or to that of a slice: the next one is a first run.
    pub fn is_fresh(&mut self, stream: Stream) -> bool {
        self.head.as_mut().is_none_or(|head| head.stream(stream).coverage.watermark().is_none())
    }

    /// Whether a segment that the head names, in one of those buckets, holds the fingerprint.
    pub fn holds(&mut self, stream: Stream, print: &Fingerprint, buckets: &[String]) -> bool {
        let Some(head) = &mut self.head else { return false };
        let named = head.stream(stream).buckets.iter();
        let mut named = named.map(|(bucket, segments)| (bucket.to_string(), segments));
        named.any(|(bucket, segments)| {
            if !buckets.contains(&bucket) {
                return false;
            }
            (0..segments.len()).any(|number| {
                let name = format!("segment:{}:{bucket}:{number}", stream.name());
                let segment = self.values.body(&name).unwrap_or_default();
                let (fingerprints, _) = segment.as_chunks::<{ Fingerprint::LEN }>();
                fingerprints.binary_search(&print.0).is_ok()
            })
        })
    }
}
