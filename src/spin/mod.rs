//! The ports as Spin and WASI 0.2 give them: the only folder that knows the host.

mod files;
mod http;
mod key_value;

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use spin_sdk::variables;
use wstd::runtime::AsyncPollable;

use crate::ports::{Clock, Log, Random, unix_ms};

#[allow(unsafe_code, missing_docs, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({ world: "ports", path: "wit", generate_all });
}

/// The host's interfaces, opened for one run.
pub struct Host {
    stores: key_value::Stores,
    began: Instant,
}

impl Host {
    /// Opens the key-value store `default`, of which a failure shows when it is used.
    pub fn open() -> Self {
        let began = Instant::now();
        Self { stores: key_value::Stores::open(), began }
    }
}

/// A Spin variable; `None` when the manifest does not define it.
pub fn variable(name: &str) -> Result<Option<String>, String> {
    match variables::get(name) {
        Ok(value) => Ok(Some(value)),
        Err(variables::Error::Undefined(_)) => Ok(None),
        // The provider's own words may quote what it read: a line of .env with a secret, say.
        Err(_) => Err("the host's own log says why".to_owned()),
    }
}

/// Prints a line to stdout. A host that has closed it must not turn a run into a panic.
pub fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

impl Clock for Host {
    fn now_ms(&self) -> i64 {
        unix_ms(SystemTime::now())
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        AsyncPollable::new(wasip2::clocks::monotonic_clock::subscribe_duration(nanos))
            .wait_for()
            .await;
    }
}

impl Random for Host {
    fn u64(&self) -> u64 {
        wasip2::random::random::get_random_u64()
    }
}

impl Log for Host {
    fn line(&self, line: &str) {
        print(line);
    }
}
