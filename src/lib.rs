//! Ships the audit trail of a Kong Gateway control plane to where it is kept and queried.
//!
//! This library is the core: all that decides anything, and no I/O of its own. In the order in which a reader
//! meets its rooms:
//!
//! - [`run`]: one run, top to bottom;
//! - [`config`], on [`variables`]: variables to what a run goes by, every mistake reported at once;
//! - [`lease`]: one run at a time across hosts;
//! - [`kong`]: the Admin API, and the entries that it gives;
//! - [`coverage`]: what of a stream is covered, and what is due;
//! - [`ledger`]: what was shipped already, on [`store`], its values sealed by [`seal`];
//! - [`event`]: an entry becomes events, pure;
//! - `delivery`: keeps batches under way, records what was accepted, and sends dead letters again;
//! - [`destination`], on [`aws`]: signed requests, and what their answers mean for each event;
//! - [`report`] and `log`: what is printed;
//! - [`status`]: how things stand, from the store alone;
//! - [`check`]: whether a run would work; [`verify`]: whether all that Kong retains is recorded;
//! - [`terms`]: the types that all rooms share; `retry` and [`wire`]: what all calls share; [`words`]: how texts
//!   are told;
//! - [`ports`]: what all of it needs of the world. `spin`, for wasm alone, gives it Spin's, and `testing`, for
//!   tests alone, gives it memory.
//!
//! Dependencies point one way: the run knows the rooms, the rooms know terms and ports. `tests/rooms.rs` holds
//! that. The core is the same code in the component (`components/shipper`), in the tests and in the benchmarks.

pub mod aws;
pub mod check;
pub mod config;
pub mod coverage;
mod delivery;
pub mod destination;
pub mod event;
pub mod kong;
pub mod lease;
pub mod ledger;
mod log;
pub mod ports;
pub mod report;
mod retry;
pub mod run;
pub mod seal;
#[cfg(target_family = "wasm")]
pub mod spin;
pub mod status;
pub mod store;
pub mod terms;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod variables;
pub mod verify;
pub mod wire;
pub mod words;
