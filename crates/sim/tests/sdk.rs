//! The official AWS SDK for CloudTrail Data talks to the simulator as it would to AWS.
#![allow(clippy::unwrap_used)]

#[path = "support/cloudtrail.rs"]
mod support;

use std::time::{Duration, SystemTime};

use aws_sdk_cloudtraildata::config::retry::RetryConfig;
use aws_sdk_cloudtraildata::config::{Credentials, Region};
use aws_sdk_cloudtraildata::error::ProvideErrorMetadata as _;
use aws_sdk_cloudtraildata::operation::put_audit_events::{
    PutAuditEventsError, PutAuditEventsOutput,
};
use aws_sdk_cloudtraildata::types::AuditEvent;
use aws_sdk_cloudtraildata::{Client, Config};
use kong_cloudtrail_sim::cloudtrail::{self, EventFault, Faults, RequestError, Simulator};
use kong_cloudtrail_sim::credentials::Issuer;
use kong_cloudtrail_sim::fault::When;
use serde_json::Value;
use support::{CHANNEL, event_data, key, options};

fn client_with(endpoint: &Simulator, key: &cloudtrail::Credentials) -> Client {
    let credentials = Credentials::from_keys(
        &key.access_key_id,
        &key.secret_access_key,
        key.session_token.clone(),
    );
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .behavior_version_latest()
        .endpoint_url(endpoint.url())
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .http_client(http)
        .build();
    Client::from_conf(config)
}

fn client(endpoint: &Simulator) -> Client {
    client_with(endpoint, &key())
}

fn audit_event(id: &str, event_data: &Value) -> AuditEvent {
    let event = support::event(id, event_data);
    AuditEvent::builder()
        .id(id)
        .event_data(event["eventData"].as_str().unwrap())
        .event_data_checksum(event["eventDataChecksum"].as_str().unwrap())
        .build()
        .unwrap()
}

async fn put(
    client: &Client,
    channel: &str,
    events: Vec<AuditEvent>,
) -> Result<PutAuditEventsOutput, PutAuditEventsError> {
    let call = client.put_audit_events().channel_arn(channel).set_audit_events(Some(events));
    call.send().await.map_err(aws_sdk_cloudtraildata::error::SdkError::into_service_error)
}

#[tokio::test]
async fn events_that_the_sdk_puts_are_accepted_and_kept() {
    let endpoint = Simulator::start(options()).unwrap();
    let events = vec![audit_event("first", &event_data()), audit_event("second", &event_data())];

    let output = put(&client(&endpoint), CHANNEL, events).await.unwrap();

    assert!(output.failed().is_empty());
    let answered = output.successful().iter().map(|entry| (entry.id(), entry.event_id()));
    let kept = endpoint.events(0, 10);
    assert!(answered.eq(kept.iter().map(|event| (event.id.as_str(), event.event_id.as_str()))));
    assert_eq!(endpoint.ids(), ["first", "second"]);
    assert_eq!(kept[0].event_data, event_data());
}

#[tokio::test]
async fn the_sdk_reads_failures_of_single_events() {
    let endpoint = Simulator::start(options()).unwrap();
    let mut nameless = event_data();
    nameless.as_object_mut().unwrap().remove("eventName");
    let events = vec![
        audit_event("whole", &event_data()),
        audit_event("nameless", &nameless),
        audit_event("unlucky", &event_data()),
    ];
    let failure = EventFault {
        code: Some("InternalFailure".to_owned()),
        when: When::default(),
        ids: vec!["unl*".to_owned()],
    };
    endpoint.set_faults(Faults { events: vec![failure], ..Faults::default() });

    let output = put(&client(&endpoint), CHANNEL, events).await.unwrap();

    let failed = output.failed().iter().map(|entry| (entry.id(), entry.error_code()));
    assert!(failed.eq([("nameless", "FieldNotFound"), ("unlucky", "InternalFailure")]));
    assert!(output.failed()[0].error_message().contains("eventName"));
    assert_eq!(endpoint.ids(), ["whole"]);
}

