//! The bytes are S3's answers to the calls of one run, as [`answers`] reads them.

#![no_main]

use std::io::Read as _;

use flate2::read::GzDecoder;
use kong_cloudtrail::ports::{HttpRequest, HttpResponse};
use kong_cloudtrail::terms::Event;
use kong_cloudtrail_fuzz::answers::{self, Reading};
use kong_cloudtrail_fuzz::world::{Answer, answer};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const S3: Reading = Reading {
    variables: &[
        ("destination", "s3"),
        ("bucket", "kong-trail"),
        ("bucket_region", "eu-west-1"),
        ("account_id", "123456789012"),
    ],
    events,
    maybe: |sent, response| if may_be_there(response) { sent.to_vec() } else { Vec::new() },
    surely: |sent, response| if is_there(response) { sent.to_vec() } else { Vec::new() },
    accept,
};

fuzz_target!(|input: &[u8]| answers::check(input, &S3));

#[expect(clippy::unnecessary_wraps, reason = "an answer, as lost ones are")]
fn accept(_: &HttpRequest) -> Answer {
    let mut written = answer(200, "");
    written.headers_mut().insert("etag", http::HeaderValue::from_static("\"a\""));
    Ok(written)
}

/// The events of a PutObject call, which is as the bucket wants it.
fn events(request: &HttpRequest) -> Option<Vec<Event>> {
    assert_eq!(request.headers()["if-none-match"], "*");
    assert!(request.uri().path().ends_with(".ndjson.gz"), "{}", request.uri());
    let mut lines = String::new();
    GzDecoder::new(&request.body()[..]).read_to_string(&mut lines).expect("gzip of UTF-8");
    assert!(lines.len() <= 8 << 20, "{} bytes", lines.len());
    let event = |line: &str| {
        let mut members: Map<String, Value> = serde_json::from_str(line).expect("a line of JSON");
        let Some(Value::String(id)) = members.remove("id") else { panic!("no id") };
        Event { id, time: 0, data: Value::Object(members).to_string() }
    };
    let events: Vec<_> = lines.lines().map(event).collect();
    assert!((1..=10_000).contains(&events.len()), "{} events", events.len());
    Some(events)
}

/// An object that was written has a tag; and one may be there already.
fn may_be_there(response: &HttpResponse) -> bool {
    is_there(response) || response.status() == 412
}

fn is_there(response: &HttpResponse) -> bool {
    response.status() == 200 && response.headers().contains_key("etag")
}
