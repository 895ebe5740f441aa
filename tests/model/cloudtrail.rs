//! CloudTrail's side: a channel that checks what it is sent, keeps every event that it accepts with
//! the run and the batch that brought it, and answers as it should, or not.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kong_cloudtrail::ports::{HttpError, HttpResponse};
use kong_cloudtrail::testing::answer;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;

use crate::host::Refusal;
use crate::kong::http_date;
use crate::world::{Exchange, World};

/// Events by id, each as often as it was accepted.
#[derive(Default)]
pub struct CloudTrail {
    pub events: HashMap<String, Vec<Acceptance>>,
    /// Events that fail each time, with a code that may pass.
    pub failing: HashSet<String>,
}

/// One time that CloudTrail accepted an event.
pub struct Acceptance {
    pub data: String,
    /// The event may be accepted once more.
    pub excused: bool,
    /// Kong's clock less the true time.
    pub kong_skew: i64,
}

impl CloudTrail {
    /// How many events it has accepted, repeats included.
    pub fn accepted(&self) -> usize {
        self.events.values().map(Vec::len).sum()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'b> {
    #[serde(borrow)]
    audit_events: Vec<AuditEvent<'b>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuditEvent<'b> {
    id: &'b str,
    event_data: String,
    event_data_checksum: &'b str,
}

/// What becomes of an event of a call that CloudTrail takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// Accepted, and the answer does not mention it.
    Unmentioned,
    /// Neither accepted nor mentioned.
    Overlooked,
    Fails(&'static str),
}

fn verdict(world: &World, percent: u32) -> Verdict {
    if !world.strikes(percent) {
        return Verdict::Accepted;
    }
    match world.draw(6) {
        0 | 1 => Verdict::Fails("InternalFailure"),
        2 => Verdict::Fails("Throttling"),
        3 => Verdict::Fails("ACodeOfTomorrow"),
        4 => Verdict::Unmentioned,
        _ => Verdict::Overlooked,
    }
}

/// CloudTrail's answer to PutAuditEvents.
pub fn put(world: &World, exchange: &Exchange) -> Result<HttpResponse, HttpError> {
    let faults = exchange.host.faults.get();
    let body: Body<'_> = serde_json::from_slice(exchange.request.body()).unwrap();
    check(&body, exchange.request.body().len());
    let ids = body.audit_events.iter().map(|event| event.id.to_owned());
    world.truth.borrow_mut().called(exchange.run, ids);
    if world.strikes(faults.cloudtrail) {
        return not_taken(world, body.audit_events.len());
    }
    if !is_signed_in_time(world, exchange) {
        return Ok(refusal(world, "InvalidSignatureException"));
    }
    match faults.refusal {
        Some(Refusal::ExpiredToken) => return Ok(refusal(world, "ExpiredTokenException")),
        Some(Refusal::AccessDenied) => return Ok(refusal(world, "AccessDeniedException")),
        None => {}
    }

    let answer_lost = world.strikes(faults.lost_answers);
    let (mut failed, mut successful, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
    for event in body.audit_events {
        let fails = world.cloudtrail.borrow().failing.contains(event.id);
        let verdict =
            if fails { Verdict::Fails("InternalFailure") } else { verdict(world, faults.events) };
        match verdict {
            Verdict::Accepted => successful.push(json!({"id": event.id, "eventID": event.id})),
            Verdict::Fails(code) => {
                failed.push(json!({"id": event.id, "errorCode": code, "errorMessage": ""}));
            }
            Verdict::Unmentioned | Verdict::Overlooked => {}
        }
        if matches!(verdict, Verdict::Accepted | Verdict::Unmentioned) {
            let told = verdict == Verdict::Accepted && !answer_lost;
            accepted.push((event.id.to_owned(), event.event_data, told));
        }
    }
    world.accept(exchange, accepted);
    if answer_lost {
        return match world.draw(4) {
            0 => Err(HttpError::Connection("reset after acceptance".to_owned())),
            1 => Err(HttpError::Timeout("between bytes".to_owned())),
            2 => Ok(answer(500, "{}")),
            _ => Ok(answer(200, "<html>")),
        };
    }
    Ok(answer(200, json!({"failed": failed, "successful": successful}).to_string()))
}

pub fn not_taken(world: &World, events: usize) -> Result<HttpResponse, HttpError> {
    match world.draw(7) {
        0 => Err(HttpError::Connection("reset".to_owned())),
        1 => Err(HttpError::Timeout("first byte".to_owned())),
        2 => Ok(answer(500, "{}")),
        // Of a single event it would be a refusal for good.
        3 if events > 1 => Ok(answer(413, "")),
        4 => Ok(answer(200, "<html>")),
        5 => Ok(answer(400, r#"{"__type":"ThrottlingException"}"#)),
        _ => {
            let mut response = answer(429, r#"{"__type":"ThrottlingException"}"#);
            let seconds = world.draw(30).to_string();
            response.headers_mut().insert("retry-after", seconds.parse().unwrap());
            Ok(response)
        }
    }
}

pub fn refusal(world: &World, code: &str) -> HttpResponse {
    let mut response = answer(403, json!({"__type": code}).to_string());
    response.headers_mut().insert("date", http_date(world.time()).parse().unwrap());
    response
}

/// AWS takes a signature for five minutes, by its own clock.
pub fn is_signed_in_time(world: &World, exchange: &Exchange) -> bool {
    let signed = exchange.request.headers()["x-amz-date"].to_str().unwrap();
    let signed = OffsetDateTime::parse(signed, &Iso8601::PARSING).unwrap();
    (signed.unix_timestamp() - world.time()).abs() <= 300
}

/// The limits of PutAuditEvents.
fn check(body: &Body<'_>, bytes: usize) {
    assert!((1..=100).contains(&body.audit_events.len()) && bytes <= 1_000_000);
    let ids: HashSet<_> = body.audit_events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), body.audit_events.len(), "equal ids in one call");
    for event in &body.audit_events {
        assert!(event.event_data.len() <= 256_000);
        let checksum = STANDARD.encode(Sha256::digest(&event.event_data));
        assert_eq!(checksum, event.event_data_checksum, "{}", event.id);
    }
}
