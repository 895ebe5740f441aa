//! Intents: what a run was about to send under a name, to a destination that keeps nothing twice under one.
//!
//! An intent is stored before the first call. It is dropped by the write that records its entries, and by no
//! other. So a run that finds one knows that nobody has recorded them, and under which name they may be there.
//!
//! A value, at one of a few names that are used again and again, holds what was to be sent; the head says which
//! of the values count. Where there are no intents, that costs a run nothing.

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Head, Ledger, LedgerError, PREFLIGHT, PREFLIGHT_MARK, TRIAL};
use crate::ports::KeyValue;
use crate::seal::{HEADER_BYTES, Mark, VALUE_BYTES, ValueFault};
use crate::store::Store;
use crate::terms::Stream;

const MARK: Mark = *b"kcn2";

/// The most intents at a time: those of a run that died, and those of the next one.
pub(super) const MOST: usize = 8;

/// What is sent under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The name.
    pub name: String,
    /// The stream of its entries.
    pub stream: Stream,
    /// The first and the last time by which Kong's filters go, where each entry has one.
    pub span: Option<(i64, i64)>,
    /// Of its entries, or of parts of them.
    pub fingerprints: Vec<Fingerprint>,
}

/// The first line of a value; the fingerprints follow.
#[derive(Serialize, Deserialize)]
struct Label {
    name: String,
    stream: String,
    span: Option<(i64, i64)>,
}

impl Intent {
    fn encode(&self) -> Vec<u8> {
        let stream = self.stream.name().to_owned();
        let label = Label { name: self.name.clone(), stream, span: self.span };
        let mut body = serde_json::to_vec(&label).unwrap_or_default();
        body.push(b'\n');
        self.fingerprints.iter().for_each(|fingerprint| body.extend_from_slice(&fingerprint.0));
        body
    }

    fn decode(body: &[u8]) -> Result<Self, ValueFault> {
        let end = body.iter().position(|byte| *byte == b'\n').ok_or(ValueFault::Damaged)?;
        let Label { name, stream, span } =
            serde_json::from_slice(&body[..end]).map_err(|_| ValueFault::Damaged)?;
        let stream = Stream::ALL.into_iter().find(|known| known.name() == stream);
        let (fingerprints, []) = body[end + 1..].as_chunks() else {
            return Err(ValueFault::Damaged);
        };
        let fingerprints = fingerprints.iter().copied().map(Fingerprint).collect();
        Ok(Self { name, stream: stream.ok_or(ValueFault::Damaged)?, span, fingerprints })
    }
}

/// The name of a value in the store.
pub(super) fn value_name(place: usize) -> String {
    format!("intent:{place}")
}

/// The intents of earlier runs, and the keys of those that the store has lost.
pub(super) fn load<P: KeyValue>(
    store: &Store<'_, P>,
    head: &mut Head,
) -> Result<(Vec<Intent>, Vec<String>), LedgerError> {
    let (mut intents, mut lost) = (Vec::new(), Vec::new());
    for (place, named) in head.intents.clone() {
        let name = value_name(place);
        let intent = match store.get(&name)? {
            Some(value) => {
                let intent = store.open(&name, MARK, &value).and_then(Intent::decode);
                Some(intent.map_err(LedgerError::at(store, &name))?)
            }
            None => None,
        };
        // Another one than the head names comes from a write that the store tore apart.
        if let Some(intent) = intent.filter(|intent| intent.name == named) {
            intents.push(intent);
        } else {
            head.intents.remove(&place);
            lost.push(store.key(&name));
        }
    }
    Ok((intents, lost))
}

impl<P: KeyValue> Ledger<'_, P> {
    /// The intents of earlier runs, once.
    pub fn take_intents(&mut self) -> Vec<Intent> {
        std::mem::take(&mut self.left)
    }

    /// Whether there is a place for another intent.
    pub(crate) fn has_room(&self) -> bool {
        self.head.intents.len() < MOST
    }

    /// Stores an intent, in the place of one of that name if there is one. With the first of a run it is found
    /// out whether the store takes what may follow (invariant 9).
    pub(crate) fn intend(&mut self, intent: &Intent) -> Result<(), LedgerError> {
        let intents = &self.head.intents;
        let same = intents.iter().find(|(_, name)| **name == intent.name);
        let free = || (0..MOST).find(|place| !intents.contains_key(place)).unwrap_or(MOST);
        let place = same.map_or_else(free, |(place, _)| *place);
        let mut head = self.head.clone();
        head.intents.insert(place, intent.name.clone());
        let name = value_name(place);
        let value = self.store.seal(&name, MARK, &intent.encode());
        self.prepare(&head, vec![(name, value)])
    }

    /// The entries of the intent of that name are accepted: the write that records them drops it.
    pub fn fulfil(&mut self, name: &str) {
        self.fulfilled.insert(name.to_owned());
    }

    /// A run that reads no further has met a part of what the intent of that name is of. Whether an earlier one had
    /// too.
    pub fn waits_again(&mut self, name: &str) -> bool {
        !self.head.waited.insert(name.to_owned())
    }

    /// Drops the intent of that name: its entries are sent otherwise.
    pub fn forget_intent(&mut self, name: &str) {
        self.head.intents.retain(|_, known| known != name);
    }

    /// Once a run: has the store take a write of the kind and size that may follow (invariant 9), and finds
    /// out whether the store's swaps keep two hosts apart. Only the head's generation changes.
    pub(crate) fn preflight(&mut self) -> Result<(), LedgerError> {
        if self.proven { Ok(()) } else { self.prepare(&self.head.clone(), Vec::new()) }
    }

    /// Writes these pairs and the head; the first time in a run with what proves the store.
    fn prepare(
        &mut self,
        head: &Head,
        mut pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<(), LedgerError> {
        if !self.proven {
            if !self.store.swaps_atomically(TRIAL)? {
                return Err(self.store.not_atomic(TRIAL).into());
            }
            // Another value each time: SQLite writes no page that stays as it is.
            let mut body = self.head.generation.to_be_bytes().repeat(VALUE_BYTES / 8);
            body.truncate(VALUE_BYTES - HEADER_BYTES);
            let probe = self.store.seal(PREFLIGHT, PREFLIGHT_MARK, &body);
            pairs.insert(0, (PREFLIGHT.to_owned(), probe));
        }
        let (head, pair) = head.next(self.store);
        pairs.push(pair);
        self.store.set_many(pairs)?;
        self.head = head;
        self.proven = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_read_back_and_what_is_none_is_refused() {
        for (span, count) in [(None, 0), (Some((1, 2)), 3), (Some((-5, i64::MAX)), 10_000)] {
            let fingerprints =
                (0..count).map(|n| Fingerprint::of(Stream::Objects, &format!("{n}"))).collect();
            let name = "a/b/stream=objects/date=2026-11-28/x.ndjson.gz".to_owned();
            let intent = Intent { name, stream: Stream::Objects, span, fingerprints };
            let body = intent.encode();
            assert!(body.len() + HEADER_BYTES <= VALUE_BYTES);
            assert_eq!(Intent::decode(&body), Ok(intent));
            assert!(Intent::decode(&body[..body.len() - 1]).is_err());
        }
        for bad in [&b""[..], b"{}\n", b"{\"name\":\"a\",\"stream\":\"x\",\"span\":null}\n"] {
            assert_eq!(Intent::decode(bad), Err(ValueFault::Damaged));
        }
    }
}
