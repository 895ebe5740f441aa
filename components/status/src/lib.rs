//! The status page of kong-cloudtrail: how things stand, read from the store that the shipper writes.
//!
//! It decides nothing: [`kong_cloudtrail::status`] does. [`answer`] says what each address gives, [`page`], its
//! `chart` and its `runs` draw, [`metrics`] counts. The entry point is `component`, for wasm alone.
//!
//! It reads, and does nothing else: the component imports no function that writes, and none that reaches out
//! (`tests/status`, `artefact`).

pub mod answer;
mod chart;
mod format;
pub mod metrics;
pub mod page;
mod runs;

#[cfg(target_family = "wasm")]
mod component;
