//! When the call or the write of an entry happened: its own time, or one that is derived and marked as such.

use std::collections::HashMap;

use super::json::Object;
use crate::kong::Entry;
use crate::terms::Stream;
use crate::wire::rfc3339;

/// 2015-01-01: Kong's first release is from April of that year.
const FIRST: i64 = 1_420_070_400;
/// How far Kong's nodes may be ahead of the one that is asked.
const AHEAD_SECS: i64 = 86_400;

/// What the time of an entry without one is reckoned from. Times are Unix seconds by Kong's clock.
#[derive(Clone, Copy, Debug)]
pub struct Times<'a> {
    /// When the run began.
    pub now: i64,
    /// The same by this host's clock: Kong's may be wrong.
    pub host_now: i64,
    /// When Kong showed the entry: its `Date`.
    pub date: i64,
    /// How long Kong keeps entries, in seconds.
    pub retention_secs: i64,
    /// What is new was not written before this: a complete reading would have met it.
    pub not_before: Option<i64>,
    /// `request_timestamp` by `request_id`, for the objects of a Kong without time filters.
    pub request_times: &'a HashMap<String, i64>,
}

/// An event's time.
pub(super) struct EventTime {
    /// In Unix seconds.
    pub seconds: i64,
    /// What it was reckoned from, as JSON, where the entry does not tell it.
    pub derived: Option<String>,
}

impl EventTime {
    /// By the entry's own `request_timestamp`; else by that of its request, by `expire`, by `ttl`; else by
    /// the run. A source that gives an impossible time is passed over.
    pub fn of(entry: &Entry<'_>, times: &Times<'_>) -> Self {
        let possible = |time: &i64| is_possible(*time, times.now.max(times.host_now));
        if let Some(seconds) = told_time(entry, times.now.max(times.host_now)) {
            return Self { seconds, derived: None };
        }
        let sources = [of_request(entry, times), of_expire(entry, times), of_ttl(entry, times)];
        let (seconds, derived) =
            sources.into_iter().flatten().find(|(time, _)| possible(time)).unwrap_or_else(|| {
                let now = if times.now < FIRST { times.host_now } else { times.now };
                (now, source("run", &[], None))
            });
        Self { seconds, derived: Some(derived) }
    }

    /// As `eventTime` has it.
    pub fn text(&self) -> String {
        rfc3339(self.seconds)
    }
}

/// The time that the entry tells, where it can be from then, at `now`.
pub fn told_time(entry: &Entry<'_>, now: i64) -> Option<i64> {
    entry.own_time().filter(|time| is_possible(*time, now))
}

fn is_possible(time: i64, now: i64) -> bool {
    (FIRST..=now.saturating_add(AHEAD_SECS)).contains(&time)
}

type Derived = Option<(i64, String)>;

fn of_request(entry: &Entry<'_>, times: &Times<'_>) -> Derived {
    let of_object = entry.stream == Stream::Objects;
    let id = entry.text("request_id").filter(|_| of_object)?;
    let time = times.request_times.get(id.as_ref())?;
    Some((*time, source("request", &[], None)))
}

fn of_expire(entry: &Entry<'_>, times: &Times<'_>) -> Derived {
    let time = entry.expire()?.checked_sub(times.retention_secs)?;
    Some((time, source("expire", &[("retention", times.retention_secs)], None)))
}

/// By a retention that was lowered, old rows would come from the future; by one that was raised, from too
/// early. Neither is taken, where it shows.
fn of_ttl(entry: &Entry<'_>, times: &Times<'_>) -> Derived {
    let ttl = entry.ttl()?;
    let time = times.date.checked_add(ttl)?.checked_sub(times.retention_secs)?;
    let fits = time <= times.date && times.not_before.is_none_or(|bound| time >= bound);
    let reckoned = [("ttl", ttl), ("retention", times.retention_secs)];
    fits.then(|| (time, source("ttl", &reckoned, Some(times.date))))
}

