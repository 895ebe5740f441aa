//! Simulators of the services between which the shipper stands: the Kong Admin API, from whose
//! audit log entries are read, the CloudTrail Data, CloudWatch Logs and S3 endpoints, to which events are sent, and the
//! endpoints from which AWS credentials come.
//!
//! They exist so that tests, demo and benchmarks run the shipped component against something that
//! answers as the documentation says, bugs of particular Kong versions included, and that can be
//! told to fail in every way that a network and a service fail.
//!
//! - [`kong`]: `/`, `/audit/requests` and `/audit/objects` of any Kong version, over a trail of
//!   generated and added entries.
//! - [`cloudtrail`]: `PutAuditEvents`, which verifies signature, checksum, schema and limits, and
//!   keeps what it accepted.
//! - [`cloudwatch`]: `PutLogEvents`, which verifies signature, order, span, bytes and the age of each event, and
//!   keeps what it accepted; beside it, whose the access keys are, as STS tells it.
//! - [`s3`]: `PutObject` to a bucket with Object Lock, which verifies signature, checksums and the owner, and writes
//!   an object only where there is none of its name.
//! - [`credentials`]: temporary credentials, as ECS, EKS, STS and EC2 hand them out, which
//!   `cloudtrail`, `cloudwatch` and `s3` take while they are valid.
//! - [`fault`]: what can go wrong with a call of any, as data. [`tls`]: HTTPS, with client
//!   certificates where they are asked for.
//! - `front`: what all have before their own handlers: counted calls, latency, faults, `Date`.
//!   `clock`: a clock that can be moved. `server`: HTTP over connections that can be reset.
//!   `control`: what their control endpoints share. `random`: seeded randomness.
//!
//! All start on a thread of their own and stop when dropped, so they serve synchronous and
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
//! What demo and benchmark need of the methods of Kong and CloudTrail, control endpoints below
//! `/_sim/` offer over HTTP. They ask for no authentication and are neither counted, delayed,
//! disturbed nor audited.

mod caller;
mod clock;
pub mod cloudtrail;
pub mod cloudwatch;
mod control;
pub mod credentials;
pub mod fault;
mod front;
mod issuer;
pub mod kong;
mod random;
pub mod s3;
mod server;
pub mod tls;
