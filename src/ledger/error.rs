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
    /// The store has lost something that nothing makes up for, or gone back to an earlier state of it.
    Lost {
        /// The whole key.
        key: String,
        /// What it was.
        what: Lost,
    },
    /// The ledger was written by a version from before keys had a tag.
    OldFormat {
        /// The whole key of its head.
        key: String,
    },
}

/// What the store has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The index of that many dead letters.
    Index(u64),
    /// Dead letters that the index names; what is wrong with their value, where there is one.
    Letters(Option<ValueFault>),
    /// Of that many interventions, the record.
    Interventions(u64),
}

/// How to go on where the store cannot be restored.
const ACKNOWLEDGE: &str = "restore the store from its snapshot; to go on without them, kong-cloudtrail ledger acknowledge --yes \
                           --reason takes note of who has decided so";

impl Lost {
    fn cause(self, key: &str) -> String {
        match self {
            Self::Index(letters) => format!(
                "the store has lost the index of {letters} dead letters, {key}, or gone back to an earlier one"
            ),
            Self::Letters(None) => {
                format!("the store has lost the dead letters at {key}, or some of them")
            }
            Self::Letters(Some(fault)) => {
                format!("the value with the dead letters at {key} {}", fault.told().cause)
            }
            Self::Interventions(number) => format!(
                "the store has lost the record of {number} interventions, {key}, or gone back to an earlier one"
            ),
        }
    }
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
    /// The whole key of the value that is lost or does not hold good.
    pub fn key(&self) -> Option<String> {
        match self {
            Self::Unreadable { key, .. } | Self::Lost { key, .. } | Self::OldFormat { key } => {
                Some(key.clone())
            }
            Self::Store(_) | Self::OtherTarget { .. } => None,
        }
    }

    /// In words.
    pub fn told(&self) -> Told {
        let left = |key: &str, fault: &ValueFault| {
            let Told { cause, remedy } = fault.told();
            Told::new(format!("the ledger's value at {key} {cause} (nothing was changed)"), remedy)
        };
        match self {
            Self::Store(error) => error.told(),
            Self::Unreadable { key, fault } => left(key, fault),
            Self::OtherTarget { target, variables } => Told::new(
                format!(
                    "this ledger belongs to another destination: it remembers what went to {}",
                    shown(target)
                ),
                format!(
                    "set ledger to a new name for the new destination, or set {variables} back to the old values; \
                     kong-cloudtrail ledger rebind goes on with this ledger and the new destination"
                ),
            ),
            Self::Lost { key, what } => Told::new(
                format!("{}: nothing is sent until that is decided", what.cause(key)),
                ACKNOWLEDGE,
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
