//! What an operator reads of a whole run: its report and its log lines, in virtual time.
use std::time::Duration;

use serde_json::{Value, json};

use crate::ports::{Clock, HttpError, HttpRequest};
use crate::report::{Outcome, Report};
use crate::run::run;
use crate::terms::Stream;
use crate::testing::{Answer, InMemory, answer};

/// 2026-11-28T12:00:00Z.
const NOW: i64 = 1_795_867_200;

/// What a service of the run does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Work,
    Hang,
    /// Answers with that status.
    Refuse(u16),
}

struct Services {
    root: Does,
    requests: Does,
    objects: Does,
    cloudtrail: Does,
    /// What Kong says where it refuses.
    said: &'static str,
    pages: u64,
}

const WORKING: Services = Services {
    root: Does::Work,
    requests: Does::Work,
    objects: Does::Work,
    cloudtrail: Does::Work,
    said: "Kong's words",
    pages: 2,
};

impl Services {
    fn answer(&self, request: &HttpRequest) -> Answer {
        let path = request.uri().path();
        let (does, body) = match path {
            "/" => (self.root, json!({"version": "3.9.0.0-enterprise-edition"})),
            "/audit/requests" => (self.requests, self.page(request.uri().query().unwrap())),
            "/audit/objects" => (self.objects, json!({"data": [], "next": null})),
            _ => (self.cloudtrail, accepted(request.body())),
        };
        match does {
            Does::Work => Ok(answer(200, body.to_string())),
            Does::Hang => Err(HttpError::Timeout("no answer in time".to_owned())),
            Does::Refuse(status) => Ok(answer(status, json!({"message": self.said}).to_string())),
        }
    }

    fn page(&self, query: &str) -> Value {
        let number =
            |query: &str| query.split_once("offset=").map_or(0, |(_, n)| n.parse().unwrap());
        let page: u64 = number(query);
        let entry =
            |n: u64| json!({"request_id": format!("r{page}n{n}"), "request_timestamp": NOW - 60});
        let entries: Vec<_> = (0..100).map(entry).collect();
        if page + 1 < self.pages {
            json!({"data": entries, "offset": (page + 1).to_string(), "next": "/audit/requests"})
        } else {
            json!({"data": entries, "next": null})
        }
    }
}

fn accepted(body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let events = body["auditEvents"].as_array().unwrap().iter();
    let successful: Vec<_> = events.map(|event| json!({"id": event["id"]})).collect();
    json!({"successful": successful, "failed": []})
}

/// A run; how long it took; and what it logged.
fn of(services: &Services, latency: Duration) -> (Report, Duration, Vec<(Duration, String)>) {
    let lines = std::cell::RefCell::new(Vec::new());
    let mut port = InMemory::at(NOW * 1000, |request: &HttpRequest| services.answer(request));
    port.latency = latency;
    let report = port.clock.run(async {
        let run = run(&port, |name| {
            Ok(match name {
                "kong_admin_api" => Some("http://localhost:8001".to_owned()),
                "channel_arn" => {
                    Some("arn:aws:cloudtrail:eu-west-1:123456789012:channel/a".to_owned())
                }
                "aws_access_key_id" | "aws_secret_access_key" => Some("x".to_owned()),
                "page_size" => Some("100".to_owned()),
                _ => None,
            })
        });
        // Looks each second at what was printed.
        let mut run = std::pin::pin!(run);
        loop {
            let second = std::pin::pin!(port.sleep(Duration::from_secs(1)));
            let done = futures::future::select(run.as_mut(), second).await;
            let at = port.elapsed();
            lines.borrow_mut().extend(port.lines.take().into_iter().map(|line| (at, line)));
            if let futures::future::Either::Left((report, _)) = done {
                return report;
            }
        }
    });
    let took = port.elapsed();
    (report, took, lines.take())
}

fn error(services: &Services) -> String {
    of(services, Duration::ZERO).0.error.unwrap()
}

