//! Batches sent to CloudWatch Logs, and to STS before it, that answer by a script, in a time of its own.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::Config;
use crate::destination::{Batch, Batcher, Item, Sender, Sent, Undelivered};
use crate::log::Logger;
use crate::ports::{HttpError, HttpRequest};
use crate::terms::Event;
use crate::testing::{Answer, InMemory};

/// By AWS's clock.
const NOW_MS: i64 = 784_111_777_000;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const DAY: i64 = 86_400;

type Script = InMemory<'static>;

#[expect(clippy::unnecessary_wraps, reason = "an answer of the script, as the lost ones are")]
fn answer(status: u16, body: &str) -> Answer {
    let response = http::Response::builder().status(status).header("date", DATE);
    Ok(response.body(body.as_bytes().to_vec()).unwrap())
}

fn identity(account: &str) -> Answer {
    answer(200, &format!("<R><Account>{account}</Account></R>"))
}

fn rejects(info: &Value) -> Answer {
    answer(200, &json!({ "rejectedLogEventsInfo": info }).to_string())
}

fn is_of_sts(request: &HttpRequest) -> bool {
    request.uri().host().unwrap().starts_with("sts.")
}

/// An STS and a CloudWatch that give these answers, and then know the account and accept everything.
fn script(off_ms: i64, sts: Vec<Answer>, logs: Vec<Answer>) -> Script {
    let (mut sts, mut logs) = (VecDeque::from(sts), VecDeque::from(logs));
    InMemory::at(NOW_MS + off_ms, move |request| {
        if is_of_sts(request) {
            sts.pop_front().unwrap_or_else(|| identity("123456789012"))
        } else {
            logs.pop_front().unwrap_or_else(|| answer(200, "{}"))
        }
    })
}

