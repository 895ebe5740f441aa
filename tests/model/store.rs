//! The key-value store that the hosts share: what it holds, what it loses, and what the ledger in
//! it says when read by the documented layout.

use std::collections::{HashMap, VecDeque};

use kong_cloudtrail::kong::Stream;
use kong_cloudtrail::ledger::{BUCKET_SECS, Fingerprint, Head};

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

    /// The ledger as it is stored now.
    pub fn ledger(&self) -> Stored<'_> {
        let head = self.get("kong-cloudtrail:default:head");
        Stored { values: self, head: head.map(|head| Head::decode(head).unwrap()) }
    }
}

pub struct Stored<'a> {
    values: &'a Values,
    head: Option<Head>,
}

impl Stored<'_> {
    /// Whether there were dead letters, or events that failed, and their index is gone.
    pub fn misses_dead_letters(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.dead_letters)
            && self.values.get("kong-cloudtrail:default:dead-letters").is_none()
    }

    /// When the comparison of everything began that is under way.
    pub fn sweep_began(&mut self, stream: Stream) -> Option<i64> {
        Some(self.head.as_mut()?.stream(stream).sweep.as_ref()?.began)
    }

    /// Whether no run has come to an end, or to that of a slice: the next one is a first run.
    pub fn is_fresh(&mut self, stream: Stream) -> bool {
        self.head.as_mut().is_none_or(|head| head.stream(stream).watermark.is_none())
    }

    /// Whether a segment that the head names holds the fingerprint.
    pub fn holds(&mut self, stream: Stream, fingerprint: &Fingerprint, time: i64) -> bool {
        let Some(head) = &mut self.head else { return false };
        let bucket = time.div_euclid(BUCKET_SECS);
        let segments = head.stream(stream).buckets.get(&bucket).map_or(0, Vec::len);
        (0..segments).any(|index| {
            let key = format!("kong-cloudtrail:default:segment:{}:{bucket}:{index}", stream.name());
            let segment = self.values.get(&key).unwrap_or_default();
            // The mark and the checksum take the place of one fingerprint.
            let (fingerprints, _) = segment.as_chunks::<{ Fingerprint::LEN }>();
            fingerprints.get(1..).is_some_and(|sorted| sorted.binary_search(&fingerprint.0).is_ok())
        })
    }
}
