//! What the component sees of the stores: `fermyon:spin/key-value` and `wasi:keyvalue`, two
//! interfaces over one table of open stores.
//!
//! A swap does not give its handle back, and each failed one makes another: a component that swaps
//! in a loop keeps, on Redis, a connection for each until the call's end. Nothing limits their number,
//! in Spin 4.0.2 and 3.6.3 either.

use std::sync::Arc;

use kong_cloudtrail_application::key_value::swapped::Swapped;
use kong_cloudtrail_application::key_value::{
    CompareAndSwap, Managers, Store, StoreError, SwapError, Value,
};
use wasmtime::component::{HasData, Resource, ResourceTable, ResourceTableError};

use crate::bindings::fermyon::spin::key_value as spin;
use crate::bindings::wasi::keyvalue::{atomics, batch, store as wasi};

/// What one answer may hold, in bytes.
const MAX_RESULT: usize = 128 << 20;

/// An open store.
#[derive(Clone)]
pub struct OpenStore {
    store: Arc<dyn Store>,
    label: String,
}

/// A compare-and-swap under way.
pub struct OpenSwap {
    swap: Arc<dyn CompareAndSwap>,
    /// The handle of its store.
    handle: u32,
    of: OpenStore,
    key: String,
}

/// Why a swap did not report success, with the handle to try again.
pub enum SwapFailure {
    Changed(Resource<OpenSwap>),
    Store(StoreError),
}

impl From<StoreError> for SwapFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// One call's handles.
pub struct KeyValue {
    allowed: Vec<String>,
    managers: Arc<Managers>,
    stores: ResourceTable,
    swaps: ResourceTable,
    swapped: Arc<Swapped>,
}

impl HasData for KeyValue {
    type Data<'a> = &'a mut KeyValue;
}

impl KeyValue {
    /// The stores `managers` of which the component may open those `allowed`; what it swaps in is
    /// remembered in `swapped`.
    pub fn new(allowed: Vec<String>, managers: Arc<Managers>, swapped: Arc<Swapped>) -> Self {
        let (stores, swaps) = (ResourceTable::new(), ResourceTable::new());
        Self { allowed, managers, stores, swaps, swapped }
    }

    async fn open(&mut self, label: &str) -> Result<Resource<OpenStore>, StoreError> {
        if !self.allowed.iter().any(|allowed| allowed == label) {
            return Err(StoreError::AccessDenied);
        }
        let manager = self.managers.get(label).ok_or(StoreError::NoSuchStore)?;
        let store = manager.open(label).await?;
        let open = OpenStore { store, label: label.to_owned() };
        self.stores.push(open).map_err(|_| StoreError::TableFull)
    }

    fn open_store(&self, handle: &Resource<OpenStore>) -> Result<&OpenStore, StoreError> {
        self.stores.get(handle).map_err(|_| StoreError::NoSuchStore)
    }

    fn store(&self, handle: &Resource<OpenStore>) -> Result<Arc<dyn Store>, StoreError> {
        Ok(self.open_store(handle)?.store.clone())
    }

    async fn get(
        &mut self,
        handle: &Resource<OpenStore>,
        key: &str,
    ) -> Result<Option<Value>, StoreError> {
        limited(self.store(handle)?.get(key).await?, |value| value_size(value.as_ref()))
    }

    async fn keys(&mut self, handle: &Resource<OpenStore>) -> Result<Vec<String>, StoreError> {
        limited(self.store(handle)?.keys().await?, |keys| {
            keys.iter().map(|key| size_of::<String>() + key.len()).sum()
        })
    }

    async fn prepare_swap(
        &mut self,
        handle: u32,
        key: String,
    ) -> Result<Resource<OpenSwap>, StoreError> {
        let of = self.open_store(&Resource::new_borrow(handle))?.clone();
        let swap = of.store.compare_and_swap(&key).await?;
        self.swaps
            .push(OpenSwap { swap, handle, of, key })
            .map_err(|_| StoreError::Other("too many compare_and_swaps opened".to_owned()))
    }

    fn open_swap(&self, handle: &Resource<OpenSwap>) -> Result<&OpenSwap, StoreError> {
        self.swaps
            .get(handle)
            .map_err(|_| StoreError::Other("compare and swap not found".to_owned()))
    }

    async fn current(&mut self, handle: &Resource<OpenSwap>) -> Result<Option<Value>, StoreError> {
        let swap = self.open_swap(handle)?.swap.clone();
        limited(swap.current().await?, |value| value_size(value.as_ref()))
    }

    fn close(&mut self, handle: Resource<OpenStore>) -> Result<(), ResourceTableError> {
        self.stores.delete(handle).map(drop)
    }
}

fn value_size(value: Option<&Value>) -> usize {
    size_of::<Option<Value>>() + value.map_or(0, Vec::len)
}

fn limited<T>(result: T, size: impl Fn(&T) -> usize) -> Result<T, StoreError> {
    if size(&result) > MAX_RESULT {
        let message = format!("query result exceeds limit of {MAX_RESULT} bytes");
        return Err(StoreError::Other(message));
    }
    Ok(result)
}

impl spin::Host for KeyValue {
    fn convert_error(&mut self, error: StoreError) -> wasmtime::Result<spin::Error> {
        Ok(match error {
            StoreError::NoSuchStore => spin::Error::NoSuchStore,
            StoreError::AccessDenied => spin::Error::AccessDenied,
            StoreError::TableFull => spin::Error::StoreTableFull,
            StoreError::Other(message) => spin::Error::Other(message),
            StoreError::Panic(message) => return Err(wasmtime::Error::msg(message)),
        })
    }
}

