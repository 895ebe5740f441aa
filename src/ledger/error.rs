//! Why the ledger cannot be used.

use std::fmt;

use crate::ports::KeyValue;
use crate::seal::ValueFault;
use crate::store::{Store, StoreError};
use crate::words::{Told, shown};

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
    /// The ledger remembers what went to another target.
    OtherTarget {
        /// That target.
        target: String,
        /// The variables that name it.
        variables: &'static str,
    },
    /// The ledger was written by a version from before keys had a tag.
    OldFormat {
        /// The whole key of its head.
        key: String,
    },
}

impl LedgerError {
    /// The error of a fault in the value of `name`.
    pub(super) fn at<P: KeyValue>(
        store: &Store<'_, P>,
        name: &str,
    ) -> impl FnOnce(ValueFault) -> Self {
        let key = store.key(name);
        |fault| Self::Unreadable { key, fault }
    }
}

impl LedgerError {
    /// In words.
    pub fn told(&self) -> Told {
        let left = |key: &str, fault: &ValueFault| {
            let Told { cause, remedy } = fault.told();
            Told::new(
                format!("the ledger's value at {key}, which was left as it is, {cause}"),
                remedy,
            )
        };
        match self {
            Self::Store(error) => error.told(),
            Self::Unreadable { key, fault } => left(key, fault),
            Self::OtherTarget { target, variables } => Told::new(
                format!(
                    "this ledger is of another target: it remembers what went to {}",
                    shown(target)
                ),
                format!("set ledger to a new name for the new target, or {variables} back"),
            ),
            Self::OldFormat { key } => left(key, &ValueFault::OldFormat),
        }
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
