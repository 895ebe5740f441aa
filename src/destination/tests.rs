//! Batches sent to a CloudTrail that answers by a script, in a time of its own.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::log::Logger;
use crate::ports::{Clock, HttpError, HttpRequest};
use crate::testing::{Answer, InMemory};

const NOW_MS: i64 = 784_111_777_000;
/// ECS gives its containers credentials there.
const CONTAINER: &str = "169.254.170.2";
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

type Script = InMemory<'static>;

/// A CloudTrail that gives these answers, and then accepts everything.
fn scripted(answers: impl IntoIterator<Item = Answer>) -> Script {
    script_at(NOW_MS, answers)
}

/// The same, for a process whose clock shows that time.
fn script_at(epoch_ms: i64, answers: impl IntoIterator<Item = Answer>) -> Script {
    let mut answers: VecDeque<Answer> = answers.into_iter().collect();
    let mut issued = 0;
    InMemory::at(epoch_ms, move |request| {
        if request.uri().host() == Some(CONTAINER) {
            issued += 1;
            let id = format!("ASIA{issued}");
            let document = json!({"AccessKeyId": id, "SecretAccessKey": "s", "Token": "t"});
            return answer(200, "", &document.to_string());
        }
        answers.pop_front().unwrap_or_else(|| accepts(&ids_of(request)))
    })
}

fn ids_of(request: &HttpRequest) -> Vec<String> {
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let events = body["auditEvents"].as_array().unwrap();
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// The calls, and whether they were CloudTrail's or the container's endpoint's.
fn calls(script: &Script, of_container: bool) -> Vec<HttpRequest> {
    let sent = script.sent.borrow();
    let requests = sent.iter().map(|(_, request)| request.clone());
    requests.filter(|request| (request.uri().host() == Some(CONTAINER)) == of_container).collect()
}

/// The ids of each call.
fn ids(script: &Script) -> Vec<Vec<String>> {
    calls(script, false).iter().map(ids_of).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "an answer of the script, as the lost ones are")]
fn answer(status: u16, kind: &str, body: &str) -> Answer {
    let response = http::Response::builder()
        .status(status)
        .header("x-amzn-errortype", kind)
        .header("date", DATE)
        .body(body.as_bytes().to_vec());
    Ok(response.unwrap())
}

fn accepts<T: AsRef<str>>(ids: &[T]) -> Answer {
    let successful: Vec<_> = ids.iter().map(|id| json!({"id": id.as_ref()})).collect();
    answer(200, "", &json!({"successful": successful, "failed": []}).to_string())
}

fn fails(code: &str, ids: &[&str]) -> Answer {
    let failed: Vec<_> = ids.iter().map(|id| json!({"id": id, "errorCode": code})).collect();
    answer(200, "", &json!({"successful": [], "failed": failed}).to_string())
}

fn lost() -> Answer {
    Err(HttpError::Connection("reset".to_owned()))
}

const KEYS: [&str; 2] = ["aws_access_key_id", "aws_secret_access_key"];

fn config(credentials: &[&str]) -> Config {
    Config::read(|name| {
        Ok(match name {
            name if credentials.contains(&name) => Some("/x".to_owned()),
            "kong_admin_api" => Some("https://kong:8001".to_owned()),
            "channel_arn" => Some("arn:aws:cloudtrail:eu-west-1:123456789012:channel/a".to_owned()),
            "external_id" => Some("a/b=c".to_owned()),
            "max_calls_per_sec" => Some("10".to_owned()),
            _ => None,
        })
    })
    .unwrap()
}

fn batch(ids: &[&str]) -> Batch {
    let item = |(number, id): (usize, &&str)| {
        Item::new(Event { id: (*id).to_owned(), time: 0, data: "{}".to_owned() }, number as u64, 0)
    };
    Batch::of(ids.iter().enumerate().map(item).collect())
}

