//! Batches sent to a CloudTrail that answers by a script, in a time of its own.
#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::log::Logger;
use crate::ports::{
    Clock, FileError, Files, Http, HttpError, HttpLimits, HttpRequest, HttpResponse, Log, Random,
};

const NOW_MS: i64 = 784_111_777_000;
/// ECS gives its containers credentials there.
const CONTAINER: &str = "169.254.170.2";
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

type Answer = Result<HttpResponse, HttpError>;

struct Script {
    answers: RefCell<VecDeque<Answer>>,
    /// What was sent when: the ids of each call.
    calls: RefCell<Vec<(Duration, Vec<String>)>>,
    requests: RefCell<Vec<HttpRequest>>,
    /// How often the container's endpoint has given credentials.
    issued: Cell<u32>,
    now: Cell<Duration>,
    clock_behind_ms: i64,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: RefCell::new(answers.into_iter().collect()),
            calls: RefCell::default(),
            requests: RefCell::default(),
            issued: Cell::default(),
            now: Cell::default(),
            clock_behind_ms: 0,
        }
    }

    fn ids(&self) -> Vec<Vec<String>> {
        self.calls.borrow().iter().map(|(_, ids)| ids.clone()).collect()
    }

    fn times(&self) -> Vec<Duration> {
        self.calls.borrow().iter().map(|(at, _)| *at).collect()
    }
}

