//! Why the ledger cannot be used.

use std::fmt;

use crate::ports::KeyValue;
use crate::seal::ValueFault;
use crate::store::{Store, StoreError};

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

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Unreadable { key, fault } => {
                write!(f, "the ledger's value at {key}, which was left as it is, {fault}")
            }
            Self::OtherTarget { target, variables } => write!(
                f,
                "this ledger remembers what went to {target}: set ledger to a new name for the new target, or {variables} \
                 back"
            ),
            Self::OldFormat { key } => write!(
                f,
                "the ledger's value at {key}, which was left as it is, {}",
                ValueFault::OldFormat
            ),
        }
    }
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
