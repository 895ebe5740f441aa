//! What the answers of PutLogEvents mean.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::LogStream;
use crate::aws::{ErrorCode, credentials_remedy};
use crate::destination::refusal::Refusals;
use crate::destination::{Answer, Batch, Outcome};
use crate::ports::HttpResponse;

const NAME: &str = "CloudWatch Logs";

/// The members of an answer (service model `logs`). One that has others alone is not CloudWatch's.
const MEMBERS: [&str; 3] = ["nextSequenceToken", REJECTED, "rejectedEntityInfo"];
const REJECTED: &str = "rejectedLogEventsInfo";

/// What an answer means for the batch.
pub fn read(stream: &LogStream, batch: &Batch, response: &HttpResponse) -> Answer {
    let remedy = |error: &ErrorCode| remedy(stream, error);
    let refusals = Refusals { name: NAME, splits: &["InvalidParameterException"], remedy: &remedy };
    refusals.read(response).unwrap_or_else(|| {
        of_success(batch.items.len(), response.body()).map_or_else(
            || Answer::MayPass {
                throttled: false,
                why: format!("the answer of {NAME} is not the JSON that it documents"),
            },
            Answer::Outcomes,
        )
    })
}

/// The outcome of each of so many events; none where the answer is not as documented.
fn of_success(events: usize, body: &[u8]) -> Option<Vec<Outcome>> {
    let mut members: Map<String, Value> = serde_json::from_slice(body).ok()?;
    if !members.is_empty() && !MEMBERS.iter().any(|member| members.contains_key(*member)) {
        return None;
    }
    let rejected = members.remove(REJECTED).filter(|rejected| !rejected.is_null());
    let Some(rejected) = rejected else {
        return Some((0..events).map(|_| Outcome::Accepted).collect());
    };
    let rejected: Rejected = serde_json::from_value(rejected).ok()?;
    Some((0..events).map(|place| rejected.outcome(place)).collect())
}

/// Which events were refused, by their places in the batch, which is sorted by timestamp.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct Rejected {
    /// The service model calls it exclusive. An implementation is known that gives one less.
    too_old_log_event_end_index: Option<usize>,
    /// The service model does not say whether it is exclusive.
    expired_log_event_end_index: Option<usize>,
    /// Inclusive.
    too_new_log_event_start_index: Option<usize>,
}

impl Rejected {
    /// What became of the event at `place`. Of one at an end index, nobody can be sure.
    fn outcome(&self, place: usize) -> Outcome {
        let Self {
            too_old_log_event_end_index: too_old,
            expired_log_event_end_index: expired,
            too_new_log_event_start_index: too_new,
        } = *self;
        if too_old.or(expired).or(too_new).is_none() {
            return Outcome::MayPass(format!("{NAME} does not say which events it refused"));
        }
        let ends = [
            (too_old, "older than 14 days"),
            (expired, "older than the retention of the log group"),
        ];
        let before = |(end, _): &&(Option<usize>, _)| end.is_some_and(|end| place < end);
        let at = |(end, _): &&(Option<usize>, _)| *end == Some(place);
        let mistimed = |why: &str, is_certain| Outcome::Mistimed {
            why: format!("{NAME} refuses its timestamp: {why}"),
            is_certain,
        };
        if let Some((_, why)) = ends.iter().find(before) {
            mistimed(why, true)
        } else if too_new.is_some_and(|start| place >= start) {
            mistimed("more than two hours ahead", true)
        } else if let Some((_, why)) = ends.iter().find(at) {
            mistimed(why, false)
        } else {
            Outcome::Accepted
        }
    }
}