/// Events of these ages in days, named by their places.
fn batch(ages: &[i64]) -> Batch {
    let item = |(place, age): (usize, &i64)| {
        let (id, time) = (place.to_string(), NOW_MS / 1000 - age * DAY);
        Item::new(Event { id, time, data: r#"{"a":1}"#.to_owned() }, 0, 0)
    };
    Batch::of(ages.iter().enumerate().map(item).collect())
}

fn with<T>(script: &Script, work: impl FnOnce(&Sender<'_, Script>) -> T) -> T {
    let config = Config::read(|name| {
        let value = match name {
            "kong_admin_api" => "https://kong:8001",
            "destination" => "cloudwatch",
            "log_group_arn" => "arn:aws:logs:eu-west-1:123456789012:log-group:/kong:*",
            "aws_access_key_id" | "aws_secret_access_key" => "x",
            _ => return Ok(None),
        };
        Ok(Some(value.to_owned()))
    })
    .unwrap();
    let log = Logger::new(script, config.log_level);
    let (protocol, source) = (config.destination.as_ref(), &config.credentials);
    work(&Sender::new(log, protocol, source, config.pace, Duration::from_mins(50)))
}

fn send(script: &Script, ages: &[i64]) -> Sent {
    with(script, |sender| script.clock.run(sender.send(batch(ages), || true)))
}

/// Of each call to CloudWatch: its events' ids, and how many seconds before AWS's time they are.
fn calls(script: &Script) -> Vec<Vec<(String, i64)>> {
    let sent = script.sent.borrow();
    let logs = sent.iter().filter(|(_, request)| !is_of_sts(request));
    logs.map(|(at, request)| {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let now = NOW_MS / 1000 + i64::try_from(at.as_secs()).unwrap();
        let event = |event: &Value| {
            let message: Value = serde_json::from_str(event["message"].as_str().unwrap()).unwrap();
            let id = message["id"].as_str().unwrap().to_owned();
            (id, now - event["timestamp"].as_i64().unwrap() / 1000)
        };
        body["logEvents"].as_array().unwrap().iter().map(event).collect()
    })
    .collect()
}

fn asked_sts(script: &Script) -> usize {
    script.sent.borrow().iter().filter(|(_, request)| is_of_sts(request)).count()
}

fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.event.id.as_str()).collect()
}

fn of(ids_and_days: &[(&str, i64)]) -> Vec<(String, i64)> {
    ids_and_days.iter().map(|(id, days)| ((*id).to_owned(), days * DAY)).collect()
}

#[test]
fn a_call_names_group_and_stream_and_is_signed_for_logs() {
    let script = script(0, vec![], vec![]);
    assert_eq!(ids(&send(&script, &[0]).accepted), ["0"]);
    let (_, request) = script.sent.borrow()[1].clone();
    assert_eq!(request.uri(), "https://logs.eu-west-1.amazonaws.com/");
    assert_eq!(request.headers()["x-amz-target"], "Logs_20140328.PutLogEvents");
    let authorization = request.headers()["authorization"].to_str().unwrap();
    assert!(authorization.contains("/eu-west-1/logs/aws4_request"), "{authorization}");
    assert!(authorization.contains("x-amz-target"), "{authorization}");
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(
        (&body["logGroupName"], &body["logStreamName"]),
        (&json!("/kong"), &json!("kong-cloudtrail"))
    );
}

#[test]
fn whose_the_credentials_are_is_asked_once_and_not_counted() {
    let script =
        script(0, vec![answer(503, ""), Err(HttpError::Connection("reset".to_owned()))], vec![]);
    with(&script, |sender| {
        for _ in 0..3 {
            assert_eq!(script.clock.run(sender.send(batch(&[0]), || true)).accepted.len(), 1);
        }
        assert_eq!((sender.calls(), sender.doubtful()), (3, 0));
    });
    assert_eq!(asked_sts(&script), 3, "twice in vain, and once");
    assert!(is_of_sts(&script.sent.borrow()[2].1), "before the first batch");
}

#[test]
fn under_another_account_nothing_is_sent() {
    let script = script(0, vec![identity("210987654321")], vec![]);
    let sent = send(&script, &[0]);
    assert!(calls(&script).is_empty());
    let stop = sent.stop.unwrap().to_string();
    assert!(stop.contains("210987654321") && stop.contains("log_group_arn"), "{stop}");
    assert!(matches!(&sent.undelivered[..], [(_, Undelivered::Pending(_))]));
}

#[test]
fn without_the_lease_nobody_is_asked_and_that_is_not_the_accounts_fault() {
    let script = script(0, vec![], vec![]);
    let sent = with(&script, |sender| script.clock.run(sender.send(batch(&[0]), || false)));
    assert_eq!((sent.stop, script.sent.borrow().len()), (None, 0));
    assert!(
        matches!(&sent.undelivered[..], [(_, Undelivered::Pending(why))] if why.contains("the lease"))
    );
}

#[test]
fn a_batch_is_filled_to_the_bytes_that_a_call_may_hold() {
    let full = 1_048_576 / 2 - 26 - r#"{"id":"0","#.len();
    for (more, closes) in [(0, false), (1, true)] {
        let mut items = batch(&[0, 0]).items;
        items[0].event.data = "x".repeat(full);
        items[1].event.data = "x".repeat(full + more);
        with(&script(0, vec![], vec![]), |sender| {
            let mut batcher = Batcher::new(sender.protocol());
            let closed = items.into_iter().filter_map(|item| batcher.push(item));
            assert_eq!(closed.count() == 1, closes, "{more}");
        });
    }
}

#[test]
fn while_sts_does_not_say_nothing_is_sent() {
    let script = script(0, (0..8).map(|_| answer(500, "")).collect(), vec![]);
    let sent = send(&script, &[0]);
    assert!(calls(&script).is_empty());
    let stop = sent.stop.unwrap().to_string();
    assert!(stop.contains("STS answered 500") && stop.contains("aws_endpoint_url_sts"), "{stop}");
}

#[test]
fn old_events_go_out_within_13_days_and_in_order() {
    let script = script(0, vec![], vec![]);
    let sent = send(&script, &[20, 40, 13, 14]);
    assert_eq!(calls(&script), [of(&[("0", 13), ("1", 13), ("2", 13), ("3", 13)])]);
    assert_eq!(sent.accepted.len(), 4);
}

#[test]
fn what_spans_a_day_is_left_for_calls_of_its_own() {
    let script = script(0, vec![], vec![]);
    let sent = send(&script, &[0, 1, 2]);
    assert_eq!(calls(&script), [of(&[("2", 2)])]);
    assert_eq!(ids(&sent.left[0].items), ["1", "0"]);
}

#[test]
fn what_is_refused_for_its_age_goes_once_more_as_of_now_and_what_is_not_sure_too() {
    let script = script(0, vec![], vec![rejects(&json!({"expiredLogEventEndIndex": 2}))]);
    let sent = send(&script, &[20, 19, 18, 17]);
    let all = of(&[("0", 13), ("1", 13), ("2", 13), ("3", 13)]);
    assert_eq!(calls(&script), [all, of(&[("0", 0), ("1", 0), ("2", 0)])]);
    assert_eq!(ids(&sent.accepted), ["3", "0", "1", "2"]);
    let doubtful: Vec<_> = sent.accepted.iter().filter(|item| item.doubtful).collect();
    assert_eq!(doubtful.len(), 1, "the one at the end index");
}

#[test]
fn what_is_refused_as_of_now_is_refused_for_good() {
    let refused = || rejects(&json!({"tooOldLogEventEndIndex": 1}));
    let script = script(0, vec![], vec![refused(), refused()]);
    let sent = send(&script, &[20]);
    assert_eq!(calls(&script).len(), 2);
    assert!(
        matches!(&sent.undelivered[..], [(_, Undelivered::Refused(why))] if why.contains("older than 14 days"))
    );
}

#[test]
fn what_is_never_sure_is_in_the_end_failing_and_not_lost() {
    let unsure = || rejects(&json!({"expiredLogEventEndIndex": 0}));
    let script = script(0, vec![], (0..8).map(|_| unsure()).collect());
    let sent = send(&script, &[1]);
    assert_eq!(calls(&script).len(), 8);
    assert!(matches!(&sent.undelivered[..], [(_, Undelivered::Failing(_))]));
    assert_eq!(sent.stop, None);
}

#[test]
fn the_timestamps_go_by_awss_clock() {
    let expired = || answer(403, "<E><Code>SignatureDoesNotMatch</Code></E>");
    for off in [-3_600_000, 3_600_000, 30 * DAY * 1000] {
        let script = script(off, vec![expired()], vec![]);
        let sent = send(&script, &[20, 14]);
        assert_eq!(sent.accepted.len(), 2, "{off}");
        assert_eq!(calls(&script), [of(&[("0", 13), ("1", 13)])], "{off}");
        assert_eq!(asked_sts(&script), 2, "{off}");
    }
}

#[test]
fn a_clock_that_is_off_moves_no_timestamp_ahead_of_now() {
    let script = script(0, vec![], vec![]);
    send(&script, &[-3]);
    assert_eq!(calls(&script), [of(&[("0", 0)])]);
}
