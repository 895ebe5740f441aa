//! CloudWatch Logs' side, and that of STS: a log stream that checks what it is sent, refuses events for their age
//! one by one, and answers as it should, or not. What it accepts is kept beside what CloudTrail accepts.

use kong_cloudtrail::ports::{HttpError, HttpResponse};
use kong_cloudtrail::testing::answer;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cloudtrail::{is_signed_in_time, not_taken, refusal};
use crate::host::Refusal;
use crate::kong::http_date;
use crate::world::{Exchange, World};

pub const GROUP: &str = "arn:aws:logs:eu-west-1:123456789012:log-group:/kong";

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What may differ from log group to log group, and in time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Group {
    /// In seconds.
    pub retention: Option<i64>,
    /// After so many calls it is so long.
    pub shortened: Option<(u32, i64)>,
    /// The end index of a range is that of the last event in it.
    pub inclusive_ends: bool,
    /// Calls of PutLogEvents that were judged.
    pub calls: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct Body {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<LogEvent>,
}

#[derive(Deserialize)]
struct LogEvent {
    timestamp: i64,
    message: String,
}

impl LogEvent {
    fn parts(&self) -> (String, String) {
        parts(&self.message)
    }
}

/// The id in a line, and the rest as eventData, its bytes as they are.
pub fn parts(line: &str) -> (String, String) {
    let rest = line.strip_prefix(r#"{"id":""#).unwrap();
    let (id, members) = rest.split_once(r#"","#).unwrap();
    (id.to_owned(), format!("{{{members}"))
}

/// STS's answer.
pub fn identity(world: &World, exchange: &Exchange) -> Result<HttpResponse, HttpError> {
    world.asked_sts.update(|times| times + 1);
    let faults = exchange.host.faults.get();
    if world.strikes(faults.cloudtrail) {
        return match world.draw(3) {
            0 => Err(HttpError::Connection("reset".to_owned())),
            1 => Ok(answer(200, "<html>")),
            _ => Ok(answer(503, "")),
        };
    }
    let error = |code: &str| {
        let xml = format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
        let mut response = answer(403, xml);
        response.headers_mut().insert("date", http_date(world.time()).parse().unwrap());
        Ok(response)
    };
    if !is_signed_in_time(world, exchange) {
        return error("SignatureDoesNotMatch");
    }
    match faults.refusal {
        Some(Refusal::ExpiredToken) => error("ExpiredToken"),
        // Of this call, a policy does not matter.
        Some(Refusal::AccessDenied) | None => {
            Ok(answer(200, "<R><Account>123456789012</Account></R>"))
        }
    }
}

/// CloudWatch's answer to PutLogEvents.
pub fn put(world: &World, exchange: &Exchange) -> Result<HttpResponse, HttpError> {
    let faults = exchange.host.faults.get();
    let body: Body = serde_json::from_slice(exchange.request.body()).unwrap();
    check(&body);
    let ids = body.log_events.iter().map(|event| event.parts().0);
    world.truth.borrow_mut().called(exchange.run, ids);
    if world.strikes(faults.cloudtrail) {
        return not_taken(world, body.log_events.len());
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
    let spurious = world.strikes(faults.events);
    let expired = judge(world, &body.log_events, spurious);
    let end = expired - usize::from(expired > 0 && world.group.get().inclusive_ends);
    // Of the event at the end of a range, nobody can be sure.
    let is_sure = |place: usize| expired == 0 || place != end;
    let accepted = body.log_events.iter().enumerate().skip(expired).map(|(place, event)| {
        let (id, data) = event.parts();
        (id, data, !answer_lost && is_sure(place))
    });
    world.accept(exchange, accepted.collect());
    if answer_lost {
        return match world.draw(4) {
            0 => Err(HttpError::Connection("reset after acceptance".to_owned())),
            1 => Err(HttpError::Timeout("between bytes".to_owned())),
            2 => Ok(answer(500, "{}")),
            _ => Ok(answer(200, "<html>")),
        };
    }
    let mut told = json!({"nextSequenceToken": "1"});
    if expired > 0 {
        told["rejectedLogEventsInfo"] = json!({ "expiredLogEventEndIndex": end });
    }
    Ok(answer(200, told.to_string()))
}

/// How many events are refused from the beginning, since the retention of the log group has passed. What no group
/// takes is never sent. A spurious refusal strikes what is not of now, as a retention would.
fn judge(world: &World, events: &[LogEvent], spurious: bool) -> usize {
    let mut group = world.group.get();
    group.calls += 1;
    if let Some((calls, retention)) = group.shortened
        && group.calls > calls
    {
        group.retention = Some(retention);
    }
    world.group.set(group);
    let now = world.time() * 1000;
    for LogEvent { timestamp, .. } in events {
        let ages = now - 14 * DAY_MS..=now + 2 * HOUR_MS;
        assert!(ages.contains(timestamp), "a timestamp {} ms ago", now - timestamp);
    }
    let before = |limit: i64| events.partition_point(|event| event.timestamp < limit);
    let expired = group.retention.map_or(0, |retention| before(now - retention * 1000));
    if !spurious {
        return expired;
    }
    let old = u64::try_from(before(now - 60_000)).unwrap();
    expired.max(usize::try_from(world.draw(old + 1)).unwrap())
}

/// The limits of PutLogEvents, and ours.
fn check(body: &Body) {
    assert_eq!((&*body.log_group_name, &*body.log_stream_name), ("/kong", "kong-cloudtrail"));
    let events = &body.log_events;
    assert!((1..=500).contains(&events.len()), "{} events", events.len());
    let bytes: usize = events.iter().map(|event| event.message.len() + 26).sum();
    assert!(bytes <= 1_048_576, "{bytes} bytes");
    assert!(events.is_sorted_by_key(|event| event.timestamp), "not in order");
    let span = events.last().unwrap().timestamp - events[0].timestamp;
    assert!(span < DAY_MS, "a span of {span} ms");
    for event in events {
        assert!(!event.message.contains('\n'), "{}", event.message);
        serde_json::from_str::<Value>(&event.message).unwrap();
    }
}
