//! The bytes are the answers of STS, and then of CloudWatch Logs, to the calls of one run, as [`answers`] reads them.

#![no_main]

use kong_cloudtrail::ports::HttpRequest;
use kong_cloudtrail::terms::Event;
use kong_cloudtrail_fuzz::answers::{self, Reading, success};
use kong_cloudtrail_fuzz::world::{Answer, answer};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::{Map, Value};

const DAY_MS: i64 = 86_400_000;

const CLOUDWATCH: Reading = Reading {
    variables: &[
        ("destination", "cloudwatch"),
        ("log_group_arn", "arn:aws:logs:eu-west-1:123456789012:log-group:kong"),
    ],
    events,
    maybe: |sent, response| maybe(sent, success(response)),
    surely: |sent, response| surely(sent, success(response)),
    accept,
};

fuzz_target!(|input: &[u8]| answers::check(input, &CLOUDWATCH));

fn is_of_sts(request: &HttpRequest) -> bool {
    request.uri().host() == Some("sts.eu-west-1.amazonaws.com")
}

#[expect(clippy::unnecessary_wraps, reason = "an answer, as lost ones are")]
fn accept(request: &HttpRequest) -> Answer {
    let account = "<R><Account>123456789012</Account></R>";
    Ok(answer(200, if is_of_sts(request) { account } else { "{}" }))
}

/// The events of a PutLogEvents call, whose body is as the API reference wants it.
fn events(request: &HttpRequest) -> Option<Vec<Event>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code)]
    struct Body {
        log_group_name: String,
        log_stream_name: String,
        log_events: Vec<LogEvent>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct LogEvent {
        timestamp: i64,
        message: String,
    }
    if is_of_sts(request) {
        return None;
    }
    let body: Body = serde_json::from_slice(request.body()).expect("a PutLogEvents body");
    let events = body.log_events;
    assert!((1..=500).contains(&events.len()), "{} events", events.len());
    assert!(events.is_sorted_by_key(|event| event.timestamp), "not in order");
    let span = events[events.len() - 1].timestamp - events[0].timestamp;
    assert!(span < DAY_MS, "a span of {span} ms");
    let bytes: usize = events.iter().map(|event| event.message.len() + 26).sum();
    assert!(bytes <= 1_048_576, "{bytes} bytes");
    let event = |event: LogEvent| {
        let mut members: Map<String, Value> =
            serde_json::from_str(&event.message).expect("a message that is JSON");
        let Some(Value::String(id)) = members.remove("id") else { panic!("no id") };
        Event { id, time: event.timestamp / 1000, data: Value::Object(members).to_string() }
    };
    Some(events.into_iter().map(event).collect())
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rejected {
    too_old_log_event_end_index: Option<u32>,
    expired_log_event_end_index: Option<u32>,
    too_new_log_event_start_index: Option<u32>,
}

/// What a documented range does not name, and, where `spares_ends`, neither the event at its end.
fn left(sent: &[String], rejected: &Rejected, spares_ends: bool) -> Vec<String> {
    let refused = |place: usize| {
        let before = |end: Option<u32>| {
            end.is_some_and(|end| place < end as usize + usize::from(spares_ends))
        };
        before(rejected.too_old_log_event_end_index)
            || before(rejected.expired_log_event_end_index)
            || rejected.too_new_log_event_start_index.is_some_and(|start| place >= start as usize)
    };
    let places = sent.iter().enumerate().filter(|(place, _)| !refused(*place));
    places.map(|(_, id)| id.clone()).collect()
}

/// Any object may be CloudWatch's answer; of ranges that cannot be read, nobody knows what they leave.
fn maybe(sent: &[String], body: &[u8]) -> Vec<String> {
    let Ok(members) = serde_json::from_slice::<Map<String, Value>>(body) else { return Vec::new() };
    let rejected = members.get("rejectedLogEventsInfo").cloned().unwrap_or_default();
    match serde_json::from_value::<Option<Rejected>>(rejected) {
        Ok(rejected) => left(sent, &rejected.unwrap_or_default(), false),
        Err(_) => sent.to_vec(),
    }
}

fn surely(sent: &[String], body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Body {
        #[serde(rename = "nextSequenceToken")]
        _next_sequence_token: Option<String>,
        rejected_log_events_info: Option<Rejected>,
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return Vec::new() };
    match body.rejected_log_events_info {
        None => sent.to_vec(),
        // Ranges without one say nothing.
        Some(Rejected {
            too_old_log_event_end_index: None,
            expired_log_event_end_index: None,
            too_new_log_event_start_index: None,
        }) => Vec::new(),
        Some(rejected) => left(sent, &rejected, true),
    }
}
