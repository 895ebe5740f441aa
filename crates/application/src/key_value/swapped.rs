//! What was swapped in, so that it can be taken back when its owner is interrupted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{CompareAndSwap, Store, StoreError, SwapError, Value};

/// The values that one owner has swapped in: a call of the component, or a tool.
///
/// All of a key's values are kept, not the last alone: a swap may write without saying so, and one
/// that fails leaves an earlier value where it was.
#[derive(Default)]
pub struct Swapped {
    places: Mutex<BTreeMap<Place, Values>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A store's label, and a key.
type Place = (String, String);

struct Values {
    store: Arc<dyn Store>,
    values: Vec<Value>,
}

/// Leave to write. Nothing is taken back until it is dropped. After that no leave is given any more.
pub type Turn = tokio::sync::OwnedMutexGuard<()>;

impl Swapped {
    /// Waits for leave to write.
    pub async fn turn(&self) -> Turn {
        self.turn.clone().lock_owned().await
    }

    /// Remembers that `value` is about to be swapped in at `key` of the store `label`.
    pub fn remember(&self, store: &Arc<dyn Store>, label: &str, key: &str, value: &[u8]) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (label.to_owned(), key.to_owned());
        let values =
            places.entry(place).or_insert_with(|| Values { store: store.clone(), values: vec![] });
        values.values.push(value.to_vec());
    }

    /// Swaps `value` in, to the end also when nobody awaits it any more.
    pub async fn swap(&self, swap: Arc<dyn CompareAndSwap>, value: Value) -> Result<(), SwapError> {
        let turn = self.turn().await;
        let swapping = tokio::spawn(async move {
            let swapped = swap.swap(value).await;
            drop(turn);
            swapped
        });
        swapping.await.unwrap_or_else(|error| Err(SwapError::Other(error.to_string())))
    }

    /// Deletes the keys that are `wanted` and still hold what was swapped in here; says whether
    /// there were any. From then on no turn is given.
    pub async fn take_back(&self, wanted: impl Fn(&str) -> bool) -> Result<bool, StoreError> {
        std::mem::forget(self.turn().await);
        let places =
            std::mem::take(&mut *self.places.lock().unwrap_or_else(PoisonError::into_inner));
        let mut any = false;
        for ((_, key), Values { store, values }) in places {
            if wanted(&key) {
                any |= delete(&*store, &key, &values).await?;
            }
        }
        Ok(any)
    }
}

/// Deletes `key` if it holds one of `values`.
async fn delete(store: &dyn Store, key: &str, values: &[Value]) -> Result<bool, StoreError> {
    let swap = store.compare_and_swap(key).await?;
    match swap.current().await? {
        Some(now) if values.contains(&now) => match swap.delete().await {
            Ok(()) => Ok(true),
            Err(SwapError::Failed) => Ok(false),
            Err(SwapError::Other(message)) => Err(StoreError::Other(message)),
        },
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::key_value::StoreManager;
    use crate::key_value::sqlite::SqliteStores;

    async fn store() -> Arc<dyn Store> {
        SqliteStores::default().open("default").await.unwrap()
    }

    async fn swap(swapped: &Swapped, store: &Arc<dyn Store>, key: &str, value: &str) {
        swapped.remember(store, "default", key, value.as_bytes());
        let swap = store.compare_and_swap(key).await.unwrap();
        swap.current().await.unwrap();
        swapped.swap(swap, value.as_bytes().to_vec()).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_wanted_and_still_ours_is_taken_back_and_nothing_else() {
        let (swapped, store) = (Swapped::default(), store().await);
        for key in ["a lease", "another's lease", "a counter"] {
            swap(&swapped, &store, key, "ours").await;
        }
        store.set("another's lease", b"theirs".to_vec()).await.unwrap();
        assert_eq!(swapped.take_back(|key| key.ends_with("lease")).await, Ok(true));
        let mut keys = store.keys().await.unwrap();
        keys.sort();
        assert_eq!(keys, ["a counter", "another's lease"]);
    }

    #[tokio::test]
    async fn an_earlier_value_of_ours_is_taken_back_where_a_later_swap_came_to_nothing() {
        let (swapped, store) = (Swapped::default(), store().await);
        swap(&swapped, &store, "lease", "first").await;
        swapped.remember(&store, "default", "lease", b"second");
        assert_eq!(swapped.take_back(|_| true).await, Ok(true));
        assert_eq!(store.get("lease").await, Ok(None));
    }

    #[tokio::test]
    async fn what_is_under_way_is_awaited_and_nothing_begins_after() {
        let (swapped, store) = (Arc::new(Swapped::default()), store().await);
        let turn = swapped.turn().await;
        let taking = tokio::spawn({
            let swapped = swapped.clone();
            async move { swapped.take_back(|_| true).await }
        });
        tokio::task::yield_now().await;
        store.set("lease", b"ours".to_vec()).await.unwrap();
        swapped.remember(&store, "default", "lease", b"ours");
        drop(turn);
        assert_eq!(taking.await.unwrap(), Ok(true));
        let late = tokio::time::timeout(Duration::from_millis(50), swapped.turn()).await;
        assert!(late.is_err(), "a turn was given");
    }
}
