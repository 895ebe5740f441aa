//! What the fuzz targets share: a world in memory for the core, the Kong and the CloudTrail in it,
//! and the limits that CloudTrail documents.
//!
//! A target's input is text, split by NUL bytes, which neither JSON nor a variable can hold: so a
//! corpus can be read, and a mutation of one part leaves the others alone.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod answers;
pub mod audit;
pub mod kong;
pub mod ledger;
pub mod world;

use kong_cloudtrail::terms::Stream;

#[path = "../../tests/mapping/limits.rs"]
mod limits;
#[path = "../../tests/mapping/same.rs"]
#[allow(dead_code)]
mod same;

// What a page of Kong holds, as the simulator has it, without its server.
#[path = "../../crates/sim/src/kong/page.rs"]
#[allow(dead_code)]
mod page;
#[path = "../../crates/sim/src/kong/version.rs"]
#[allow(dead_code)]
mod version;

/// The parts of an input.
pub fn chunks(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == 0)
}
