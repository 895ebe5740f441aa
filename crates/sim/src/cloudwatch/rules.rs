//! What CloudWatch Logs refuses, by the service model `logs` (botocore 1.44.8, `PutLogEvents`): whole calls for
//! their order, span or size, and single events, with status 200, for their age.
//!
//! Where the model leaves room, this takes the reading that forgives least: a span of 24 hours is too long, and
//! it counts events that are refused for their age too.

use serde::{Deserialize, Serialize};

use crate::cloudtrail::error::ServiceError;

const MAX_EVENTS: usize = 10_000;
const MAX_BYTES: usize = 1_048_576;
/// What is counted for an event beside its message.
const OVERHEAD: usize = 26;
const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
const OLDEST_MS: i64 = 14 * DAY_MS;
const AHEAD_MS: i64 = 2 * HOUR_MS;

/// A log event of a call.
#[derive(Debug, Deserialize)]
pub(super) struct LogEvent {
    pub(super) timestamp: i64,
    pub(super) message: String,
}

/// What of the target does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// All of it exists.
    #[default]
    Nothing,
    /// The log group.
    Group,
    /// The log stream.
    Stream,
}

/// What the end of a range of refused events means. The model calls `tooOldLogEventEndIndex` exclusive, and of
/// `expiredLogEventEndIndex` it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndIndex {
    /// The first event that was not refused.
    #[default]
    Exclusive,
    /// The last event that was refused.
    Inclusive,
}

/// Ranges of refused events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
pub(super) struct Rejected {
    #[serde(skip_serializing_if = "Option::is_none")]
    too_old_log_event_end_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_log_event_end_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    too_new_log_event_start_index: Option<usize>,
}

/// By which a call is judged.
pub(super) struct Rules {
    /// The endpoint's clock.
    pub(super) now_ms: i64,
    pub(super) retention_secs: Option<i64>,
    pub(super) end_index: EndIndex,
}

impl Rules {
    /// How many events are refused from the beginning, and where those that are too new begin; `also` so many
    /// from the beginning are refused as expired whatever their age.
    pub(super) fn judge(&self, events: &[LogEvent], also: usize) -> (Rejected, usize, usize) {
        let before = |limit: i64| events.partition_point(|event| event.timestamp < limit);
        let too_old = before(self.now_ms - OLDEST_MS);
        let retention_ms = self.retention_secs.map(|seconds| seconds * 1000);
        let expired = retention_ms.map_or(0, |retention| before(self.now_ms - retention)).max(also);
        let too_new = events.partition_point(|event| event.timestamp <= self.now_ms + AHEAD_MS);
        let end = |count: usize| match self.end_index {
            EndIndex::Exclusive => (count > 0).then_some(count),
            EndIndex::Inclusive => count.checked_sub(1),
        };
        let rejected = Rejected {
            too_old_log_event_end_index: end(too_old),
            expired_log_event_end_index: end(expired),
            too_new_log_event_start_index: (too_new < events.len()).then_some(too_new),
        };
        let refused = too_old.max(expired);
        (rejected, refused, too_new.max(refused))
    }
}

fn invalid(message: String) -> ServiceError {
    ServiceError::new("InvalidParameterException", message)
}

/// What of a call makes all of it fail.
pub(super) fn check(events: &[LogEvent]) -> Result<(), ServiceError> {
    if events.is_empty() || events.len() > MAX_EVENTS {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length \
             between 1 and {MAX_EVENTS}"
        )));
    }
    if events.iter().any(|event| event.message.is_empty() || event.timestamp < 0) {
        return Err(invalid(
            "1 validation error detected: an empty message or a timestamp below 0".to_owned(),
        ));
    }
    let bytes: usize = events.iter().map(|event| event.message.len() + OVERHEAD).sum();
    if bytes > MAX_BYTES {
        return Err(invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {MAX_BYTES}"
        )));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(invalid(
            "Log events in a single PutLogEvents request must be in chronological order."
                .to_owned(),
        ));
    }
    let [first, last] =
        [events.first(), events.last()].map(|event| event.map_or(0, |e| e.timestamp));
    if last - first >= DAY_MS {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn events(ages_ms: &[i64]) -> Vec<LogEvent> {
        let event = |age: &i64| LogEvent { timestamp: NOW - age, message: "m".to_owned() };
        ages_ms.iter().map(event).collect()
    }

    #[test]
    fn order_span_count_and_bytes_are_the_whole_calls() {
        let refused = |ages: &[i64]| check(&events(ages)).unwrap_err().message;
        assert!(check(&events(&[DAY_MS - 1, 5, 5, 0])).is_ok());
        assert!(refused(&[0, 1]).contains("chronological"));
        assert!(refused(&[DAY_MS, 0]).contains("24 hours"));
        assert!(refused(&[]).contains("logEvents"));
        assert!(refused(&vec![0; MAX_EVENTS + 1]).contains("logEvents"));
        assert!(check(&events(&vec![0; MAX_EVENTS])).is_ok());
        for (excess, fits) in [(0, true), (1, false)] {
            // Two bytes a character.
            let message = "é".repeat((MAX_BYTES - OVERHEAD) / 2) + &"x".repeat(excess);
            let event = LogEvent { timestamp: NOW, message };
            assert_eq!(check(&[event]).is_ok(), fits, "{excess} bytes too many");
        }
    }

    #[test]
    fn events_are_refused_by_their_age_alone() {
        let judge = |ages: &[i64], retention_secs, end_index| {
            let rules = Rules { now_ms: NOW, retention_secs, end_index };
            let (rejected, from, to) = rules.judge(&events(ages), 0);
            (serde_json::to_string(&rejected).unwrap(), from..to)
        };
        let day = Some(DAY_MS / 1000);
        let ahead = -2 * HOUR_MS;
        for (ages, retention, end_index, told, taken) in [
            (&[OLDEST_MS, 0][..], None, EndIndex::Exclusive, "{}", 0..2),
            (
                &[OLDEST_MS + 1, 0],
                None,
                EndIndex::Exclusive,
                r#"{"tooOldLogEventEndIndex":1}"#,
                1..2,
            ),
            (
                &[OLDEST_MS + 1, 0],
                None,
                EndIndex::Inclusive,
                r#"{"tooOldLogEventEndIndex":0}"#,
                1..2,
            ),
            (&[DAY_MS, 0], day, EndIndex::Exclusive, "{}", 0..2),
            (&[DAY_MS + 1, 0], day, EndIndex::Exclusive, r#"{"expiredLogEventEndIndex":1}"#, 1..2),
            (&[0, ahead], None, EndIndex::Exclusive, "{}", 0..2),
            (&[0, ahead - 1], None, EndIndex::Exclusive, r#"{"tooNewLogEventStartIndex":1}"#, 0..1),
        ] {
            assert_eq!(judge(ages, retention, end_index), (told.to_owned(), taken), "{ages:?}");
        }
    }
}
