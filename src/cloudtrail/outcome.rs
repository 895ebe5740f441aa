//! What CloudTrail's answers mean for a batch and for each event.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::aws::credentials::FetchError;
use crate::ports::{HttpError, HttpResponse};
use crate::wire::{date, retry_after, tls_remedy};

/// Why the whole run stops: nothing else would fare better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// CloudTrail refuses what is configured.
    Refused {
        /// AWS's error code, or the status where there was none.
        code: String,
        /// AWS's words.
        message: String,
    },
    /// There are no credentials to sign with.
    Credentials(FetchError),
    /// No answer, in spite of all tries.
    Unreachable(HttpError),
    /// The request could not be made.
    Unsendable(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } => {
                write!(f, "CloudTrail answered {code}")?;
                if !message.is_empty() {
                    write!(f, " ({message})")?;
                }
                write!(f, ": {}", remedy(code))
            }
            Self::Unreachable(error) => {
                write!(f, "CloudTrail cannot be reached: {error}; ")?;
                match tls_remedy(error, "cloudtrail_endpoint") {
                    Some(remedy) => remedy.fmt(f),
                    None => write!(
                        f,
                        "check the network path to the CloudTrail Data endpoint (a NAT gateway, or an interface endpoint \
                         named in cloudtrail_endpoint and allow_outbound)"
                    ),
                }
            }
            Self::Credentials(error) => error.fmt(f),
            Self::Unsendable(why) => f.write_str(why),
        }
    }
}

fn remedy(code: &str) -> &'static str {
    match code {
        "InvalidSignatureException" => {
            "check aws_secret_access_key (and aws_session_token): they do not belong to aws_access_key_id"
        }
        "UnrecognizedClientException" | "InvalidClientTokenId" => {
            "check aws_access_key_id and aws_session_token: AWS does not know these credentials"
        }
        "ExpiredTokenException" => {
            "renew aws_session_token and the keys that belong to it; where no such keys are set, what gives the component \
             its credentials gives expired ones"
        }
        "AccessDeniedException" => {
            "allow the principal cloudtrail-data:PutAuditEvents on the channel, in its policy"
        }
        "ChannelNotFound" | "InvalidChannelARN" => {
            "check channel_arn: no such channel in that account and region"
        }
        "ChannelInsufficientPermission" => {
            "check the channel's resource policy: it must allow the principal cloudtrail-data:PutAuditEvents, and external_id \
             must be what it asks for"
        }
        "ChannelUnsupportedSchema" => "use a channel made for custom integrations (source Custom)",
        "InvalidRecipient" => "check channel_arn: its account must own the channel",
        "InvalidEventSource" => "check event_source: the channel does not take it",
        "AccountNotSubscribed" => {
            "associate the channel with an event data store that collects events from integrations"
        }
        "UnsupportedOperationException" => {
            "CloudTrail does not take this operation in that account and region: check channel_arn, and that the account uses \
             CloudTrail Lake"
        }
        _ => {
            "check cloudtrail_endpoint, channel_arn and the credentials; a proxy on the way may answer instead of AWS"
        }
    }
}

