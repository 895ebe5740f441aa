//! To come.

mod allowed_hosts;
mod app;
mod bindings;
mod files;
mod http;
mod instance;
pub mod key_value;
mod lines;
pub mod manifest;
mod name;
mod runtime_config;
mod variables;

pub use app::{App, Ending, Entry, Line, Options, Outcome, report};
pub use variables::{Given, Sources};