#[test]
fn a_run_that_ships_for_long_says_every_ten_seconds_how_far_it_is_and_a_short_one_nothing() {
    let services = Services { pages: 60, ..WORKING };
    let (report, took, lines) = of(&services, Duration::from_secs(2));
    assert_eq!(report.outcome, Outcome::Ok, "{:?}", report.error);
    let told: Vec<_> =
        lines.iter().filter(|(_, line)| line.contains("so far in this run")).collect();
    assert!(
        took > Duration::from_mins(1) && told.len() as u64 >= took.as_secs() / 10 - 2,
        "{took:?}: {told:#?}"
    );
    let gaps = told.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0));
    assert!(gaps.max().unwrap() <= Duration::from_secs(11), "{told:#?}");
    let last = &told.last().unwrap().1;
    assert!(
        last.contains(r#""level":"info","code":"progress""#) && last.contains("requests: "),
        "{last}"
    );
    let shipped = |line: &str| -> u64 {
        let before = line.split(" shipped so far").next().unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(told.windows(2).all(|pair| shipped(&pair[0].1) <= shipped(&pair[1].1)), "{told:#?}");
    assert!(shipped(last) > 1000, "{last}");
    let (_, _, lines) = of(&WORKING, Duration::from_millis(20));
    assert!(!lines.iter().any(|(_, line)| line.contains("so far in this run")), "{lines:?}");
}

#[test]
fn what_hangs_is_named_at_its_first_time_out_and_the_run_has_failed_within_two_minutes() {
    for (services, name) in [
        (Services { root: Does::Hang, ..WORKING }, "Kong's Admin API on /:"),
        (Services { requests: Does::Hang, ..WORKING }, "Kong's Admin API on /audit/requests:"),
        (
            Services { requests: Does::Hang, objects: Does::Hang, ..WORKING },
            "Kong's Admin API on /audit/requests:",
        ),
        (Services { cloudtrail: Does::Hang, ..WORKING }, "CloudTrail:"),
    ] {
        let (report, took, lines) = of(&services, Duration::ZERO);
        assert_eq!(report.outcome, Outcome::Failed, "{name}");
        assert!(took < Duration::from_mins(2), "{name}: {took:?}");
        let warned: Vec<_> =
            lines.iter().filter(|(_, line)| line.contains("no answer from")).collect();
        let [(at, line)] = warned[..] else { panic!("{name}: {lines:#?}") };
        assert!(*at <= Duration::from_secs(56), "{name}: at {at:?}");
        let code = if name == "CloudTrail:" { "destination-silent" } else { "kong-silent" };
        let level = format!(r#""level":"warn","code":"{code}""#);
        assert!(line.contains(&level) && line.contains(name), "{line}");
        assert!(report.error.unwrap().contains("it hangs"), "{name}");
    }
}

#[test]
fn a_stream_that_hangs_does_not_keep_the_other_from_being_read() {
    let services = Services { requests: Does::Hang, ..WORKING };
    let (mut report, ..) = of(&services, Duration::ZERO);
    assert_eq!(report.stream(Stream::Objects).pages, 1);
}

#[test]
fn a_remedy_that_both_streams_have_is_told_once() {
    let refused = Does::Refuse(403);
    let services = Services { requests: refused, objects: refused, ..WORKING };
    let error = error(&services);
    assert!(
        error.contains("403 on /audit/requests") && error.contains("403 on /audit/objects"),
        "{error}"
    );
    assert_eq!(error.matches("the read action").count(), 1, "{error}");
}

#[test]
fn what_stops_the_delivery_is_told_once_and_no_reason_is_without_words() {
    for status in [403, 418] {
        let services = Services { cloudtrail: Does::Refuse(status), pages: 4, ..WORKING };
        let error = error(&services);
        assert!(error.starts_with("CloudTrail answered"), "the cause first: {error}");
        let remedy = error.matches("check cloudtrail_endpoint").count();
        assert_eq!(remedy, 1, "{error}");
        assert!(
            error.contains("requests entries are pending, and the next run tries them again"),
            "{error}"
        );
        for empty in [": ;", ": :", "()", ";;", ": )"] {
            assert!(!error.contains(empty), "{error}");
        }
        assert!(!error.ends_with([':', ' ', ';']), "{error}");
    }
}

#[test]
fn kongs_words_are_cut_and_escaped_in_the_report() {
    const SAID: &str = "evil\u{202e}\u{1b}[2J\u{2028}\u{200b} words";
    let services = Services { root: Does::Refuse(401), said: SAID, ..WORKING };
    let (report, ..) = of(&services, Duration::ZERO);
    let line = report.line();
    assert!(
        line.contains(r"\u202e") && !line.contains(['\u{202e}', '\u{1b}', '\u{2028}', '\u{200b}']),
        "{line}"
    );
    let long: &'static str = "x".repeat(5000).leak();
    let services = Services { root: Does::Refuse(401), said: long, ..WORKING };
    let error = error(&services);
    assert_eq!(
        (error.matches('x').count(), error.contains("x…")),
        (299 + "kong_admin".matches('x').count(), true),
        "{error}"
    );
}
