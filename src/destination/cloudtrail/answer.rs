//! What the answers of PutAuditEvents mean.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::aws::{ErrorCode, credentials_remedy};
use crate::destination::refusal::Refusals;
use crate::destination::{Answer, Batch, Outcome};
use crate::ports::HttpResponse;
use crate::words::shown;

fn remedy(error: &ErrorCode) -> Cow<'static, str> {
    let code = error.code.as_str();
    let remedy = credentials_remedy(code).unwrap_or(match code {
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
    });
    remedy.into()
}

const REFUSALS: Refusals<'static> =
    Refusals { name: "CloudTrail", splits: &["DuplicatedAuditEventId"], remedy: &remedy };

/// What an answer means for the batch.
pub fn read(batch: &Batch, response: &HttpResponse) -> Answer {
    REFUSALS.read(response).unwrap_or_else(|| of_success(batch, response.body()))
}

fn of_success(batch: &Batch, body: &[u8]) -> Answer {
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
        return Answer::MayPass { throttled: false, why };
    };
    let mut outcomes: HashMap<_, _> =
        body.successful.into_iter().map(|event| (event.id, Outcome::Accepted)).collect();
    for failed in body.failed {
        let outcome = of_event(&failed.error_code, &failed.error_message);
        outcomes.insert(failed.id, outcome);
    }
    let ids = batch.items.iter().map(|item| &item.event.id);
    Answer::Outcomes(ids.map(|id| outcomes.remove(id).unwrap_or(Outcome::Unmentioned)).collect())
}

fn of_event(code: &str, message: &str) -> Outcome {
    let (code, message) = (shown(code), shown(message));
    let why = || match format!("{code} {message}").trim() {
        "" => "CloudTrail gave no reason".to_owned(),
        why => why.to_owned(),
    };
    match code.as_str() {
        "FieldTooLong" | "FieldNotFound" | "InvalidData" | "InvalidChecksum" => {
            Outcome::Refused(why())
        }
        "InvalidRecipient" | "InvalidEventSource" | "AccountNotSubscribed" => {
            Outcome::Stop(REFUSALS.stop(ErrorCode { code, message }))
        }
        _ => Outcome::MayPass(why()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::destination::Item;
    use crate::terms::Event;

    fn batch(ids: &[&str]) -> Batch {
        let event = |id: &&str| Event { id: (*id).to_owned(), time: 0, data: String::new() };
        Batch::of(ids.iter().map(|id| Item::new(event(id), 0, 0)).collect())
    }

    fn answer(status: u16, kind: &str) -> Answer {
        let response = http::Response::builder()
            .status(status)
            .header("x-amzn-errortype", kind)
            .body(br#"{"message":"AWS's words"}"#.to_vec());
        read(&batch(&["a"]), &response.unwrap())
    }

    #[test]
    fn what_may_pass_is_told_from_throttling() {
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
            let Answer::MayPass { throttled, why } = answer(status, kind) else {
                panic!("{status} {kind}");
            };
            assert_eq!(throttled, is_throttling, "{status} {kind}");
            assert!(why.contains(&status.to_string()));
        }
    }

    #[test]
    fn what_the_configuration_must_mend_stops_the_run_and_names_it() {
        for (kind, names) in [
            ("ChannelNotFound", "channel_arn: no such channel"),
            ("InvalidChannelARN", "no such channel"),
            ("ChannelInsufficientPermission", "external_id must be"),
            ("ChannelUnsupportedSchema", "source Custom"),
            ("UnsupportedOperationException", "uses CloudTrail Lake"),
            (
                "AccessDeniedException",
                "cloudtrail-data:PutAuditEvents on the channel, in its policy",
            ),
            ("UnrecognizedClientException", "check aws_access_key_id and aws_session_token"),
            ("InvalidClientTokenId", "does not know these credentials"),
            ("ExpiredTokenException", "renew aws_session_token"),
            ("InvalidSignatureException", "do not belong to aws_access_key_id"),
            ("SignatureDoesNotMatch", "do not belong to aws_access_key_id"),
            ("RequestExpired", "clock right"),
            ("RequestTimeTooSkewed", "clock right"),
            ("SomethingNew", "a proxy on the way"),
            ("ValidationException", "a proxy on the way"),
        ] {
            let (Answer::Stop(stop) | Answer::Expired(stop) | Answer::Signature(stop)) =
                answer(403, kind)
            else {
                panic!("{kind}")
            };
            let text = stop.to_string();
            assert!(text.contains(names) && text.contains("AWS's words"), "{text}");
        }
    }

    #[test]
    fn a_refused_signature_and_expired_credentials_are_told_from_the_rest() {
        for kind in [
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "RequestExpired",
            "RequestTimeTooSkewed",
        ] {
            assert!(matches!(answer(403, kind), Answer::Signature(_)), "{kind}");
        }
        for kind in ["ExpiredTokenException", "ExpiredToken"] {
            assert!(matches!(answer(403, kind), Answer::Expired(_)), "{kind}");
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
            assert!(
                matches!(REFUSALS.read(&response), Some(Answer::Split(_))),
                "{kind}: {message}"
            );
        }
    }

    #[test]
    fn each_event_has_its_own_outcome() {
        let body = serde_json::json!({
            "successful": [{"id": "taken", "eventID": "e"}, {"id": "nobody's"}],
            "failed": [
                {"id": "long", "errorCode": "FieldTooLong", "errorMessage": "m"},
            ],
        });
        let response = http::Response::builder().body(body.to_string().into_bytes()).unwrap();
        let Answer::Outcomes(outcomes) = read(&batch(&["long", "lost", "taken"]), &response) else {
            panic!()
        };
        assert_eq!(
            outcomes,
            [
                Outcome::Refused("FieldTooLong m".to_owned()),
                Outcome::Unmentioned,
                Outcome::Accepted
            ]
        );
        for code in ["FieldTooLong", "FieldNotFound", "InvalidData", "InvalidChecksum"] {
            assert!(matches!(of_event(code, "m"), Outcome::Refused(_)), "{code}");
        }
        for (code, names) in [
            ("InvalidRecipient", "its account must own the channel"),
            ("InvalidEventSource", "event_source"),
            ("AccountNotSubscribed", "event data store"),
        ] {
            let Outcome::Stop(stop) = of_event(code, "m") else { panic!("{code}") };
            assert!(stop.to_string().contains(names), "{stop}");
        }
        for code in ["Throttling", "InternalFailure", "SomethingNew", ""] {
            assert!(matches!(of_event(code, "m"), Outcome::MayPass(_)), "{code}");
        }
    }

    #[test]
    fn an_answer_that_is_not_awss_settles_nothing() {
        let response = http::Response::builder().body(b"<html>".to_vec()).unwrap();
        assert!(matches!(read(&batch(&["a"]), &response), Answer::MayPass { .. }));
        let response = http::Response::builder().status(403).body(b"<html>".to_vec()).unwrap();
        let Answer::Stop(stop) = read(&batch(&["a"]), &response) else { panic!() };
        assert!(stop.to_string().contains("status 403"), "{stop}");
    }
}