fn source(name: &str, numbers: &[(&str, i64)], date: Option<i64>) -> String {
    let mut text = String::new();
    let mut object = Object::open(&mut text);
    object.text("source", name);
    for (name, number) in numbers {
        object.json(name, &number.to_string());
    }
    if let Some(date) = date {
        object.text("date", &rfc3339(date));
    }
    object.close();
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: i64 = 1_795_348_800;
    const MONTH: i64 = 2_592_000;

    fn time(json: &str, not_before: Option<i64>) -> (i64, Option<String>) {
        let entry = Entry::parse(Stream::Objects, json).unwrap();
        let request_times = HashMap::from([("r".to_owned(), NOW - 7), ("old".to_owned(), 5)]);
        let times = Times {
            now: NOW,
            host_now: NOW,
            date: NOW + 10,
            retention_secs: MONTH,
            not_before,
            request_times: &request_times,
        };
        let EventTime { seconds, derived } = EventTime::of(&entry, &times);
        (seconds, derived)
    }

    fn derived(source: &str) -> String {
        format!(r#"{{"source":"{source}"}}"#)
    }

    #[test]
    fn an_entry_that_tells_its_time_is_from_then() {
        for (told, seconds) in [
            ("1542130367", 1_542_130_367),
            ("1542130367699", 1_542_130_367),
            ("1542130367.5", 1_542_130_367),
            ("\"1542130367\"", 1_542_130_367),
            ("1420070400", FIRST),
            (&(NOW + AHEAD_SECS).to_string(), NOW + AHEAD_SECS),
        ] {
            let entry = format!(r#"{{"request_timestamp":{told},"ttl":5,"request_id":"r"}}"#);
            assert_eq!(time(&entry, None), (seconds, None), "{told}");
        }
    }

    #[test]
    fn a_time_that_it_cannot_be_from_is_passed_over() {
        let too_far = (NOW + AHEAD_SECS + 1).to_string();
        for told in ["null", "0", "1", "-5", "1420070399", &too_far, "9999999999999", "\"soon\""] {
            let entry = format!(r#"{{"request_timestamp":{told}}}"#);
            assert_eq!(time(&entry, None), (NOW, Some(derived("run"))), "{told}");
        }
        assert_eq!(time(r#"{"request_id":"old"}"#, None), (NOW, Some(derived("run"))));
        assert_eq!(time(r#"{"expire":5000}"#, None), (NOW, Some(derived("run"))));
    }

    #[test]
    fn else_its_request_tells_then_its_expiry_then_what_is_left_of_its_life() {
        let all = format!(r#"{{"request_id":"r","expire":{}000,"ttl":60}}"#, NOW + 60);
        assert_eq!(time(&all, None), (NOW - 7, Some(derived("request"))));
        let (seconds, told) = time(&all.replace("\"r\"", "\"other\""), None);
        assert_eq!(seconds, NOW + 60 - MONTH);
        assert_eq!(told.unwrap(), r#"{"source":"expire","retention":2592000}"#);
        let (seconds, told) = time(r#"{"request_timestamp":1,"ttl":60}"#, None);
        assert_eq!(seconds, NOW + 10 + 60 - MONTH);
        let reckoned =
            r#"{"source":"ttl","ttl":60,"retention":2592000,"date":"2026-11-22T12:00:10Z"}"#;
        assert_eq!(told.unwrap(), reckoned);
    }

    #[test]
    fn a_retention_that_was_changed_does_not_date_rows_to_when_they_cannot_be_from() {
        let lowered = format!(r#"{{"ttl":{}}}"#, MONTH + 1);
        assert_eq!(time(&lowered, None), (NOW, Some(derived("run"))));
        let raised = r#"{"ttl":60}"#;
        let at = NOW + 10 + 60 - MONTH;
        assert_eq!(time(raised, Some(at)).0, at);
        assert_eq!(time(raised, Some(at + 1)), (NOW, Some(derived("run"))));
    }

    #[test]
    fn a_kong_whose_clock_is_decades_behind_changes_no_time_that_an_entry_tells() {
        let request_times = HashMap::new();
        let past = Times {
            now: 915_148_800,
            host_now: NOW,
            date: 915_148_800,
            retention_secs: MONTH,
            not_before: None,
            request_times: &request_times,
        };
        for (json, seconds) in [(r#"{"request_timestamp":1795348700}"#, 1_795_348_700), ("{}", NOW)]
        {
            let entry = Entry::parse(Stream::Objects, json).unwrap();
            assert_eq!(EventTime::of(&entry, &past).seconds, seconds);
        }
    }
}