fn remedy(stream: &LogStream, error: &ErrorCode) -> Cow<'static, str> {
    let LogStream { group, name, .. } = stream;
    let (make_group, make_stream) = (stream.make_group(), stream.make_stream());
    match error.code.as_str() {
        "ResourceNotFoundException" if error.message.contains("log stream") => format!(
            "the log stream {name} of log_stream is not in the log group {group}: make it with {make_stream}"
        )
        .into(),
        "ResourceNotFoundException" => format!(
            "check log_group_arn: if no log group {group} is in that account and region, make it with {make_group}; if \
             the stream {name} is not in it, make that with {make_stream}"
        )
        .into(),
        "AccessDeniedException" => {
            format!("allow the principal logs:PutLogEvents on {}", stream.arn()).into()
        }
        code => credentials_remedy(code)
            .unwrap_or(
                "check aws_endpoint_url_cloudwatch_logs, log_group_arn and the credentials; a proxy on the way may \
                 answer instead of AWS",
            )
            .into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::destination::Item;
    use crate::terms::Event;

    fn answer(status: u16, kind: &str, body: &str, events: usize) -> Answer {
        let arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/kong";
        let stream = LogStream::parse(arn, "trail").unwrap();
        let event = Event { id: "a".to_owned(), time: 0, data: "{}".to_owned() };
        let batch = Batch::of(vec![Item::new(event, 0, 0); events]);
        let response = http::Response::builder()
            .status(status)
            .header("x-amzn-errortype", kind)
            .body(body.as_bytes().to_vec());
        read(&stream, &batch, &response.unwrap())
    }

    /// One letter an event: accepted, refused, unknown, failing.
    fn outcomes(info: &Value, events: usize) -> String {
        let body = json!({ "rejectedLogEventsInfo": info }).to_string();
        let Answer::Outcomes(outcomes) = answer(200, "", &body, events) else { panic!("{info}") };
        let letter = |outcome: &Outcome| match outcome {
            Outcome::Accepted => 'a',
            Outcome::Mistimed { is_certain: true, .. } => 'r',
            Outcome::Mistimed { is_certain: false, .. } => '?',
            Outcome::MayPass(_) => 'f',
            other => panic!("{other:?}"),
        };
        outcomes.iter().map(letter).collect()
    }

    #[test]
    fn ranges_of_refused_events_are_read_place_by_place() {
        for (info, expected) in [
            (json!({"tooOldLogEventEndIndex": 2}), "rr?aa"),
            (json!({"expiredLogEventEndIndex": 2}), "rr?aa"),
            (json!({"tooOldLogEventEndIndex": 0}), "?aaaa"),
            (json!({"tooOldLogEventEndIndex": 5}), "rrrrr"),
            (json!({"tooOldLogEventEndIndex": 99}), "rrrrr"),
            (json!({"tooNewLogEventStartIndex": 3}), "aaarr"),
            (json!({"tooNewLogEventStartIndex": 0}), "rrrrr"),
            (json!({"tooNewLogEventStartIndex": 5}), "aaaaa"),
            (json!({"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 3}), "rrr?a"),
            (json!({"tooOldLogEventEndIndex": 3, "expiredLogEventEndIndex": 1}), "rrr?a"),
            (json!({"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 4}), "r?aar"),
            (json!({"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 2}), "rrrrr"),
            (json!({"tooOldLogEventEndIndex": null, "expiredLogEventEndIndex": 1}), "r?aaa"),
            (json!({}), "fffff"),
            (json!({"tooWideLogEventStartIndex": 1}), "fffff"),
            (Value::Null, "aaaaa"),
        ] {
            assert_eq!(outcomes(&info, 5), expected, "{info}");
        }
    }

    #[test]
    fn without_ranges_all_are_accepted() {
        for body in ["{}", r#"{"nextSequenceToken":"4"}"#, r#"{"rejectedEntityInfo":{},"x":1}"#] {
            let Answer::Outcomes(outcomes) = answer(200, "", body, 2) else { panic!("{body}") };
            assert_eq!(outcomes, [Outcome::Accepted, Outcome::Accepted], "{body}");
        }
    }

    #[test]
    fn an_answer_that_is_not_cloudwatchs_settles_nothing() {
        for body in [
            "",
            "<html>",
            "[]",
            "null",
            r#"{"message":"sign in"}"#,
            r#"{"rejectedLogEventsInfo":3}"#,
            r#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":-1}}"#,
            r#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1.5}}"#,
            r#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":"1"}}"#,
        ] {
            assert!(matches!(answer(200, "", body, 2), Answer::MayPass { .. }), "{body}");
        }
    }

    #[test]
    fn what_may_pass_is_told_from_throttling() {
        for (status, kind, is_throttling) in [
            (400, "ThrottlingException", true),
            (429, "", true),
            (408, "", false),
            (500, "", false),
            (503, "ServiceUnavailableException", false),
            (400, "ServiceUnavailableException", false),
        ] {
            let Answer::MayPass { throttled, .. } = answer(status, kind, "{}", 1) else {
                panic!("{status} {kind}")
            };
            assert_eq!(throttled, is_throttling, "{status} {kind}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_parameter_or_too_large_is_taken_apart() {
        for (status, kind) in [(400, "InvalidParameterException"), (413, "")] {
            assert!(matches!(answer(status, kind, "{}", 2), Answer::Split(_)), "{kind}");
        }
    }

    #[test]
    fn what_the_configuration_must_mend_stops_the_run_and_says_how() {
        let group = r#"{"message":"The specified log group does not exist."}"#;
        let stream = r#"{"message":"The specified log stream does not exist."}"#;
        for (kind, body, told) in [
            (
                "ResourceNotFoundException",
                group,
                "aws logs create-log-group --region eu-west-1 --log-group-name '/kong'",
            ),
            ("ResourceNotFoundException", "{}", "create-log-group"),
            (
                "ResourceNotFoundException",
                stream,
                "make it with aws logs create-log-stream --region eu-west-1 --log-group-name '/kong' --log-stream-name \
                 'trail'",
            ),
            (
                "AccessDeniedException",
                "{}",
                "logs:PutLogEvents on arn:aws:logs:eu-west-1:123456789012:log-group:/kong:log-stream:trail",
            ),
            ("UnrecognizedClientException", "{}", "does not know these credentials"),
            ("InvalidSignatureException", "{}", "do not belong to aws_access_key_id"),
            ("ExpiredTokenException", "{}", "renew aws_session_token"),
            ("ExpiredToken", "{}", "renew aws_session_token"),
            ("SomethingNew", "{}", "a proxy on the way"),
        ] {
            let answer = answer(400, kind, body, 1);
            let (Answer::Stop(stop) | Answer::Expired(stop) | Answer::Signature(stop)) = answer
            else {
                panic!("{kind}")
            };
            assert!(stop.to_string().contains(told), "{stop}");
        }
    }
}
