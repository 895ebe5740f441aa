//! AWS's SDK for Python talks to the simulator as it would to AWS.
#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use kong_cloudtrail_sim::credentials::Issuer;
use kong_cloudtrail_sim::fault::When;
use kong_cloudtrail_sim::s3::{self, Faults, RequestError, Simulator};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BUCKET: &str = "kong-trail";
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-central-1";
const KEY: &str =
    "kong-audit/default/stream=requests/date=2026-11-28/20261128T120000Z-a b.ndjson.gz";
const LINES: &str = "{\"id\":\"a\",\"x\":1}\n{\"id\":\"b\"}\n";

/// A Python that has botocore.
fn python() -> Option<OsString> {
    let python = std::env::var_os("KONG_CLOUDTRAIL_TEST_BOTOCORE");
    if python.is_none() {
        println!(
            "SKIPPED: a foreign client of S3, since KONG_CLOUDTRAIL_TEST_BOTOCORE names no Python with botocore; `cargo xtask test` installs one"
        );
    }
    python
}

fn start() -> Simulator {
    let key = s3::Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: None,
    };
    let options = s3::Options::new(BUCKET, REGION, ACCOUNT, key);
    Simulator::start(s3::Options { issuer: Some(Issuer::new("aws")), ..options }).unwrap()
}

/// What the client gets for each of these calls.
fn ask(python: &OsString, endpoint: &Simulator, calls: &[Value]) -> Vec<Value> {
    let mut child = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/s3.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({"url": endpoint.url(), "calls": calls}).to_string();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Their codes; null where there is no error.
fn codes(python: &OsString, endpoint: &Simulator, calls: &[Value]) -> Vec<Value> {
    ask(python, endpoint, calls).into_iter().map(|answer| answer["code"].clone()).collect()
}

fn packed(lines: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(lines.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A call as it should be, with these changes to its parameters.
fn put(changes: &[(&str, Value)]) -> Value {
    let body = packed(LINES);
    let mut parameters = json!({
        "Bucket": BUCKET, "Key": KEY, "IfNoneMatch": "*", "ExpectedBucketOwner": ACCOUNT,
        "ChecksumSHA256": STANDARD.encode(Sha256::digest(&body)), "Body": STANDARD.encode(&body),
    });
    for (name, value) in changes {
        parameters[name] = value.clone();
    }
    let parameters = parameters.as_object_mut().unwrap();
    parameters.retain(|_, value| !value.is_null());
    call("put_object", &json!(parameters))
}

fn call(operation: &str, parameters: &Value) -> Value {
    let credentials = ["AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"];
    let credentials = json!([credentials[0], credentials[1], null]);
    json!({"operation": operation, "region": REGION, "credentials": credentials, "parameters": parameters})
}

/// The same call, signed otherwise.
fn signed(mut call: Value, region: &str, credentials: [Option<&str>; 3]) -> Value {
    call["region"] = json!(region);
    call["credentials"] = json!(credentials);
    call
}

#[test]
fn an_object_that_the_sdk_puts_is_read_back_is_never_replaced_and_never_deleted() {
    let Some(python) = python() else { return };
    let endpoint = start();
    let object = json!({"Bucket": BUCKET, "Key": KEY});
    let other = json!({"Bucket": BUCKET, "Key": "other"});
    let calls = [
        put(&[]),
        put(&[]),
        call("get_object", &object),
        call("delete_object", &object),
        call("get_object", &other),
    ];
    let answers = ask(&python, &endpoint, &calls);
    assert!(answers[0]["etag"].is_string(), "{answers:?}");
    assert_eq!(answers[1]["code"], "PreconditionFailed");
    assert_eq!(answers[2]["body"], STANDARD.encode(packed(LINES)));
    assert_eq!(answers[2]["etag"], answers[0]["etag"]);
    assert_eq!(answers[3]["code"], "AccessDenied");
    assert_eq!(answers[4]["code"], "NoSuchKey");
    assert_eq!((endpoint.ids(), endpoint.taken()), (vec!["a".to_owned(), "b".to_owned()], 1));
    assert_eq!(endpoint.events(0, 1)[0].event_data, json!({"x": 1}));
    assert_eq!(endpoint.objects()[0].key, KEY);
    assert_eq!(endpoint.object(KEY).unwrap(), packed(LINES));
    let status = endpoint.status();
    assert_eq!((status.calls, status.accepted, status.refused_calls), (5, 2, 2));
}

#[test]
fn what_is_wrong_with_a_call_is_told_by_its_code() {
    let Some(python) = python() else { return };
    let endpoint = start();
    let key = [Some("AKIDEXAMPLE"), Some("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), None];
    let wrong_secret = [key[0], Some("other"), None];
    let unknown = [Some("AKIDOTHER"), key[1], None];
    let unknown_token = [key[0], key[1], Some("other")];
    let cases = [
        (put(&[("IfNoneMatch", Value::Null)]), "AccessDenied"),
        (put(&[("IfNoneMatch", json!("\"etag\""))]), "NotImplemented"),
        (put(&[("ExpectedBucketOwner", json!("210987654321"))]), "AccessDenied"),
        (put(&[("Bucket", json!("another"))]), "NoSuchBucket"),
        (put(&[("ChecksumSHA256", json!(STANDARD.encode([0; 32])))]), "BadDigest"),
        (put(&[("ChecksumSHA256", Value::Null)]), "InvalidRequest"),
        (signed(put(&[]), REGION, wrong_secret), "SignatureDoesNotMatch"),
        (signed(put(&[]), REGION, unknown), "InvalidAccessKeyId"),
        (signed(put(&[]), REGION, unknown_token), "InvalidAccessKeyId"),
        (signed(put(&[]), "us-east-1", key), "AuthorizationHeaderMalformed"),
    ];
    let calls: Vec<_> = cases.iter().map(|(call, _)| call.clone()).collect();
    let expected: Vec<_> = cases.iter().map(|(_, code)| json!(code)).collect();
    assert_eq!(codes(&python, &endpoint, &calls), expected);
    assert!(endpoint.ids().is_empty());
    endpoint.set_clock(3600);
    assert_eq!(codes(&python, &endpoint, &[put(&[])]), [json!("RequestTimeTooSkewed")]);
}

#[test]
fn faults_refuse_calls_or_lose_answers() {
    let Some(python) = python() else { return };
    let endpoint = start();
    let error = |kind: &str| RequestError {
        kind: kind.to_owned(),
        when: When { next: Some(1), ..When::default() },
        message: None,
    };
    let errors = ["ThrottlingException", "ConditionalRequestConflict", "InternalServerError"];
    let reset_after_accept = Some(When { next: Some(1), ..When::default() });
    let errors = errors.map(error).into();
    endpoint.set_faults(Faults { errors, reset_after_accept, ..Faults::default() });
    let answers = codes(&python, &endpoint, &vec![put(&[]); 5]);
    assert_eq!(
        answers[..3],
        [json!("SlowDown"), json!("ConditionalRequestConflict"), json!("InternalError")]
    );
    assert!(answers[3].is_string(), "no answer: {answers:?}");
    assert!(endpoint.calls()[0].answer_lost);
    assert_eq!(answers[4], "PreconditionFailed");
    assert_eq!(endpoint.ids(), ["a", "b"]);
}
