//! TLS on every side, each thing wrong in its turn: Kong's Admin API, CloudTrail's endpoint, Redis.
//! The component runs in the host's process, as an operator starts it, and what is judged is what
//! the operator reads. `cargo xtask test` builds the component.
#![allow(clippy::unwrap_used)]

mod authority;
#[path = "../component/binary.rs"]
mod binary;
mod cloudtrail;
mod kong;
mod redis;
mod world;
