//! One run at a time across hosts that share a store (invariant 2).
//!
//! The lease is one value: its owner's token, random and never used again, and when it ends. It is
//! taken by compare-and-swap; the swap's answer is ignored and the value read back, since Spin 4.0.2
//! on Redis reports "failed" also when it wrote. A token is the run's alone, so whoever reads its own
//! token back has the lease.
//!
//! Hosts' clocks may differ by seconds: the owner stops trusting its lease a margin before it ends,
//! by a clock that never goes back, so a host that was stopped past it notices before its next batch
//! or write. A swap costs one of 256 handles that Spin never gives back; [`SWAPS`] bounds them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ports::{Clock, KeyValue, Random};
use crate::store::{Store, StoreError};

const NAME: &str = "lease";

/// Most swaps a run makes.
const SWAPS: u32 = 100;

/// Why a run may not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseError {
    /// Another host has it.
    Held {
        /// Milliseconds until it ends, by this host's clock.
        remaining_ms: i64,
    },
    /// It was ours and another host has taken it over.
    Lost,
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { remaining_ms } => write!(
                f,
                "another host holds the lease for {} s more",
                remaining_ms.max(&0).unsigned_abs().div_ceil(1000)
            ),
            Self::Lost => write!(
                f,
                "this host stalled past its lease and another took over: the run stopped, the other goes on"
            ),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl From<StoreError> for LeaseError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[derive(Serialize, Deserialize)]
struct Value {
    owner: String,
    until_ms: i64,
}

/// A lease that is ours.
pub struct Lease<'a, P> {
    store: &'a Store<'a, P>,
    port: &'a P,
    owner: String,
    length: Duration,
    value: Vec<u8>,
    /// When the value was last seen to be ours, by the clock that never goes back.
    seen: Duration,
    swaps: u32,
}

impl<'a, P: KeyValue + Clock + Random> Lease<'a, P> {
    /// Takes the lease for `length`, unless another host holds it.
    pub fn take(
        store: &'a Store<'a, P>,
        port: &'a P,
        length: Duration,
    ) -> Result<Self, LeaseError> {
        let present = store.get(NAME)?;
        // A value that nobody could have written is nobody's lease.
        if let Some(held) = present.as_deref().and_then(|v| serde_json::from_slice::<Value>(v).ok())
        {
            let remaining_ms = held.until_ms - port.now_ms();
            // A clock far ahead must not keep all others waiting for longer than a lease lasts.
            let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
            if (1..=length_ms.saturating_mul(2)).contains(&remaining_ms) {
                return Err(LeaseError::Held { remaining_ms });
            }
        }
        let mut lease = Self {
            store,
            port,
            owner: format!("{:016x}{:016x}", port.u64(), port.u64()),
            length,
            value: Vec::new(),
            seen: port.elapsed(),
            swaps: 0,
        };
        match lease.swap(present.as_deref(), length) {
            Ok(()) => Ok(lease),
            Err(LeaseError::Lost) => {
                let remaining_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
                Err(LeaseError::Held { remaining_ms })
            }
            Err(error) => Err(error),
        }
    }

    /// Makes sure that the lease is ours still. To be called before each batch and each write:
    /// it costs nothing until a third of the lease has passed, then renews it.
    pub fn hold(&mut self) -> Result<(), LeaseError> {
        let age = self.port.elapsed().saturating_sub(self.seen);
        if age < self.length / 3 {
            return Ok(());
        }
        if self.swaps >= SWAPS {
            // Without a swap to spare the lease is used up to its margin and no further.
            return if age < self.length * 2 / 3 { Ok(()) } else { Err(LeaseError::Lost) };
        }
        let present = std::mem::take(&mut self.value);
        self.swap(Some(&present), self.length)
    }

    /// Ends the lease, so that the next tick of any host need not wait for it to run out.
    pub fn release(mut self) -> Result<(), LeaseError> {
        let present = std::mem::take(&mut self.value);
        let ended = serde_json::to_vec(&Value { owner: self.owner.clone(), until_ms: 0 });
        self.store.swap(NAME, Some(&present), &ended.unwrap_or_default())?;
        Ok(())
    }

    fn swap(&mut self, present: Option<&[u8]>, length: Duration) -> Result<(), LeaseError> {
        let seen = self.port.elapsed();
        let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let until_ms = self.port.now_ms().saturating_add(length_ms);
        let wanted =
            serde_json::to_vec(&Value { owner: self.owner.clone(), until_ms }).unwrap_or_default();
        self.swaps += 1;
        self.store.swap(NAME, present, &wanted)?;
        if self.store.get(NAME)?.as_deref() != Some(wanted.as_slice()) {
            return Err(LeaseError::Lost);
        }
        self.seen = seen;
        self.value = wanted;
        Ok(())
    }
}
