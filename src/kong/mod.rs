//! Kong's Admin API: what it answers, and what an audit entry is.

mod about;
mod call;
mod circles;
mod client;
pub mod entry;
mod error;
mod ignored;
mod left_out;
mod page;
mod sizes;
mod version;

pub use about::{About, Root};
pub(crate) use about::{CLOCKS_DIFFER_SECS, DEFAULT_RETENTION_SECS};
pub use circles::{Circles, next_offset};
pub use client::{Access, Ask, Fetched, Kong};
pub use entry::{Entry, Fields, text};
pub use error::KongError;
pub use left_out::{Flaw, LeftOut};
pub use page::Page;
pub use version::Version;
