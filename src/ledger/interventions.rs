//! Who has changed the ledger by hand, when and why: a record in one value, bounded, written with the head,
//! which knows how many there were. So a record that was lost, or put back, is noticed.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::error::Lost;
use super::{Head, LedgerError};
use crate::ports::KeyValue;
use crate::seal::{self, Mark};
use crate::store::Store;

/// The record's name in the store.
pub const NAME: &str = "interventions";
const MARK: Mark = *b"kci2";

/// Most interventions that are kept, and most bytes that they may take.
const MOST: usize = 100;
const MOST_BYTES: usize = 128 * 1024;

/// Most names of what one intervention is about.
const MOST_NAMES: usize = 500;

/// What somebody has done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervention {
    /// In Unix milliseconds, by the clock of the machine.
    pub at_ms: i64,
    /// User and machine.
    pub who: String,
    /// What was done.
    pub what: String,
    /// The reason given.
    pub why: String,
    /// What it was done to: ids of events, or keys.
    pub which: Vec<String>,
    /// How many more it was done to.
    pub more: u64,
}

impl Intervention {
    /// One that is about `which`, cut to what a record holds.
    #[must_use]
    pub fn about(mut self, mut which: Vec<String>) -> Self {
        self.more = which.len().saturating_sub(MOST_NAMES) as u64;
        which.truncate(MOST_NAMES);
        Self { which, ..self }
    }

    fn bytes(&self) -> usize {
        seal::json(self).len()
    }
}

/// The record, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interventions {
    /// How many there ever were.
    all: u64,
    kept: VecDeque<Intervention>,
}

impl Interventions {
    /// Reads the record, of which the head says how many it should hold.
    pub fn load<P: KeyValue>(store: &Store<'_, P>, known: u64) -> Result<Self, LedgerError> {
        if known == 0 {
            return Ok(Self::default());
        }
        let lost = || LedgerError::Lost { key: store.key(NAME), what: Lost::Interventions(known) };
        let value = store.get(NAME)?.ok_or_else(lost)?;
        let record: Self = store
            .open(NAME, MARK, &value)
            .and_then(seal::read_json)
            .map_err(LedgerError::at(store, NAME))?;
        if record.all < known { Err(lost()) } else { Ok(record) }
    }

    /// A record that begins after so many that are lost.
    pub(super) fn after(all: u64) -> Self {
        Self { all, kept: VecDeque::new() }
    }

    /// Adds one, and drops the oldest where there are too many.
    pub(super) fn add(&mut self, intervention: Intervention) {
        self.all = self.all.saturating_add(1);
        self.kept.push_back(intervention);
        let bytes =
            |kept: &VecDeque<Intervention>| kept.iter().map(Intervention::bytes).sum::<usize>();
        while self.kept.len() > MOST || (self.kept.len() > 1 && bytes(&self.kept) > MOST_BYTES) {
            self.kept.pop_front();
        }
    }

    /// Those that are kept.
    pub fn kept(&self) -> impl Iterator<Item = &Intervention> {
        self.kept.iter()
    }

    /// Those that are kept and came after the first `told`.
    pub(crate) fn since(&self, told: u64) -> impl Iterator<Item = &Intervention> {
        let new = usize::try_from(self.all.saturating_sub(told)).unwrap_or(usize::MAX);
        self.kept.iter().skip(self.kept.len().saturating_sub(new))
    }

    fn pair<P: KeyValue>(&self, store: &Store<'_, P>) -> (String, Vec<u8>) {
        (NAME.to_owned(), store.seal(NAME, MARK, &seal::json(self)))
    }
}

/// A ledger in the hands of an operator, who has the lease.
pub struct ByHand<'a, P> {
    store: &'a Store<'a, P>,
    /// The head, as it will be written.
    pub head: Head,
    record: Interventions,
}

impl<'a, P: KeyValue> ByHand<'a, P> {
    /// The ledger as it is stored; none where there is none.
    pub fn load(store: &'a Store<'a, P>) -> Result<Option<Self>, LedgerError> {
        let Some(head) = Head::load(store)? else { return Ok(None) };
        let record = Interventions::load(store, head.interventions)?;
        Ok(Some(Self::of(store, head, record)))
    }

    pub(super) fn of(store: &'a Store<'a, P>, head: Head, record: Interventions) -> Self {
        Self { store, head, record }
    }

    /// The record.
    pub fn record(&self) -> &Interventions {
        &self.record
    }

    /// Writes the head, and `intervention` with it.
    pub fn write(&mut self, intervention: Intervention) -> Result<(), LedgerError> {
        self.record.add(intervention);
        self.head.interventions = self.record.all;
        let record = self.record.pair(self.store);
        self.write_head(vec![record])
    }

    /// Writes the head with other pairs of name and value.
    pub fn write_head(&mut self, mut pairs: Vec<(String, Vec<u8>)>) -> Result<(), LedgerError> {
        let (head, pair) = self.head.next(self.store);
        pairs.push(pair);
        self.store.set_many(pairs)?;
        self.head = head;
        Ok(())
    }
}