fn within<T>(
    script: &Script,
    deadline_secs: u64,
    work: impl FnOnce(&Sender<'_, Script>) -> T,
) -> T {
    work(&sender(script, &config(&KEYS), Duration::from_secs(deadline_secs)))
}

fn sender<'a>(script: &'a Script, config: &'a Config, deadline: Duration) -> Sender<'a, Script> {
    let log = Logger::new(script, config.log_level);
    Sender::new(log, config.destination.as_ref(), &config.credentials, config.pace, deadline)
}

fn send(script: &Script, ids: &[&str]) -> Sent {
    within(script, 3000, |sender| script.clock.run(sender.send(batch(ids), || true)))
}

fn accepted(sent: &Sent) -> Vec<&str> {
    sent.accepted.iter().map(|item| item.event.id.as_str()).collect()
}

fn undelivered(sent: &Sent) -> Vec<(&str, &Undelivered)> {
    sent.undelivered.iter().map(|(item, why)| (item.event.id.as_str(), why)).collect()
}

#[test]
fn a_call_names_channel_and_external_id_and_is_signed() {
    let script = scripted([]);
    let sent = send(&script, &["a", "b"]);
    assert_eq!(accepted(&sent), ["a", "b"]);
    let request = &calls(&script, false)[0];
    assert_eq!(
        request.uri(),
        "https://cloudtrail-data.eu-west-1.amazonaws.com/PutAuditEvents?channelArn=arn%3Aaws%3Acloudtrail%3A\
         eu-west-1%3A123456789012%3Achannel%2Fa&externalId=a%2Fb%3Dc"
    );
    let authorization = request.headers()["authorization"].to_str().unwrap();
    assert!(authorization.contains("/eu-west-1/cloudtrail-data/aws4_request"), "{authorization}");
}

#[test]
fn only_the_events_that_may_pass_are_sent_again() {
    let mixed = json!({"successful": [{"id": "taken"}],
        "failed": [{"id": "later", "errorCode": "InternalFailure"}, {"id": "never", "errorCode": "InvalidData"}]});
    let script = scripted([answer(200, "", &mixed.to_string())]);
    let sent = send(&script, &["taken", "later", "never", "unmentioned"]);
    assert_eq!(
        ids(&script),
        [vec!["taken", "later", "never", "unmentioned"], vec!["later", "unmentioned"]]
    );
    assert_eq!(accepted(&sent), ["taken", "later", "unmentioned"]);
    assert_eq!(undelivered(&sent), [("never", &Undelivered::Refused("InvalidData".to_owned()))]);
    assert_eq!(sent.stop, None);
}

#[test]
fn an_event_that_goes_on_failing_is_told_from_one_whose_calls_fail() {
    let script = scripted((0..8).map(|_| fails("Throttling", &["a"])));
    let sent = send(&script, &["a"]);
    assert_eq!(ids(&script).len(), 8, "as many tries as there are");
    assert_eq!(undelivered(&sent), [("a", &Undelivered::Failing("Throttling".to_owned()))]);
    assert_eq!(sent.stop, None, "others may fare better");

    let script = scripted((0..8).map(|_| answer(503, "", "{}")));
    let sent = send(&script, &["a"]);
    assert!(matches!(undelivered(&sent)[..], [("a", Undelivered::Pending(_))]));
    assert_eq!(sent.stop, None);

    let script = scripted((0..8).map(|_| lost()));
    let sent = send(&script, &["a"]);
    assert!(matches!(undelivered(&sent)[..], [("a", Undelivered::Pending(_))]));
    assert!(matches!(sent.stop, Some(Stop::Unreachable { .. })));
}

#[test]
fn a_batch_out_of_tries_stops_nothing_while_others_get_through() {
    let throttled = || answer(400, "ThrottlingException", "{}");
    let script = scripted((0..7).map(|_| throttled()).chain([lost()]));
    let sent = send(&script, &["a"]);
    assert!(matches!(undelivered(&sent)[..], [("a", Undelivered::Pending(_))]));
    assert_eq!(sent.stop, None);
}

#[test]
fn a_batch_of_which_some_arrived_has_all_its_tries_again() {
    let script =
        scripted((0..7).map(|_| lost()).chain([accepts(&["a"])]).chain((0..6).map(|_| lost())));
    let sent = send(&script, &["a", "b"]);
    assert_eq!(accepted(&sent), ["a", "b"]);
}

#[test]
fn a_batch_waits_as_long_as_it_is_asked_to() {
    let mut busy = answer(503, "", "{}").unwrap();
    busy.headers_mut().insert("retry-after", "70".parse().unwrap());
    let script = scripted([Ok(busy), lost()]);
    send(&script, &["a"]);
    let times = script.times();
    assert_eq!(times[1].saturating_sub(times[0]), Duration::from_secs(70));
    assert!(times[2] > times[1], "nobody asked for this wait");
}

#[test]
fn a_wait_for_which_the_run_has_no_time_is_told() {
    let mut busy = answer(503, "", "{}").unwrap();
    busy.headers_mut().insert("retry-after", "3600".parse().unwrap());
    let sent = send(&scripted([Ok(busy)]), &["a"]);
    let [(_, Undelivered::Pending(why))] = undelivered(&sent)[..] else { panic!("{sent:?}") };
    assert!(why.contains("asks for a wait of 3600 s, which is longer than"), "{why}");
}

#[test]
fn a_destination_that_hangs_costs_less_than_two_minutes_in_whatever_calls() {
    let hangs = || Err(HttpError::Timeout("no answer".to_owned()));
    let no_answer = |script: &Script| {
        script.lines.borrow().iter().filter(|line| line.contains("no answer from")).count()
    };
    let script = scripted((0..4).map(|_| hangs()));
    within(&script, 3000, |sender| {
        (0..2).for_each(|_| drop(script.clock.run(sender.send(batch(&["a"]), || true))));
    });
    assert_eq!((ids(&script).len(), no_answer(&script)), (3, 1), "the third call is cut short");
    let took = script.clock.elapsed();
    assert!((Duration::from_secs(112)..Duration::from_mins(2)).contains(&took), "{took:?}");
    // A connection that breaks off is no silence.
    let script = scripted([lost()]);
    send(&script, &["a"]);
    assert_eq!(no_answer(&script), 0);
}

#[test]
fn no_try_begins_after_the_deadline() {
    let script = scripted((0..8).map(|_| lost()));
    let sent = within(&script, 0, |sender| script.clock.run(sender.send(batch(&["a"]), || true)));
    assert_eq!(ids(&script).len(), 1);
    assert_eq!(sent.undelivered.len(), 1);
}

#[test]
fn a_run_is_out_of_time_from_its_deadline_on() {
    let script = scripted([]);
    within(&script, 1, |sender| {
        let out_of_time = [0, 999, 1000, 1001].map(|ms| {
            script.clock.advance_to(Duration::from_millis(ms));
            sender.out_of_time()
        });
        assert_eq!(out_of_time, [false, false, true, true]);
    });
}

#[test]
fn without_the_lease_nothing_is_sent() {
    let script = scripted([]);
    let sent =
        within(&script, 3000, |sender| script.clock.run(sender.send(batch(&["a"]), || false)));
    assert_eq!((ids(&script).len(), sent.undelivered.len()), (0, 1));
}

#[test]
fn calls_tries_and_events_of_unknown_fate_are_counted() {
    let script = scripted([lost(), answer(400, "ThrottlingException", "{}"), fails("X", &["a"])]);
    within(&script, 3000, |sender| {
        let sent = script.clock.run(sender.send(batch(&["a", "b"]), || true));
        assert_eq!(sent.accepted.len(), 2);
        assert_eq!((sender.calls(), sender.retries()), (4, 3));
        // Both of the lost call. That an answer did not mention one of them later is no news.
        assert_eq!(sender.doubtful(), 2);
    });
}

#[test]
fn events_that_cannot_have_arrived_are_of_no_unknown_fate() {
    for (error, tries) in [
        (HttpError::NotReached("refused".to_owned()), 2),
        (HttpError::Tls("bad certificate".to_owned()), 2),
        (HttpError::Denied, 1),
    ] {
        let script = scripted([Err(error.clone())]);
        within(&script, 3000, |sender| {
            let sent = script.clock.run(sender.send(batch(&["a"]), || true));
            assert_eq!((sender.doubtful(), sender.calls()), (0, tries), "{error:?}");
            assert_eq!(sent.stop.is_some(), tries == 1, "{error:?}");
        });
    }
}

#[test]
fn throttling_halves_what_may_be_under_way_and_success_raises_it_by_one() {
    let throttled = || answer(400, "ThrottlingException", "{}");
    let accepted = (0..21).map(|_| accepts(&["a"]));
    let first = (0..3).map(|_| throttled());
    let script = scripted(first.chain(accepted).chain((0..6).map(|_| throttled())));
    within(&script, 3000, |sender| {
        assert_eq!(sender.concurrency(), 16);
        script.clock.run(sender.send(batch(&["a"]), || true));
        assert_eq!(sender.concurrency(), 3, "16, 8, 4, 2, and one more");
        (0..20).for_each(|_| drop(script.clock.run(sender.send(batch(&["a"]), || true))));
        assert_eq!(sender.concurrency(), 16);
        script.clock.run(sender.send(batch(&["a"]), || true));
        assert_eq!(sender.concurrency(), 2, "never less than one");
    });
}

#[test]
fn calls_keep_to_the_rate() {
    let script = scripted([]);
    within(&script, 3000, |sender| {
        (0..4).for_each(|_| drop(script.clock.run(sender.send(batch(&["a"]), || true))));
    });
    assert_eq!(script.times(), [0, 100, 200, 300].map(Duration::from_millis));
}

#[test]
fn a_call_too_large_goes_out_in_halves_and_a_single_event_is_refused() {
    let large = || answer(413, "", "{}");
    let script = scripted([large(), large()]);
    let sent = send(&script, &["a", "b", "c", "d"]);
    assert_eq!(
        ids(&script),
        [vec!["a", "b", "c", "d"], vec!["a", "b"], vec!["a"], vec!["b"], vec!["c", "d"]]
    );
    assert_eq!(sent.accepted.len(), 4);

    let sent = send(&scripted([large()]), &["a"]);
    assert!(matches!(undelivered(&sent)[..], [("a", Undelivered::Refused(_))]));
    assert_eq!(sent.stop, None);
}

#[test]
fn what_stops_the_run_leaves_the_rest_pending_and_unsent() {
    let script = scripted([answer(413, "", "{}"), answer(403, "ChannelNotFound", "{}")]);
    let sent = send(&script, &["a", "b"]);
    assert_eq!(ids(&script), [vec!["a", "b"], vec!["a"]]);
    assert!(matches!(sent.stop, Some(Stop::Refused { .. })));
    assert!(sent.undelivered.iter().all(|(_, why)| matches!(why, Undelivered::Pending(_))));
    assert_eq!(sent.undelivered.len(), 2);

    let sent = send(&scripted([fails("AccountNotSubscribed", &["a"])]), &["a", "b"]);
    assert!(matches!(sent.stop, Some(Stop::Refused { .. })));
    assert_eq!(sent.undelivered.len(), 2);
}

#[test]
fn a_clock_that_is_off_is_set_right_once() {
    let off = || answer(403, "InvalidSignatureException", "{}");
    let behind = |answers: Vec<Answer>| script_at(NOW_MS - 3_600_000, answers);
    let script = behind(vec![off()]);
    within(&script, 3000, |sender| {
        let sent = script.clock.run(sender.send(batch(&["a"]), || true));
        assert_eq!(accepted(&sent), ["a"]);
        assert_eq!((sender.calls(), sender.retries()), (2, 1));
    });
    let dates: Vec<_> = calls(&script, false)
        .iter()
        .map(|request| request.headers()["x-amz-date"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(dates, ["19941106T074937Z", "19941106T084937Z"]);

    // Four minutes are no reason.
    for (ms, accepted) in [(240_000, 0), (241_000, 1)] {
        let script = script_at(NOW_MS - ms, [off()]);
        assert_eq!(send(&script, &["a"]).accepted.len(), accepted, "{ms}");
    }

    let script = behind(vec![off(), off()]);
    let sent = send(&script, &["a"]);
    assert_eq!(ids(&script).len(), 2);
    assert!(sent.stop.unwrap().to_string().contains("aws_secret_access_key"));
}

#[test]
fn credentials_that_are_refused_as_expired_are_renewed_once() {
    let expired = || answer(403, "ExpiredTokenException", "{}");
    let run = |credentials: &[&str], answers: Vec<Answer>| {
        let (script, config) = (scripted(answers), config(credentials));
        let sender = self::sender(&script, &config, Duration::from_mins(50));
        let sent = script.clock.run(sender.send(batch(&["a"]), || true));
        let counts = (calls(&script, true).len(), sender.calls(), sender.retries());
        (counts, sent.accepted.len(), sent.stop.map(|stop| stop.to_string()))
    };
    let container = &["aws_container_credentials_relative_uri"];
    assert_eq!(run(container, vec![expired()]), ((2, 2, 1), 1, None));

    let (counts, accepted, stop) = run(container, vec![expired(), expired()]);
    assert_eq!((counts, accepted), ((2, 2, 1), 0));
    assert!(stop.unwrap().contains("ExpiredTokenException"));

    // Keys that do not change.
    let (counts, accepted, stop) = run(&KEYS, vec![expired()]);
    assert_eq!((counts, accepted), ((0, 1, 0), 0));
    assert!(stop.unwrap().contains("ExpiredTokenException"));
}

#[test]
fn a_failed_handshake_is_tried_once_more_and_leaves_no_doubt() {
    let failed = || Err(HttpError::Tls("no trust".to_owned()));
    let script = scripted([failed(), failed(), failed()]);
    within(&script, 3000, |sender| {
        let sent = script.clock.run(sender.send(batch(&["a"]), || true));
        assert_eq!((sender.calls(), sender.doubtful()), (2, 0));
        let stop = sent.stop.unwrap().to_string();
        assert!(stop.contains("ca_roots_file") && stop.contains("cloudtrail_endpoint"), "{stop}");
    });
}

#[test]
fn a_failed_handshake_takes_no_try_from_other_failures() {
    let failed = || Err(HttpError::Tls("broke off".to_owned()));
    let busy = || answer(503, "", "{}");
    let script = scripted([busy(), failed(), busy(), busy(), accepts(&["a"])]);
    within(&script, 3000, |sender| {
        let sent = script.clock.run(sender.send(batch(&["a"]), || true));
        assert_eq!((sent.accepted.len(), sender.calls()), (1, 5));
    });
}
