//! The key-value port under the ledger's name: prefixes keys, seals values, counts calls, names the key in
//! errors.
//!
//! The store is never listed: `KEYS *` would block a shared Redis. All keys of a ledger share the tag `{0}`,
//! so that a Redis cluster has them in one slot: otherwise it refuses to write several at once.

pub mod fault;

use std::cell::Cell;
use std::fmt;

use crate::ports::{KeyValue, KeyValueError};
use crate::seal::{Mark, Seal, Seals, ValueFault};
use crate::words::Told;

/// A store call that failed, with the whole key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    key: String,
    why: KeyValueError,
}

impl StoreError {
    /// In words.
    pub fn told(&self) -> Told {
        let Told { cause, remedy } = fault::told(&self.why);
        Told::new(format!("the key-value store failed at {}: {cause}", self.key), remedy)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

/// One ledger's part of the store.
pub struct Store<'a, P> {
    port: &'a P,
    prefix: String,
    seals: Seals,
    met_previous: Cell<bool>,
    calls: Cell<u64>,
}

/// What puts all keys of a ledger into one slot of a cluster.
const TAG: &str = "{0}";

impl<'a, P: KeyValue> Store<'a, P> {
    /// The part that belongs to the ledger of that name, without a key.
    pub fn new(port: &'a P, ledger: &str) -> Self {
        Self::sealed(port, ledger, Seals::new(Seal::Unkeyed, None))
    }

    /// The part that belongs to the ledger of that name, its values sealed.
    pub fn sealed(port: &'a P, ledger: &str, seals: Seals) -> Self {
        let prefix = format!("kong-cloudtrail:{ledger}:");
        Self { port, prefix, seals, met_previous: Cell::new(false), calls: Cell::new(0) }
    }

    /// The whole key of `name`.
    pub fn key(&self, name: &str) -> String {
        format!("{}{TAG}{name}", self.prefix)
    }

    /// The key at which `name` was before keys had a tag.
    pub(crate) fn untagged_key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// How values are authenticated.
    pub fn seals(&self) -> &Seals {
        &self.seals
    }

    /// The value to store at `name` for `body`.
    pub fn seal(&self, name: &str, mark: Mark, body: &[u8]) -> Vec<u8> {
        self.seals.current().close(&self.key(name), mark, body)
    }

    /// The body of the value at `name`.
    pub fn open<'v>(
        &self,
        name: &str,
        mark: Mark,
        value: &'v [u8],
    ) -> Result<&'v [u8], ValueFault> {
        let (body, by_previous) = self.seals.open(&self.key(name), mark, value)?;
        self.met_previous.set(self.met_previous.get() || by_previous);
        Ok(body)
    }

    /// Whether a value was opened that the previous seal wrote.
    pub(crate) fn met_previous(&self) -> bool {
        self.met_previous.get()
    }

    /// Calls made on the port so far.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = self.key(name);
        self.counted(key.clone(), || self.port.get(&key))
    }

    /// The value of a key that is not the ledger's: such keys are only ever read.
    pub(crate) fn get_foreign(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.counted(key.to_owned(), || self.port.get(key))
    }

    /// Writes all pairs of name and value, together where the store can.
    pub fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        let pairs: Vec<_> =
            pairs.into_iter().map(|(name, value)| (self.key(&name), value)).collect();
        let last = pairs.last().map(|(key, _)| key.clone()).unwrap_or_default();
        self.counted(last, || self.port.set_many(&pairs))
    }

    /// Deletes `name`.
    pub fn delete(&self, name: &str) -> Result<(), StoreError> {
        let key = self.key(name);
        self.counted(key.clone(), || self.port.delete(&key))
    }

    /// The error of a store whose swaps do not keep two hosts apart.
    pub(crate) fn not_atomic(&self, name: &str) -> StoreError {
        StoreError { key: self.key(name), why: KeyValueError(fault::NOT_ATOMIC.to_owned()) }
    }

    /// The error of a swap of the lease, `name`, that was answered, and yet had no effect.
    pub(crate) fn no_effect(&self, name: &str) -> StoreError {
        StoreError { key: self.key(name), why: KeyValueError(fault::NO_EFFECT.to_owned()) }
    }

    /// Writes `new` at `name` if its value is `expected`; read back to learn whether it was written.
    pub fn swap(&self, name: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), StoreError> {
        let key = self.key(name);
        self.counted(key.clone(), || self.port.swap(&key, expected, new))
    }

    /// Whether a swap leaves a value alone that was written after the swap had looked. It is tried out at
    /// `name`.
    pub(crate) fn swaps_atomically(&self, name: &str) -> Result<bool, StoreError> {
        let key = self.key(name);
        self.counted(key.clone(), || self.port.swaps_atomically(&key))
    }

    fn counted<T>(
        &self,
        key: String,
        call: impl FnOnce() -> Result<T, KeyValueError>,
    ) -> Result<T, StoreError> {
        self.calls.set(self.calls.get() + 1);
        call().map_err(|why| StoreError { key, why })
    }
}