impl spin::HostStore for KeyValue {
    async fn open(&mut self, label: String) -> Result<Resource<OpenStore>, StoreError> {
        KeyValue::open(self, &label).await
    }

    async fn get(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
    ) -> Result<Option<Value>, StoreError> {
        KeyValue::get(self, &store, &key).await
    }

    async fn set(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
        value: Value,
    ) -> Result<(), StoreError> {
        self.store(&store)?.set(&key, value).await
    }

    async fn delete(&mut self, store: Resource<OpenStore>, key: String) -> Result<(), StoreError> {
        self.store(&store)?.delete(&key).await
    }

    async fn exists(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
    ) -> Result<bool, StoreError> {
        self.store(&store)?.exists(&key).await
    }

    async fn get_keys(&mut self, store: Resource<OpenStore>) -> Result<Vec<String>, StoreError> {
        self.keys(&store).await
    }

    async fn drop(&mut self, store: Resource<OpenStore>) -> wasmtime::Result<()> {
        Ok(self.close(store)?)
    }
}

impl wasi::Host for KeyValue {
    async fn open(&mut self, identifier: String) -> Result<Resource<OpenStore>, StoreError> {
        KeyValue::open(self, &identifier).await
    }

    fn convert_error(&mut self, error: StoreError) -> wasmtime::Result<wasi::Error> {
        Ok(match error {
            StoreError::NoSuchStore => wasi::Error::NoSuchStore,
            StoreError::AccessDenied => wasi::Error::AccessDenied,
            StoreError::TableFull => wasi::Error::Other(error.to_string()),
            StoreError::Other(message) => wasi::Error::Other(message),
            StoreError::Panic(message) => return Err(wasmtime::Error::msg(message)),
        })
    }
}

impl wasi::HostBucket for KeyValue {
    async fn get(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
    ) -> Result<Option<Value>, StoreError> {
        KeyValue::get(self, &store, &key).await
    }

    async fn set(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
        value: Value,
    ) -> Result<(), StoreError> {
        self.store(&store)?.set(&key, value).await
    }

    async fn delete(&mut self, store: Resource<OpenStore>, key: String) -> Result<(), StoreError> {
        self.store(&store)?.delete(&key).await
    }

    async fn exists(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
    ) -> Result<bool, StoreError> {
        self.store(&store)?.exists(&key).await
    }

    async fn list_keys(
        &mut self,
        store: Resource<OpenStore>,
        cursor: Option<String>,
    ) -> Result<wasi::KeyResponse, StoreError> {
        if cursor.is_some() {
            return Err(StoreError::Other("list_keys: cursor not supported".to_owned()));
        }
        Ok(wasi::KeyResponse { keys: self.keys(&store).await?, cursor: None })
    }

    async fn drop(&mut self, store: Resource<OpenStore>) -> wasmtime::Result<()> {
        Ok(self.close(store)?)
    }
}

impl batch::Host for KeyValue {
    async fn get_many(
        &mut self,
        store: Resource<OpenStore>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Value>)>, StoreError> {
        let store = self.store(&store)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        limited(store.get_many(keys).await?, |pairs| {
            pairs
                .iter()
                .map(|(key, value)| size_of::<String>() + key.len() + value_size(value.as_ref()))
                .sum()
        })
    }

    async fn set_many(
        &mut self,
        store: Resource<OpenStore>,
        pairs: Vec<(String, Value)>,
    ) -> Result<(), StoreError> {
        let store = self.store(&store)?;
        if pairs.is_empty() { Ok(()) } else { store.set_many(pairs).await }
    }

    async fn delete_many(
        &mut self,
        store: Resource<OpenStore>,
        keys: Vec<String>,
    ) -> Result<(), StoreError> {
        let store = self.store(&store)?;
        if keys.is_empty() { Ok(()) } else { store.delete_many(keys).await }
    }
}

impl atomics::Host for KeyValue {
    async fn increment(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
        delta: i64,
    ) -> Result<i64, StoreError> {
        self.store(&store)?.increment(&key, delta).await
    }

    async fn swap(&mut self, handle: Resource<OpenSwap>, value: Value) -> Result<(), SwapFailure> {
        let OpenSwap { swap, handle: store, of, key } = self.open_swap(&handle)?;
        // Before it is done: whether it was, the answer may never tell.
        self.swapped.remember(&of.store, &of.label, key, &value);
        let (swap, store, key) = (swap.clone(), *store, key.clone());
        match self.swapped.swap(swap, value).await {
            Ok(()) => Ok(()),
            Err(SwapError::Failed) => {
                let again = self.prepare_swap(store, key).await?;
                self.current(&again).await?;
                Err(SwapFailure::Changed(again))
            }
            Err(SwapError::Other(message)) => Err(StoreError::Other(message).into()),
        }
    }

    fn convert_cas_error(&mut self, failure: SwapFailure) -> wasmtime::Result<atomics::CasError> {
        Ok(match failure {
            SwapFailure::Changed(again) => atomics::CasError::CasFailed(again),
            SwapFailure::Store(error) => {
                atomics::CasError::StoreError(wasi::Host::convert_error(self, error)?)
            }
        })
    }
}

impl atomics::HostCas for KeyValue {
    async fn new(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
    ) -> Result<Resource<OpenSwap>, StoreError> {
        self.prepare_swap(store.rep(), key).await
    }

    async fn current(&mut self, swap: Resource<OpenSwap>) -> Result<Option<Value>, StoreError> {
        KeyValue::current(self, &swap).await
    }

    async fn drop(&mut self, swap: Resource<OpenSwap>) -> wasmtime::Result<()> {
        self.swaps.delete(swap)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
