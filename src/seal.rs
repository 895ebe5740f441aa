//! What a stored value begins with: the mark of its kind and format, and a check.
//!
//! The check is the head of a SHA-256 or, with `ledger_key`, of an HMAC-SHA-256, over the length of the store
//! key's name, the name, the mark and the body. So a damaged value is found out. With a key, a value that
//! somebody else wrote, changed, or moved to another name is found out too.

use std::cell::Cell;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::terms::Secret;
use crate::words::Told;

/// Most bytes of a value: 256 KiB less 64, since one byte more costs Redis a size class.
pub const VALUE_BYTES: usize = 262_080;
/// Bytes of mark and check.
pub const HEADER_BYTES: usize = 16;

/// Four bytes that name a kind of value and, by the last of them, its format.
pub type Mark = [u8; 4];

const MARK_BYTES: usize = size_of::<Mark>();
const CHECK_BYTES: usize = HEADER_BYTES - MARK_BYTES;

/// The bytes of a check.
pub type Check = [u8; CHECK_BYTES];

/// What is wrong with a stored value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFault {
    /// Written by a newer kong-cloudtrail.
    NewerFormat,
    /// Of a format that no release wrote.
    OldFormat,
    /// Not what was written; or, without `ledger_key`, written with one.
    Damaged,
    /// With `ledger_key`: not written with it.
    OtherKey,
    /// With `ledger_key`: written without one.
    Unkeyed,
}

impl ValueFault {
    /// In words.
    pub fn told(self) -> Told {
        let (cause, remedy) = match self {
            Self::NewerFormat => (
                "is of a newer format than this version reads",
                "run the version that wrote it, or a newer one",
            ),
            Self::OldFormat => (
                "is of a format from before version 0.1, which is not read",
                "set ledger to a new name (which ships again what Kong still holds)",
            ),
            Self::Damaged => (
                "is damaged, or needs a ledger_key, and none is set",
                "if a ledger_key was used before, set it again; else restore the store from its snapshot, or set ledger to \
                 a new name (which ships again what Kong still holds)",
            ),
            Self::OtherKey => (
                "was written with another ledger_key",
                "set ledger_key to the key it was written with; while you change keys, set ledger_key to the new one and \
                 ledger_key_previous to the old one; if the keys are right, the value is damaged or somebody has changed \
                 it: restore the store from its snapshot, or set ledger to a new name (which ships again what Kong still \
                 holds)",
            ),
            Self::Unkeyed => (
                "was written without a ledger_key, and one is set",
                "if you have just begun to use ledger_key, set ledger_key_previous to the word \"unkeyed\" for one run; else \
                 somebody has overwritten the value: restore the store from its snapshot",
            ),
        };
        Told::new(cause, remedy)
    }
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

/// How values are authenticated.
#[derive(Clone, Debug)]
pub enum Seal {
    /// By a hash, which anybody can make.
    Unkeyed,
    /// By `ledger_key`.
    Keyed(Secret),
}

impl Seal {
    /// The check of a body under a mark, at the store key of that name.
    pub fn check(&self, name: &str, mark: Mark, body: &[u8]) -> Check {
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes();
        let texts = [&length[..], name.as_bytes(), &mark, body];
        let digest = match self {
            Self::Unkeyed => texts.iter().fold(Sha256::new(), Digest::chain_update).finalize(),
            Self::Keyed(key) => {
                // A key of any length makes an HMAC.
                let Ok(mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else {
                    return Check::default();
                };
                texts.iter().fold(mac, Mac::chain_update).finalize().into_bytes()
            }
        };
        let mut check = Check::default();
        check.copy_from_slice(&digest[..CHECK_BYTES]);
        check
    }

    /// Whether a check is right, found out in a time that does not depend on where it is wrong.
    pub fn holds(&self, check: &[u8], name: &str, mark: Mark, body: &[u8]) -> bool {
        let right = self.check(name, mark, body);
        let differs = right.iter().zip(check).fold(0, |all, (one, other)| all | (one ^ other));
        check.len() == CHECK_BYTES && differs == 0
    }

    /// The value to store.
    pub fn close(&self, name: &str, mark: Mark, body: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(HEADER_BYTES + body.len());
        value.extend_from_slice(&mark);
        value.extend_from_slice(&self.check(name, mark, body));
        value.extend_from_slice(body);
        value
    }
}

/// The current seal, to write with, and the previous one, which is accepted too until the head is written
/// with the current one.
#[derive(Debug)]
pub struct Seals {
    current: Seal,
    previous: Option<Seal>,
    takes_previous: Cell<bool>,
    takes_any: bool,
}

impl Seals {
    /// By `ledger_key` and `ledger_key_previous`.
    pub fn new(current: Seal, previous: Option<Seal>) -> Self {
        Self { current, takes_previous: Cell::new(previous.is_some()), previous, takes_any: false }
    }

    /// Takes every value as if the previous seal had written it: for an operator who has lost the key.
    #[must_use]
    pub fn taking_any(self) -> Self {
        Self { takes_any: true, ..self }
    }

    /// The seal to write with.
    pub fn current(&self) -> &Seal {
        &self.current
    }

    /// Stops accepting values of the previous seal.
    pub(crate) fn forget_previous(&self) {
        self.takes_previous.set(false);
    }

    /// The accepted seal by which a check is right, if there is one.
    fn accepted(&self, check: &[u8], name: &str, mark: Mark, body: &[u8]) -> Option<&Seal> {
        let previous = self.previous.as_ref().filter(|_| self.takes_previous.get());
        [Some(&self.current), previous]
            .into_iter()
            .flatten()
            .find(|seal| seal.holds(check, name, mark, body))
    }

