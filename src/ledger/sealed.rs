//! A stored value that tells damage from emptiness: its first 16 bytes are the format's mark and the
//! head of a SHA-256 over the rest.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Most bytes of a value: 256 KiB less 64, since one byte more costs Redis a size class.
pub const VALUE_BYTES: usize = 262_080;
/// Bytes of mark and check.
pub const HEADER_BYTES: usize = 16;

/// Four bytes that name a kind of value and, by the last of them, its format.
pub type Mark = [u8; 4];

const MARK_BYTES: usize = size_of::<Mark>();
const CHECK_BYTES: usize = HEADER_BYTES - MARK_BYTES;

/// What is wrong with a stored value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFault {
    /// Written by a newer kong-cloudtrail.
    NewerFormat,
    /// Not what was written.
    Damaged,
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewerFormat => "is of a newer format than this version reads",
            Self::Damaged => "is damaged",
        })
    }
}

/// The value to store for `body`.
pub fn seal(mark: Mark, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER_BYTES + body.len());
    value.extend_from_slice(&mark);
    value.extend_from_slice(&Sha256::digest(body)[..CHECK_BYTES]);
    value.extend_from_slice(body);
    value
}

/// The body of a stored value.
pub fn open(mark: Mark, value: &[u8]) -> Result<&[u8], ValueFault> {
    let (header, body) = value.split_at_checked(HEADER_BYTES).ok_or(ValueFault::Damaged)?;
    let (found, check) = header.split_at(MARK_BYTES);
    let kind = MARK_BYTES - 1;
    if found[..kind] == mark[..kind] && found[kind] > mark[kind] {
        return Err(ValueFault::NewerFormat);
    }
    let sound = found == mark && Sha256::digest(body)[..CHECK_BYTES] == *check;
    sound.then_some(body).ok_or(ValueFault::Damaged)
}

/// The value to store for `content`.
pub fn seal_json(mark: Mark, content: &impl Serialize) -> Vec<u8> {
    seal(mark, &serde_json::to_vec(content).unwrap_or_default())
}

/// The content of a stored value.
pub fn open_json<T: DeserializeOwned>(mark: Mark, value: &[u8]) -> Result<T, ValueFault> {
    serde_json::from_slice(open(mark, value)?).map_err(|_| ValueFault::Damaged)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const MARK: Mark = *b"kct1";

    proptest! {
        #[test]
        fn any_changed_byte_is_noticed(body: Vec<u8>, at: prop::sample::Index, change in 1u8..) {
            let mut value = seal(MARK, &body);
            prop_assert_eq!(open(MARK, &value).unwrap(), body);
            let at = at.index(value.len());
            value[at] ^= change;
            prop_assert!(open(MARK, &value).is_err());
        }
    }

    #[test]
    fn a_fault_says_what_is_wrong() {
        assert!(ValueFault::NewerFormat.to_string().contains("newer format"));
        assert!(ValueFault::Damaged.to_string().contains("damaged"));
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let value = seal(*b"kct2", b"body");
        assert_eq!(open(MARK, &value), Err(ValueFault::NewerFormat));
        assert_eq!(open(*b"kct3", &value), Err(ValueFault::Damaged));
        assert_eq!(open(*b"kcs1", &value), Err(ValueFault::Damaged));
        assert_eq!(open(MARK, b"kct2"), Err(ValueFault::Damaged));
    }
}
