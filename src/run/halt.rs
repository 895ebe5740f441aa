//! Why a stream, or the whole run, ends before it is complete.

use super::messages;
use crate::delivery::Failure;
use crate::kong::KongError;
use crate::lease::LeaseError;
use crate::ledger::LedgerError;
use crate::words::Told;

/// Why a stream, or the whole run, ends before it is complete.
#[derive(Clone, Debug)]
pub enum Halt {
    /// Kong's audit log cannot be read. The other stream may fare better.
    Kong(KongError),
    /// `run_budget_secs`, or this stream's share of it, has passed.
    Budget,
    /// Nothing can be delivered: the other stream would fare no better.
    Delivery(Failure),
}

impl From<Halt> for Told {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Kong(error) => error.told(),
            Halt::Delivery(failure) => failure.told(),
            Halt::Budget => messages::out_of_time(),
        }
    }
}

impl From<KongError> for Halt {
    fn from(error: KongError) -> Self {
        Self::Kong(error)
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Delivery(failure)
    }
}

impl From<LedgerError> for Halt {
    fn from(error: LedgerError) -> Self {
        Self::Delivery(error.into())
    }
}

impl From<LeaseError> for Halt {
    fn from(error: LeaseError) -> Self {
        Self::Delivery(error.into())
    }
}
