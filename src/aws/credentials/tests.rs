//! Sources that answer by a script, in a time of its own.
#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::join;
use serde_json::json;

use super::*;
use crate::config::Config;
use crate::log::Logger;
use crate::ports::{FileError, HttpError, HttpLimits, HttpRequest, HttpResponse, Log};

const EPOCH_MS: i64 = 1_795_348_800_000;

type Answer = Result<HttpResponse, HttpError>;

#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Answer>>,
    requests: RefCell<Vec<HttpRequest>>,
    lines: RefCell<Vec<String>>,
    file: RefCell<Option<String>>,
    now: Cell<Duration>,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: RefCell::new(answers.into_iter().collect()), ..Self::default() }
    }

    fn pass(&self, seconds: u64) {
        self.now.set(self.now.get() + Duration::from_secs(seconds));
    }

    fn asked(&self) -> usize {
        self.requests.borrow().len()
    }
}

impl Http for Script {
    async fn send(&self, request: HttpRequest, _: HttpLimits) -> Answer {
        self.requests.borrow_mut().push(request);
        // Others get their turn meanwhile.
        let mut turn = false;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut turn, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.answers.borrow_mut().pop_front().expect("an answer")
    }
}

impl Clock for Script {
    fn now_ms(&self) -> i64 {
        EPOCH_MS + i64::try_from(self.now.get().as_millis()).unwrap()
    }
    fn elapsed(&self) -> Duration {
        self.now.get()
    }
    async fn sleep(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }
}

impl Random for Script {
    fn u64(&self) -> u64 {
        100
    }
}

impl Log for Script {
    fn line(&self, line: &str) {
        self.lines.borrow_mut().push(line.to_owned());
    }
}

