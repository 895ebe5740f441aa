//! A clock that runs with the system's and can be set off from it: a simulator stamps, expires and
//! judges by its own time, which tests move.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The system's time, without any offset, in milliseconds since the Unix epoch.
pub fn system_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// The system's time plus an offset.
#[derive(Debug, Default)]
pub struct Clock {
    offset_secs: AtomicI64,
}

impl Clock {
    /// Sets the clock to the system's time plus `offset_secs`.
    pub fn set_offset(&self, offset_secs: i64) {
        self.offset_secs.store(offset_secs, Ordering::Relaxed);
    }

    /// Whole seconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        i64::try_from(since_epoch().as_secs())
            .unwrap_or(i64::MAX)
            .saturating_add(self.offset_secs.load(Ordering::Relaxed))
    }

    /// The present second as an HTTP date.
    pub fn http_date(&self) -> String {
        let now = u64::try_from(self.now()).unwrap_or(0);
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now))
    }
}
