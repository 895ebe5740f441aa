//! Simulators of the two services between which the shipper stands: the Kong Admin API, from
//! whose audit log entries are read, and the CloudTrail Data endpoint, to which events are sent.
//!
//! They exist so that tests, demo and benchmarks run the shipped component against something that
//! answers as the documentation says, bugs of particular Kong versions included, and that can be
//! told to fail in every way that a network and a service fail.
//!
//! - [`kong`]: `/`, `/audit/requests` and `/audit/objects` of any Kong version, over a trail of
//!   generated and added entries.
//! - [`cloudtrail`]: `PutAuditEvents`, which verifies signature, checksum, schema and limits, and
//!   keeps what it accepted.
//! - [`front`]: what both have before their own handlers: counted calls, latency, faults, `Date`.
//! - [`fault`]: the faults, as data. [`clock`]: a clock that can be moved. [`server`]: HTTP over
//!   connections that can be reset.
//!
//! Both start on a thread of their own and stop when dropped, so they serve synchronous and
//! asynchronous tests alike:
//!
//! ```
//! use kong_cloudtrail_sim::kong;
//!
//! let kong = kong::Simulator::start(kong::Options { requests: 500, ..Default::default() })?;
//! assert_eq!(kong.status().requests, 500);
//! assert!(kong.url().starts_with("http://127.0.0.1:"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Every control has an HTTP endpoint below `/_sim/` and a method of the same name. Control
//! endpoints ask for no authentication and are neither counted, delayed, disturbed nor audited.

pub mod clock;
pub mod cloudtrail;
mod control;
pub mod fault;
pub mod front;
pub mod kong;
mod random;
pub mod server;