/// What became of an event that CloudTrail did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// No call got an answer for it; another run tries again.
    Pending(String),
    /// Its own code says that it may be accepted later; another run tries again.
    Failing(String),
    /// For good, as it stands.
    Refused(String),
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending(why) | Self::Failing(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

/// What one call came to.
pub(super) enum Answer {
    /// CloudTrail answered for the events.
    PerEvent(HashMap<String, EventOutcome>),
    /// The same call may succeed later.
    Again { throttled: bool, asked: Option<Duration>, why: String, error: Option<HttpError> },
    /// The same events in smaller calls may succeed.
    Split(String),
    /// The signature may have failed for our clock: AWS's is this far ahead.
    ClockOff { ahead_ms: i64, stop: Stop },
    /// The credentials have run out: with others the same call may succeed.
    Expired(Stop),
    /// Nothing of the kind will succeed.
    Stop(Stop),
}

/// What became of one event in a call.
pub(super) enum EventOutcome {
    Accepted,
    /// May be accepted when sent again.
    Again(String),
    /// Never will be, as it stands.
    Refused(String),
    Stop(Stop),
}

/// Clocks further apart than this make AWS refuse signatures at five minutes.
const CLOCK_OFF_MS: i64 = 4 * 60 * 1000;

impl Answer {
    pub(super) fn of(result: Result<HttpResponse, HttpError>, now_ms: i64) -> Self {
        match result {
            Ok(response) if response.status() == 200 => Self::of_success(response.body()),
            Ok(response) => Self::of_error(&response, now_ms),
            Err(error @ (HttpError::Denied | HttpError::Invalid(_))) => {
                Self::Stop(Stop::Unreachable(error))
            }
            Err(error) => Self::Again {
                throttled: false,
                asked: None,
                why: error.to_string(),
                error: Some(error),
            },
        }
    }

    fn of_success(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Failed {
            id: String,
            #[serde(default)]
            error_code: String,
            #[serde(default)]
            error_message: String,
        }
        #[derive(Deserialize)]
        struct Successful {
            id: String,
        }
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            failed: Vec<Failed>,
            #[serde(default)]
            successful: Vec<Successful>,
        }
        let Ok(body) = serde_json::from_slice::<Body>(body) else {
            let why = "CloudTrail's answer is not the JSON that it documents".to_owned();
            return Self::Again { throttled: false, asked: None, why, error: None };
        };
        let mut events: HashMap<_, _> =
            body.successful.into_iter().map(|event| (event.id, EventOutcome::Accepted)).collect();
        for failed in body.failed {
            let outcome = EventOutcome::of(&failed.error_code, &failed.error_message);
            events.insert(failed.id, outcome);
        }
        Self::PerEvent(events)
    }

    fn of_error(response: &HttpResponse, now_ms: i64) -> Self {
        let status = response.status().as_u16();
        let (code, message) = error_code(response);
        let refused =
            |code: &str| Stop::Refused { code: code.to_owned(), message: message.clone() };
        let why = || format!("CloudTrail answered {status} {code} {message}").trim_end().to_owned();
        let again = |throttled| Self::Again {
            throttled,
            asked: retry_after(response),
            why: why(),
            error: None,
        };
        match code.as_str() {
            "ThrottlingException" | "Throttling" | "TooManyRequestsException" => again(true),
            "InternalServerError" | "InternalFailure" | "ServiceUnavailable" => again(false),
            "DuplicatedAuditEventId" | "RequestEntityTooLargeException" => Self::Split(why()),
            "InvalidSignatureException" | "RequestExpired" | "RequestTimeTooSkewed" => {
                match date(response).map(|seconds| seconds * 1000 - now_ms) {
                    Some(ahead_ms) if ahead_ms.abs() > CLOCK_OFF_MS => {
                        Self::ClockOff { ahead_ms, stop: refused(&code) }
                    }
                    _ => Self::Stop(refused(&code)),
                }
            }
            "ExpiredTokenException" | "ExpiredToken" => {
                Self::Expired(refused("ExpiredTokenException"))
            }
            _ if status == 413 => Self::Split(why()),
            _ if status == 429 => again(true),
            _ if status >= 500 => again(false),
            "ValidationException" | "SerializationException"
                if message.contains("large") || message.contains("length") =>
            {
                Self::Split(why())
            }
            "" => Self::Stop(refused(&format!("status {status}"))),
            code => Self::Stop(refused(code)),
        }
    }
}

impl EventOutcome {
    fn of(code: &str, message: &str) -> Self {
        let (code, message) = (shortened(code), shortened(message));
        let why = || format!("{code} {message}").trim_end().to_owned();
        let code = code.as_str();
        match code {
            "FieldTooLong" | "FieldNotFound" | "InvalidData" | "InvalidChecksum" => {
                Self::Refused(why())
            }
            "InvalidRecipient" | "InvalidEventSource" | "AccountNotSubscribed" => {
                Self::Stop(Stop::Refused { code: code.to_owned(), message })
            }
            _ => Self::Again(why()),
        }
    }
}

