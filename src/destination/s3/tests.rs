//! Batches sent to an S3 that answers by a script, in a time of its own.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::io::Read as _;
use std::time::Duration;

use flate2::read::GzDecoder;

use crate::config::Config;
use crate::destination::{Batch, Batcher, Item, Outcome, Sender, Sent};
use crate::log::Logger;
use crate::ports::HttpError;
use crate::terms::{Event, Stream};
use crate::testing::{Answer, InMemory};

const NOW_MS: i64 = 1_795_348_800_000;
const DAY: i64 = 86_400;

type Script = InMemory<'static>;

#[expect(clippy::unnecessary_wraps, reason = "an answer of the script, as the lost ones are")]
fn written() -> Answer {
    Ok(http::Response::builder().header("etag", "\"a\"").body(Vec::new()).unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "an answer of the script, as the lost ones are")]
fn error(status: u16, code: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>why</Message></Error>"
    );
    Ok(http::Response::builder().status(status).body(body.into_bytes()).unwrap())
}

fn lost() -> Answer {
    Err(HttpError::Connection("reset".to_owned()))
}

/// An S3 that gives these answers, and then takes everything.
fn script(answers: Vec<Answer>) -> Script {
    let mut answers = VecDeque::from(answers);
    InMemory::at(NOW_MS, move |_| answers.pop_front().unwrap_or_else(written))
}

