//! What was shipped: fingerprints in segments, segments in buckets of six hours of ledger time,
//! and one head that names them and holds the watermarks.
//!
//! Keeps invariant 1: a fingerprint is written only by [`Ledger::write`], and only of entries that
//! were accepted, or stored as [`DeadLetters`] before; the watermark moves only by
//! [`Ledger::reach`] and [`Ledger::complete`]. Segments and the head that names them go out in one set-many, atomic on
//! Redis and SQLite, the head last: a store that tears the write apart has then fingerprints that no
//! head names, never the reverse.
//!
//! Keeps invariant 5: a run reads only the segments whose time range covers an entry it meets, and
//! rewrites only the last segment of a bucket.

mod dead_letters;
mod fingerprint;
mod head;
pub mod sealed;
mod segment;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::fmt;

pub use dead_letters::{Chunk, DeadLetter, DeadLetters, INDEX as DEAD_LETTERS};
pub use fingerprint::Fingerprint;
pub use head::{BUCKET_SECS, Head, SegmentMeta, StreamHead, Sweep};
pub use sealed::{VALUE_BYTES, ValueFault};
pub use segment::{CAPACITY, Segment};

use crate::kong::Stream;
use crate::ports::KeyValue;
use crate::store::{Store, StoreError};

/// Fingerprints kept in memory at most, 16 bytes each: a window is gone through in the order of time.
const CACHED: usize = 256 * 1024;
/// The same while everything is read, perhaps in no order.
const CACHED_IN_SWEEP: usize = 1024 * 1024;

const DAY_SECS: i64 = 86_400;

const HEAD: &str = "head";

/// Why the ledger cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// The store failed.
    Store(StoreError),
    /// A value is not what this version wrote; nothing was touched.
    Unreadable {
        /// The whole key.
        key: String,
        /// What is wrong with the value.
        fault: ValueFault,
    },
    /// The ledger remembers what went into another channel.
    OtherChannel {
        /// That channel's ARN.
        channel: String,
    },
}

impl LedgerError {
    /// The error of a fault in the value of `name`.
    fn at<P: KeyValue>(store: &Store<'_, P>, name: &str) -> impl FnOnce(ValueFault) -> Self {
        let key = store.key(name);
        |fault| Self::Unreadable { key, fault }
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Unreadable { key, fault } => write!(
                f,
                "the ledger's value at {key} {fault}; it was left as it is: restore the store from its snapshot, \
                 run the version that wrote it, or set ledger to a new name (which ships again what Kong still holds)"
            ),
            Self::OtherChannel { channel } => write!(
                f,
                "this ledger belongs to the channel {channel}: set ledger to a new name for the new channel_arn, \
                 or channel_arn back"
            ),
        }
    }
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A window that a run has completed; times are Unix seconds by Kong's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The window's end.
    pub watermark: i64,
    /// When the run began, if it looked back `lookback_secs` or more.
    pub looked_back: Option<i64>,
}

/// Names a segment: stream, bucket, place in the bucket.
type SegmentId = (Stream, i64, usize);

/// The ledger of one run. Nothing is stored before [`Ledger::write`].
pub struct Ledger<'a, P> {
    store: &'a Store<'a, P>,
    head: Head,
    cache: HashMap<SegmentId, (Segment, u64)>,
    cached_at_most: usize,
    uses: u64,
    /// By stream and bucket: each entry's ledger time and fingerprint.
    accepted: BTreeMap<(Stream, i64), Vec<(i64, Fingerprint)>>,
    accepted_set: HashSet<Fingerprint>,
    lost: Vec<String>,
    expired: Vec<SegmentId>,
    watermarks: [Option<i64>; Stream::ALL.len()],
}

impl<'a, P: KeyValue> Ledger<'a, P> {
    /// Reads the head, or begins an empty ledger where there is none.
    pub fn load(store: &'a Store<'a, P>, channel: &str, kong: &str) -> Result<Self, LedgerError> {
        let mut head = match store.get(HEAD)? {
            None => Head::new(channel, kong),
            Some(value) => Head::decode(&value).map_err(LedgerError::at(store, HEAD))?,
        };
        if head.channel != channel {
            return Err(LedgerError::OtherChannel { channel: head.channel });
        }
        if head.kong != kong {
            kong.clone_into(&mut head.kong);
            for stream in Stream::ALL {
                head.stream(stream).reconciled = None;
                head.stream(stream).sweep = None;
            }
        }
        let watermarks = head.watermarks();
        Ok(Self {
            store,
            head,
            watermarks,
            cache: HashMap::new(),
            cached_at_most: CACHED,
            uses: 0,
            accepted: BTreeMap::new(),
            accepted_set: HashSet::new(),
            lost: Vec::new(),
            expired: Vec::new(),
        })
    }

