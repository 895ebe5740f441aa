//! What the CloudTrail Data simulator checks of a request and of each event.
#![allow(clippy::unwrap_used)]

#[path = "support/cloudtrail.rs"]
mod support;

use std::time::{Duration, Instant, SystemTime};

use kong_cloudtrail_sim::cloudtrail::{Keep, Options, Simulator};
use serde_json::{Value, json};
use support::{CHANNEL, body, call, event, event_data, options};

fn start() -> Simulator {
    Simulator::start(options()).unwrap()
}

/// The code with which an event of this content fails; none when it is accepted.
async fn code(endpoint: &Simulator, event_data: &Value) -> Option<String> {
    let answer = call(&[event("one", event_data)]).send(endpoint).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let code = answer.failed().first().map(|(_, code)| (*code).to_owned());
    assert_eq!(answer.successful().len() + answer.failed().len(), 1);
    code
}

/// [`event_data`] with the member at this pointer set, or taken out.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut data = event_data();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = data.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(parent.insert(name.to_owned(), value)),
        None => drop(parent.remove(name)),
    }
    data
}

/// An object whose JSON has this many bytes.
fn object_of(bytes: usize) -> Value {
    let object = json!({ "text": "x".repeat(bytes - r#"{"text":""}"#.len()) });
    assert_eq!(object.to_string().len(), bytes);
    object
}

#[tokio::test]
async fn a_clock_that_is_off_judges_dates_by_its_own_time_and_dates_the_answers() {
    let endpoint = start();
    endpoint.set_clock(7200);
    let mut call = call(&[event("one", &event_data())]);
    let answer = call.send(&endpoint).await.unwrap();
    let (status, kind, message) = answer.error();
    assert_eq!((status, kind), (403, "InvalidSignatureException"));
    assert!(message.starts_with("Signature expired: "), "{message}");
    call.signed_at = SystemTime::now() + Duration::from_hours(2);
    assert_eq!(call.send(&endpoint).await.unwrap().status, 200);
    let response = reqwest::get(format!("{}/other", endpoint.url())).await.unwrap();
    let date = httpdate::parse_http_date(response.headers()["date"].to_str().unwrap()).unwrap();
    let ahead = date.duration_since(SystemTime::now()).unwrap();
    assert!((7195..=7200).contains(&ahead.as_secs()), "{ahead:?}");
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn a_request_without_a_signature_is_refused() {
    let endpoint = start();
    let url = format!("{}/PutAuditEvents?channelArn={CHANNEL}", endpoint.url());
    let response = reqwest::Client::new().post(url).body("{}").send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-amzn-errortype"], "MissingAuthenticationTokenException");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({"message": "Missing Authentication Token"}));
}

#[tokio::test]
async fn the_channel_may_be_named_by_the_suffix_of_its_arn() {
    let endpoint = start();
    let mut call = call(&[event("one", &event_data())]);
    for (query, status, kind) in [
        ("channelArn=7f3d2e10-9c4b-4a55-8e0a-2f6b1c9d0e11", 200, ""),
        ("channelArn=00000000-9c4b-4a55-8e0a-2f6b1c9d0e11", 400, "ChannelNotFound"),
        ("channelArn=nonsense", 400, "InvalidChannelARN"),
        ("channelArn=", 400, "InvalidChannelARN"),
        ("", 400, "InvalidChannelARN"),
    ] {
        query.clone_into(&mut call.query);
        let answer = call.send(&endpoint).await.unwrap();
        assert_eq!((answer.status, answer.error_type.as_str()), (status, kind), "{query}");
    }
}

#[tokio::test]
async fn a_malformed_external_id_is_refused_before_it_is_compared() {
    let external_id = Some("kong-trail".to_owned());
    let endpoint = Simulator::start(Options { external_id, ..options() }).unwrap();
    let mut call = call(&[event("one", &event_data())]);
    let channel = call.query.clone();
    for (external_id, kind) in [
        ("x", "ValidationException"),
        ("no%20blanks", "ValidationException"),
        ("another", "ChannelInsufficientPermission"),
        ("kong-trail", ""),
    ] {
        call.query = format!("{channel}&externalId={external_id}");
        assert_eq!(call.send(&endpoint).await.unwrap().error_type, kind, "{external_id}");
    }
}

#[tokio::test]
async fn a_request_holds_one_to_a_hundred_events_of_different_well_formed_ids() {
    let endpoint = start();
    let numbered = |count: usize| {
        (0..count).map(|number| event(&format!("id-{number}"), &event_data())).collect::<Vec<_>>()
    };
    for (events, kind) in [
        (numbered(0), "ValidationException"),
        (numbered(101), "ValidationException"),
        ([numbered(2), numbered(1)].concat(), "DuplicatedAuditEventId"),
        (vec![event("no blanks", &event_data())], "ValidationException"),
        (vec![event("", &event_data())], "ValidationException"),
        (vec![event(&"i".repeat(129), &event_data())], "ValidationException"),
        (vec![json!({"eventData": "{}"})], "ValidationException"),
        (vec![json!({"id": "one"})], "ValidationException"),
        (vec![json!({"id": 1, "eventData": "{}"})], "SerializationException"),
        (vec![event(&"i".repeat(128), &event_data())], ""),
        (numbered(100), ""),
    ] {
        let answer = call(&events).send(&endpoint).await.unwrap();
        let status = if kind.is_empty() { 200 } else { 400 };
        assert_eq!((answer.status, answer.error_type.as_str()), (status, kind), "{answer:?}");
    }
    assert_eq!(endpoint.status().accepted, 101);
}

#[tokio::test]
async fn a_body_above_a_megabyte_is_too_large() {
    let endpoint = start();
    let mut call = call(&[]);
    let fill = |length: usize| {
        let body = body(&[event("one", &event_data())]);
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    call.body = fill(1_000_000);
    assert_eq!(call.send(&endpoint).await.unwrap().status, 200);
    call.body = fill(1_000_001);
    let answer = call.send(&endpoint).await.unwrap();
    assert_eq!((answer.error().0, answer.error().1), (413, "RequestEntityTooLargeException"));
}

#[tokio::test]
async fn a_checksum_must_be_that_of_the_content_and_may_be_left_out() {
    let endpoint = start();
    let mut wrong = event("wrong", &event_data());
    wrong["eventDataChecksum"] = json!("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    let mut without = event("without", &event_data());
    without.as_object_mut().unwrap().remove("eventDataChecksum");

    let answer = call(&[wrong, without]).send(&endpoint).await.unwrap();

    assert_eq!(answer.failed(), [("wrong", "InvalidChecksum")]);
    assert_eq!(answer.successful(), ["without"]);
    assert_eq!(endpoint.status().failed, 1);
}

#[tokio::test]
async fn every_required_field_must_be_there() {
    let endpoint = start();
    for field in [
        "/version",
        "/userIdentity",
        "/userIdentity/type",
        "/userIdentity/principalId",
        "/eventSource",
        "/eventName",
        "/eventTime",
        "/UID",
        "/recipientAccountId",
    ] {
        let missing = code(&endpoint, &with(field, None)).await;
        assert_eq!(missing.as_deref(), Some("FieldNotFound"), "{field}");
        let null = code(&endpoint, &with(field, Some(Value::Null))).await;
        assert_eq!(null.as_deref(), Some("FieldNotFound"), "{field}");
        let number = code(&endpoint, &with(field, Some(json!(1)))).await;
        assert_eq!(number.as_deref(), Some("InvalidData"), "{field}");
    }
    for field in
        ["/requestParameters", "/sourceIPAddress", "/additionalEventData", "/userIdentity/details"]
    {
        assert_eq!(code(&endpoint, &with(field, None)).await, None, "{field}");
        let list = code(&endpoint, &with(field, Some(json!([1])))).await;
        assert_eq!(list.as_deref(), Some("InvalidData"), "{field}");
    }
}

#[tokio::test]
async fn every_text_has_a_greatest_length_in_characters() {
    let endpoint = start();
    for (field, max) in [
        ("/version", 256),
        ("/userIdentity/type", 128),
        ("/userIdentity/principalId", 1024),
        ("/eventSource", 1024),
        ("/eventName", 1024),
        ("/UID", 1024),
        ("/userAgent", 1024),
        ("/errorCode", 256),
        ("/errorMessage", 256),
    ] {
        let text = |length| Some(json!("ü".repeat(length)));
        assert_eq!(code(&endpoint, &with(field, text(max))).await, None, "{field}");
        let longer = code(&endpoint, &with(field, text(max + 1))).await;
        assert_eq!(longer.as_deref(), Some("FieldTooLong"), "{field}");
    }
}

#[tokio::test]
async fn every_object_has_a_greatest_size_in_bytes() {
    let endpoint = start();
    for (field, max) in [
        ("/requestParameters", 100_000),
        ("/responseElements", 100_000),
        ("/additionalEventData", 28_000),
    ] {
        assert_eq!(code(&endpoint, &with(field, Some(object_of(max)))).await, None, "{field}");
        let larger = code(&endpoint, &with(field, Some(object_of(max + 1)))).await;
        assert_eq!(larger.as_deref(), Some("FieldTooLong"), "{field}");
    }
    let large = with("/userIdentity/details", Some(object_of(256_000)));
    assert_eq!(code(&endpoint, &large).await.as_deref(), Some("FieldTooLong"));
}

#[tokio::test]
async fn content_must_be_a_json_object_of_this_account_with_a_real_time() {
    let endpoint = start();
    for event_data in [json!("text"), json!([1])] {
        assert_eq!(code(&endpoint, &event_data).await.as_deref(), Some("InvalidData"));
    }
    let no_json = json!({"id": "one", "eventData": "{\"version\":"});
    let answer = call(&[no_json]).send(&endpoint).await.unwrap();
    assert_eq!(answer.failed(), [("one", "InvalidData")]);

    for time in
        ["2022-06-13 12:25:34", "2022-02-30T12:25:34Z", "2022-06-13T12:25:34.5Z", "1655123134"]
    {
        let garbled = code(&endpoint, &with("/eventTime", Some(json!(time)))).await;
        assert_eq!(garbled.as_deref(), Some("InvalidData"), "{time}");
    }
    let without_z = with("/eventTime", Some(json!("2022-06-13T12:25:34")));
    assert_eq!(code(&endpoint, &without_z).await, None);

    let other = with("/recipientAccountId", Some(json!("210987654321")));
    assert_eq!(code(&endpoint, &other).await.as_deref(), Some("InvalidRecipient"));
}

#[tokio::test]
async fn repeats_are_kept_and_told_apart_from_distinct_ids() {
    for keep in [Keep::Events, Keep::Ids] {
        let endpoint = Simulator::start(Options { keep, ..options() }).unwrap();
        for id in ["one", "two", "one"] {
            call(&[event(id, &event_data())]).send(&endpoint).await.unwrap();
        }
        let status = endpoint.status();
        assert_eq!((status.calls, status.accepted, status.distinct), (3, 3, 2));
        assert_eq!(endpoint.ids(), ["one", "two", "one"]);
        let events = endpoint.events(1, 1);
        assert_eq!((events.len(), events[0].id.as_str()), (1, "two"));
        let kept = if keep == Keep::Events { event_data() } else { Value::Null };
        assert_eq!(events[0].event_data, kept);
    }
}

#[tokio::test]
async fn the_control_endpoints_say_what_the_methods_say() {
    let endpoint = start();
    call(&[event("one", &event_data())]).send(&endpoint).await.unwrap();
    let get = async |path: &str| -> Value {
        let url = format!("{}/_sim/{path}", endpoint.url());
        reqwest::get(url).await.unwrap().json().await.unwrap()
    };
    let status = json!({"calls": 1, "accepted": 1, "distinct": 1, "failed": 0,
                        "refused_calls": 0, "throttled_calls": 0});
    assert_eq!(get("status").await, status);
    let event_id = &endpoint.events(0, 1)[0].event_id;
    assert_eq!(event_id.len(), 36);
    let one = json!({"id": "one", "eventID": event_id, "eventData": event_data()});
    assert_eq!(get("events?from=0&limit=10").await, json!([one]));
    assert_eq!(get("events?from=1&limit=10").await, json!([]));
}

#[tokio::test]
async fn within_one_second_no_more_calls_than_the_quota_are_answered() {
    let endpoint = Simulator::start(Options { calls_per_sec: 3, ..options() }).unwrap();
    let call = call(&[event("one", &event_data())]);
    let started = Instant::now();
    let mut answered = 0;
    while started.elapsed() < Duration::from_millis(1500) {
        let answer = call.send(&endpoint).await.unwrap();
        if answer.status == 200 {
            answered += 1;
        } else {
            assert_eq!(answer.error(), (400, "ThrottlingException", "Rate exceeded"));
        }
    }
    assert!((4..=6).contains(&answered), "{answered} calls in 1.5 seconds");
    let status = endpoint.status();
    assert_eq!(status.calls, status.accepted as u64 + status.throttled_calls);
    assert_eq!(status.refused_calls, 0);
}

#[test]
fn an_arn_that_is_no_channel_s_is_refused_at_the_start() {
    for arn in
        ["", "arn:aws:cloudtrail:us-east-1:1:trail/x", "arn:aws:cloudtrail:us-east-1:1:channel/"]
    {
        let options = Options { channel_arn: arn.to_owned(), ..options() };
        let error = Simulator::start(options).err().unwrap();
        assert!(error.to_string().contains("arn:aws:cloudtrail:us-east-1:123456789012:channel/"));
    }
}