/// Code and message of an AWS restJson1 error: `x-amzn-errortype` or the body's `__type`, without
/// the name space before `#` and the address after `:`.
fn error_code(response: &HttpResponse) -> (String, String) {
    #[derive(Default, Deserialize)]
    struct Body {
        #[serde(rename = "__type", default)]
        kind: String,
        #[serde(default)]
        code: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    let body: Body = serde_json::from_slice(response.body()).unwrap_or_default();
    let header = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let code = header.filter(|code| !code.is_empty()).unwrap_or(if body.kind.is_empty() {
        &body.code
    } else {
        &body.kind
    });
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    (shortened(code), shortened(&body.message))
}

/// Words of AWS as they are printed and kept: all of what it is known to say, and of a proxy's page
/// enough.
fn shortened(words: &str) -> String {
    words.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer(status: u16, kind: &str) -> Answer {
        let response = http::Response::builder()
            .status(status)
            .header("x-amzn-errortype", kind)
            .header("retry-after", "7")
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .body(br#"{"message":"AWS's words"}"#.to_vec());
        Answer::of(Ok(response.unwrap()), 784_111_777_000)
    }

    #[test]
    fn what_may_pass_is_tried_again_after_the_time_asked_for() {
        for (status, kind, is_throttling) in [
            (400, "ThrottlingException", true),
            (400, "Throttling", true),
            (400, "TooManyRequestsException", true),
            (429, "", true),
            (400, "InternalServerError", false),
            (400, "InternalFailure", false),
            (400, "ServiceUnavailable", false),
            (500, "", false),
            (503, "", false),
        ] {
            let Answer::Again { throttled, asked, why, .. } = answer(status, kind) else {
                panic!("{status} {kind}");
            };
            assert_eq!((throttled, asked), (is_throttling, Some(Duration::from_secs(7))));
            assert!(why.contains(&status.to_string()));
        }
        let lost = Answer::of(Err(HttpError::Connection("reset".to_owned())), 0);
        assert!(matches!(lost, Answer::Again { throttled: false, error: Some(_), .. }));
    }

    #[test]
    fn what_the_configuration_must_mend_stops_the_run_and_names_it() {
        for (kind, names) in [
            ("ChannelNotFound", "no such channel"),
            ("InvalidChannelARN", "no such channel"),
            ("ChannelInsufficientPermission", "external_id must be"),
            ("ChannelUnsupportedSchema", "source Custom"),
            ("UnsupportedOperationException", "uses CloudTrail Lake"),
            (
                "AccessDeniedException",
                "cloudtrail-data:PutAuditEvents on the channel, in its policy",
            ),
            ("UnrecognizedClientException", "does not know these credentials"),
            ("InvalidClientTokenId", "does not know these credentials"),
            ("ExpiredTokenException", "renew aws_session_token"),
            ("InvalidSignatureException", "do not belong to aws_access_key_id"),
            ("RequestExpired", "cloudtrail_endpoint"),
            ("SomethingNew", "a proxy on the way"),
            ("ValidationException", "a proxy on the way"),
            ("com.amazonaws#ChannelNotFound:http://internal/", "channel_arn"),
        ] {
            let (Answer::Stop(stop) | Answer::Expired(stop)) = answer(403, kind) else {
                panic!("{kind}")
            };
            let text = stop.to_string();
            assert!(text.contains(names) && text.contains("AWS's words"), "{text}");
        }
    }

    #[test]
    fn a_signature_that_clocks_spoilt_is_told_from_a_wrong_secret() {
        let response = http::Response::builder()
            .status(403)
            .header("x-amzn-errortype", "InvalidSignatureException")
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .body(Vec::new())
            .unwrap();
        let at = |now_ms| Answer::of(Ok(response.clone()), now_ms);
        let theirs = 784_111_777_000;
        for ahead_ms in [-3_600_000, -240_001, 240_001, 3_600_000] {
            let answer = at(theirs - ahead_ms);
            assert!(matches!(answer, Answer::ClockOff { ahead_ms: told, .. } if told == ahead_ms));
        }
        for ahead_ms in [-240_000, 0, 240_000] {
            assert!(matches!(at(theirs - ahead_ms), Answer::Stop(_)));
        }
    }

    #[test]
    fn what_is_too_large_or_repeated_is_split() {
        assert!(matches!(answer(413, ""), Answer::Split(_)));
        assert!(matches!(answer(400, "DuplicatedAuditEventId"), Answer::Split(_)));
        assert!(matches!(answer(400, "RequestEntityTooLargeException"), Answer::Split(_)));
        for (kind, message) in [
            ("ValidationException", "too large"),
            ("ValidationException", "a length of at most 100"),
            ("SerializationException", "too large"),
        ] {
            let body = serde_json::json!({"__type": kind, "message": message}).to_string();
            let response = http::Response::builder().status(400).body(body.into_bytes()).unwrap();
            assert!(matches!(Answer::of(Ok(response), 0), Answer::Split(_)), "{kind}: {message}");
        }
    }

    #[test]
    fn the_code_is_in_the_header_or_the_body() {
        for (header, body, code) in [
            ("One", r#"{"__type":"Two","code":"Three"}"#, "One"),
            ("", r#"{"__type":"Two","code":"Three"}"#, "Two"),
            ("", r#"{"code":"Three"}"#, "Three"),
        ] {
            let response = http::Response::builder().status(403).header("x-amzn-errortype", header);
            let response = response.body(body.as_bytes().to_vec()).unwrap();
            let Answer::Stop(Stop::Refused { code: told, .. }) = Answer::of(Ok(response), 0) else {
                panic!("{code}");
            };
            assert_eq!(told, code);
        }
    }

    #[test]
    fn what_stops_a_run_or_an_event_is_told_in_words() {
        let unreachable = Stop::Unreachable(HttpError::Connection("reset".to_owned()));
        assert!(unreachable.to_string().contains("interface endpoint"));
        assert_eq!(Stop::Unsendable("why".to_owned()).to_string(), "why");
        let refused = |message: &str| {
            Stop::Refused { code: "C".to_owned(), message: message.to_owned() }.to_string()
        };
        assert!(refused("m").starts_with("CloudTrail answered C (m): "));
        assert!(refused("").starts_with("CloudTrail answered C: "));
        assert_eq!(Undelivered::Failing("why".to_owned()).to_string(), "why");
    }

    #[test]
    fn each_event_has_its_own_outcome() {
        let body = serde_json::json!({
            "successful": [{"id": "taken", "eventID": "e"}],
            "failed": [
                {"id": "long", "errorCode": "FieldTooLong", "errorMessage": "m"},
            ],
        });
        let response = http::Response::builder().body(body.to_string().into_bytes()).unwrap();
        let Answer::PerEvent(events) = Answer::of(Ok(response), 0) else { panic!() };
        assert!(matches!(events["taken"], EventOutcome::Accepted));
        assert!(matches!(&events["long"], EventOutcome::Refused(why) if why == "FieldTooLong m"));
        for code in ["FieldTooLong", "FieldNotFound", "InvalidData", "InvalidChecksum"] {
            assert!(matches!(EventOutcome::of(code, "m"), EventOutcome::Refused(_)), "{code}");
        }
        for (code, names) in [
            ("InvalidRecipient", "its account must own the channel"),
            ("InvalidEventSource", "event_source"),
            ("AccountNotSubscribed", "event data store"),
        ] {
            let EventOutcome::Stop(stop) = EventOutcome::of(code, "m") else { panic!("{code}") };
            assert!(stop.to_string().contains(names), "{stop}");
        }
        for code in ["Throttling", "InternalFailure", "SomethingNew", ""] {
            assert!(matches!(EventOutcome::of(code, "m"), EventOutcome::Again(_)), "{code}");
        }
        assert_eq!(shortened(&"é".repeat(500)).chars().count(), 300);
    }

    #[test]
    fn an_answer_that_is_not_awss_settles_nothing() {
        let response = http::Response::builder().body(b"<html>".to_vec()).unwrap();
        assert!(matches!(Answer::of(Ok(response), 0), Answer::Again { .. }));
        let response = http::Response::builder().status(403).body(b"<html>".to_vec()).unwrap();
        let Answer::Stop(stop) = Answer::of(Ok(response), 0) else { panic!() };
        assert!(stop.to_string().contains("status 403"), "{stop}");
    }
}
