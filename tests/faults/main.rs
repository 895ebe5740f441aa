//! The shipped component under real violence: the built `.wasm` on the real host process, a real
//! Redis, real signals, and the two simulators, which know what is true.
//!
//! - `kills`: SIGKILL at any moment.
//! - `interrupted`: SIGINT and SIGTERM.
//! - `hosts`: several hosts on one store, stopped, continued and killed.
//! - `mix`: everything that may fail, failing at once.
//! - `store`: a key-value store that fails, is slow, or has lost or damaged what it held.
//! - `refusing`: a real store that refuses writes.
//! - `secrets`: nothing printed or stored holds one.
//!
//! The rest is the stage: `world` (simulators and variables), `driver` (how the host, or Spin, is
//! started), `host` (its process), `redis`,
//! `faulty` (the store that fails on demand), `refusals` (real ones that refuse), `verdict` (what
//! Kong holds against what is in CloudTrail).
//!
//! `cargo xtask test` builds what this needs; by hand that is `cargo xtask build` and
//! `cargo build -p kong-cloudtrail-cli`. Where `redis-server` is missing, what needs it says
//! SKIPPED. `KONG_CLOUDTRAIL_SOAK=1` runs the long form. Everything drawn is drawn from a seed that
//! is printed and can be given back in `KONG_CLOUDTRAIL_SEED`.
#![allow(clippy::unwrap_used)]

#[path = "../component/destination.rs"]
mod destination;
#[path = "../component/driver.rs"]
mod driver;
mod faulty;
mod host;
mod hosts;
mod interrupted;
mod kills;
mod mix;
mod redis;
mod refusals;
mod refusing;
mod secrets;
mod store;
mod verdict;
mod world;
