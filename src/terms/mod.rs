//! The terms that all rooms share: leaf types, which know none of the rooms.

mod bucket;
mod secret;
mod stream;
mod window;

pub use bucket::{BUCKET_SECS, Bucket, LedgerTime};
pub use secret::Secret;
pub use stream::Stream;
pub use window::Window;

/// What a destination receives for an entry, or for a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `[-_A-Za-z0-9]{1,128}`.
    pub id: String,
    /// When it happened, in Unix seconds: its `eventTime`.
    pub time: i64,
    /// `eventData`, JSON text of at most 256,000 bytes.
    pub data: String,
}
