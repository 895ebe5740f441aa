//! A store in memory, for tests: `type = "memory"`, which Spin does not have.
//!
//! It answers as `wasi:keyvalue` promises: swaps are right for absent keys too, a batch comes back
//! in the order asked for, a counter is decimal text. Its content lives as long as its manager.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{CompareAndSwap, Store, StoreError, StoreManager, SwapError, Value};

type Pairs = BTreeMap<String, Value>;
type Shared = Arc<Mutex<Pairs>>;

/// Stores in memory, one for each label.
#[derive(Default)]
pub struct MemoryStores(Mutex<HashMap<String, Shared>>);

/// No statement here leaves the map half changed, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl StoreManager for MemoryStores {
    fn place(&self) -> String {
        "memory, which ends with this process".to_owned()
    }

    async fn open(&self, label: &str) -> Result<Arc<dyn Store>, StoreError> {
        let pairs = lock(&self.0).entry(label.to_owned()).or_default().clone();
        Ok(Arc::new(MemoryStore(pairs)))
    }
}

struct MemoryStore(Shared);

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        Ok(lock(&self.0).get(key).cloned())
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), StoreError> {
        lock(&self.0).insert(key.to_owned(), value);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        lock(&self.0).remove(key);
        Ok(())
    }

    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Ok(lock(&self.0).contains_key(key))
    }

    async fn keys(&self) -> Result<Vec<String>, StoreError> {
        Ok(lock(&self.0).keys().cloned().collect())
    }

    async fn get_many(
        &self,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Value>)>, StoreError> {
        let pairs = lock(&self.0);
        Ok(keys
            .into_iter()
            .map(|key| {
                let value = pairs.get(&key).cloned();
                (key, value)
            })
            .collect())
    }

    async fn set_many(&self, pairs: Vec<(String, Value)>) -> Result<(), StoreError> {
        lock(&self.0).extend(pairs);
        Ok(())
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let mut pairs = lock(&self.0);
        for key in keys {
            pairs.remove(&key);
        }
        Ok(())
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        let mut pairs = lock(&self.0);
        let now = match pairs.get(key) {
            None => Some(0),
            Some(value) => std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
        };
        let sum = now
            .and_then(|now: i64| now.checked_add(delta))
            .ok_or_else(|| StoreError::Other(format!("the value at {key:?} is no counter")))?;
        pairs.insert(key.to_owned(), sum.to_string().into_bytes());
        Ok(sum)
    }

    async fn compare_and_swap(&self, key: &str) -> Result<Arc<dyn CompareAndSwap>, StoreError> {
        Ok(Arc::new(MemorySwap {
            pairs: self.0.clone(),
            key: key.to_owned(),
            seen: Mutex::default(),
        }))
    }
}

struct MemorySwap {
    pairs: Shared,
    key: String,
    seen: Mutex<Option<Value>>,
}

#[async_trait]
impl CompareAndSwap for MemorySwap {
    async fn current(&self) -> Result<Option<Value>, StoreError> {
        let value = lock(&self.pairs).get(&self.key).cloned();
        lock(&self.seen).clone_from(&value);
        Ok(value)
    }

    async fn swap(&self, value: Value) -> Result<(), SwapError> {
        let mut pairs = lock(&self.pairs);
        if pairs.get(&self.key) != lock(&self.seen).as_ref() {
            return Err(SwapError::Failed);
        }
        pairs.insert(self.key.clone(), value);
        Ok(())
    }

    async fn delete(&self) -> Result<(), SwapError> {
        let mut pairs = lock(&self.pairs);
        let seen = lock(&self.seen);
        if seen.is_none() || pairs.get(&self.key) != seen.as_ref() {
            return Err(SwapError::Failed);
        }
        pairs.remove(&self.key);
        Ok(())
    }
}
