//! Ships the audit trail of a Kong Gateway control plane into AWS CloudTrail Lake.
//!
//! In the order in which a reader meets them:
//!
//! - [`shipper`]: one run, top to bottom;
//! - [`config`]: variables to what a run goes by, every mistake reported at once;
//! - [`lease`]: one run at a time across hosts;
//! - [`kong`]: the Admin API, the entries it gives, the windows of time to ask for;
//! - [`ledger`]: what was shipped already, and up to where, on [`store`], its values sealed by [`seal`];
//! - `lambda`: what Kong's Lambda left in the store, for the move from it;
//! - [`event`]: an entry becomes events, pure;
//! - `pass`: one stream's way through its window;
//! - [`delivery`]: keeps batches under way and records what was accepted;
//! - [`replay`]: sends dead letters again that somebody wants sent again;
//! - [`cloudtrail`] and [`aws`]: signed PutAuditEvents calls and what their answers mean;
//! - [`report`], `notes`, `messages` and [`log`]: what is printed;
//! - [`ports`]: what all of it needs of the world. `component.rs`, for wasm alone, gives it Spin's.
//!
//! Dependencies point one way: the shipper knows the rooms, the rooms know the ports. The core does
//! no I/O of its own and is the same code in the component, in the tests and in the benchmarks.

pub mod aws;
pub mod cloudtrail;
#[cfg(target_family = "wasm")]
mod component;
pub mod config;
pub mod delivery;
pub mod event;
pub mod kong;
mod lambda;
pub mod lease;
pub mod ledger;
pub mod log;
mod messages;
mod notes;
mod pass;
pub mod ports;
pub mod replay;
pub mod report;
pub mod retry;
pub mod seal;
pub mod shipper;
pub mod store;
pub mod wire;
