//! The official AWS SDK for CloudWatch Logs talks to the simulator as it would to AWS, and that for STS to the
//! one beside it.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use aws_sdk_cloudwatchlogs::config::{Credentials, Region};
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatchlogs::operation::put_log_events::{PutLogEventsError, PutLogEventsOutput};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_cloudwatchlogs::{Client, Config};
use kong_cloudtrail_sim::cloudwatch::{self, EndIndex, Faults, Missing, RequestError, Simulator};
use kong_cloudtrail_sim::credentials::Issuer;
use kong_cloudtrail_sim::fault::When;
use serde_json::json;

const GROUP: &str = "arn:aws:logs:eu-central-1:123456789012:log-group:/kong/audit";
const STREAM: &str = "trail";
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn key() -> cloudwatch::Credentials {
    cloudwatch::Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: None,
    }
}

fn start() -> Simulator {
    Simulator::start(cloudwatch::Options::new(GROUP, STREAM, key())).unwrap()
}

fn credentials(key: &cloudwatch::Credentials) -> Credentials {
    Credentials::from_keys(&key.access_key_id, &key.secret_access_key, key.session_token.clone())
}

fn client_with(endpoint: &Simulator, key: &cloudwatch::Credentials) -> Client {
    let config = Config::builder()
        .behavior_version_latest()
        .endpoint_url(endpoint.url())
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials(key))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

fn event(id: &str, age_ms: i64) -> InputLogEvent {
    let message = json!({"id": id, "eventName": "GETservices"}).to_string();
    InputLogEvent::builder().timestamp(now() - age_ms).message(message).build().unwrap()
}

fn events(ages_ms: &[i64]) -> Vec<InputLogEvent> {
    ages_ms.iter().enumerate().map(|(place, age)| event(&place.to_string(), *age)).collect()
}

async fn put_to(
    client: &Client,
    (group, stream): (&str, &str),
    events: Vec<InputLogEvent>,
) -> Result<PutLogEventsOutput, PutLogEventsError> {
    let call = client.put_log_events().log_group_name(group).log_stream_name(stream);
    let call = call.set_log_events(Some(events));
    call.send().await.map_err(aws_sdk_cloudwatchlogs::error::SdkError::into_service_error)
}

async fn put(
    endpoint: &Simulator,
    events: Vec<InputLogEvent>,
) -> Result<PutLogEventsOutput, PutLogEventsError> {
    put_to(&client_with(endpoint, &key()), ("/kong/audit", STREAM), events).await
}

#[tokio::test]
async fn events_that_the_sdk_puts_are_accepted_and_kept() {
    let endpoint = start();
    let output = put(&endpoint, vec![event("first", 1000), event("second", 0)]).await.unwrap();
    assert_eq!(output.rejected_log_events_info(), None);
    assert_eq!(endpoint.ids(), ["first", "second"]);
    assert_eq!(endpoint.events(0, 1)[0].event_data, json!({"eventName": "GETservices"}));
    assert_eq!((endpoint.status().calls, endpoint.timestamps().len()), (1, 2));
}

#[tokio::test]
async fn the_sdk_reads_which_events_were_refused_for_their_age() {
    let minute = 60_000;
    for (ages, retention, end_index, expected, accepted) in [
        (
            &[14 * DAY + minute, 13 * DAY + HOUR][..],
            None,
            EndIndex::Exclusive,
            [Some(1), None, None],
            "1",
        ),
        (
            &[14 * DAY + minute, 13 * DAY + HOUR],
            None,
            EndIndex::Inclusive,
            [Some(0), None, None],
            "1",
        ),
        (
            &[2 * DAY + minute, 2 * DAY - minute],
            Some(2),
            EndIndex::Exclusive,
            [None, Some(1), None],
            "1",
        ),
        (
            &[2 * DAY + minute, 2 * DAY - minute],
            Some(2),
            EndIndex::Inclusive,
            [None, Some(0), None],
            "1",
        ),
        (&[0, -2 * HOUR - minute], None, EndIndex::Exclusive, [None, None, Some(1)], "0"),
    ] {
        let endpoint = start();
        endpoint.set(|settings| {
            settings.retention_secs = retention.map(|days: i64| days * DAY / 1000);
            settings.end_index = end_index;
        });
        let output = put(&endpoint, events(ages)).await.unwrap();
        let told = output.rejected_log_events_info().unwrap();
        let told = [
            told.too_old_log_event_end_index(),
            told.expired_log_event_end_index(),
            told.too_new_log_event_start_index(),
        ];
        assert_eq!(told, expected, "{ages:?}");
        assert_eq!(endpoint.ids(), [accepted], "{ages:?}");
        assert_eq!(endpoint.status().failed, 1);
    }
}

#[tokio::test]
async fn order_span_and_size_are_errors_of_the_whole_call() {
    let endpoint = start();
    let large = |bytes: usize| {
        let event = InputLogEvent::builder().timestamp(now()).message("x".repeat(bytes));
        vec![event.build().unwrap()]
    };
    for (events, told) in [
        (events(&[0, 1000]), "chronological"),
        (events(&[DAY, 0]), "24 hours"),
        (large(1_048_576 - 25), "1048576"),
        (events(&[]), "logEvents"),
    ] {
        let error = put(&endpoint, events).await.unwrap_err();
        assert!(error.is_invalid_parameter_exception(), "{error:?}");
        assert!(error.message().unwrap().contains(told), "{error:?}");
    }
    assert_eq!(endpoint.status().accepted, 0);
    put(&endpoint, events(&[DAY - 60_000, 0])).await.unwrap();
    put(&endpoint, large(1_048_576 - 26)).await.unwrap();
    assert_eq!(endpoint.status().accepted, 3);
}

