//! What was shipped: fingerprints in segments, segments in buckets of six hours of ledger time,
//! and one head that names them and holds the watermarks.
//!
//! Keeps invariant 1: a fingerprint is written only by [`Ledger::write`], and only of entries that were
//! accepted, or stored as [`DeadLetters`] before. Segments and the head that names them, with the streams'
//! coverage in it, go out in one set-many, which is atomic on Redis and SQLite. The head comes last: a store
//! that tears the write apart has fingerprints that no head names, never the reverse.
//!
//! Keeps invariant 5: a run reads only the segments whose time range covers an entry it meets, and
//! rewrites only the last segment of a bucket.

mod dead_letters;
mod error;
mod fingerprint;
mod head;
mod intents;
pub mod interventions;
mod letter;
mod losses;
pub mod reports;
mod segment;
mod segments;

use std::collections::{BTreeMap, BTreeSet, HashSet};

pub use dead_letters::{Chunk, DeadLetters, INDEX as DEAD_LETTERS};
pub use error::{LedgerError, Lost};
pub use fingerprint::Fingerprint;
pub use head::{Head, IndexState, SegmentMeta};
pub use intents::Intent;
pub use interventions::{ByHand, Intervention, Interventions};
pub use letter::{DeadLetter, UNREADABLE};
pub use losses::{acknowledge, check_letters, rekey};
pub use reports::Reports;
pub use segment::{CAPACITY, Segment};

use crate::coverage::{Coverage, Expiry};
use crate::ports::KeyValue;
use crate::seal::Mark;
use crate::store::Store;
use crate::terms::{Bucket, LedgerTime, Stream};
use head::NAME as HEAD;
pub(crate) use losses::{names, reseal};
use segments::{SegmentId, Segments, segment_name};

const DAY_SECS: i64 = 86_400;

/// The name of the value by which a run learns whether the store takes what may follow.
const PREFLIGHT: &str = "preflight";
const PREFLIGHT_MARK: Mark = *b"kcp2";
/// The name at which swaps are tried out.
const TRIAL: &str = "swap-trial";

/// Stops accepting the previous key when the head is written with the current one, as each run does. For a
/// program that does not load the ledger. Returns whether the head is still written with the previous one.
pub fn settle_key<P: KeyValue>(store: &Store<'_, P>) -> Result<bool, LedgerError> {
    Head::load(store)?;
    Ok(store.met_previous())
}

/// What a ledger is bound to, once that has accepted something.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its name.
    pub name: &'a str,
    /// The variables that name it.
    pub variables: &'static str,
}

/// The ledger of one run. What it takes note of is stored by [`Ledger::write`].
pub struct Ledger<'a, P> {
    store: &'a Store<'a, P>,
    head: Head,
    segments: Segments<'a, P>,
    /// By stream and bucket: each entry's ledger time and fingerprint.
    accepted: BTreeMap<(Stream, Bucket), Vec<(i64, Fingerprint)>>,
    accepted_set: HashSet<Fingerprint>,
    expired: Vec<SegmentId>,
    undeleted: Vec<String>,
    watermarks: [Option<i64>; Stream::ALL.len()],
    target: &'a str,
    is_new: bool,
    was_of_another_kong: bool,
    /// The store has taken a write as large as any that may follow.
    proven: bool,
    /// The intents of earlier runs.
    left: Vec<Intent>,
    /// The names of intents whose entries were accepted.
    fulfilled: BTreeSet<String>,
    /// The keys of intents that the store has lost.
    lost_intents: Vec<String>,
}

