//! The key-value port under the ledger's name: prefixes keys, counts calls, names the key in errors.
//!
//! The store is never listed: `KEYS *` would block a shared Redis.

use std::cell::Cell;
use std::fmt;

use crate::ports::{KeyValue, KeyValueError};

/// A store call that failed, with the whole key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    key: String,
    why: KeyValueError,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the key-value store failed at {}: {}; {}",
            self.key,
            self.why,
            remedy(&self.why.0)
        )
    }
}

/// By the words of the libraries with which Spin reaches Redis: OpenSSL's and Redis's own.
fn remedy(why: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["AuthenticationFailed", "WRONGPASS", "NOAUTH", "NOPERM"]) {
        "check user and password in the url of [key_value_store.default] in the runtime config, and what Redis's ACL allows \
         that user"
    } else if says(&["ertificate", "Hostname mismatch", "SSL", "tls", "Tls"]) {
        "over rediss:// the certificate's authority must be in the system's store, or in the file that SSL_CERT_FILE names to \
         the host, and the certificate must name the host in the url of [key_value_store.default] and be valid now"
    } else {
        "check that the store named in Spin's runtime config is up and reachable"
    }
}

/// One ledger's part of the store.
pub struct Store<'a, P> {
    port: &'a P,
    prefix: String,
    calls: Cell<u64>,
}

impl<'a, P: KeyValue> Store<'a, P> {
    /// The part that belongs to the ledger of that name.
    pub fn new(port: &'a P, ledger: &str) -> Self {
        Self { port, prefix: format!("kong-cloudtrail:{ledger}:"), calls: Cell::new(0) }
    }

    /// The whole key of `name`.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Calls made on the port so far.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = self.key(name);
        self.counted(key.clone(), || self.port.get(&key))
    }

    /// The value of a key that is not the ledger's: such keys are only ever read.
    pub fn get_foreign(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.counted(key.to_owned(), || self.port.get(key))
    }

    /// Writes all pairs of name and value, together where the store can.
    pub fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        let pairs: Vec<_> =
            pairs.into_iter().map(|(name, value)| (self.key(&name), value)).collect();
        let last = pairs.last().map(|(key, _)| key.clone()).unwrap_or_default();
        self.counted(last, || self.port.set_many(&pairs))
    }

    /// Deletes `name`.
    pub fn delete(&self, name: &str) -> Result<(), StoreError> {
        let key = self.key(name);
        self.counted(key.clone(), || self.port.delete(&key))
    }

    /// The error of a call for `name` that was answered, and yet had no effect.
    pub fn no_effect(&self, name: &str) -> StoreError {
        let why = KeyValueError("it answered, and did not do what it was asked for".to_owned());
        StoreError { key: self.key(name), why }
    }

    /// Writes `new` at `name` if its value is `expected`; read back to learn whether it was written.
    pub fn swap(&self, name: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), StoreError> {
        let key = self.key(name);
        self.counted(key.clone(), || self.port.swap(&key, expected, new))
    }

    fn counted<T>(
        &self,
        key: String,
        call: impl FnOnce() -> Result<T, KeyValueError>,
    ) -> Result<T, StoreError> {
        self.calls.set(self.calls.get() + 1);
        call().map_err(|why| StoreError { key, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_refuses_and_what_its_certificate_lacks_lead_to_their_settings() {
        for (why, names) in [
            ("Password authentication failed - AuthenticationFailed", "user and password"),
            ("NOPERM: this user has no permissions to run the 'mset' command", "ACL"),
            ("error:0A000086:SSL routines::certificate verify failed", "SSL_CERT_FILE"),
            ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
            ("Connection refused (os error 111)", "up and reachable"),
        ] {
            let error = StoreError {
                key: "kong-cloudtrail:a:head".to_owned(),
                why: KeyValueError(why.to_owned()),
            };
            let text = error.to_string();
            assert!(text.contains(names) && text.contains(why), "{text}");
        }
    }
}
