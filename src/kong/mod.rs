//! Kong's Admin API: what it answers and what an audit entry is.

pub mod entry;

pub use entry::{Entry, Stream};