impl<'a, P: KeyValue> Ledger<'a, P> {
    /// Reads the head, or begins an empty ledger where there is none.
    pub fn load(
        store: &'a Store<'a, P>,
        target: Target<'a>,
        kong: &str,
    ) -> Result<Self, LedgerError> {
        let stored = Head::load(store)?;
        let is_new = stored.is_none();
        let mut head = match stored {
            None => {
                let key = store.untagged_key(HEAD);
                if store.get_foreign(&key)?.is_some() {
                    return Err(LedgerError::OldFormat { key });
                }
                Head::new(kong)
            }
            Some(head) => head,
        };
        if let Some(bound) = head.target.take_if(|bound| bound != target.name) {
            return Err(LedgerError::OtherTarget { target: bound, variables: target.variables });
        }
        let was_of_another_kong = head.kong != kong;
        if was_of_another_kong {
            kong.clone_into(&mut head.kong);
            for stream in Stream::ALL {
                head.stream(stream).coverage.forget_comparisons();
            }
        }
        let watermarks = head.watermarks();
        let (left, lost_intents) = intents::load(store, &mut head)?;
        Ok(Self {
            store,
            head,
            watermarks,
            segments: Segments::new(store),
            accepted: BTreeMap::new(),
            accepted_set: HashSet::new(),
            expired: Vec::new(),
            undeleted: Vec::new(),
            target: target.name,
            is_new,
            was_of_another_kong,
            proven: false,
            left,
            fulfilled: BTreeSet::new(),
            lost_intents,
        })
    }

    /// Whether the store had no head.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the ledger's entries were another Kong's.
    pub(crate) fn was_of_another_kong(&self) -> bool {
        self.was_of_another_kong
    }

    /// The generation that is stored.
    pub fn generation(&self) -> u64 {
        self.head.generation
    }

    /// What the head holds beside the streams.
    pub fn head(&mut self) -> &mut Head {
        &mut self.head
    }

