//! What the tests of the CloudTrail simulator share: a channel, and clients that sign by AWS's own crates.
#![allow(dead_code, clippy::unwrap_used)]

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use kong_cloudtrail_sim::cloudtrail::{Credentials, Options, Simulator};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const CHANNEL: &str =
    "arn:aws:cloudtrail:eu-central-1:123456789012:channel/7f3d2e10-9c4b-4a55-8e0a-2f6b1c9d0e11";

pub fn key() -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: None,
    }
}

pub fn options() -> Options {
    Options::new(CHANNEL, key())
}

/// `eventData` that CloudTrail accepts.
pub fn event_data() -> Value {
    json!({
        "version": "3.9.0.0-enterprise-edition",
        "userIdentity": {"type": "RBACUser", "principalId": "2e959b45-0053-41cc-9c2c-5458d0964331",
                         "details": {"userName": "platform-ci"}},
        "eventSource": "kong-gateway",
        "eventName": "POSTservices",
        "eventTime": "2022-06-13T12:25:34Z",
        "UID": "d4k2QJ0pVb8nYl1xWm3RtUz6Hc9FsGeA",
        "requestParameters": {"name": "payments"},
        "sourceIPAddress": "10.0.4.17",
        "recipientAccountId": "123456789012",
        "additionalEventData": {"status": 201},
    })
}

/// An audit event of this content, with its checksum.
pub fn event(id: &str, event_data: &Value) -> Value {
    let event_data = event_data.to_string();
    let checksum = base64::prelude::BASE64_STANDARD.encode(Sha256::digest(&event_data));
    json!({"id": id, "eventData": event_data, "eventDataChecksum": checksum})
}

/// The body of a request with these events.
pub fn body(events: &[Value]) -> String {
    json!({ "auditEvents": events }).to_string()
}

/// A call of `PutAuditEvents`, signed; `change` it before it goes out.
pub struct Call {
    pub key: Credentials,
    pub query: String,
    pub body: String,
    pub signed_at: SystemTime,
}

pub fn call(events: &[Value]) -> Call {
    Call {
        key: key(),
        query: format!("channelArn={}", CHANNEL.replace(':', "%3A").replace('/', "%2F")),
        body: body(events),
        signed_at: SystemTime::now(),
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub error_type: String,
    pub body: Value,
}

impl Answer {
    /// Status, type and message of an error.
    pub fn error(&self) -> (u16, &str, &str) {
        (self.status, &self.error_type, self.body["message"].as_str().unwrap_or_default())
    }

    /// The ids in `successful`.
    pub fn successful(&self) -> Vec<&str> {
        ids(&self.body["successful"])
    }

    /// Id and code of each event in `failed`.
    pub fn failed(&self) -> Vec<(&str, &str)> {
        let codes = self.body["failed"].as_array().unwrap();
        let codes = codes.iter().map(|failed| failed["errorCode"].as_str().unwrap());
        ids(&self.body["failed"]).into_iter().zip(codes).collect()
    }
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect()
}

impl Call {
    pub async fn send(&self, endpoint: &Simulator) -> reqwest::Result<Answer> {
        let url = format!("{}/PutAuditEvents?{}", endpoint.url(), self.query);
        let host = endpoint.url().replace("http://", "");
        let credentials = aws_credential_types::Credentials::from_keys(
            &self.key.access_key_id,
            &self.key.secret_access_key,
            self.key.session_token.clone(),
        );
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-central-1")
            .name("cloudtrail-data")
            .time(self.signed_at)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let body = SignableBody::Bytes(self.body.as_bytes());
        let signable =
            SignableRequest::new("POST", url.as_str(), headers.into_iter(), body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let mut request = reqwest::Client::new()
            .post(&url)
            .timeout(Duration::from_secs(5))
            .header("content-type", "application/json")
            .body(self.body.clone());
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let error_type = response.headers().get("x-amzn-errortype");
        let error_type = error_type.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        Ok(Answer { status, error_type, body: response.json().await? })
    }
}