impl Http for Script {
    async fn send(&self, request: HttpRequest, limits: HttpLimits) -> Answer {
        if request.uri().host() == Some(CONTAINER) {
            self.issued.set(self.issued.get() + 1);
            let id = format!("ASIA{}", self.issued.get());
            let document = json!({"AccessKeyId": id, "SecretAccessKey": "s", "Token": "t"});
            return answer(200, "", &document.to_string());
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let events = body["auditEvents"].as_array().unwrap();
        let ids: Vec<_> =
            events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
        self.calls.borrow_mut().push((self.now.get(), ids.clone()));
        self.requests.borrow_mut().push(request);
        let answer = self.answers.borrow_mut().pop_front().unwrap_or_else(|| accepts(&ids))?;
        if answer.body().len() > limits.max_body {
            return Err(HttpError::TooLarge(crate::ports::Ends::default()));
        }
        Ok(answer)
    }
}

impl Clock for Script {
    fn now_ms(&self) -> i64 {
        NOW_MS - self.clock_behind_ms
    }
    fn elapsed(&self) -> Duration {
        self.now.get()
    }
    async fn sleep(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }
}

impl Files for Script {
    fn read(&self, _: &str, _: usize) -> Result<String, FileError> {
        Err(FileError::NotFound)
    }
}

impl Log for Script {
    fn line(&self, _: &str) {}
}

impl Random for Script {
    fn u64(&self) -> u64 {
        100
    }
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
            "kong_admin_api" => Some("http://kong:8001".to_owned()),
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
    Batch { items: ids.iter().enumerate().map(item).collect() }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
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
    within(script, 3000, |sender| now(sender.send(batch(ids), || true)))
}

fn accepted(sent: &Sent) -> Vec<&str> {
    sent.accepted.iter().map(|item| item.event.id.as_str()).collect()
}

fn undelivered(sent: &Sent) -> Vec<(&str, &Undelivered)> {
    sent.undelivered.iter().map(|(item, why)| (item.event.id.as_str(), why)).collect()
}

#[test]
fn a_call_names_channel_and_external_id_and_is_signed() {
    let script = Script::new([]);
    let sent = send(&script, &["a", "b"]);
    assert_eq!(accepted(&sent), ["a", "b"]);
    let requests = script.requests.borrow();
    assert_eq!(
        requests[0].uri(),
        "https://cloudtrail-data.eu-west-1.amazonaws.com/PutAuditEvents?channelArn=arn%3Aaws%3Acloudtrail%3A\
         eu-west-1%3A123456789012%3Achannel%2Fa&externalId=a%2Fb%3Dc"
    );
    let authorization = requests[0].headers()["authorization"].to_str().unwrap();
    assert!(authorization.contains("/eu-west-1/cloudtrail-data/aws4_request"), "{authorization}");
}

#[test]
fn only_the_events_that_may_pass_are_sent_again() {
    let mixed = json!({"successful": [{"id": "taken"}],
        "failed": [{"id": "later", "errorCode": "InternalFailure"}, {"id": "never", "errorCode": "InvalidData"}]});
    let script = Script::new([answer(200, "", &mixed.to_string())]);
    let sent = send(&script, &["taken", "later", "never", "unmentioned"]);
    assert_eq!(
        script.ids(),
        [vec!["taken", "later", "never", "unmentioned"], vec!["later", "unmentioned"]]
    );
    assert_eq!(accepted(&sent), ["taken", "later", "unmentioned"]);
    assert_eq!(undelivered(&sent), [("never", &Undelivered::Refused("InvalidData".to_owned()))]);
    assert_eq!(sent.stop, None);
}

#[test]
fn an_event_that_goes_on_failing_is_told_from_one_whose_calls_fail() {
    let script = Script::new((0..8).map(|_| fails("Throttling", &["a"])));
    let sent = send(&script, &["a"]);
    assert_eq!(script.calls.borrow().len(), 8, "as many tries as there are");
    assert_eq!(undelivered(&sent), [("a", &Undelivered::Failing("Throttling".to_owned()))]);
    assert_eq!(sent.stop, None, "others may fare better");

    let script = Script::new((0..8).map(|_| answer(503, "", "{}")));
    let sent = send(&script, &["a"]);
    assert!(matches!(undelivered(&sent)[..], [("a", Undelivered::Pending(_))]));
    assert_eq!(sent.stop, None);

    let script = Script::new((0..8).map(|_| lost()));
    let sent = send(&script, &["a"]);
    assert!(matches!(undelivered(&sent)[..], [("a", Undelivered::Pending(_))]));
    assert!(matches!(sent.stop, Some(Stop::Unreachable { .. })));
}

#[test]
fn a_batch_out_of_tries_stops_nothing_while_others_get_through() {
    let throttled = || answer(400, "ThrottlingException", "{}");
    let script = Script::new((0..7).map(|_| throttled()).chain([lost()]));
    let sent = send(&script, &["a"]);
    assert!(matches!(undelivered(&sent)[..], [("a", Undelivered::Pending(_))]));
    assert_eq!(sent.stop, None);
}

#[test]
fn a_batch_of_which_some_arrived_has_all_its_tries_again() {
    let script =
        Script::new((0..7).map(|_| lost()).chain([accepts(&["a"])]).chain((0..6).map(|_| lost())));
    let sent = send(&script, &["a", "b"]);
    assert_eq!(accepted(&sent), ["a", "b"]);
}

#[test]
fn no_try_begins_after_the_deadline() {
    let script = Script::new((0..8).map(|_| lost()));
    let sent = within(&script, 0, |sender| now(sender.send(batch(&["a"]), || true)));
    assert_eq!(script.calls.borrow().len(), 1);
    assert_eq!(sent.undelivered.len(), 1);
}

#[test]
fn a_run_is_out_of_time_from_its_deadline_on() {
    let script = Script::new([]);
    within(&script, 1, |sender| {
        let out_of_time = [0, 999, 1000, 1001].map(|ms| {
            script.now.set(Duration::from_millis(ms));
            sender.out_of_time()
        });
        assert_eq!(out_of_time, [false, false, true, true]);
    });
}

#[test]
fn without_the_lease_nothing_is_sent() {
    let script = Script::new([]);
    let sent = within(&script, 3000, |sender| now(sender.send(batch(&["a"]), || false)));
    assert_eq!((script.calls.borrow().len(), sent.undelivered.len()), (0, 1));
}

#[test]
fn calls_tries_and_events_of_unknown_fate_are_counted() {
    let script =
        Script::new([lost(), answer(400, "ThrottlingException", "{}"), fails("X", &["a"])]);
    within(&script, 3000, |sender| {
        let sent = now(sender.send(batch(&["a", "b"]), || true));
        assert_eq!(sent.accepted.len(), 2);
        assert_eq!((sender.calls(), sender.retries()), (4, 3));
        // Both of the lost call. That an answer did not mention one of them later is no news.
        assert_eq!(sender.doubtful(), 2);
    });
}

#[test]
fn events_that_cannot_have_arrived_are_of_no_unknown_fate() {
    for error in [
        HttpError::NotReached("refused".to_owned()),
        HttpError::Tls("bad certificate".to_owned()),
        HttpError::Denied,
    ] {
        let script = Script::new([Err(error)]);
        within(&script, 3000, |sender| {
            now(sender.send(batch(&["a"]), || true));
            assert_eq!(sender.doubtful(), 0);
        });
    }
}

#[test]
fn throttling_halves_what_may_be_under_way_and_success_raises_it_by_one() {
    let throttled = || answer(400, "ThrottlingException", "{}");
    let script = Script::new((0..3).map(|_| throttled()));
    within(&script, 3000, |sender| {
        assert_eq!(sender.concurrency(), 16);
        now(sender.send(batch(&["a"]), || true));
        assert_eq!(sender.concurrency(), 3, "16, 8, 4, 2, and one more");
        (0..20).for_each(|_| drop(now(sender.send(batch(&["a"]), || true))));
        assert_eq!(sender.concurrency(), 16);
        script.answers.borrow_mut().extend((0..6).map(|_| throttled()));
        now(sender.send(batch(&["a"]), || true));
        assert_eq!(sender.concurrency(), 2, "never less than one");
    });
}

#[test]
fn calls_keep_to_the_rate() {
    let script = Script::new([]);
    within(&script, 3000, |sender| {
        (0..4).for_each(|_| drop(now(sender.send(batch(&["a"]), || true))));
    });
    assert_eq!(script.times(), [0, 100, 200, 300].map(Duration::from_millis));
}

#[test]
fn a_call_too_large_goes_out_in_halves_and_a_single_event_is_refused() {
    let large = || answer(413, "", "{}");
    let script = Script::new([large(), large()]);
    let sent = send(&script, &["a", "b", "c", "d"]);
    assert_eq!(
        script.ids(),
        [vec!["a", "b", "c", "d"], vec!["a", "b"], vec!["a"], vec!["b"], vec!["c", "d"]]
    );
    assert_eq!(sent.accepted.len(), 4);

    let sent = send(&Script::new([large()]), &["a"]);
    assert!(matches!(undelivered(&sent)[..], [("a", Undelivered::Refused(_))]));
    assert_eq!(sent.stop, None);
}

#[test]
fn what_stops_the_run_leaves_the_rest_pending_and_unsent() {
    let script = Script::new([answer(413, "", "{}"), answer(403, "ChannelNotFound", "{}")]);
    let sent = send(&script, &["a", "b"]);
    assert_eq!(script.ids(), [vec!["a", "b"], vec!["a"]]);
    assert!(matches!(sent.stop, Some(Stop::Refused { .. })));
    assert!(sent.undelivered.iter().all(|(_, why)| matches!(why, Undelivered::Pending(_))));
    assert_eq!(sent.undelivered.len(), 2);

    let sent = send(&Script::new([fails("AccountNotSubscribed", &["a"])]), &["a", "b"]);
    assert!(matches!(sent.stop, Some(Stop::Refused { .. })));
    assert_eq!(sent.undelivered.len(), 2);
}

#[test]
fn a_clock_that_is_off_is_set_right_once() {
    let off = || answer(403, "InvalidSignatureException", "{}");
    let behind =
        |answers: Vec<Answer>| Script { clock_behind_ms: 3_600_000, ..Script::new(answers) };
    let script = behind(vec![off()]);
    within(&script, 3000, |sender| {
        let sent = now(sender.send(batch(&["a"]), || true));
        assert_eq!(accepted(&sent), ["a"]);
        assert_eq!((sender.calls(), sender.retries()), (2, 1));
    });
    let dates: Vec<_> = script
        .requests
        .borrow()
        .iter()
        .map(|request| request.headers()["x-amz-date"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(dates, ["19941106T074937Z", "19941106T084937Z"]);

    let script = behind(vec![off(), off()]);
    let sent = send(&script, &["a"]);
    assert_eq!(script.calls.borrow().len(), 2);
    assert!(sent.stop.unwrap().to_string().contains("aws_secret_access_key"));
}

#[test]
fn credentials_that_are_refused_as_expired_are_renewed_once() {
    let expired = || answer(403, "ExpiredTokenException", "{}");
    let run = |credentials: &[&str], answers: Vec<Answer>| {
        let (script, config) = (Script::new(answers), config(credentials));
        let sender = self::sender(&script, &config, Duration::from_mins(50));
        let sent = now(sender.send(batch(&["a"]), || true));
        let counts = (script.issued.get(), sender.calls(), sender.retries());
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
    let script = Script::new([failed(), failed(), failed()]);
    within(&script, 3000, |sender| {
        let sent = now(sender.send(batch(&["a"]), || true));
        assert_eq!((sender.calls(), sender.doubtful()), (2, 0));
        let stop = sent.stop.unwrap().to_string();
        assert!(stop.contains("ca_roots_file") && stop.contains("cloudtrail_endpoint"), "{stop}");
    });
}

#[test]
fn a_failed_handshake_takes_no_try_from_other_failures() {
    let failed = || Err(HttpError::Tls("broke off".to_owned()));
    let busy = || answer(503, "", "{}");
    let script = Script::new([busy(), failed(), busy(), busy(), accepts(&["a"])]);
    within(&script, 3000, |sender| {
        let sent = now(sender.send(batch(&["a"]), || true));
        assert_eq!((sent.accepted.len(), sender.calls()), (1, 5));
    });
}