    /// Whether a check is right by one of the accepted seals.
    pub fn hold(&self, check: &[u8], name: &str, mark: Mark, body: &[u8]) -> bool {
        self.takes_any || self.accepted(check, name, mark, body).is_some()
    }

    /// The body of a stored value, and whether it was written with the previous seal.
    pub fn open<'v>(
        &self,
        name: &str,
        mark: Mark,
        value: &'v [u8],
    ) -> Result<(&'v [u8], bool), ValueFault> {
        let (header, body) = value.split_at_checked(HEADER_BYTES).ok_or(self.fault())?;
        let (found, check) = header.split_at(MARK_BYTES);
        let kind = MARK_BYTES - 1;
        if found[..kind] == mark[..kind] && found[kind] != mark[kind] {
            let newer = found[kind] > mark[kind];
            return Err(if newer { ValueFault::NewerFormat } else { ValueFault::OldFormat });
        }
        if found != mark {
            return Err(self.fault());
        }
        match self.accepted(check, name, mark, body) {
            Some(seal) => Ok((body, !std::ptr::eq(seal, &raw const self.current))),
            None if self.takes_any => Ok((body, true)),
            None if Seal::Unkeyed.holds(check, name, mark, body) => Err(ValueFault::Unkeyed),
            None => Err(self.fault()),
        }
    }

    fn fault(&self) -> ValueFault {
        match self.current {
            Seal::Unkeyed => ValueFault::Damaged,
            Seal::Keyed(_) => ValueFault::OtherKey,
        }
    }
}

/// The body of a value that is JSON.
pub fn json(content: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(content).unwrap_or_default()
}

/// The content of a body that is JSON.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ValueFault> {
    serde_json::from_slice(body).map_err(|_| ValueFault::Damaged)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const MARK: Mark = *b"kct2";
    const NAME: &str = "kong-cloudtrail:default:{0}test";

    fn keyed(key: &str) -> Seal {
        Seal::Keyed(Secret::new(key))
    }

    fn seals(current: Seal) -> Seals {
        Seals::new(current, None)
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_noticed(
            body: Vec<u8>, key: Option<String>, at: prop::sample::Index, change in 1u8..
        ) {
            let seals = seals(key.map_or(Seal::Unkeyed, |key| keyed(&key)));
            let mut value = seals.current().close(NAME, MARK, &body);
            prop_assert_eq!(seals.open(NAME, MARK, &value), Ok((body.as_slice(), false)));
            let at = at.index(value.len());
            value[at] ^= change;
            prop_assert!(seals.open(NAME, MARK, &value).is_err());
        }
    }

    #[test]
    fn a_check_is_made_over_the_length_of_the_name_the_name_the_mark_and_the_body() {
        // printf '\0\0\0\1nkct2body' | openssl dgst -sha256 [-hmac key]
        let bytes = |seal: &Seal| hex::encode(seal.check("n", MARK, b"body"));
        assert_eq!(bytes(&Seal::Unkeyed), "f9b0e5ea7eb7ad7a2a9af1c4");
        assert_eq!(bytes(&keyed("key")), "d74b8c067d711175ee8e1a7b");
    }

    #[test]
    fn a_value_at_another_name_is_not_taken() {
        for seal in [Seal::Unkeyed, keyed("key")] {
            let seals = seals(seal);
            let value = seals.current().close(NAME, MARK, b"body");
            assert!(seals.open(&NAME.replace("test", "head"), MARK, &value).is_err());
        }
    }

    #[test]
    fn what_the_previous_seal_wrote_is_taken_until_it_is_forgotten() {
        for (previous, fault) in
            [(Seal::Unkeyed, ValueFault::Unkeyed), (keyed("old"), ValueFault::OtherKey)]
        {
            let value = previous.close(NAME, MARK, b"body");
            assert_eq!(seals(keyed("new")).open(NAME, MARK, &value), Err(fault));
            let seals = Seals::new(keyed("new"), Some(previous));
            assert_eq!(seals.open(NAME, MARK, &value), Ok((&b"body"[..], true)));
            let own = seals.current().close(NAME, MARK, b"body");
            assert_eq!(seals.open(NAME, MARK, &own), Ok((&b"body"[..], false)));
            seals.forget_previous();
            assert_eq!(seals.open(NAME, MARK, &value), Err(fault));
            assert!(seals.open(NAME, MARK, &own).is_ok());
        }
    }

    #[test]
    fn without_a_key_a_keyed_value_is_told_with_the_variable() {
        let value = keyed("key").close(NAME, MARK, b"body");
        let fault = seals(Seal::Unkeyed).open(NAME, MARK, &value).unwrap_err();
        assert_eq!(fault, ValueFault::Damaged);
        assert!(fault.to_string().contains("set it again"));
    }

    #[test]
    fn another_format_is_told_from_damage() {
        let value = Seal::Unkeyed.close(NAME, *b"kct2", b"body");
        let seals = seals(Seal::Unkeyed);
        assert_eq!(seals.open(NAME, *b"kct1", &value), Err(ValueFault::NewerFormat));
        assert_eq!(seals.open(NAME, *b"kct3", &value), Err(ValueFault::OldFormat));
        assert_eq!(seals.open(NAME, *b"kcs2", &value), Err(ValueFault::Damaged));
        assert_eq!(seals.open(NAME, MARK, b"kct2"), Err(ValueFault::Damaged));
    }

    #[test]
    fn a_check_of_another_length_is_wrong() {
        let seal = Seal::Unkeyed;
        let check = seal.check(NAME, MARK, b"body");
        assert!(seal.holds(&check, NAME, MARK, b"body"));
        assert!(!seal.holds(&check[..11], NAME, MARK, b"body"));
        assert!(!seal.holds(&[], NAME, MARK, b"body"));
    }
}