impl Files for Script {
    fn read(&self, _: &str, _: usize) -> Result<String, FileError> {
        self.file.borrow().clone().ok_or(FileError::NotFound)
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..1000 {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(value) = Pin::as_mut(&mut future).poll(&mut context) {
            return value;
        }
    }
    panic!("waits for nothing");
}

#[expect(clippy::unnecessary_wraps, reason = "an answer of the script, as the lost ones are")]
fn answer(status: u16, body: &(impl ToString + ?Sized)) -> Answer {
    Ok(http::Response::builder().status(status).body(body.to_string().into_bytes()).unwrap())
}

/// Credentials that end so many seconds after the script's beginning.
fn issued(name: &str, ends: i64) -> Answer {
    let time = time::OffsetDateTime::from_unix_timestamp(EPOCH_MS / 1000 + ends).unwrap();
    let expiration = time.format(&time::format_description::well_known::Rfc3339).unwrap();
    answer(
        200,
        &json!({"AccessKeyId": name, "SecretAccessKey": "s", "Token": "t", "Expiration": expiration}),
    )
}

fn keeper<'a>(script: &'a Script, config: &'a Config, deadline: Duration) -> Keeper<'a, Script> {
    Keeper::new(Logger::new(script, config.log_level), &config.credentials, deadline)
}

fn config(changes: &[(&str, &str)]) -> Config {
    let base = [
        ("kong_admin_api", "http://kong:8001"),
        ("channel_arn", "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a"),
    ];
    let all: Vec<_> = base.iter().chain(changes).copied().collect();
    Config::read(|name| {
        Ok(all.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    })
    .unwrap()
}

fn container() -> Config {
    config(&[("aws_container_credentials_relative_uri", "/v2/credentials/0a1b")])
}

fn kept(script: &Script, work: impl FnOnce(&Keeper<'_, Script>)) {
    let config = container();
    work(&keeper(script, &config, Duration::from_mins(50)));
}

fn lent(keeper: &Keeper<'_, Script>) -> Result<String, String> {
    let lent = now(keeper.lend(0)).map_err(|error| error.to_string())?;
    Ok(lent.credentials.access_key_id.clone())
}

#[test]
fn credentials_are_renewed_when_five_minutes_are_left_and_not_before() {
    let script = Script::of([issued("one", 3600), issued("two", 7200)]);
    kept(&script, |keeper| {
        for _ in 0..3 {
            assert_eq!(lent(keeper).unwrap(), "one");
        }
        script.pass(3299);
        assert_eq!(lent(keeper).unwrap(), "one");
        script.pass(1);
        assert_eq!(lent(keeper).unwrap(), "two");
        assert_eq!(script.asked(), 2);
    });
    assert_eq!(
        script.requests.borrow()[0].uri(),
        "http://169.254.170.2/v2/credentials/0a1b",
        "the relative URI is ECS's"
    );
}

#[test]
fn callers_at_once_share_one_fetch_and_one_renewal() {
    let script = Script::of([issued("one", 3600), issued("two", 3600)]);
    kept(&script, |keeper| {
        let (a, b) = now(join(keeper.lend(0), keeper.lend(0)));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(script.asked(), 1);
        let (one, other) = now(join(keeper.renew(&a, 0), keeper.renew(&b, 0)));
        assert_eq!((one, other), (Ok(()), Ok(())));
        assert_eq!((lent(keeper).unwrap().as_str(), script.asked()), ("two", 2));
    });
}

#[test]
fn of_callers_at_once_whose_renewal_fails_one_asks() {
    let script = Script::of([issued("one", 3600), answer(404, "")]);
    kept(&script, |keeper| {
        let lent = [now(keeper.lend(0)).unwrap(), now(keeper.lend(0)).unwrap()];
        let (first, second) = now(join(keeper.renew(&lent[0], 0), keeper.renew(&lent[1], 0)));
        assert!(first.is_err() && second.is_err());
        assert_eq!(script.asked(), 2);
    });
}

#[test]
fn while_the_old_ones_last_a_failed_renewal_is_a_warning_and_the_source_is_left_alone_for_a_minute()
{
    let script = Script::of([issued("one", 3600), answer(404, ""), issued("two", 7200)]);
    kept(&script, |keeper| {
        lent(keeper).unwrap();
        script.pass(3400);
        for _ in 0..5 {
            assert_eq!(lent(keeper).unwrap(), "one");
        }
        assert_eq!((script.asked(), script.lines.borrow().len()), (2, 1));
        script.pass(61);
        assert_eq!(lent(keeper).unwrap(), "two");
    });
}

#[test]
fn when_the_old_ones_have_ended_a_failed_renewal_is_a_failure_that_is_asked_once() {
    let script = Script::of([issued("one", 3600), answer(404, "")]);
    kept(&script, |keeper| {
        lent(keeper).unwrap();
        script.pass(3601);
        for _ in 0..5 {
            assert!(lent(keeper).unwrap_err().contains("answered 404"));
        }
        assert_eq!(script.asked(), 2);
    });
}

#[test]
fn credentials_that_are_near_their_end_when_they_come_are_used_and_not_asked_for_again_at_once() {
    let script = Script::of([issued("one", -60), issued("two", 60), issued("three", 9000)]);
    kept(&script, |keeper| {
        for _ in 0..5 {
            assert_eq!(lent(keeper).unwrap(), "one", "AWS decides");
        }
        script.pass(60);
        assert_eq!(lent(keeper).unwrap(), "two");
        let refused = now(keeper.lend(0)).unwrap();
        now(keeper.renew(&refused, 0)).unwrap();
        assert_eq!(lent(keeper).unwrap(), "three", "refused, they are replaced at once");
    });
}

#[test]
fn expiry_is_judged_by_the_clock_of_aws() {
    let script = Script::of([issued("one", 3600), issued("two", 90_000)]);
    kept(&script, |keeper| {
        lent(keeper).unwrap();
        let hour = 3_600_000;
        assert_eq!(now(keeper.lend(-hour)).unwrap().credentials.access_key_id, "one");
        assert_eq!(now(keeper.lend(hour)).unwrap().credentials.access_key_id, "two");
    });
}

#[test]
fn what_cannot_pass_is_not_tried_again_and_what_may_is() {
    let lost = || Err(HttpError::Timeout("connect".to_owned()));
    for (answers, asked) in [
        (vec![answer(403, ""), issued("one", 3600)], 1),
        (vec![Err(HttpError::Denied), issued("one", 3600)], 1),
        (vec![answer(500, ""), lost(), issued("one", 3600)], 3),
        (vec![answer(200, "<html>"), answer(429, ""), issued("one", 3600)], 3),
        (vec![lost(), lost(), lost(), issued("one", 3600)], 3),
    ] {
        let script = Script::of(answers);
        kept(&script, |keeper| drop(lent(keeper)));
        assert_eq!(script.asked(), asked);
    }
}

#[test]
fn no_answer_is_taken_for_credentials_that_is_none_and_nothing_of_it_is_told() {
    for body in [
        r#"{"AccessKeyId":"hidden-id"}"#,
        r#"{"AccessKeyId":"hidden-id","SecretAccessKey":"hidden\nsecret"}"#,
        r#"{"AccessKeyId":"hidden-id","SecretAccessKey":7}"#,
        r#"{"AccessKeyId":"i","SecretAccessKey":"hidden","Expiration":"hidden"}"#,
        r#"{"SecretAccessKey":"hidden"#,
        "[\"hidden\"]",
        "\"hidden\"",
        "",
    ] {
        let script = Script::of((0..3).map(|_| answer(200, body)));
        kept(&script, |keeper| {
            let error = lent(keeper).unwrap_err();
            assert!(!error.contains("hidden") && error.contains("the answer of"), "{error}");
        });
    }
}

#[test]
fn an_error_document_is_told_but_not_what_holds_the_token_sent() {
    let token = "eks-token-that-nobody-may-see";
    for (message, told) in [
        ("the task is gone", "(NoSuchTask: the task is gone)"),
        (token, "(its words are not shown)"),
        (&format!("bad {}...", &token[..20]), "(its words are not shown)"),
    ] {
        let script = Script::of([answer(404, &json!({"code": "NoSuchTask", "message": message}))]);
        let config = config(&[
            ("aws_container_credentials_full_uri", "http://169.254.170.23/v1/credentials"),
            ("aws_container_authorization_token", token),
        ]);
        let error = lent(&keeper(&script, &config, Duration::MAX)).unwrap_err();
        assert!(error.contains(told), "{error}");
        assert_eq!(script.requests.borrow()[0].headers()["authorization"], token);
    }
}

fn web_identity() -> Config {
    config(&[
        ("aws_role_arn", "arn:aws:iam::123456789012:role/a/b+c"),
        ("aws_web_identity_token_file", "/token"),
    ])
}

#[test]
fn sts_is_asked_in_the_region_of_the_channel_by_a_form_without_a_signature() {
    let xml = "<R xmlns=\"x\"><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s/+=\
               </SecretAccessKey><Expiration>2026-11-24T00:00:00.123Z</Expiration>\
               <AccessKeyId>one</AccessKeyId></Credentials></R>";
    let script = Script::of([answer(200, xml)]);
    script.file.replace(Some("a.b-c\n".to_owned()));
    let config = web_identity();
    let keeper = keeper(&script, &config, Duration::MAX);
    let lent = now(keeper.lend(0)).unwrap();
    assert_eq!(lent.credentials.secret_access_key.expose(), "s/+=");
    let requests = script.requests.borrow();
    assert_eq!(requests[0].uri(), "https://sts.eu-west-1.amazonaws.com/");
    assert!(!requests[0].headers().contains_key("authorization"));
    assert_eq!(
        String::from_utf8_lossy(requests[0].body()),
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15\
         &RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa%2Fb%2Bc\
         &RoleSessionName=kong-cloudtrail&WebIdentityToken=a.b-c"
    );
}

#[test]
fn xml_that_is_cut_off_or_of_another_kind_holds_no_credentials() {
    for xml in [
        "",
        "<html>",
        "<AccessKeyId>one</AccessKeyId><SecretAccessKey>hid",
        "<AccessKeyId>one</AccessKeyId><SecretAccessKey>hid</AccessKeyId>",
        "<AccessKeyId>one</AccessKeyId><SecretAccessKey></SecretAccessKey>",
        "<AccessKeyId><AccessKeyId>one</AccessKeyId></AccessKeyId><SecretAccessKey>hid</SecretAccessKey>",
        "<AccessKeyId>one &amp; two</AccessKeyId><SecretAccessKey>hid</SecretAccessKey>",
    ] {
        let script = Script::of((0..3).map(|_| answer(200, xml)));
        script.file.replace(Some("token".to_owned()));
        let config = web_identity();
        let error = lent(&keeper(&script, &config, Duration::MAX)).unwrap_err();
        assert!(error.contains("STS") && !error.contains("hid"), "{error}");
    }
}

#[test]
fn an_sts_whose_certificate_is_not_trusted_leads_to_the_setting_for_authorities() {
    let script = Script::of((0..3).map(|_| Err(HttpError::Tls("no trust".to_owned()))));
    script.file.replace(Some("token".to_owned()));
    let config = web_identity();
    let error = lent(&keeper(&script, &config, Duration::MAX)).unwrap_err();
    assert!(error.contains("aws_endpoint_url_sts") && error.contains("ca_roots_file"), "{error}");
}

#[test]
fn a_token_file_that_is_no_token_is_named_and_not_sent() {
    for (text, told) in
        [(None, "is not there"), (Some(""), "holds no token"), (Some("a b"), "holds no token")]
    {
        let script = Script::default();
        script.file.replace(text.map(str::to_owned));
        let config = web_identity();
        let error = lent(&keeper(&script, &config, Duration::MAX)).unwrap_err();
        assert!(error.contains("aws_web_identity_token_file") && error.contains(told), "{error}");
        assert_eq!(script.asked(), 0);
    }
}

#[test]
fn instance_metadata_is_asked_for_a_token_a_role_and_its_credentials() {
    let role = answer(200, "my-role\n");
    let script = Script::of([answer(200, "session"), role, issued("one", 3600)]);
    let config = config(&[]);
    assert_eq!(lent(&keeper(&script, &config, Duration::MAX)).unwrap(), "one");
    let asked: Vec<_> = script
        .requests
        .borrow()
        .iter()
        .map(|request| (request.method().to_string(), request.uri().path().to_owned()))
        .collect();
    let roles = "/latest/meta-data/iam/security-credentials/";
    let expected = [
        ("PUT", "/latest/api/token".to_owned()),
        ("GET", roles.to_owned()),
        ("GET", format!("{roles}my-role")),
    ]
    .map(|(method, path)| (method.to_owned(), path));
    assert_eq!(asked, expected);
    assert_eq!(script.requests.borrow()[2].headers()["x-aws-ec2-metadata-token"], "session");
}
