//! Key-value stores: one trait, two backends.
//!
//! The SQLite and Redis stores answer as Spin 4.0.2's do, wrong answers included, since that is
//! what the component must live with in production. `tests/conformance` runs the same statements on
//! both and says where they differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

pub mod redis;
pub mod sqlite;
pub mod swapped;

/// A value, as bytes.
pub type Value = Vec<u8>;

/// Why a store did not answer as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No store has that label.
    #[error("no such store")]
    NoSuchStore,
    /// The component's `key_value_stores` does not name the store.
    #[error("access denied")]
    AccessDenied,
    /// Too many stores are open at once.
    #[error("store table full")]
    TableFull,
    /// The backend's own message.
    #[error("{0}")]
    Other(String),
    /// Spin itself panics here; a host traps the component instead.
    #[error("{0}")]
    Panic(String),
}

impl StoreError {
    /// The backend's error in its own words. Spin gives its debug form, of which the component takes the words.
    pub(crate) fn other(error: impl std::fmt::Display) -> Self {
        let message = error.to_string();
        tracing::warn!("key-value error: {message}");
        Self::Other(message)
    }
}

/// Why a swap did not report success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwapError {
    /// The store says that the value has changed. Redis says so each time.
    Failed,
    /// The backend's own message.
    Other(String),
}

/// The stores of an application, by label.
pub type Managers = BTreeMap<String, Arc<dyn StoreManager>>;

/// Where stores come from: one backend, opened by label.
#[async_trait]
pub trait StoreManager: Send + Sync {
    /// Where the stores are, in words for an operator that hold no password.
    fn place(&self) -> String;
    /// Opens the store `label`. The backend is reached at the first call.
    async fn open(&self, label: &str) -> Result<Arc<dyn Store>, StoreError>;
    /// What the backend does when it is full, in its own word; none where it deletes nothing by itself.
    async fn eviction(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
}

/// An open store.
#[async_trait]
pub trait Store: Send + Sync {
    /// The value at `key`.
    async fn get(&self, key: &str) -> Result<Option<Value>, StoreError>;
    /// Writes `value` at `key`.
    async fn set(&self, key: &str, value: Value) -> Result<(), StoreError>;
    /// Deletes `key`; an absent one is no error.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;
    /// Whether `key` is there.
    async fn exists(&self, key: &str) -> Result<bool, StoreError>;
    /// All keys, in no order.
    async fn keys(&self) -> Result<Vec<String>, StoreError>;
    /// The values at `keys`.
    async fn get_many(&self, keys: Vec<String>)
    -> Result<Vec<(String, Option<Value>)>, StoreError>;
    /// Writes all pairs, together.
    async fn set_many(&self, pairs: Vec<(String, Value)>) -> Result<(), StoreError>;
    /// Deletes all keys, together.
    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StoreError>;
    /// Adds `delta` to the counter at `key`, which begins at 0; returns the sum.
    async fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError>;
    /// Prepares a compare-and-swap at `key`.
    async fn compare_and_swap(&self, key: &str) -> Result<Arc<dyn CompareAndSwap>, StoreError>;
}

/// A compare-and-swap under way.
#[async_trait]
pub trait CompareAndSwap: Send + Sync {
    /// The value now, which the swap will compare with.
    async fn current(&self) -> Result<Option<Value>, StoreError>;
    /// Writes `value` if nothing has changed since [`Self::current`].
    async fn swap(&self, value: Value) -> Result<(), SwapError>;
    /// Deletes the key if it has a value, and nothing has changed since [`Self::current`]. No
    /// component can ask for it, so it answers rightly on all stores.
    async fn delete(&self) -> Result<(), SwapError>;
}