fn with<T>(script: &Script, bucket: &str, work: impl FnOnce(&Sender<'_, Script>) -> T) -> T {
    let config = Config::read(|name| {
        let value = match name {
            "kong_admin_api" => "https://kong:8001",
            "destination" => "s3",
            "bucket" => bucket,
            "bucket_region" => "eu-west-1",
            "account_id" => "123456789012",
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

fn item(id: &str, age: i64, data: &str) -> Item {
    let (id, data) = (id.to_owned(), data.to_owned());
    Item::new(Event { id, time: NOW_MS / 1000 - age, data }, 0, 0)
}

/// The batches of these events.
fn batches(sender: &Sender<'_, Script>, items: impl IntoIterator<Item = Item>) -> Vec<Batch> {
    let mut batcher = Batcher::new(sender.protocol());
    let mut full: Vec<_> = items.into_iter().filter_map(|item| batcher.push(item)).collect();
    full.extend(batcher.close());
    for batch in &mut full {
        sender.name(batch);
    }
    full
}

/// Sends two events.
fn send(script: &Script) -> Sent {
    with(script, "kong-trail", |sender| {
        let batch = batches(sender, [item("a", 0, r#"{"x":1}"#), item("b", 1, "{}")]).remove(0);
        script.clock.run(sender.send(batch, || true))
    })
}

fn lines(body: &[u8]) -> String {
    let mut lines = String::new();
    GzDecoder::new(body).read_to_string(&mut lines).unwrap();
    lines
}

#[test]
fn an_object_is_compressed_lines_under_stream_and_day_and_is_written_only_where_there_is_none() {
    let script = script(vec![]);
    let sent = send(&script);
    assert_eq!(sent.accepted.len(), 2);
    let (_, request) = script.sent.borrow()[0].clone();
    assert_eq!(lines(request.body()), "{\"id\":\"a\",\"x\":1}\n{\"id\":\"b\"}\n");
    let folder = "kong-audit/default/stream=requests/date=2026-11-22/20261122T120000Z-";
    assert!(sent.name.starts_with(folder) && sent.name.ends_with(".ndjson.gz"), "{}", sent.name);
    let random = sent.name.strip_prefix(folder).unwrap().strip_suffix(".ndjson.gz").unwrap();
    assert_eq!(random.len(), 32);
    let host = "https://kong-trail.s3.eu-west-1.amazonaws.com/";
    assert_eq!(request.uri().to_string(), format!("{host}{}", sent.name.replace('=', "%3D")));
    assert_eq!(request.method(), http::Method::PUT);
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("if-none-match"), "*");
    assert_eq!(header("x-amz-expected-bucket-owner"), "123456789012");
    assert_eq!(header("x-amz-sdk-checksum-algorithm"), "SHA256");
    let authorization = header("authorization");
    assert!(authorization.contains("/eu-west-1/s3/aws4_request"), "{authorization}");
    let signed = "if-none-match;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date;\
                  x-amz-expected-bucket-owner;x-amz-sdk-checksum-algorithm";
    assert!(authorization.contains(signed), "{authorization}");
    assert!(!request.headers().contains_key("content-encoding"));
}

#[test]
fn a_bucket_with_dots_is_named_in_the_path() {
    let script = script(vec![]);
    with(&script, "kong.trail", |sender| {
        let batch = batches(sender, [item("a", 0, "{}")]).remove(0);
        script.clock.run(sender.send(batch, || true));
    });
    let uri = script.sent.borrow()[0].1.uri().to_string();
    assert!(uri.starts_with("https://s3.eu-west-1.amazonaws.com/kong.trail/kong-audit/"), "{uri}");
}

#[test]
fn what_may_pass_is_sent_again_under_the_same_name_and_what_is_there_counts_as_accepted() {
    for first in [
        lost(),
        error(409, "ConditionalRequestConflict"),
        error(409, "OperationAborted"),
        error(500, "InternalError"),
        error(503, "SlowDown"),
        error(503, "ServiceUnavailable"),
        error(400, "RequestTimeout"),
        error(400, "BadDigest"),
        // What goes out under a name is never taken apart.
        error(400, "RequestEntityTooLargeException"),
        error(500, ""),
        // A proxy's answer, not S3's.
        Ok(http::Response::new(b"<html>".to_vec())),
    ] {
        let script = script(vec![first, error(412, "PreconditionFailed")]);
        let sent = send(&script);
        assert_eq!(sent.accepted.len(), 2);
        let requests = script.sent.borrow();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].1.uri(), requests[1].1.uri());
        assert_eq!(requests[0].1.body(), requests[1].1.body());
    }
}

/// Who learns a name before there is an object of it could put one there.
#[test]
fn the_random_part_of_a_name_is_in_no_words_of_s3_that_are_told() {
    for (status, code) in [(403, "AccessDenied"), (400, "New"), (503, "SlowDown")] {
        let script = InMemory::at(NOW_MS, move |request| {
            let path = request.uri().path().trim_start_matches('/').replace("%3D", "=");
            let why = format!("not authorized on resource: \"arn:aws:s3:::kong-trail/{path}\"");
            let body = format!("<Error><Code>{code}</Code><Message>{why}</Message></Error>");
            Ok(http::Response::builder().status(status).body(body.into_bytes()).unwrap())
        });
        let sent = send(&script);
        let random = sent.name.rsplit_once('-').unwrap().1.strip_suffix(".ndjson.gz").unwrap();
        let told = format!("{:?} {:?}", sent.stop, sent.undelivered[0].1);
        assert!(told.contains("kong-trail/kong-audit/default/"), "{told}");
        assert!(!told.contains(random), "{told}");
    }
}

#[test]
fn what_is_there_before_the_first_try_is_not_ours() {
    let script = script(vec![error(412, "PreconditionFailed")]);
    let sent = send(&script);
    assert!(sent.is_taken && sent.accepted.is_empty() && sent.undelivered.is_empty());
    assert_eq!((sent.left.len(), sent.left[0].name.as_str()), (1, ""));
    assert!(!sent.left[0].packed.is_empty());
}

#[test]
fn no_event_is_in_doubt_since_none_is_there_twice() {
    let script = script(vec![lost()]);
    with(&script, "kong-trail", |sender| {
        let batch = batches(sender, [item("a", 0, "{}")]).remove(0);
        script.clock.run(sender.send(batch, || true));
        assert_eq!(sender.doubtful(), 0);
    });
}

#[test]
fn what_must_be_mended_stops_the_run_and_is_named() {
    for (status, code, told) in [
        (403, "AccessDenied", "s3:PutObject on kong-trail/kong-audit/*"),
        (403, "AccessDenied", "account_id (123456789012) owns the bucket"),
        (404, "NoSuchBucket", "there is no bucket kong-trail in eu-west-1"),
        (400, "AuthorizationHeaderMalformed", "check bucket_region"),
        (301, "PermanentRedirect", "check bucket_region"),
        (307, "TemporaryRedirect", "check bucket_region"),
        (301, "", "check bucket_region"),
        (400, "InvalidRequest", "Object Lock"),
        (501, "NotImplemented", "If-None-Match"),
        (400, "EntityTooLarge", "8 MiB"),
        (413, "", "8 MiB"),
        (400, "KMS.DisabledException", "the key of the bucket's encryption"),
        (403, "InvalidAccessKeyId", "AWS does not know these credentials"),
        (400, "ExpiredToken", "renew aws_session_token"),
        (403, "SignatureDoesNotMatch", "aws_secret_access_key"),
        (403, "", "a proxy on the way"),
        (412, "", "a proxy on the way"),
        (404, "NoSuchKey", "a proxy on the way"),
    ] {
        let sent = send(&script(vec![error(status, code)]));
        let stop = sent.stop.expect(code).to_string();
        assert!(stop.contains(told), "{stop}");
        assert_eq!((sent.accepted.len(), sent.undelivered.len()), (0, 2));
    }
}

#[test]
fn each_stream_and_day_has_objects_of_its_own() {
    let script = script(vec![]);
    with(&script, "kong-trail", |sender| {
        let items = (0..6).map(|n| {
            let stream = if n < 3 { Stream::Requests } else { Stream::Objects };
            item(&n.to_string(), (n % 3) * DAY, "{}").of(stream)
        });
        let batches = batches(sender, items);
        let mut folders: Vec<_> =
            batches.iter().map(|batch| batch.name.rsplit_once('/').unwrap().0).collect();
        folders.sort_unstable();
        folders.dedup();
        assert_eq!((batches.len(), folders.len()), (6, 6));
    });
}

#[test]
fn an_object_ends_at_ten_thousand_events_or_eight_mebibytes() {
    let script = script(vec![]);
    with(&script, "kong-trail", |sender| {
        let sizes = |items: &mut dyn Iterator<Item = Item>| -> Vec<_> {
            batches(sender, items).iter().map(|batch| batch.items.len()).collect()
        };
        assert_eq!(
            sizes(&mut (0..20_001).map(|n| item(&n.to_string(), 0, "{}"))),
            [10_000, 10_000, 1]
        );
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(200_000));
        let of_large = sizes(&mut (0..100).map(|n| item(&n.to_string(), 0, &large)));
        assert_eq!(of_large, [41, 41, 18]);
    });
}

/// In no order of time, each folder would else hold what it has until the end.
#[test]
fn many_days_at_once_take_no_more_room_than_one() {
    let script = script(vec![]);
    with(&script, "kong-trail", |sender| {
        let mut batcher = Batcher::new(sender.protocol());
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(100_000));
        let closed = (0..1000).filter_map(|n| batcher.push(item("a", (n % 30) * DAY, &large)));
        let closed = closed.count();
        let open = batcher.close();
        assert!(open.len() <= 8, "{}", open.len());
        let held: usize = open.iter().map(|batch| batch.items.len()).sum();
        assert!(held <= 84, "{held}");
        assert!(closed > 100);
        assert!(open.iter().all(|batch| batch.items.iter().all(|item| item.event.data.is_empty())));
    });
}

#[test]
fn fewer_outcomes_than_events_are_never_given() {
    let script = script(vec![]);
    with(&script, "kong-trail", |sender| {
        let batch = Batch::of(vec![item("a", 0, "{}"); 3]);
        let answer = sender.protocol().answer(&batch, &written().unwrap());
        let crate::destination::Answer::Outcomes(outcomes) = answer else { panic!() };
        assert!(outcomes.len() == 3 && outcomes.iter().all(|it| *it == Outcome::Accepted));
    });
}