    /// Says whether a warning that is due once a day is due, and takes note of it.
    pub fn warns(&mut self, now: i64) -> bool {
        let due =
            self.head.warned.is_none_or(|last| !(0..DAY_SECS).contains(&now.saturating_sub(last)));
        if due {
            self.head.warned = Some(now);
        }
        due
    }

    /// Whether there was an index of dead letters when the head was stored.
    pub fn knows_of_dead_letters(&self) -> bool {
        self.head.dead_letters
    }

    /// Takes note of whether there is an index of dead letters.
    pub fn note_dead_letters(&mut self, there: bool) {
        self.head.dead_letters = there;
    }

    /// Whether entries were accepted that are not stored yet.
    pub fn has_news(&self) -> bool {
        !self.accepted.is_empty()
    }

    /// What the head holds of a stream.
    pub fn stream(&mut self, stream: Stream) -> &mut StreamHead {
        self.head.stream(stream)
    }

    /// End of the stream's last completed window, as stored.
    pub fn watermark(&self, stream: Stream) -> Option<i64> {
        self.watermarks[stream as usize]
    }

    /// What is asked for from now on may come in any order of time.
    pub fn expect_any_order(&mut self) {
        self.cached_at_most = CACHED_IN_SWEEP;
    }

    /// Whether the entry of that fingerprint and ledger time was accepted before.
    pub fn knows(
        &mut self,
        stream: Stream,
        fingerprint: &Fingerprint,
        time: i64,
    ) -> Result<bool, LedgerError> {
        if self.accepted_set.contains(fingerprint) {
            return Ok(true);
        }
        let bucket = time.div_euclid(BUCKET_SECS);
        let metas = self.head.stream(stream).buckets.get(&bucket).map_or(&[][..], Vec::as_slice);
        // The last segment is the one to be added to: whether it is sound must be known before
        // anything is sent that could not be recorded then.
        let candidates: Vec<usize> = (0..metas.len())
            .filter(|index| index + 1 == metas.len() || metas[*index].may_hold(time))
            .collect();
        for index in candidates {
            if self.segment((stream, bucket, index))?.contains(fingerprint) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes note of an accepted entry; [`Ledger::write`] stores it.
    pub fn accept(&mut self, stream: Stream, fingerprint: Fingerprint, time: i64) {
        if self.accepted_set.insert(fingerprint) {
            let bucket = time.div_euclid(BUCKET_SECS);
            self.accepted.entry((stream, bucket)).or_default().push((time, fingerprint));
        }
    }

    /// Stores the accepted entries, and the head as it stands now; then deletes the segments that
    /// it names no more. A crash before that leaves a segment behind that nothing names.
    pub fn write(&mut self) -> Result<(), LedgerError> {
        let mut pairs = Vec::new();
        let mut head = self.head.clone();
        let mut written = Vec::new();
        for ((stream, bucket), entries) in &self.accepted {
            // Newest last, so that segments of a growing bucket hold successive spans of time.
            let entries = BinaryHeap::from(entries.clone()).into_sorted_vec();
            let mut entries = entries.into_iter().peekable();
            let metas = head.stream(*stream).buckets.entry(*bucket).or_default();
            while entries.peek().is_some() {
                if metas.last().is_none_or(|meta| meta.count >= CAPACITY) {
                    metas.push(SegmentMeta::EMPTY);
                }
                let id = (*stream, *bucket, metas.len() - 1);
                let Some(meta) = metas.last_mut() else { break };
                let mut segment = if meta.count == 0 {
                    Segment::default()
                } else {
                    Self::cached(self.store, &mut self.cache, &mut self.lost, id, meta.count)?
                        .clone()
                };
                let mut taken: Vec<Fingerprint> = Vec::new();
                for (time, fingerprint) in
                    entries.by_ref().take(CAPACITY.saturating_sub(segment.count()))
                {
                    meta.cover(time);
                    taken.push(fingerprint);
                }
                segment.fill(&mut taken);
                meta.count = segment.count();
                pairs.push((segment_name(id), segment.encode()));
                written.push((id, segment));
            }
        }
        pairs.push((HEAD.to_owned(), head.encode()));
        self.store.set_many(pairs)?;
        self.watermarks = head.watermarks();
        self.head = head;
        for (id, segment) in written {
            self.keep(id, segment);
        }
        self.accepted.clear();
        self.accepted_set.clear();
        while let Some(id) = self.expired.pop() {
            self.cache.remove(&id);
            self.store.delete(&segment_name(id))?;
        }
        Ok(())
    }

    /// Moves the watermark to the end of a window of which every entry is accounted for;
    /// [`Ledger::write`] stores it.
    pub fn complete(&mut self, stream: Stream, window: Completed) {
        let head = self.head.stream(stream);
        head.watermark = Some(window.watermark);
        head.looked_back = window.looked_back.or(head.looked_back);
        head.incomplete = false;
    }

    /// Takes note of progress within a window that is not complete yet: all that it holds from before
    /// `end` is accounted for.
    pub fn reach(&mut self, stream: Stream, end: i64, looks_back: bool) {
        let head = self.head.stream(stream);
        head.watermark = head.watermark.max(Some(end));
        if looks_back {
            head.looked_back = head.looked_back.max(Some(end));
        }
    }

    /// How many fingerprints are kept of `stream`.
    pub fn size(&mut self, stream: Stream) -> usize {
        let buckets = self.head.stream(stream).buckets.values();
        buckets.flatten().fold(0, |sum, segment| sum.saturating_add(segment.count))
    }

    /// Drops the buckets of `stream` that end before `time` and that `keep` does not name, at the
    /// next [`Ledger::write`].
    pub fn expire(&mut self, stream: Stream, time: i64, keep: &BTreeSet<i64>) {
        let has_expired = |bucket: &i64| {
            bucket.saturating_add(1).saturating_mul(BUCKET_SECS) <= time && !keep.contains(bucket)
        };
        let buckets = &mut self.head.stream(stream).buckets;
        for (bucket, segments) in buckets.extract_if(.., |bucket, _| has_expired(bucket)) {
            self.expired.extend((0..segments.len()).map(|index| (stream, bucket, index)));
        }
    }

    /// Keys of segments of which the store has lost fingerprints, since the last call.
    pub fn take_lost(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lost)
    }

    fn segment(&mut self, id: SegmentId) -> Result<&Segment, LedgerError> {
        let (stream, bucket, index) = id;
        let count = self.head.stream(stream).buckets[&bucket][index].count;
        let used = self.make_room(id);
        Self::cached(self.store, &mut self.cache, &mut self.lost, id, count)?;
        let (segment, last_use) = self.cache.entry(id).or_default();
        *last_use = used;
        Ok(segment)
    }

    /// The segment out of the cache, or read from the store. What the store has lost of it counts
    /// as not there: it is shipped again where Kong still holds it.
    fn cached<'c>(
        store: &Store<'_, P>,
        cache: &'c mut HashMap<SegmentId, (Segment, u64)>,
        lost: &mut Vec<String>,
        id: SegmentId,
        count: usize,
    ) -> Result<&'c Segment, LedgerError> {
        let vacant = match cache.entry(id) {
            Entry::Occupied(cached) => return Ok(&cached.into_mut().0),
            Entry::Vacant(vacant) => vacant,
        };
        let name = segment_name(id);
        let segment = match store.get(&name)? {
            Some(value) => Segment::decode(&value).map_err(LedgerError::at(store, &name))?,
            None => Segment::default(),
        };
        // More than the head says is a write that the store tore apart: those were accepted too.
        if segment.count() < count {
            lost.push(store.key(&name));
        }
        Ok(&vacant.insert((segment, 0)).0)
    }

    fn keep(&mut self, id: SegmentId, segment: Segment) {
        let used = self.make_room(id);
        self.cache.insert(id, (segment, used));
    }

    /// Drops what was used least recently if `id` comes anew; the number of this use.
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

fn segment_name((stream, bucket, index): SegmentId) -> String {
    format!("segment:{}:{bucket}:{index}", stream.name())
}

#[cfg(test)]
mod tests;
