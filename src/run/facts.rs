//! What a run knows of Kong, for all streams.

use std::collections::HashMap;
use std::time::Duration;

use crate::coverage::Retention;
use crate::kong::{About, DEFAULT_RETENTION_SECS, Entry};
use crate::terms::Stream;

/// No Kong keeps entries longer, whatever it says.
const CENTURY_SECS: i64 = 100 * 365 * 86_400;

/// The most requests whose time is kept for the objects of a Kong that gives those none.
const MAX_REQUEST_TIMES: usize = 1_000_000;

/// What the streams of one run share.
pub struct Facts {
    /// What Kong tells of itself.
    pub about: About,
    /// Kong's clock at the beginning.
    pub now: i64,
    /// This host's clock at that moment, the one that never goes back.
    pub told_at: Duration,
    /// `request_timestamp` by `request_id`, for objects of a Kong that gives them none.
    pub request_times: HashMap<String, i64>,
    /// The longest `ttl` ever seen, in seconds.
    pub longest_ttl: i64,
}

impl Facts {
    /// Keeps what later entries, or later runs, need to know of this one.
    pub fn note(&mut self, entry: &Entry<'_>) {
        if let Some(ttl) = entry.ttl() {
            self.longest_ttl = self.longest_ttl.max(ttl);
        }
        if entry.stream == Stream::Requests
            && !self.about.version.has_time_filters()
            && self.request_times.len() < MAX_REQUEST_TIMES
            && let (Some(id), Some(time)) = (entry.id(), entry.own_time())
        {
            self.request_times.insert(id.into_owned(), time);
        }
    }

    /// Whether Kong may write rows of that stream without a time.
    pub fn writes_timeless(&self, stream: Stream) -> bool {
        stream == Stream::Objects && !self.about.version.has_time_filters()
    }

    /// Kong's clock at `elapsed`, by the clock that never goes back.
    pub fn now_at(&self, elapsed: Duration) -> i64 {
        later(self.now, elapsed.saturating_sub(self.told_at))
    }

    /// Kong's retention: what `GET /` shows, else the longest `ttl` seen, else the default. The `ttl` of an
    /// old entry is what is left of it, so a trail without young entries shows too short a retention.
    pub fn retention(&self) -> Retention {
        let secs = self.about.retention_secs(self.longest_ttl).min(CENTURY_SECS);
        let longest =
            if self.about.record_ttl.is_some() { secs } else { secs.max(DEFAULT_RETENTION_SECS) };
        Retention { secs, longest }
    }
}

/// Kong's time `now`, so much later.
pub fn later(now: i64, passed: Duration) -> i64 {
    now.saturating_add(i64::try_from(passed.as_secs()).unwrap_or(i64::MAX))
}
