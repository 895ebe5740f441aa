//! Sources that answer by a script, in a time of its own.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use futures::future::join;
use serde_json::json;

use super::*;
use crate::config::Config;
use crate::log::Logger;
use crate::ports::HttpError;
use crate::testing::{self, Answer, InMemory};

const EPOCH_MS: i64 = 1_795_348_800_000;

type Script = InMemory<'static>;

fn scripted(answers: impl IntoIterator<Item = Answer>) -> Script {
    InMemory::answering(EPOCH_MS, answers)
}

fn calls(script: &Script) -> usize {
    script.sent.borrow().len()
}

fn pass(script: &Script, seconds: u64) {
    script.clock.advance(Duration::from_secs(seconds));
}

/// The token file has that text.
fn with_token(script: Script, text: &str) -> Script {
    script.files.borrow_mut().insert("/token".to_owned(), text.to_owned());
    script
}

#[expect(clippy::unnecessary_wraps, reason = "an answer of the script, as the lost ones are")]
fn answer(status: u16, body: &(impl ToString + ?Sized)) -> Answer {
    Ok(testing::answer(status, body.to_string()))
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
        ("kong_admin_api", "https://kong:8001"),
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

fn lent(script: &Script, keeper: &Keeper<'_, Script>) -> Result<String, String> {
    let lent = script.clock.run(keeper.lend(0)).map_err(|error| error.to_string())?;
    Ok(lent.credentials.access_key_id.clone())
}

#[test]
fn credentials_are_renewed_when_five_minutes_are_left_and_not_before() {
    let script = scripted([issued("one", 3600), issued("two", 7200)]);
    kept(&script, |keeper| {
        for _ in 0..3 {
            assert_eq!(lent(&script, keeper).unwrap(), "one");
        }
        pass(&script, 3299);
        assert_eq!(lent(&script, keeper).unwrap(), "one");
        pass(&script, 1);
        assert_eq!(lent(&script, keeper).unwrap(), "two");
        assert_eq!(calls(&script), 2);
    });
    assert_eq!(
        script.sent.borrow()[0].1.uri(),
        "http://169.254.170.2/v2/credentials/0a1b",
        "the relative URI is ECS's"
    );
}

#[test]
fn callers_at_once_share_one_fetch_and_one_renewal() {
    let script = scripted([issued("one", 3600), issued("two", 3600)]);
    kept(&script, |keeper| {
        let (a, b) = script.clock.run(join(keeper.lend(0), keeper.lend(0)));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(calls(&script), 1);
        let (one, other) = script.clock.run(join(keeper.renew(&a, 0), keeper.renew(&b, 0)));
        assert_eq!((one, other), (Ok(()), Ok(())));
        assert_eq!((lent(&script, keeper).unwrap().as_str(), calls(&script)), ("two", 2));
    });
}

#[test]
fn of_callers_at_once_whose_renewal_fails_one_asks() {
    let script = scripted([issued("one", 3600), answer(404, "")]);
    kept(&script, |keeper| {
        let lent =
            [script.clock.run(keeper.lend(0)).unwrap(), script.clock.run(keeper.lend(0)).unwrap()];
        let (first, second) =
            script.clock.run(join(keeper.renew(&lent[0], 0), keeper.renew(&lent[1], 0)));
        assert!(first.is_err() && second.is_err());
        assert_eq!(calls(&script), 2);
    });
}

#[test]
fn while_the_old_ones_last_a_failed_renewal_is_a_warning_and_the_source_is_left_alone_for_a_minute()
{
    let script = scripted([issued("one", 3600), answer(404, ""), issued("two", 7200)]);
    kept(&script, |keeper| {
        lent(&script, keeper).unwrap();
        pass(&script, 3400);
        for _ in 0..5 {
            assert_eq!(lent(&script, keeper).unwrap(), "one");
        }
        let lines = script.lines.borrow().clone();
        assert!(lines.len() == 1 && lines[0].contains("could not be renewed"), "{lines:?}");
        assert_eq!(calls(&script), 2);
        pass(&script, 61);
        assert_eq!(lent(&script, keeper).unwrap(), "two");
    });
}

#[test]
fn when_the_old_ones_have_ended_a_failed_renewal_is_a_failure_that_is_asked_once() {
    let script = scripted([issued("one", 3600), answer(404, "")]);
    kept(&script, |keeper| {
        lent(&script, keeper).unwrap();
        pass(&script, 3601);
        for _ in 0..5 {
            assert!(lent(&script, keeper).unwrap_err().contains("answered 404"));
        }
        assert_eq!(calls(&script), 2);
    });
}

#[test]
fn credentials_that_are_near_their_end_when_they_come_are_used_and_not_asked_for_again_at_once() {
    let script = scripted([issued("one", -60), issued("two", 60), issued("three", 9000)]);
    kept(&script, |keeper| {
        for _ in 0..5 {
            assert_eq!(lent(&script, keeper).unwrap(), "one", "AWS decides");
        }
        pass(&script, 60);
        assert_eq!(lent(&script, keeper).unwrap(), "two");
        let refused = script.clock.run(keeper.lend(0)).unwrap();
        script.clock.run(keeper.renew(&refused, 0)).unwrap();
        assert_eq!(lent(&script, keeper).unwrap(), "three", "refused, they are replaced at once");
    });
}

#[test]
fn expiry_is_judged_by_the_clock_of_aws() {
    let script = scripted([issued("one", 3600), issued("two", 90_000)]);
    kept(&script, |keeper| {
        lent(&script, keeper).unwrap();
        let hour = 3_600_000;
        assert_eq!(script.clock.run(keeper.lend(-hour)).unwrap().credentials.access_key_id, "one");
        assert_eq!(script.clock.run(keeper.lend(hour)).unwrap().credentials.access_key_id, "two");
    });
}

#[test]
fn what_cannot_pass_is_not_tried_again_and_what_may_is() {
    let lost = || Err(HttpError::Timeout("connect".to_owned()));
    let untrusted = || Err(HttpError::Tls("no trust".to_owned()));
    for (answers, asked) in [
        (vec![answer(403, ""), issued("one", 3600)], 1),
        (vec![Err(HttpError::Denied), issued("one", 3600)], 1),
        (vec![answer(500, ""), lost(), issued("one", 3600)], 3),
        (vec![answer(200, "<html>"), answer(429, ""), issued("one", 3600)], 3),
        (vec![lost(), lost(), lost(), issued("one", 3600)], 3),
        (vec![untrusted(), untrusted(), issued("one", 3600)], 2),
    ] {
        let script = scripted(answers);
        kept(&script, |keeper| drop(lent(&script, keeper)));
        assert_eq!(calls(&script), asked);
    }
}

#[test]
fn a_source_is_not_asked_again_at_once() {
    let script = scripted((0..3).map(|_| answer(500, "")));
    kept(&script, |keeper| drop(lent(&script, keeper)));
    assert!(script.times().is_sorted_by(|earlier, later| earlier < later), "{:?}", script.times());
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
        let script = scripted((0..3).map(|_| answer(200, body)));
        kept(&script, |keeper| {
            let error = lent(&script, keeper).unwrap_err();
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
        let script = scripted([answer(404, &json!({"code": "NoSuchTask", "message": message}))]);
        let config = config(&[
            ("aws_container_credentials_full_uri", "http://169.254.170.23/v1/credentials"),
            ("aws_container_authorization_token", token),
        ]);
        let error = lent(&script, &keeper(&script, &config, Duration::MAX)).unwrap_err();
        assert!(error.contains(told), "{error}");
        assert_eq!(script.sent.borrow()[0].1.headers()["authorization"], token);
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
    let script = with_token(scripted([answer(200, xml)]), "a.b-c\n");
    let config = web_identity();
    let keeper = keeper(&script, &config, Duration::MAX);
    let lent = script.clock.run(keeper.lend(0)).unwrap();
    assert_eq!(lent.credentials.secret_access_key.expose(), "s/+=");
    let request = &script.sent.borrow()[0].1;
    assert_eq!(request.uri(), "https://sts.eu-west-1.amazonaws.com/");
    assert!(!request.headers().contains_key("authorization"));
    assert_eq!(
        String::from_utf8_lossy(request.body()),
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
        let script = with_token(scripted((0..3).map(|_| answer(200, xml))), "token");
        let config = web_identity();
        let error = lent(&script, &keeper(&script, &config, Duration::MAX)).unwrap_err();
        assert!(error.contains("STS") && !error.contains("hid"), "{error}");
    }
}

#[test]
fn an_sts_whose_certificate_is_not_trusted_leads_to_the_setting_for_authorities() {
    let failed = || Err(HttpError::Tls("no trust".to_owned()));
    let script = with_token(scripted((0..3).map(|_| failed())), "token");
    let config = web_identity();
    let error = lent(&script, &keeper(&script, &config, Duration::MAX)).unwrap_err();
    assert!(error.contains("aws_endpoint_url_sts") && error.contains("ca_roots_file"), "{error}");
}

#[test]
fn a_token_file_that_is_no_token_is_named_and_not_sent() {
    for (text, told) in
        [(None, "is not there"), (Some(""), "holds no token"), (Some("a b"), "holds no token")]
    {
        let script = scripted([]);
        script.files.borrow_mut().extend(text.map(|text| ("/token".to_owned(), text.to_owned())));
        let config = web_identity();
        let error = lent(&script, &keeper(&script, &config, Duration::MAX)).unwrap_err();
        assert!(error.contains("aws_web_identity_token_file") && error.contains(told), "{error}");
        assert_eq!(calls(&script), 0);
    }
}

#[test]
fn instance_metadata_is_asked_for_a_token_a_role_and_its_credentials() {
    let role = answer(200, "my-role\n");
    let script = scripted([answer(200, "session"), role, issued("one", 3600)]);
    let config = config(&[]);
    assert_eq!(lent(&script, &keeper(&script, &config, Duration::MAX)).unwrap(), "one");
    let asked: Vec<_> = script
        .sent
        .borrow()
        .iter()
        .map(|(_, request)| (request.method().to_string(), request.uri().path().to_owned()))
        .collect();
    let roles = "/latest/meta-data/iam/security-credentials/";
    let expected = [
        ("PUT", "/latest/api/token".to_owned()),
        ("GET", roles.to_owned()),
        ("GET", format!("{roles}my-role")),
    ]
    .map(|(method, path)| (method.to_owned(), path));
    assert_eq!(asked, expected);
    assert_eq!(script.sent.borrow()[2].1.headers()["x-aws-ec2-metadata-token"], "session");
}
