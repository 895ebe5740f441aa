//! The 16 bytes by which the ledger knows an entry.

use sha2::{Digest, Sha256};

use crate::terms::Stream;

/// First 16 bytes of SHA-256 over `stream \0 id`, or over the canonical entry when Kong sent no id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(pub [u8; Self::LEN]);

impl Fingerprint {
    /// Bytes a fingerprint takes in a segment.
    pub const LEN: usize = 16;

    /// The fingerprint of the entry of that identity: its id, or all that it says where it has none.
    pub fn of(stream: Stream, identity: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(stream.name());
        hasher.update([0]);
        hasher.update(identity);
        Self::head_of(hasher)
    }

    /// The fingerprint of one of several events that the entry of this fingerprint became.
    #[must_use]
    pub fn part(&self, number: usize) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        // As wide on every platform.
        hasher.update(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
        Self::head_of(hasher)
    }

    fn head_of(hasher: Sha256) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes.copy_from_slice(&hasher.finalize()[..Self::LEN]);
        Self(bytes)
    }
}
