//! The event mapping as an auditor relies on it: what stands where, nothing lost, within CloudTrail's
//! limits.

#![allow(clippy::unwrap_used)]

mod cases;
mod golden;
mod limits;
mod parts;
mod properties;
mod same;

use std::collections::HashMap;

use kong_cloudtrail::event::{Context, Times, events, rebuild};
use kong_cloudtrail::kong::Entry;
use kong_cloudtrail::terms::Event;
use kong_cloudtrail::terms::Stream;
use serde_json::Value;

/// What the tests' events tell beside their entries.
fn context(request_times: &HashMap<String, i64>) -> Context<'_> {
    Context {
        kong_version: "3.9.0.0-enterprise-edition",
        event_source: "kong-gateway",
        account: "123456789012",
        kong_hostname: "https://kong-admin.example.com:8444",
        rbac_is_off: true,
        times: Times {
            now: 1_700_000_000,
            host_now: 1_700_000_000,
            date: 1_700_000_000,
            retention_secs: 2_592_000,
            not_before: None,
            request_times,
        },
    }
}

/// The entry's events. On the way: each is within the limits, and together they are the entry.
fn map(stream: Stream, entry: &str) -> Vec<Event> {
    map_with(stream, entry, &context(&HashMap::new()))
}

fn map_with(stream: Stream, entry: &str, context: &Context<'_>) -> Vec<Event> {
    let events = events(&Entry::parse(stream, entry).unwrap(), context);
    limits::assert_within(&events);
    // CloudTrail Lake gives events in any order.
    let shuffled: Vec<&str> = events.iter().rev().map(|event| event.data.as_str()).collect();
    let rebuilt = rebuild::entry(stream, &shuffled).unwrap();
    same::assert_same(stream, entry, &rebuilt);
    events
}

/// The eventData of a request entry that is small enough for one event.
fn request(entry: &str) -> Value {
    single(Stream::Requests, entry)
}

/// The eventData of an object entry that is small enough for one event.
fn object(entry: &str) -> Value {
    single(Stream::Objects, entry)
}

fn single(stream: Stream, entry: &str) -> Value {
    let events = map(stream, entry);
    assert_eq!(events.len(), 1, "parts: {:.2000}", events[0].data);
    data(&events[0])
}

fn data(event: &Event) -> Value {
    serde_json::from_str(&event.data).unwrap()
}
