//! How answers are written, which forms of a date are taken, and by whose clock.
#![allow(clippy::unwrap_used)]

#[path = "support/kong.rs"]
mod support;

use kong_cloudtrail_sim::fault::{Fault, Rule, When};
use kong_cloudtrail_sim::kong::{Configuration, Dates, EmptyList, Faults, Options, Shape, Stream};
use serde_json::{Value, json};
use support::{DAY, entries, get, page, refused, sample, start, version};

fn shaped(shape: Shape) -> Options {
    Options { shape, ..version("3.10.0.0") }
}

#[tokio::test]
async fn dates_are_taken_in_both_forms_or_in_one() {
    let at = 1_714_057_404;
    let (unix, date) = ("1714057404", "2024-04-25T15:03:24Z");
    for (dates, taken, refused_form) in [
        (Dates::Both, vec![unix, "1714057403.5", date], None),
        (Dates::UnixOnly, vec![unix], Some(date)),
        (Dates::Rfc3339Only, vec![date], Some(unix)),
    ] {
        let kong = start(Options {
            requests: 0,
            objects: 0,
            ..shaped(Shape { dates, ..Shape::default() })
        });
        for stream in [Stream::Requests, Stream::Objects] {
            let entry = |at: i64| json!({"id": "x", "request_timestamp": at});
            kong.add_entries(stream, [at - 1, at, at + 1].map(entry));
        }
        for path in ["/audit/requests", "/audit/objects"] {
            for bound in &taken {
                let after = page(&kong, &format!("{path}?after={bound}")).await;
                assert_eq!(entries(&after).len(), 2, "{dates:?} {path} {bound}");
                let before = page(&kong, &format!("{path}?before={bound}")).await;
                assert_eq!(entries(&before).len(), 1, "{dates:?} {path} {bound}");
            }
            let never = ["2024-04-25T15:03:24.000Z", "2024-04-25T15:03:24%2B00:00", "now", ""];
            for bound in never.into_iter().chain(refused_form) {
                for name in ["after", "before"] {
                    let answer = refused(&kong, &format!("{path}?{name}={bound}")).await;
                    assert_eq!(answer, (400, bad_date(&bound.replace("%2B", "+"))), "{dates:?}");
                }
            }
        }
    }
}

fn bad_date(text: &str) -> Value {
    let message =
        format!("date param: '{text}' does not match expected format: YYYY-MM-DDTHH:MI:SSZ");
    json!({"code": 20, "name": "invalid search query", "message": message})
}

#[tokio::test]
async fn an_empty_page_writes_its_list_in_one_of_three_ways() {
    for (empty_list, written) in [
        (EmptyList::Array, r#"{"data":[],"next":null}"#),
        (EmptyList::Object, r#"{"data":{},"next":null}"#),
        (EmptyList::Null, r#"{"data":null,"next":null}"#),
    ] {
        let kong = start(shaped(Shape { empty_list, ..Shape::default() }));
        for path in ["/audit/requests?before=1", "/audit/objects?before=1"] {
            assert_eq!(get(&kong, path).await.text().await.unwrap(), written);
        }
        assert_eq!(entries(&page(&kong, "/audit/objects").await).len(), 100, "others as ever");
    }
}

#[tokio::test]
async fn a_byte_order_mark_stands_before_every_body() {
    for (byte_order_mark, mark) in [(false, &b""[..]), (true, &b"\xef\xbb\xbf"[..])] {
        let kong = start(shaped(Shape { byte_order_mark, ..Shape::default() }));
        for path in ["/", "/audit/requests", "/audit/objects?size=x"] {
            let body = get(&kong, path).await.bytes().await.unwrap();
            let json = body.strip_prefix(mark).unwrap();
            assert!(serde_json::from_slice::<Value>(json).unwrap().is_object(), "{path}");
        }
    }
}

#[tokio::test]
async fn the_configuration_may_be_an_empty_list_null_or_nowhere() {
    for (configuration, shown) in [
        (Configuration::EmptyList, Some(json!([]))),
        (Configuration::Null, Some(Value::Null)),
        (Configuration::Hidden, None),
    ] {
        let kong = start(shaped(Shape { configuration, ..Shape::default() }));
        let root = page(&kong, "/").await;
        assert_eq!(root.get("configuration"), shown.as_ref());
        assert_eq!(root["version"], "3.10.0.0-enterprise-edition");
        assert_eq!(entries(&page(&kong, "/audit/objects").await).len(), 100);
    }
}

#[tokio::test]
async fn every_answer_is_dated_by_kong_s_clock() {
    let kong = start(version("3.10.0.0"));
    let fault = Fault::Status { code: 503, retry_after: None, body: None };
    let rule = Rule { path: Some("/audit/objects".to_owned()), when: When::default(), fault };
    kong.set_faults(Faults {
        rules: vec![rule],
        no_permission: vec!["/audit/requests".to_owned()],
        ..Faults::default()
    });
    kong.set_clock(-12_345);
    for (path, status) in
        [("/", 200), ("/audit/requests", 403), ("/audit/objects", 503), ("/services", 404)]
    {
        let response = get(&kong, path).await;
        assert_eq!(response.status(), status);
        let now = kong.status().now;
        assert!((now - 2..=now).contains(&date(&response)), "{path}");
    }
}

fn date(response: &reqwest::Response) -> i64 {
    let date = httpdate::parse_http_date(response.headers()["date"].to_str().unwrap()).unwrap();
    date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

#[tokio::test]
async fn date_and_ttl_and_retention_tell_when_an_object_was_written() {
    for text in ["2.8.1.1", "3.10.0.0"] {
        let kong = start(version(text));
        let requests = kong.entries(Stream::Requests, 0, 500);
        for clock in [0, 5000, -7000] {
            kong.set_clock(clock);
            let response = get(&kong, "/audit/objects?size=1000").await;
            let date = date(&response);
            let page: Value = response.json().await.unwrap();
            assert!(entries(&page).len() > 490);
            for object in entries(&page) {
                let written = date + object["ttl"].as_i64().unwrap() - 30 * DAY;
                let caused = |request: &&Value| request["request_id"] == object["request_id"];
                let call = requests.iter().find(caused).unwrap();
                let at = call["request_timestamp"].as_i64().unwrap();
                assert!((at..=at + 1).contains(&written), "{text} {clock}: {written} is not {at}");
            }
        }
    }
    let sample = &sample(Stream::Objects)[2];
    assert_eq!(sample["ttl"], 1_727_940, "the only time in a row of 2.8");
}
