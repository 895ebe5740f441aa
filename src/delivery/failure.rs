//! Why a run delivers nothing else.

use std::fmt;

use crate::destination::Stop;
use crate::lease::LeaseError;
use crate::ledger::LedgerError;
use crate::words::Told;

/// Why nothing else is delivered.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The destination takes nothing.
    Destination(Stop),
    /// The destination refused all events of two batches in a row. So it is not the entries that are at
    /// fault.
    Flood {
        /// The destination's name.
        name: &'static str,
        /// What it says.
        why: String,
        /// What to check.
        remedy: &'static str,
    },
    /// The ledger cannot be used.
    Ledger(LedgerError),
    /// The lease is lost, or could not be renewed.
    Lease(LeaseError),
}

impl Failure {
    /// In words.
    pub fn told(&self) -> Told {
        match self {
            Self::Destination(stop) => stop.told(),
            Self::Ledger(error) => error.told(),
            Self::Lease(error) => error.told(),
            Self::Flood { name, why, remedy } => Told::new(
                format!(
                    "{name} refused every event of two batches in a row ({why}): the fault is not in single entries, so none \
                     of these was made a dead letter, and the next run tries them again"
                ),
                *remedy,
            ),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<LeaseError> for Failure {
    fn from(error: LeaseError) -> Self {
        Self::Lease(error)
    }
}
