//! S3's side: a bucket that checks what it is sent, keeps an object once, and answers as it should, or not. What it
//! accepts is kept beside what CloudTrail accepts.
//!
//! Nothing is in it twice, however often answers are lost and processes die. Only a store that fails or goes back,
//! a host that stalls past its lease, or a name that a run says to have given up explain a repeat.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use kong_cloudtrail::ports::{HttpError, HttpRequest, HttpResponse};
use kong_cloudtrail::testing::answer;
use sha2::{Digest, Sha256};

use crate::cloudtrail::is_signed_in_time;
use crate::cloudwatch::parts;
use crate::host::Refusal;
use crate::kong::http_date;
use crate::world::{Exchange, World};

/// S3's answer to PutObject.
pub fn put(world: &World, exchange: &Exchange) -> Result<HttpResponse, HttpError> {
    let faults = exchange.host.faults.get();
    let name = exchange.request.uri().path().to_owned();
    let is_first = world.tried.borrow_mut().insert(name.clone());
    let events = events(&exchange.request);
    world.truth.borrow_mut().called(exchange.run, events.iter().map(|(id, _)| id.clone()));
    if world.strikes(faults.cloudtrail) {
        return not_taken(world);
    }
    if !is_signed_in_time(world, exchange) {
        return Ok(error(world, 403, "RequestTimeTooSkewed"));
    }
    match faults.refusal {
        Some(Refusal::ExpiredToken) => return Ok(error(world, 400, "ExpiredToken")),
        Some(Refusal::AccessDenied) => return Ok(error(world, 403, "AccessDenied")),
        None => {}
    }
    let ids: Vec<_> = events.iter().map(|(id, _)| id.clone()).collect();
    if is_first && is_taken_by_others(world, exchange, &name) {
        return Ok(error(world, 412, "PreconditionFailed"));
    }
    let there = world.objects.borrow().get(&name).cloned();
    let is_new = there.is_none();
    let answer_lost = world.strikes(faults.lost_answers);
    if is_new {
        let again = |(id, _): &&(String, String)| world.cloudtrail.borrow().events.contains_key(id);
        let again = events.iter().filter(again).map(|(id, _)| id.clone());
        let repeated = again.filter(|id| !is_of_a_name_given_up(world, id)).min();
        world.objects.borrow_mut().insert(name, ids.iter().cloned().collect());
        let explained = world.truth.borrow().may_repeat_objects() || exchange.stalled;
        if let Some(id) = repeated.filter(|_| !explained) {
            let why = format!("run {} has {id} in a second object", exchange.run);
            world.truth.borrow_mut().violations.push(why);
        }
        let accepted = events.into_iter().map(|(id, data)| (id, data, !answer_lost));
        world.accept(exchange, accepted.collect());
    }
    if answer_lost {
        return match world.draw(4) {
            0 => Err(HttpError::Connection("reset after acceptance".to_owned())),
            1 => Err(HttpError::Timeout("first byte".to_owned())),
            2 => Ok(answer(500, "")),
            _ => Ok(answer(200, "<html>")),
        };
    }
    if let Some(there) = there {
        if let Some(id) = ids.iter().find(|id| !there.contains(*id)) {
            let why = format!(
                "run {} is told that {id} is there, and it is in no such object",
                exchange.run
            );
            world.truth.borrow_mut().violations.push(why);
        }
        if !exchange.stalled {
            world.truth.borrow_mut().finds(exchange.run, ids.into_iter());
        }
        return Ok(error(world, 412, "PreconditionFailed"));
    }
    let mut written = answer(200, "");
    written.headers_mut().insert("etag", "\"a\"".parse().unwrap());
    Ok(written)
}

/// Once in a while somebody else is first with a name that the run has just made. Later it is gone again: that a run
/// dies between this answer and the write of another name is not what is told here.
fn is_taken_by_others(world: &World, exchange: &Exchange, name: &str) -> bool {
    let intended = name.trim_start_matches('/').replace("%3D", "=");
    let is_old = world.truth.borrow().runs[exchange.run].intended.contains(&intended);
    if is_old || exchange.stalled || world.others_put.get() || world.draw(20) > 0 {
        return false;
    }
    world.others_put.set(true);
    true
}

/// Whether the event is in an object whose name a run has given up.
fn is_of_a_name_given_up(world: &World, id: &str) -> bool {
    let given_up = world.given_up.borrow();
    let is_given_up = |name: &str| {
        let name = name.trim_start_matches('/').replace("%3D", "=");
        given_up.iter().any(|place| name.starts_with(place))
    };
    world.objects.borrow().iter().any(|(name, ids)| ids.contains(id) && is_given_up(name))
}

fn not_taken(world: &World) -> Result<HttpResponse, HttpError> {
    match world.draw(8) {
        0 => Err(HttpError::Connection("reset".to_owned())),
        1 => Err(HttpError::Timeout("first byte".to_owned())),
        2 => Ok(error(world, 500, "InternalError")),
        3 => Ok(error(world, 409, "ConditionalRequestConflict")),
        4 => Ok(error(world, 400, "RequestTimeout")),
        5 => Ok(error(world, 400, "BadDigest")),
        6 => Ok(answer(200, "<html>")),
        _ => {
            let mut response = error(world, 503, "SlowDown");
            let seconds = world.draw(30).to_string();
            response.headers_mut().insert("retry-after", seconds.parse().unwrap());
            Ok(response)
        }
    }
}

fn error(world: &World, status: u16, code: &str) -> HttpResponse {
    let mut response = answer(status, format!("<Error><Code>{code}</Code></Error>"));
    response.headers_mut().insert("date", http_date(world.time()).parse().unwrap());
    response
}

/// The ids and eventData of an object, once what it has to say of itself is checked.
fn events(request: &HttpRequest) -> Vec<(String, String)> {
    let header = |name: &str| request.headers()[name].to_str().unwrap();
    let body = request.body();
    assert_eq!(header("if-none-match"), "*");
    assert_eq!(header("x-amz-expected-bucket-owner"), "123456789012");
    assert_eq!(header("x-amz-checksum-sha256"), STANDARD.encode(Sha256::digest(body)));
    let mut lines = String::new();
    GzDecoder::new(&body[..]).read_to_string(&mut lines).unwrap();
    assert!(lines.len() <= 8 << 20, "{} bytes", lines.len());
    let events: Vec<_> = lines.lines().map(parts).collect();
    assert!((1..=10_000).contains(&events.len()), "{} events", events.len());
    let folders = request.uri().path().split('/').collect::<Vec<_>>();
    let stream = folders[3].strip_prefix("stream%3D").unwrap();
    assert!(["requests", "objects"].contains(&stream), "{stream}");
    assert!(folders[4].starts_with("date%3D") && folders.len() == 6, "{folders:?}");
    events
}
