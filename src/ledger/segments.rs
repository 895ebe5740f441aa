//! The segments that a run has read or written, as many as fit in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::LedgerError;
use super::segment::{self, CAPACITY, Segment};
use crate::ports::KeyValue;
use crate::store::Store;
use crate::terms::{Bucket, Stream};

/// The most fingerprints kept in memory, 16 bytes each. A window is read in the order of time, and needs few
/// segments at once.
const CACHED: usize = 256 * 1024;
/// The same during a sweep, which may come in any order of time.
const CACHED_IN_SWEEP: usize = 1024 * 1024;

/// Names a segment: stream, bucket, place in the bucket.
pub type SegmentId = (Stream, Bucket, usize);

/// Segments by their ids, each with the number of its last use.
pub struct Segments<'a, P> {
    store: &'a Store<'a, P>,
    pub(super) cache: HashMap<SegmentId, (Segment, u64)>,
    pub(super) cached_at_most: usize,
    uses: u64,
    lost: Vec<String>,
}

impl<'a, P: KeyValue> Segments<'a, P> {
    /// None yet.
    pub fn new(store: &'a Store<'a, P>) -> Self {
        Self { store, cache: HashMap::new(), cached_at_most: CACHED, uses: 0, lost: Vec::new() }
    }

    /// Entries that are asked for from now on may come in any order of time.
    pub(crate) fn expect_any_order(&mut self) {
        self.cached_at_most = CACHED_IN_SWEEP;
    }

    /// The segment that should have `count` fingerprints, from memory or from the store. Fingerprints that
    /// the store has lost count as unknown: their entries are shipped again where Kong still holds them.
    pub fn get(&mut self, id: SegmentId, count: usize) -> Result<&Segment, LedgerError> {
        let used = self.make_room(id);
        let cached = match self.cache.entry(id) {
            Entry::Occupied(cached) => cached.into_mut(),
            Entry::Vacant(vacant) => {
                let name = segment_name(id);
                let segment = match self.store.get(&name)? {
                    Some(value) => self
                        .store
                        .open(&name, segment::MARK, &value)
                        .and_then(Segment::decode)
                        .map_err(LedgerError::at(self.store, &name))?,
                    None => Segment::default(),
                };
                // More fingerprints than the head says come from a write that the store tore apart. Their
                // entries were accepted too.
                if segment.count() < count {
                    self.lost.push(self.store.key(&name));
                }
                vacant.insert((segment, used))
            }
        };
        cached.1 = used;
        Ok(&cached.0)
    }

    /// The store holds that segment now.
    pub fn keep(&mut self, id: SegmentId, segment: Segment) {
        let used = self.make_room(id);
        self.cache.insert(id, (segment, used));
    }

    /// The store no longer holds it.
    pub fn forget(&mut self, id: SegmentId) {
        self.cache.remove(&id);
    }

    /// Keys of segments of which the store has lost fingerprints, since the last call.
    pub fn take_lost(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lost)
    }

    /// Makes room for `id`, if it is not in memory: drops what was used least recently. Returns the number of
    /// this use.
    fn make_room(&mut self, id: SegmentId) -> u64 {
        while !self.cache.contains_key(&id) && self.in_memory() + CAPACITY > self.cached_at_most {
            let oldest = self.cache.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            self.cache.remove(&oldest);
        }
        self.uses += 1;
        self.uses
    }

    fn in_memory(&self) -> usize {
        self.cache.values().map(|(segment, _)| segment.count()).sum()
    }
}

/// The segment's name in the store.
pub(super) fn segment_name((stream, bucket, index): SegmentId) -> String {
    format!("segment:{}:{bucket}:{index}", stream.name())
}