    /// The target has accepted something: the ledger is bound to it.
    pub fn bind(&mut self) {
        self.head.target.get_or_insert_with(|| self.target.to_owned());
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

    /// Whether entries were accepted that are not stored yet.
    pub(crate) fn has_news(&self) -> bool {
        !self.accepted.is_empty()
    }

    /// How far a stream has been read; stored with the next [`Ledger::write`].
    pub fn coverage(&mut self, stream: Stream) -> &mut Coverage {
        &mut self.head.stream(stream).coverage
    }

    /// The watermark that is stored.
    pub fn watermark(&self, stream: Stream) -> Option<i64> {
        self.watermarks[stream as usize]
    }

    /// Entries that are asked for from now on may come in any order of time.
    pub(crate) fn expect_any_order(&mut self) {
        self.segments.expect_any_order();
    }

    /// Whether the entry of that fingerprint and ledger time was accepted before.
    pub fn is_known(
        &mut self,
        stream: Stream,
        fingerprint: &Fingerprint,
        time: LedgerTime,
    ) -> Result<bool, LedgerError> {
        if self.accepted_set.contains(fingerprint) {
            return Ok(true);
        }
        let times = time.range();
        for bucket in time.buckets() {
            let metas = self.head.stream(stream).buckets.get(&bucket);
            let metas = metas.map_or(&[][..], Vec::as_slice);
            // The last segment is read in any case, since new fingerprints go into it. If it is damaged,
            // nothing can be recorded, and so nothing must be sent.
            let candidates: Vec<usize> = (0..metas.len())
                .filter(|index| index + 1 == metas.len() || metas[*index].may_hold(&times))
                .collect();
            for index in candidates {
                let count = self.head.stream(stream).buckets[&bucket][index].count;
                let segment = self.segments.get((stream, bucket, index), count)?;
                if segment.contains(fingerprint) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Takes note of an accepted entry; [`Ledger::write`] stores it.
    pub fn accept(&mut self, stream: Stream, fingerprint: Fingerprint, time: LedgerTime) {
        if self.accepted_set.insert(fingerprint) {
            let entries = self.accepted.entry((stream, time.bucket())).or_default();
            entries.push((time.secs(), fingerprint));
        }
    }

    /// Stores the accepted entries, and the head as it stands now; then deletes the segments that the head no
    /// longer names. A crash in between leaves segments behind that nothing names.
    pub fn write(&mut self) -> Result<(), LedgerError> {
        self.write_with(Vec::new())
    }

    /// As [`Ledger::write`], with other pairs of name and value.
    pub fn write_with(&mut self, mut pairs: Vec<(String, Vec<u8>)>) -> Result<(), LedgerError> {
        let mut head = self.head.clone();
        head.intents.retain(|_, name| !self.fulfilled.contains(name));
        let mut written = Vec::new();
        for ((stream, bucket), entries) in &self.accepted {
            // Newest last, so that segments of a growing bucket hold successive spans of time.
            let mut entries = entries.clone();
            entries.sort_unstable();
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
                    self.segments.get(id, meta.count)?.clone()
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
                let name = segment_name(id);
                let value = self.store.seal(&name, segment::MARK, &segment.encode());
                pairs.push((name, value));
                written.push((id, segment));
            }
        }
        let (mut head, pair) = head.next(self.store);
        pairs.push(pair);
        self.store.set_many(pairs)?;
        self.watermarks = head.watermarks();
        self.head = head;
        for (id, segment) in written {
            self.segments.keep(id, segment);
        }
        self.accepted.clear();
        self.accepted_set.clear();
        self.fulfilled.clear();
        while let Some(id) = self.expired.pop() {
            self.segments.forget(id);
            let name = segment_name(id);
            // No failure: all is stored, and the head no longer names this segment.
            if self.store.delete(&name).is_err() {
                self.undeleted.push(self.store.key(&name));
            }
        }
        Ok(())
    }

    /// Whether the ledger is to be rewritten, since its head was written with the previous key. Where there is no
    /// head, another value tells it.
    pub fn rekeys(&self) -> bool {
        self.store.met_previous()
    }

    /// Stops accepting the previous key: all has been read that tells with which one the ledger was written.
    pub(crate) fn needs_no_rekey(&self) {
        self.store.seals().forget_previous();
    }

    /// Ends the change of the key, once all but the head is rewritten. Writes the head, and stops accepting
    /// the previous key.
    pub(crate) fn finish_rekey(&mut self) -> Result<(), LedgerError> {
        self.write()?;
        self.store.seals().forget_previous();
        Ok(())
    }

    /// Whether no earlier run has recorded anything of the stream.
    pub(crate) fn has_nothing_of(&mut self, stream: Stream) -> bool {
        let head = self.head.stream(stream);
        head.coverage.watermark().is_none() && head.buckets.is_empty()
    }

    /// How many fingerprints are kept of `stream`.
    pub fn size(&mut self, stream: Stream) -> usize {
        self.head.size(stream)
    }

    /// Drops the buckets of `stream` that have expired, unless `met` names them, at the next [`Ledger::write`].
    pub fn expire(&mut self, stream: Stream, expiry: &Expiry, met: &BTreeSet<Bucket>) {
        let has_expired = |bucket: &Bucket| match bucket {
            Bucket::Written(0) if !expiry.untold => false,
            Bucket::Written(_) => bucket.end() <= expiry.written,
            Bucket::Expires(_) => bucket.end() <= expiry.deleted,
        };
        let buckets = &mut self.head.stream(stream).buckets;
        let expired = |bucket: &Bucket| has_expired(bucket) && !met.contains(bucket);
        for (bucket, segments) in buckets.extract_if(.., |bucket, _| expired(bucket)) {
            self.expired.extend((0..segments.len()).map(|index| (stream, bucket, index)));
        }
    }

    /// Keys of segments and intents of which the store has lost fingerprints, since the last call.
    pub fn take_lost(&mut self) -> Vec<String> {
        let mut lost = std::mem::take(&mut self.lost_intents);
        lost.append(&mut self.segments.take_lost());
        lost
    }

    /// Keys of expired segments that could not be deleted, since the last call.
    pub(crate) fn take_undeleted(&mut self) -> Vec<String> {
        std::mem::take(&mut self.undeleted)
    }
}

#[cfg(test)]
mod tests;
