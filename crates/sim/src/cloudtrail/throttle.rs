//! A quota of calls a second, held exactly: within any span of one second no more calls are
//! admitted. (AWS gives the quota, 100 `PutAuditEvents` calls a second for an account and region,
//! and not how it counts; this is the reading that forgives least.)

use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Throttle {
    calls_per_sec: usize,
    admitted: VecDeque<Instant>,
}

impl Throttle {
    /// With `calls_per_sec` 0 every call is admitted.
    pub(crate) fn new(calls_per_sec: u32) -> Self {
        Self { calls_per_sec: calls_per_sec as usize, admitted: VecDeque::new() }
    }

    /// Whether a call at this moment is within the quota.
    pub(crate) fn admits(&mut self) -> bool {
        if self.calls_per_sec == 0 {
            return true;
        }
        let now = Instant::now();
        if self.admitted.len() == self.calls_per_sec {
            let oldest = self.admitted.front().copied().unwrap_or(now);
            if now.duration_since(oldest) < Duration::from_secs(1) {
                return false;
            }
            self.admitted.pop_front();
        }
        self.admitted.push_back(now);
        true
    }
}
