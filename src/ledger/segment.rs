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

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::segments::{Segments, segment_name};
    use crate::store::Store;
    use crate::terms::{Bucket, Stream};
    use crate::testing::Memory;

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

        /// What a segment cannot be is found out as often as what it can be: the lengths are right half of the
        /// time, and the fingerprints sorted half of the time.
        #[test]
        fn a_sealed_body_is_read_whole_or_damaged(
            mut fingerprints in vec(any::<[u8; Fingerprint::LEN]>(), 0..40),
            rest in prop_oneof![Just(Vec::new()), vec(any::<u8>(), 1..Fingerprint::LEN)],
            sorted: bool,
        ) {
            if sorted {
                fingerprints.sort_unstable();
            }
            let body = [fingerprints.concat(), rest.clone()].concat();
            let memory = Memory::default();
            let store = Store::new(&memory, "default");
            let id = (Stream::Requests, Bucket::Written(0), 0);
            let name = segment_name(id);
            memory.values.borrow_mut().insert(store.key(&name), store.seal(&name, MARK, &body));
            let mut segments = Segments::new(&store);
            let is_sound = rest.is_empty() && fingerprints.is_sorted_by(|one, other| one < other);
            match segments.get(id, fingerprints.len()) {
                Ok(segment) => {
                    prop_assert!(is_sound);
                    prop_assert_eq!(segment.encode(), body);
                    let held = fingerprints.iter().all(|one| segment.contains(&Fingerprint(*one)));
                    prop_assert!(held);
                    prop_assert!(segments.take_lost().is_empty());
                }
                Err(error) => {
                    prop_assert!(!is_sound);
                    prop_assert!(error.to_string().contains(&store.key(&name)), "{}", error);
                }
            }
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
