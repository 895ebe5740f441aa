//! The faults of single calls, as a client on the wire sees them.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kong_cloudtrail_sim::fault::{Fault, Malformed, Rule, When};
use kong_cloudtrail_sim::kong::{Faults, Options, Simulator};

fn kong() -> Simulator {
    Simulator::start(Options { requests: 300, objects: 300, ..Options::default() }).unwrap()
}

fn always(fault: Fault) -> Faults {
    rule(None, When::default(), fault)
}

fn rule(path: Option<&str>, when: When, fault: Fault) -> Faults {
    let rules = vec![Rule { path: path.map(str::to_owned), when, fault }];
    Faults { rules, ..Faults::default() }
}

fn unavailable() -> Fault {
    Fault::Status { code: 503, retry_after: Some(7), body: None }
}

fn slow_body() -> Fault {
    Fault::Delay { first_byte_ms: 0, between_bytes_ms: 60, pieces: 4 }
}

/// All that the wire brings before it ends, and how it ends.
struct Heard {
    head: String,
    body: Vec<u8>,
    end: Result<(), ErrorKind>,
}

impl Heard {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn content_length(&self) -> usize {
        self.header("content-length").unwrap().parse().unwrap()
    }
}

fn listen(kong: &Simulator, path: &str) -> Heard {
    let address = kong.url().replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: kong\r\nconnection: close\r\n\r\n").unwrap();
    let mut heard = Vec::new();
    let end = stream.read_to_end(&mut heard).map(drop).map_err(|error| error.kind());
    let split = heard.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(heard.len());
    let body = heard.get(split + 4..).unwrap_or_default().to_vec();
    Heard { head: String::from_utf8(heard[..split].to_vec()).unwrap(), body, end }
}

#[test]
fn a_status_is_answered_with_retry_after_and_nothing_happens() {
    let kong = Simulator::start(Options { audit_readers: true, ..Options::default() }).unwrap();
    kong.set_faults(always(unavailable()));
    let heard = listen(&kong, "/audit/requests");
    assert_eq!((heard.status(), heard.header("retry-after")), ("503", Some("7")));
    assert_eq!(kong.status().requests, 0, "Kong never saw the call");
    assert_eq!(kong.status().calls["/audit/requests"], 1, "yet it is counted");
    let own = Fault::Status { code: 403, retry_after: None, body: Some("<no>".to_owned()) };
    kong.set_faults(always(own));
    assert_eq!(listen(&kong, "/").body, b"<no>");
}

#[test]
fn a_rule_strikes_its_path_and_its_calls_alone() {
    let kong = kong();
    let statuses = |path: &str, count: usize| {
        (0..count).map(|_| listen(&kong, path).status().to_owned()).collect::<Vec<_>>()
    };
    kong.set_faults(rule(
        Some("/audit/objects"),
        When { next: Some(2), ..When::default() },
        unavailable(),
    ));
    assert_eq!(statuses("/audit/requests", 2), ["200", "200"]);
    assert_eq!(statuses("/audit/objects?size=1", 3), ["503", "503", "200"]);
    kong.set_faults(rule(None, When { every: Some(2), ..When::default() }, unavailable()));
    assert_eq!(statuses("/", 4), ["200", "503", "200", "503"]);
    kong.set_faults(rule(None, When { rate: Some(0.5), ..When::default() }, unavailable()));
    let struck = statuses("/", 60).iter().filter(|status| *status == "503").count();
    assert!((15..45).contains(&struck), "{struck}");
    kong.set_faults(Faults::default());
    assert_eq!(statuses("/", 1), ["200"]);
}