#[tokio::test]
async fn the_sdk_tells_a_missing_group_from_a_missing_stream() {
    let endpoint = start();
    let client = client_with(&endpoint, &key());
    let one = || events(&[0]);
    for (target, told) in
        [(("/other", STREAM), "log group"), (("/kong/audit", "other"), "log stream")]
    {
        let error = put_to(&client, target, one()).await.unwrap_err();
        assert!(error.is_resource_not_found_exception(), "{error:?}");
        assert!(error.message().unwrap().contains(told), "{error:?}");
    }
    endpoint.set(|settings| settings.missing = Missing::Stream);
    assert!(put(&endpoint, one()).await.unwrap_err().is_resource_not_found_exception());
}

#[tokio::test]
async fn signatures_are_checked_and_clocks_that_differ_are_noticed() {
    let endpoint = start();
    let wrong = cloudwatch::Credentials { secret_access_key: "wrong".to_owned(), ..key() };
    let target = ("/kong/audit", STREAM);
    let error = put_to(&client_with(&endpoint, &wrong), target, events(&[0])).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    let unknown = cloudwatch::Credentials { access_key_id: "AKIDOTHER".to_owned(), ..key() };
    let error = put_to(&client_with(&endpoint, &unknown), target, events(&[0])).await.unwrap_err();
    assert!(error.is_unrecognized_client_exception(), "{error:?}");
    endpoint.set_clock(3600);
    let error = put(&endpoint, events(&[0])).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    assert_eq!(endpoint.status().accepted, 0);
}

#[tokio::test]
async fn throttling_goes_by_the_rate_and_resets_come_after_acceptance() {
    let options = cloudwatch::Options::new(GROUP, STREAM, key());
    let endpoint = Simulator::start(cloudwatch::Options { calls_per_sec: 2, ..options }).unwrap();
    let mut codes = Vec::new();
    for _ in 0..3 {
        let put = put(&endpoint, events(&[0])).await;
        codes.push(put.err().and_then(|error| error.code().map(str::to_owned)));
    }
    assert_eq!(codes, [None, None, Some("ThrottlingException".to_owned())]);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let reset = Some(When { next: Some(1), ..When::default() });
    endpoint.set_faults(Faults { reset_after_accept: reset, ..Faults::default() });
    let client = client_with(&endpoint, &key());
    let call = client.put_log_events().log_group_name("/kong/audit").log_stream_name(STREAM);
    assert!(
        call.log_events(event("lost", 0)).send().await.unwrap_err().as_service_error().is_none()
    );
    assert_eq!(endpoint.ids(), ["0", "0", "lost"]);
    assert!(endpoint.calls()[2].answer_lost);
    let busy = RequestError {
        kind: "ServiceUnavailableException".to_owned(),
        when: When::default(),
        message: None,
    };
    endpoint.set_faults(Faults { errors: vec![busy], ..Faults::default() });
    let error = put(&endpoint, events(&[0])).await.unwrap_err();
    assert!(error.is_service_unavailable_exception(), "{error:?}");
}

async fn caller(url: String, key: &cloudwatch::Credentials) -> Result<String, String> {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version_latest()
        .endpoint_url(url)
        .region(aws_sdk_sts::config::Region::new("eu-central-1"))
        .credentials_provider(credentials(key))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let asked = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await;
    asked.map(|identity| identity.account().unwrap().to_owned()).map_err(|error| {
        use aws_sdk_sts::error::ProvideErrorMetadata as _;
        error.into_service_error().code().unwrap_or_default().to_owned()
    })
}

#[tokio::test]
async fn sts_tells_whose_the_keys_are() {
    let endpoint = start();
    assert_eq!(caller(endpoint.sts_url(), &key()).await, Ok("123456789012".to_owned()));
    endpoint.set(|settings| settings.account = Some("210987654321".to_owned()));
    assert_eq!(caller(endpoint.sts_url(), &key()).await, Ok("210987654321".to_owned()));
    let wrong = cloudwatch::Credentials { secret_access_key: "wrong".to_owned(), ..key() };
    let refused = caller(endpoint.sts_url(), &wrong).await;
    assert_eq!(refused, Err("SignatureDoesNotMatch".to_owned()));
    let unknown = cloudwatch::Credentials { access_key_id: "AKIDOTHER".to_owned(), ..key() };
    let refused = caller(endpoint.sts_url(), &unknown).await;
    assert_eq!(refused, Err("InvalidClientTokenId".to_owned()));
    assert_eq!((endpoint.sts_calls(), endpoint.status().calls), (4, 0));
}

#[tokio::test]
async fn sts_tells_whose_the_credentials_are_that_it_gave() {
    let endpoint = kong_cloudtrail_sim::credentials::Simulator::start().unwrap();
    endpoint.set(|settings| "eu-central-1".clone_into(&mut settings.region));
    let expires = now() / 1000 + 3600;
    let issued = Issuer::new("aws").issue(1, expires).credentials;
    assert_eq!(caller(endpoint.url(), &issued).await, Ok("123456789012".to_owned()));
    let ended = Issuer::new("aws").issue(2, expires - 7200).credentials;
    assert_eq!(caller(endpoint.url(), &ended).await, Err("ExpiredToken".to_owned()));
    assert_eq!(caller(endpoint.url(), &key()).await, Err("InvalidClientTokenId".to_owned()));
}