#[tokio::test]
async fn the_sdk_tells_the_errors_of_the_service_model_apart() {
    let endpoint = Simulator::start(options()).unwrap();
    let client = client(&endpoint);
    let one = || vec![audit_event("one", &event_data())];

    let other = CHANNEL.replace("7f3d2e10", "00000000");
    let error = put(&client, &other, one()).await.unwrap_err();
    assert!(error.is_channel_not_found(), "{error:?}");
    assert_eq!(error.message(), Some("The channel could not be found."));
    let error = put(&client, "arn:aws:s3:::bucket", one()).await.unwrap_err();
    assert!(error.is_invalid_channel_arn(), "{error:?}");
    let twice = [one(), one()].concat();
    let error = put(&client, CHANNEL, twice).await.unwrap_err();
    assert!(error.is_duplicated_audit_event_id(), "{error:?}");
    for (kind, is_kind) in [
        (
            "ChannelUnsupportedSchema",
            PutAuditEventsError::is_channel_unsupported_schema as fn(&_) -> _,
        ),
        ("UnsupportedOperationException", PutAuditEventsError::is_unsupported_operation_exception),
    ] {
        let error = RequestError { kind: kind.to_owned(), when: When::default(), message: None };
        endpoint.set_faults(Faults { errors: vec![error], ..Faults::default() });
        let error = put(&client, CHANNEL, one()).await.unwrap_err();
        assert!(is_kind(&error), "{error:?}");
    }
    assert_eq!(endpoint.status().accepted, 0);
}

#[tokio::test]
async fn the_external_id_must_be_the_channel_s() {
    let external_id = Some("kong-trail".to_owned());
    let endpoint = Simulator::start(cloudtrail::Options { external_id, ..options() }).unwrap();
    let client = client(&endpoint);

    let missing = put(&client, CHANNEL, vec![audit_event("one", &event_data())]).await;
    assert!(missing.unwrap_err().is_channel_insufficient_permission());
    let call = client.put_audit_events().channel_arn(CHANNEL).external_id("kong-trail");
    let output = call.audit_events(audit_event("one", &event_data())).send().await.unwrap();
    assert_eq!(output.successful().len(), 1);
}

#[tokio::test]
async fn a_client_with_a_wrong_secret_is_refused() {
    let endpoint = Simulator::start(options()).unwrap();
    let wrong = cloudtrail::Credentials { secret_access_key: "wrong".to_owned(), ..key() };

    let events = vec![audit_event("one", &event_data())];
    let error = put(&client_with(&endpoint, &wrong), CHANNEL, events).await.unwrap_err();

    assert_eq!(error.code(), Some("InvalidSignatureException"));
    assert_eq!(endpoint.status().accepted, 0);
    assert_eq!(endpoint.status().refused_calls, 1);
}

#[tokio::test]
async fn temporary_credentials_work_until_their_token_expires() {
    let issuer = Issuer::new("aws");
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let temporary = issuer.issue(1, i64::try_from(now).unwrap() + 60).credentials;
    let options = cloudtrail::Options { issuer: Some(issuer), ..options() };
    let endpoint = Simulator::start(options).unwrap();
    let one = || vec![audit_event("one", &event_data())];

    put(&client_with(&endpoint, &temporary), CHANNEL, one()).await.unwrap();
    let without = cloudtrail::Credentials { session_token: None, ..temporary.clone() };
    let without = put(&client_with(&endpoint, &without), CHANNEL, one()).await.unwrap_err();
    assert_eq!(without.code(), Some("UnrecognizedClientException"));
    endpoint.set_clock(61);
    let expired = put(&client_with(&endpoint, &temporary), CHANNEL, one()).await.unwrap_err();
    assert_eq!(expired.code(), Some("ExpiredTokenException"));
}

#[tokio::test]
async fn throttling_is_an_error_that_the_sdk_tries_again() {
    let endpoint = Simulator::start(options()).unwrap();
    let throttled = RequestError {
        kind: "ThrottlingException".to_owned(),
        when: When { next: Some(2), ..When::default() },
        message: None,
    };
    endpoint.set_faults(Faults { errors: vec![throttled], ..Faults::default() });
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = client(&endpoint).config().to_builder().retry_config(retries);
    let sleep = aws_sdk_cloudtraildata::config::SharedAsyncSleep::new(
        aws_smithy_async::rt::sleep::TokioSleep::new(),
    );
    let client = Client::from_conf(config.sleep_impl(sleep).build());

    put(&client, CHANNEL, vec![audit_event("one", &event_data())]).await.unwrap();

    let status = endpoint.status();
    assert_eq!((status.calls, status.throttled_calls, status.accepted), (3, 2, 1));
}