#[test]
fn a_reset_before_the_answer_brings_no_byte() {
    let kong = kong();
    kong.set_faults(always(Fault::Reset));
    let heard = listen(&kong, "/audit/requests");
    assert_eq!(heard.head, "");
    assert_eq!(heard.end, Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_reset_in_the_body_brings_half_of_it() {
    let kong = kong();
    kong.set_faults(always(Fault::ResetInBody));
    let heard = listen(&kong, "/audit/requests?size=300");
    assert_eq!(heard.status(), "200");
    assert_eq!(heard.body.len(), heard.content_length() / 2);
    assert_eq!(heard.end, Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_body_that_is_cut_off_ends_before_its_length() {
    let kong = kong();
    kong.set_faults(always(Fault::CutOff));
    let heard = listen(&kong, "/audit/requests?size=300");
    assert_eq!(heard.body.len(), heard.content_length() / 2);
    assert_eq!(heard.end, Ok(()), "the connection closes in good order");
}

#[test]
fn delays_come_before_the_first_byte_or_between_bytes() {
    let kong = kong();
    let started = Instant::now();
    assert_eq!(listen(&kong, "/").status(), "200");
    let undelayed = started.elapsed();
    kong.set_faults(always(Fault::Delay { first_byte_ms: 150, between_bytes_ms: 0, pieces: 4 }));
    let started = Instant::now();
    assert_eq!(listen(&kong, "/").status(), "200");
    assert!(started.elapsed() >= Duration::from_millis(150));
    assert!(undelayed < Duration::from_millis(150), "{undelayed:?}");

    kong.set_faults(always(slow_body()));
    let started = Instant::now();
    let heard = listen(&kong, "/audit/requests?size=300");
    assert!(started.elapsed() >= Duration::from_millis(180), "three pauses between four pieces");
    assert_eq!(heard.body.len(), heard.content_length(), "nothing is missing");
}

#[test]
fn latency_delays_every_call_but_the_controls() {
    let latency = Duration::from_millis(80);
    let kong = Simulator::start(Options { latency, ..Options::default() }).unwrap();
    let started = Instant::now();
    listen(&kong, "/");
    assert!(started.elapsed() >= latency);
    kong.set_faults(always(Fault::Reset));
    assert_eq!(listen(&kong, "/_sim/status").status(), "200", "nor do faults strike controls");
}

#[test]
fn a_body_can_be_anything_but_a_page() {
    let kong = kong();
    let body_of = |malformed| {
        kong.set_faults(always(Fault::Body(malformed)));
        let heard = listen(&kong, "/audit/requests");
        assert_eq!(heard.status(), "200");
        heard.body
    };
    assert!(body_of(Malformed::Html).starts_with(b"<html>"));
    let json = |body: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&body).unwrap();
    assert_eq!(json(body_of(Malformed::NoData)).get("data"), None);
    assert!(json(body_of(Malformed::DataNotArray))["data"].is_object());
    assert!(String::from_utf8(body_of(Malformed::NotUtf8)).is_err());
}

#[test]
fn several_faults_of_one_call_all_take_effect() {
    let kong = kong();
    let delay = Fault::Delay { first_byte_ms: 100, between_bytes_ms: 0, pieces: 1 };
    let rules = [delay, unavailable()]
        .map(|fault| Rule { path: None, when: When::default(), fault })
        .to_vec();
    kong.set_faults(Faults { rules, ..Faults::default() });
    let started = Instant::now();
    assert_eq!(listen(&kong, "/").status(), "503");
    assert!(started.elapsed() >= Duration::from_millis(100));
}

#[test]
fn a_simulator_that_is_dropped_is_gone() {
    let kong = kong();
    kong.set_faults(always(Fault::Delay { first_byte_ms: 60_000, between_bytes_ms: 0, pieces: 1 }));
    let address = kong.url().replace("http://", "");
    let mut asleep = TcpStream::connect(&address).unwrap();
    write!(asleep, "GET / HTTP/1.1\r\nhost: kong\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let started = Instant::now();
    drop(kong);
    assert!(started.elapsed() < Duration::from_secs(5), "a call in a delay does not hold it up");
    assert!(TcpStream::connect(&address).is_err());
}
