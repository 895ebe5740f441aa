//! A key-value store in memory.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use crate::ports::{KeyValue, KeyValueError, Swap};

/// Values by key.
pub type Values = BTreeMap<String, Vec<u8>>;

/// A value to be written at a key, or none to delete it.
pub type Change = (String, Option<Vec<u8>>);

/// How many writes a failover can undo.
const UNDOABLE: usize = 40;

/// A store that never fails.
#[derive(Debug, Default)]
pub struct Memory {
    /// What it holds.
    pub values: RefCell<Values>,
    /// How many values were read.
    pub reads: Cell<usize>,
    /// For each of the last writes, what it replaced.
    undo: RefCell<VecDeque<Vec<Change>>>,
}

impl Memory {
    /// One write.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        let replaced = changes.into_iter().map(|change| self.put(change)).collect();
        let mut undo = self.undo.borrow_mut();
        undo.push_back(replaced);
        if undo.len() > UNDOABLE {
            undo.pop_front();
        }
    }

    /// The store goes back to its state some writes ago, as a replica that had not heard of them.
    pub fn fail_over(&self, writes: usize) {
        for _ in 0..writes {
            let Some(replaced) = self.undo.borrow_mut().pop_back() else { return };
            for change in replaced.into_iter().rev() {
                self.put(change);
            }
        }
    }

    /// No failover goes back to before now.
    pub fn forget_undo(&self) {
        self.undo.borrow_mut().clear();
    }

    fn put(&self, (key, value): Change) -> Change {
        let mut values = self.values.borrow_mut();
        let replaced = match value {
            Some(value) => values.insert(key.clone(), value),
            None => values.remove(&key),
        };
        (key, replaced)
    }
}

impl KeyValue for Memory {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.values.borrow().get(key).cloned())
    }
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        self.apply(pairs.iter().map(|(key, value)| (key.clone(), Some(value.clone()))));
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.apply([(key.to_owned(), None)]);
        Ok(())
    }
    fn begin_swap(&self, key: &str) -> Result<Box<dyn Swap + '_>, KeyValueError> {
        let found = self.values.borrow().get(key).cloned();
        Ok(Box::new(Begun { store: self, key: key.to_owned(), found }))
    }
}

struct Begun<'a> {
    store: &'a Memory,
    key: String,
    found: Option<Vec<u8>>,
}

impl Swap for Begun<'_> {
    fn current(&self) -> Result<Option<Vec<u8>>, KeyValueError> {
        Ok(self.found.clone())
    }
    fn swap(self: Box<Self>, new: &[u8]) -> Result<(), KeyValueError> {
        if self.store.values.borrow().get(&self.key) == self.found.as_ref() {
            self.store.apply([(self.key, Some(new.to_vec()))]);
        }
        Ok(())
    }
}
