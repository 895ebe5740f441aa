//! Kong's Admin API: what it answers, and what an audit entry is.

mod about;
mod client;
pub mod entry;
mod error;
mod ignored;
mod page;
mod version;

pub use about::About;
pub use client::{Access, Kong};
pub use entry::{Entry, Fields, text};
pub use error::{KongError, too_large};
pub use page::Page;
pub use version::Version;
