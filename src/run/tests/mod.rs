//! Whole runs, in memory: what a run makes of what Kong holds, of what the store holds from runs before, and of
//! what the destination answers.
#![allow(clippy::unwrap_used)]

mod around;
mod deliveries;
mod keeping;
mod objects;
mod outcomes;
mod readings;
mod sweeps;
mod told;
pub mod world;

use world::{DAY, Fate, NOON, World};
