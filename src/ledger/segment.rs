//! A segment: the sorted fingerprints of one stored value.
//!
//! Its first 16 bytes are the format's mark and the head of a SHA-256 over the rest, so that a
//! damaged value is told from an empty one; 16 bytes a fingerprint follow.

use std::fmt;

use sha2::{Digest, Sha256};

use super::fingerprint::Fingerprint;

/// 256 KiB less 64 bytes: one byte more costs Redis a size class.
const VALUE_BYTES: usize = 262_080;
const MARK: &[u8; 4] = b"kcs1";
const CHECK: usize = Fingerprint::LEN - MARK.len();

/// Most fingerprints a segment holds.
pub const CAPACITY: usize = VALUE_BYTES / Fingerprint::LEN - 1;

/// Sorted fingerprints, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment(Vec<Fingerprint>);

/// What is wrong with a stored value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentFault {
    /// Written by a newer kong-cloudtrail.
    NewerFormat,
    /// Not what was written.
    Damaged,
}

impl fmt::Display for SegmentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewerFormat => "is of a newer format than this version reads",
            Self::Damaged => "is damaged",
        })
    }
}

impl Segment {
    /// Whether `fingerprint` is in it.
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.0.binary_search(fingerprint).is_ok()
    }

    /// How many fingerprints it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in as many of `more` as it has room for, from the end, and leaves the others there.
    pub fn fill(&mut self, more: &mut Vec<Fingerprint>) {
        let room = CAPACITY.saturating_sub(self.0.len()).min(more.len());
        self.0.extend(more.drain(more.len() - room..));
        // Stable, since it merges the sorted run that is there with what comes.
        self.0.sort();
        self.0.dedup();
    }

    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity((self.0.len() + 1) * Fingerprint::LEN);
        value.extend_from_slice(MARK);
        value.extend_from_slice(&[0; CHECK]);
        for Fingerprint(bytes) in &self.0 {
            value.extend_from_slice(bytes);
        }
        let check = Sha256::digest(&value[Fingerprint::LEN..]);
        value[MARK.len()..Fingerprint::LEN].copy_from_slice(&check[..CHECK]);
        value
    }

    /// Reads a stored value.
    pub fn decode(value: &[u8]) -> Result<Self, SegmentFault> {
        let (header, body) =
            value.split_at_checked(Fingerprint::LEN).ok_or(SegmentFault::Damaged)?;
        let (mark, check) = header.split_at(MARK.len());
        if mark.starts_with(b"kcs") && mark != MARK {
            return Err(SegmentFault::NewerFormat);
        }
        let (fingerprints, rest) = body.as_chunks::<{ Fingerprint::LEN }>();
        let whole = mark == MARK
            && rest.is_empty()
            && Sha256::digest(body)[..CHECK] == *check
            && fingerprints.is_sorted_by(|a, b| a < b);
        if whole {
            Ok(Self(fingerprints.iter().copied().map(Fingerprint).collect()))
        } else {
            Err(SegmentFault::Damaged)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_segment_takes_what_redis_gives_for_256_kib() {
        assert_eq!((CAPACITY + 1) * Fingerprint::LEN, VALUE_BYTES);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(fingerprints: Vec<[u8; 16]>) {
            let mut segment = Segment::default();
            let mut more: Vec<_> = fingerprints.iter().copied().map(Fingerprint).collect();
            segment.fill(&mut more);
            prop_assert!(more.is_empty());
            let read = Segment::decode(&segment.encode()).unwrap();
            prop_assert_eq!(&read, &segment);
            prop_assert!(fingerprints.into_iter().all(|bytes| read.contains(&Fingerprint(bytes))));
        }

        #[test]
        fn any_changed_byte_is_noticed(fingerprints in prop::collection::vec(any::<[u8; 16]>(), 1..20), at: prop::sample::Index, change in 1u8..) {
            let mut segment = Segment::default();
            segment.fill(&mut fingerprints.into_iter().map(Fingerprint).collect());
            let mut value = segment.encode();
            let at = at.index(value.len());
            value[at] ^= change;
            prop_assert!(Segment::decode(&value).is_err());
        }

        #[test]
        fn no_value_whatever_is_a_panic(value: Vec<u8>) {
            let _ = Segment::decode(&value);
        }
    }

    #[test]
    fn what_does_not_fit_is_left_over() {
        let mut more: Vec<_> =
            (0..CAPACITY as u128 + 3).map(|n| Fingerprint(n.to_be_bytes())).collect();
        let mut segment = Segment::default();
        segment.fill(&mut more);
        assert_eq!((segment.len(), more.len()), (CAPACITY, 3));
        assert_eq!(segment.encode().len(), VALUE_BYTES);
    }
}
