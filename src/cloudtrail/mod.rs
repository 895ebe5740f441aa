//! CloudTrail Data: the channel, batches, signed PutAuditEvents calls, and the outcome of each event.
//!
//! What is CloudTrail's own stays in this room: the shipper knows a destination by its limits, by
//! sending a batch, and by an outcome for each event.

mod batch;
mod channel;
mod client;
mod outcome;

pub use batch::{Batch, Batcher, Item};
pub use channel::Channel;
pub use client::{CloudTrail, Sent};
pub use outcome::{Stop, Undelivered};

#[cfg(test)]
mod tests;
