//! TLS on every side, each thing wrong in its turn: Kong's Admin API, CloudTrail's endpoint, Redis.
//! The component runs in a process of the host's, or of Spin's, as an operator starts it, and what is
//! judged is what the operator reads. `cargo xtask test` builds the component.
#![allow(clippy::unwrap_used)]

mod authority;
mod cloudtrail;
#[path = "../component/driver.rs"]
mod driver;
mod kong;
mod redis;
mod world;
