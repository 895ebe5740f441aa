//! The files that deploy the component say what the component, its image and its report are. Nothing
//! here needs Terraform; `cargo xtask deployment` runs what does.
#![allow(clippy::unwrap_used)]

mod documented;
#[path = "../documents/mod.rs"]
mod documents;
mod files;
mod filters;
mod readme;
mod rights;
mod task;
