//! The core's ports over a store of Spin's: the core's calls block, the store's are async.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kong_cloudtrail::ports::{Clock, KeyValue, KeyValueError, Random, Swap, unix_ms};
use kong_cloudtrail_application::key_value::swapped::Swapped;
use kong_cloudtrail_application::key_value::{
    CompareAndSwap, Store, StoreError, StoreManager, SwapError,
};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// How long a call may take. The stores have no time-outs of their own, as Spin's have none, and somebody
/// waits for this tool.
const PATIENCE: Duration = Duration::from_secs(30);

/// One open store, and this machine's clock. Needs a runtime of several threads.
pub struct Port {
    /// Why it could not be opened is the answer to each call.
    store: Result<Arc<dyn Store>, KeyValueError>,
    label: &'static str,
    swapped: Arc<Swapped>,
    began: Instant,
}

impl Port {
    /// Opens the store `label`. Values that are swapped in are remembered in `swapped`. Once they are taken
    /// back, no call begins any more.
    pub fn open(stores: &dyn StoreManager, label: &'static str, swapped: Arc<Swapped>) -> Self {
        let store = wait(&swapped, stores.open(label));
        Self { store, label, swapped, began: Instant::now() }
    }

    fn store(&self) -> Result<&Arc<dyn Store>, KeyValueError> {
        self.store.as_ref().map_err(Clone::clone)
    }

    fn wait<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, KeyValueError> {
        wait(&self.swapped, call)
    }
}

fn wait<T>(
    swapped: &Swapped,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, KeyValueError> {
    let answer = async {
        let _turn = swapped.turn().await;
        tokio::time::timeout(PATIENCE, call).await
    };
    match block_in_place(|| Handle::current().block_on(answer)) {
        Ok(answer) => answer.map_err(|error| KeyValueError(error.to_string())),
        Err(_) => Err(KeyValueError(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

impl KeyValue for Port {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.wait(self.store()?.get(key))
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        self.wait(self.store()?.set_many(pairs.to_vec()))
    }

    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.wait(self.store()?.delete(key))
    }

    fn begin_swap(&self, key: &str) -> Result<Box<dyn Swap + '_>, KeyValueError> {
        let begun = self.wait(self.store()?.compare_and_swap(key))?;
        Ok(Box::new(PortSwap { port: self, key: key.to_owned(), begun }))
    }
}

struct PortSwap<'a> {
    port: &'a Port,
    key: String,
    begun: Arc<dyn CompareAndSwap>,
}

impl Swap for PortSwap<'_> {
    fn current(&self) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.port.wait(self.begun.current())
    }

    fn swap(self: Box<Self>, new: &[u8]) -> Result<(), KeyValueError> {
        let Port { label, swapped, .. } = self.port;
        let store = self.port.store()?;
        self.port.wait(async {
            swapped.remember(store, label, &self.key, new);
            match self.begun.swap(new.to_vec()).await {
                Ok(()) | Err(SwapError::Failed) => Ok(()),
                Err(SwapError::Other(why)) => Err(StoreError::Other(why)),
            }
        })
    }
}

impl Clock for Port {
    fn now_ms(&self) -> i64 {
        unix_ms(SystemTime::now())
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Random for Port {
    #[expect(clippy::expect_used, reason = "a guessed token could be another run's")]
    fn u64(&self) -> u64 {
        getrandom::u64().expect("the system gives random numbers")
    }
}
