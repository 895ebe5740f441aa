//! The built component on the host, against the simulators, on SQLite and on a real Redis.
//! `cargo xtask test` builds the component and starts the Redis; `cargo xtask spin` has Spin in the
//! host's place.
#![allow(clippy::unwrap_used)]

mod answers;
mod artefact;
mod attacks;
mod bad_input;
mod bad_rows;
mod cloudwatch;
mod command;
mod credentials;
mod dead_letters;
mod destination;
mod driver;
mod evidence;
mod job;
mod keys;
mod kongs;
mod lambda;
mod losses;
mod runs;
mod s3;
mod signature;
mod sizes;
mod status;
mod support;
mod times;
#[path = "../faults/verdict.rs"]
#[allow(dead_code, reason = "the tests of faults ask it more")]
mod verdict;
