//! A key-value store in memory that fails and dawdles on demand, and can be looked into.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kong_cloudtrail_host::key_value::sqlite::SqliteStores;
use kong_cloudtrail_host::key_value::{
    CompareAndSwap, Store, StoreError, StoreManager, SwapError, Value,
};

const LABEL: &str = "default";

/// What the store holds.
pub type Dump = BTreeMap<String, Value>;

/// The store; every opening and every call on it counts, and may be struck.
#[derive(Default)]
pub struct FaultyStore {
    memory: SqliteStores,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    calls: AtomicU64,
    failing: Mutex<Range<u64>>,
    pause: Mutex<Duration>,
}

impl Gate {
    async fn pass(&self) -> Result<(), StoreError> {
        let pause = *self.pause.lock().unwrap();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.failing.lock().unwrap().contains(&call) {
            return Err(StoreError::Other("the store is away".to_owned()));
        }
        Ok(())
    }
}

impl FaultyStore {
    /// Has the calls with these numbers fail, counted from now on.
    pub fn fail(&self, calls: Range<u64>) {
        self.gate.calls.store(0, Ordering::Relaxed);
        *self.gate.failing.lock().unwrap() = calls;
    }

    /// Has no call fail.
    pub fn heal(&self) {
        self.fail(0..0);
    }

    /// Has each call take this long.
    pub fn slow_down(&self, pause: Duration) {
        *self.gate.pause.lock().unwrap() = pause;
    }

    /// Calls since [`Self::fail`] or [`Self::heal`].
    pub fn calls(&self) -> u64 {
        self.gate.calls.load(Ordering::Relaxed)
    }

    /// All that it holds but the lease.
    pub async fn dump(&self) -> Dump {
        let store = self.memory.open(LABEL).await.unwrap();
        let mut dump = Dump::new();
        for key in store.keys().await.unwrap() {
            if !key.ends_with("lease") {
                let value = store.get(&key).await.unwrap().unwrap();
                dump.insert(key, value);
            }
        }
        dump
    }

    /// Writes a value behind the component's back; none deletes.
    pub async fn put(&self, key: &str, value: Option<Value>) {
        let store = self.memory.open(LABEL).await.unwrap();
        match value {
            Some(value) => store.set(key, value).await.unwrap(),
            None => store.delete(key).await.unwrap(),
        }
    }
}

#[async_trait]
impl StoreManager for FaultyStore {
    async fn open(&self, label: &str) -> Result<Arc<dyn Store>, StoreError> {
        self.gate.pass().await?;
        let store = self.memory.open(label).await?;
        Ok(Arc::new(Gated { inner: store, gate: self.gate.clone() }))
    }

    fn place(&self) -> String {
        "memory, at a test's mercy".to_owned()
    }
}

/// A store, or a swap, behind the gate.
struct Gated<T: ?Sized> {
    inner: Arc<T>,
    gate: Arc<Gate>,
}

#[async_trait]
impl Store for Gated<dyn Store> {
    async fn get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        self.gate.pass().await?;
        self.inner.get(key).await
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), StoreError> {
        self.gate.pass().await?;
        self.inner.set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.gate.pass().await?;
        self.inner.delete(key).await
    }

    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.gate.pass().await?;
        self.inner.exists(key).await
    }

    async fn keys(&self) -> Result<Vec<String>, StoreError> {
        panic!("the component lists the store, which would block a shared Redis");
    }

    async fn get_many(
        &self,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Value>)>, StoreError> {
        self.gate.pass().await?;
        self.inner.get_many(keys).await
    }

    async fn set_many(&self, pairs: Vec<(String, Value)>) -> Result<(), StoreError> {
        self.gate.pass().await?;
        self.inner.set_many(pairs).await
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StoreError> {
        self.gate.pass().await?;
        self.inner.delete_many(keys).await
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.gate.pass().await?;
        self.inner.increment(key, delta).await
    }

    async fn compare_and_swap(&self, key: &str) -> Result<Arc<dyn CompareAndSwap>, StoreError> {
        self.gate.pass().await?;
        let inner = self.inner.compare_and_swap(key).await?;
        Ok(Arc::new(Gated { inner, gate: self.gate.clone() }))
    }
}

#[async_trait]
impl CompareAndSwap for Gated<dyn CompareAndSwap> {
    async fn current(&self) -> Result<Option<Value>, StoreError> {
        self.gate.pass().await?;
        self.inner.current().await
    }

    async fn swap(&self, value: Value) -> Result<(), SwapError> {
        self.gate.pass().await.map_err(|error| SwapError::Other(error.to_string()))?;
        self.inner.swap(value).await
    }

    async fn delete(&self) -> Result<(), SwapError> {
        self.gate.pass().await.map_err(|error| SwapError::Other(error.to_string()))?;
        self.inner.delete().await
    }
}
