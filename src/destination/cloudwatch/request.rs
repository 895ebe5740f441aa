//! The body of a PutLogEvents call, and the limits of one.
//!
//! **CloudWatch refuses what is older than 14 days with a 200, and Kong keeps entries for 30.** So the timestamp
//! of a log event is the event's own time only where that is recent. The message tells it in any case.

use serde_json::json;

use super::LogStream;
use crate::destination::{Batch, Item, line, line_bytes};
use crate::terms::Event;

/// Most events a call. CloudWatch takes 10,000; ours bound what a death repeats.
pub const MAX_EVENTS: usize = 500;
/// Most bytes a call, as CloudWatch counts them (PutLogEvents API reference).
pub const MAX_BYTES: usize = 1_048_576;
/// Bytes that CloudWatch counts for an event beside its message.
const OVERHEAD: usize = 26;
/// From the first event of a call to its last, all timestamps are nearer than this.
const SPAN_MS: i64 = 24 * 3600 * 1000;
/// The oldest timestamp: a day within CloudWatch's 14.
const OLDEST_MS: i64 = 13 * 24 * 3600 * 1000;

/// The bytes of an event, as CloudWatch counts them; never fewer.
pub fn size(event: &Event) -> usize {
    line_bytes(event) + OVERHEAD
}

/// The timestamp with which an event goes out, at AWS's time `now_ms`.
pub fn timestamp(item: &Item, now_ms: i64) -> i64 {
    if item.retimed {
        return now_ms;
    }
    item.event.time.saturating_mul(1000).clamp(now_ms.saturating_sub(OLDEST_MS), now_ms)
}

/// Sorts a batch by timestamp, and cuts off what is a day or more behind its first event.
pub fn arrange(batch: &mut Batch, now_ms: i64) -> Option<Batch> {
    batch.items.sort_by_key(|item| timestamp(item, now_ms));
    let first = timestamp(batch.items.first()?, now_ms);
    let fits = |item: &Item| timestamp(item, now_ms) - first < SPAN_MS;
    let rest = batch.items.split_off(batch.items.partition_point(fits));
    (!rest.is_empty()).then_some(Batch::of(rest))
}

/// The call's body, with timestamps made by `timestamp`.
pub fn body(stream: &LogStream, batch: &Batch, timestamp: impl Fn(&Item) -> i64) -> Vec<u8> {
    let head = json!({"logGroupName": stream.group, "logStreamName": stream.name}).to_string();
    // Quotes are escaped, so that a message takes a quarter more.
    let room = batch.items.iter().map(|item| item.event.data.len() / 4 * 5 + 256);
    let mut body = Vec::with_capacity(room.sum());
    body.extend_from_slice(head.trim_end_matches('}').as_bytes());
    body.extend_from_slice(br#","logEvents":["#);
    for (place, item) in batch.items.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(br#"{"timestamp":"#);
        body.extend_from_slice(timestamp(item).to_string().as_bytes());
        body.extend_from_slice(br#","message":"#);
        // Writing a string into memory cannot fail.
        let _ = serde_json::to_writer(&mut body, &line(&item.event));
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    body
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;
    const DAY: i64 = 24 * 3600;

    fn item(id: &str, age_secs: i64) -> Item {
        let time = NOW / 1000 - age_secs;
        Item::new(Event { id: id.to_owned(), time, data: r#"{"a":1}"#.to_owned() }, 0, 0)
    }

    fn batch(ages: &[i64]) -> Batch {
        let items = ages.iter().enumerate().map(|(n, age)| item(&n.to_string(), *age));
        Batch::of(items.collect())
    }

    fn ids(batch: &Batch) -> Vec<&str> {
        batch.items.iter().map(|item| item.event.id.as_str()).collect()
    }

    #[test]
    fn a_timestamp_is_the_events_time_but_within_13_days_and_now() {
        for (age, expected) in [
            (0, 0),
            (-3600, 0),
            (1, 1),
            (12 * DAY, 12 * DAY),
            (13 * DAY, 13 * DAY),
            (13 * DAY + 1, 13 * DAY),
            (40 * DAY, 13 * DAY),
        ] {
            assert_eq!(timestamp(&item("a", age), NOW), NOW - expected * 1000, "{age} s");
        }
        for time in [i64::MIN, i64::MAX] {
            let mut odd = item("a", 0);
            odd.event.time = time;
            assert!((NOW - OLDEST_MS..=NOW).contains(&timestamp(&odd, NOW)), "{time}");
        }
        let retimed = Item { retimed: true, ..item("a", 40 * DAY) };
        assert_eq!(timestamp(&retimed, NOW), NOW);
    }

    #[test]
    fn a_batch_goes_out_in_the_order_of_its_timestamps() {
        let mut batch = batch(&[10, 30, 20]);
        batch.items.push(Item { retimed: true, ..item("now", 40) });
        assert!(arrange(&mut batch, NOW).is_none());
        assert_eq!(ids(&batch), ["1", "2", "0", "now"]);
    }

    #[test]
    fn what_is_a_day_behind_the_first_goes_by_itself() {
        assert!(arrange(&mut batch(&[0, DAY - 1]), NOW).is_none());
        let mut first = batch(&[0, DAY - 1, DAY, 2 * DAY]);
        let mut second = arrange(&mut first, NOW).unwrap();
        assert_eq!(ids(&first), ["3"]);
        let mut third = arrange(&mut second, NOW).unwrap();
        assert_eq!(ids(&second), ["2", "1"]);
        assert!(arrange(&mut third, NOW).is_none());
        assert_eq!(ids(&third), ["0"]);
    }

    #[test]
    fn whatever_is_older_than_13_days_goes_together() {
        let mut batch = batch(&[40 * DAY, 13 * DAY, 30 * DAY, 20 * DAY]);
        assert!(arrange(&mut batch, NOW).is_none());
        assert_eq!(batch.items.len(), 4);
    }

    #[test]
    fn a_body_is_what_the_api_reference_asks_for() {
        let arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/kong";
        let stream = LogStream::parse(arn, "a\"b").unwrap();
        let body: Value =
            serde_json::from_slice(&body(&stream, &batch(&[5, 4]), |item| timestamp(item, NOW)))
                .unwrap();
        assert_eq!(
            body,
            json!({"logGroupName": "/kong", "logStreamName": "a\"b", "logEvents": [
                {"timestamp": NOW - 5000, "message": r#"{"id":"0","a":1}"#},
                {"timestamp": NOW - 4000, "message": r#"{"id":"1","a":1}"#}]})
        );
    }

    #[test]
    fn a_message_is_one_line_and_no_longer_than_counted() {
        for data in ["{}", r#"{"a":"\n"}"#, "{\"a\":\r\n{ \"b\": \"é😀\" }\n}"] {
            let id = "0123456789".to_owned();
            let event = Event { id: id.clone(), time: 0, data: data.to_owned() };
            let line = line(&event);
            assert!(!line.contains(['\n', '\r']), "{line}");
            assert!((line.len() + 26..line.len() + 29).contains(&size(&event)), "{data}");
            let mut read: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read.as_object_mut().unwrap().remove("id").unwrap(), id);
            assert_eq!(read, serde_json::from_str::<Value>(data).unwrap());
        }
    }
}
