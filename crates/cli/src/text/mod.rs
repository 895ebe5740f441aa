//! What the program tells people, where stdout is a terminal. In a pipe it is lines of JSON.

pub mod status;

#[cfg(feature = "runs")]
mod check;
#[cfg(feature = "runs")]
mod run;
#[cfg(feature = "runs")]
mod verify;

#[cfg(feature = "runs")]
pub use check::check;
#[cfg(feature = "runs")]
pub use run::{log, progress, run};
#[cfg(feature = "runs")]
pub use verify::verify;

use kong_cloudtrail::words::shown_up_to;

/// Most characters of a text: an error may name several things that went wrong.
const MOST: usize = 2000;

/// A text that came from outside, harmless for a terminal.
pub fn harmless(text: &str) -> String {
    shown_up_to(MOST, text)
}

/// The same of a member of a line.
#[cfg(feature = "runs")]
fn text(value: &serde_json::Value) -> String {
    harmless(value.as_str().unwrap_or_default())
}
