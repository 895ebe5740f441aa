//! Kong's Admin API: what it answers, what an audit entry is, which span of time to ask for.

mod client;
pub mod entry;
mod error;
mod version;
mod window;

pub use client::{About, Kong, Page};
pub use entry::{Entry, Fields, Stream, text};
pub use error::{KongError, too_large};
pub use version::Version;
pub use window::{Filters, Mode, Plan, Window, plan};
