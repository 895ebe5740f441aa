//! A segment: the sorted fingerprints of one stored value.
//!
//! 16 bytes a fingerprint.

use super::fingerprint::Fingerprint;
use crate::seal::{HEADER_BYTES, Mark, VALUE_BYTES, ValueFault};

/// The mark of its value.
pub(crate) const MARK: Mark = *b"kcs2";

/// Most fingerprints a segment holds.
pub const CAPACITY: usize = (VALUE_BYTES - HEADER_BYTES) / Fingerprint::LEN;

/// Sorted fingerprints, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment(Vec<Fingerprint>);

impl Segment {
    /// Whether `fingerprint` is in it.
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.0.binary_search(fingerprint).is_ok()
    }

    /// How many fingerprints it holds.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Takes in as many of `more` as it has room for, from the end, and leaves the others there.
    pub fn fill(&mut self, more: &mut Vec<Fingerprint>) {
        let room = CAPACITY.saturating_sub(self.0.len()).min(more.len());
        self.0.extend(more.drain(more.len() - room..));
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// The body of the value to store.
    pub fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|Fingerprint(bytes)| *bytes).collect()
    }

    /// Reads the body of a stored value.
    pub fn decode(body: &[u8]) -> Result<Self, ValueFault> {
        let (fingerprints, rest) = body.as_chunks::<{ Fingerprint::LEN }>();
        if !rest.is_empty() || !fingerprints.is_sorted_by(|a, b| a < b) {
            return Err(ValueFault::Damaged);
        }
        Ok(Self(fingerprints.iter().copied().map(Fingerprint).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_segment_takes_what_redis_gives_for_256_kib() {
        assert_eq!((CAPACITY + 1) * Fingerprint::LEN, VALUE_BYTES);
    }

    proptest! {
        #[test]
        fn what_was_filled_in_is_there_once_and_read_back(fills: Vec<Vec<u8>>) {
            let fingerprint = |n: &u8| Fingerprint([*n; Fingerprint::LEN]);
            let mut segment = Segment::default();
            for fill in &fills {
                let mut more: Vec<_> = fill.iter().map(fingerprint).collect();
                segment.fill(&mut more);
                prop_assert!(more.is_empty());
            }
            let all: BTreeSet<_> = fills.concat().iter().map(fingerprint).collect();
            prop_assert_eq!(&segment.0, &all.iter().copied().collect::<Vec<_>>());
            let read = Segment::decode(&segment.encode()).unwrap();
            prop_assert_eq!(&read, &segment);
            prop_assert!(all.iter().all(|one| read.contains(one)));
        }

        #[test]
        fn no_body_whatever_is_a_panic(body: Vec<u8>) {
            let _ = Segment::decode(&body);
        }
    }

    #[test]
    fn what_is_not_sorted_or_no_whole_number_of_fingerprints_is_damaged() {
        let [one, two] = [[1; Fingerprint::LEN], [2; Fingerprint::LEN]];
        let read = |parts: &[&[u8]]| Segment::decode(&parts.concat());
        assert_eq!(read(&[&one, &two]).unwrap().count(), 2);
        for parts in [[&two, &one[..]], [&one, &one], [&one, &[2]]] {
            assert_eq!(read(&parts), Err(ValueFault::Damaged));
        }
    }

    #[test]
    fn what_does_not_fit_is_left_over() {
        let mut more: Vec<_> =
            (0..CAPACITY as u128 + 3).map(|n| Fingerprint(n.to_be_bytes())).collect();
        let mut segment = Segment::default();
        segment.fill(&mut more);
        assert_eq!((segment.count(), more.len()), (CAPACITY, 3));
        assert_eq!(HEADER_BYTES + segment.encode().len(), VALUE_BYTES);
    }
}
