//! The key-value store: Spin's interface, and `wasi:keyvalue` for what that lacks.

use std::cell::OnceCell;

use super::Host;
use super::bindings::wasi::keyvalue::{atomics, batch, store as buckets};
use crate::ports::{KeyValue, KeyValueError, Swap};

/// The store as both interfaces have it. Whoever only reads needs one of them.
pub(super) struct Stores {
    store: Result<spin_sdk::key_value::Store, KeyValueError>,
    bucket: OnceCell<Result<buckets::Bucket, KeyValueError>>,
}

impl Stores {
    pub fn open() -> Self {
        let store = spin_sdk::key_value::Store::open_default().map_err(key_value_error);
        Self { store, bucket: OnceCell::new() }
    }
}

impl Host {
    fn store(&self) -> Result<&spin_sdk::key_value::Store, KeyValueError> {
        self.stores.store.as_ref().map_err(Clone::clone)
    }

    fn bucket(&self) -> Result<&buckets::Bucket, KeyValueError> {
        // A Redis out of reach holds up each open for minutes: once is enough.
        let open = || {
            self.store()?;
            buckets::open("default").map_err(bucket_error)
        };
        self.stores.bucket.get_or_init(open).as_ref().map_err(Clone::clone)
    }
}

/// The host's own words: what Spin's SDK makes of them is for its developers.
fn key_value_error(error: spin_sdk::key_value::Error) -> KeyValueError {
    use spin_sdk::key_value::Error;
    KeyValueError(match error {
        Error::StoreTableFull => "store table full".to_owned(),
        Error::NoSuchStore => "no such store".to_owned(),
        Error::AccessDenied => "access denied".to_owned(),
        Error::Other(why) => why,
    })
}

fn bucket_error(error: buckets::Error) -> KeyValueError {
    KeyValueError(match error {
        buckets::Error::NoSuchStore => "no such store".to_owned(),
        buckets::Error::AccessDenied => "access denied".to_owned(),
        buckets::Error::Other(why) => why,
    })
}

impl KeyValue for Host {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.store()?.get(key).map_err(key_value_error)
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        match pairs {
            [(key, value)] => self.store()?.set(key, value).map_err(key_value_error),
            _ => batch::set_many(self.bucket()?, pairs).map_err(bucket_error),
        }
    }

    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.store()?.delete(key).map_err(key_value_error)
    }

    fn begin_swap(&self, key: &str) -> Result<Box<dyn Swap + '_>, KeyValueError> {
        let cas = atomics::Cas::new(self.bucket()?, key).map_err(bucket_error)?;
        Ok(Box::new(cas))
    }
}

impl Swap for atomics::Cas {
    fn current(&self) -> Result<Option<Vec<u8>>, KeyValueError> {
        Self::current(self).map_err(bucket_error)
    }

    fn swap(self: Box<Self>, new: &[u8]) -> Result<(), KeyValueError> {
        match atomics::swap(*self, new) {
            Ok(()) | Err(atomics::CasError::CasFailed(_)) => Ok(()),
            Err(atomics::CasError::StoreError(error)) => Err(bucket_error(error)),
        }
    }
}
