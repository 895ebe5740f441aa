#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Check, Finding, Row, check};
use crate::ports::{HttpError, HttpResponse};
use crate::run::tests::world::{DAY, NOON, World};
use crate::testing::{Answer, Call, Fate, Planned, answer};

const TOKEN: &str = "the-token-of-kong";
const GROUP: &str = "arn:aws:logs:eu-west-1:123456789012:log-group:/kong/audit";

/// A world in which a run would work, and nothing is odd.
fn sound() -> World {
    let mut world = World::new();
    world.set("kong_admin_api", "https://kong:8444").set("kong_admin_token", TOKEN);
    let mut ends = world.ends.borrow_mut();
    ends.kong_clock = Some(0);
    ends.configuration["database"] = json!("postgres");
    ends.configuration["audit_log_ignore_paths"] = json!(["^/audit/requests"]);
    drop(ends);
    world
}

fn on_cloudwatch() -> World {
    let mut world = sound();
    world.variables.remove("channel_arn");
    world.set("destination", "cloudwatch").set("log_group_arn", GROUP);
    world
}

fn on_s3() -> World {
    let mut world = sound();
    world.ship_to_s3();
    world
}

/// What is found where the store fails as planned.
fn found_with(world: World, faults: Planned) -> Check {
    let World { mut ports, variables, .. } = world;
    ports.faults = faults;
    let before = ports.store.values.borrow().clone();
    let found = ports.clock.run(check(&ports, |name| Ok(variables.get(name).cloned())));
    assert_eq!(*ports.store.values.borrow(), before, "no change lasts");
    for secret in ["AKIDEXAMPLE", TOKEN] {
        assert!(!found.line().contains(secret), "{}", found.line());
    }
    found
}

fn found(world: World) -> Check {
    found_with(world, Planned::default())
}

fn row<'c>(found: &'c Check, name: &str) -> &'c Row {
    found.rows.iter().find(|row| row.name == name).unwrap()
}

/// Asserts that one row has that result and these words, and that all others are well or could not be tried.
fn assert_alone(found: &Check, name: &str, result: Finding, words: &str) {
    let told = row(found, name);
    println!("{name} | {} | {} | {:?}", word(told.result), told.found, told.remedy);
    assert_eq!(told.result, result, "{told:?}");
    let text = format!("{} {}", told.found, told.remedy.as_deref().unwrap_or_default());
    assert!(text.contains(words), "{told:?}");
    assert!(told.remedy.is_some() || name == "configuration" || result < Finding::Warn, "{told:?}");
    assert_eq!(found.outcome, result, "the worst");
    for other in found.rows.iter().filter(|row| row.name != name) {
        assert!(other.result <= Finding::Ok, "{other:?}");
    }
}

fn word(finding: Finding) -> String {
    serde_json::to_value(finding).unwrap().as_str().unwrap().to_owned()
}

/// An answer of AWS's JSON protocols.
fn refusal(code: &str) -> HttpResponse {
    let mut refused = answer(400, json!({"message": "AWS's words"}).to_string());
    refused.headers_mut().insert("x-amzn-errortype", code.parse().unwrap());
    refused
}

fn of_sts(code: &str) -> HttpResponse {
    answer(403, format!("<E><Error><Code>{code}</Code><Message>no</Message></Error></E>"))
}

fn of_kong(status: u16, said: &str) -> HttpResponse {
    answer(status, json!({ "message": said }).to_string())
}

#[test]
fn without_allow_plaintext_no_token_goes_out_in_the_clear() {
    let mut world = sound();
    world.set("kong_admin_api", "http://kong:8001").set("allow_plaintext", "false");
    let sent = found(world);
    assert_eq!(row(&sent, "configuration").result, Finding::Fail);
    assert_eq!((row(&sent, "kong-reach").result, sent.calls.kong), (Finding::Skipped, 0));
}

#[test]
fn a_store_that_makes_each_run_fail_is_no_good_store() {
    let world = sound();
    world.request("r", NOON - 60);
    world.ends.borrow_mut().codes.insert("r".to_owned(), "FieldTooLong");
    world.run();
    world.ports.store.values.borrow_mut().retain(|key, _| !key.contains("dead-letters:"));
    let read = &found(world);
    let told = row(read, "store-read");
    assert_eq!(told.result, Finding::Fail);
    assert!(told.found.contains("dead letters"), "{told:?}");
}

#[test]
fn where_nothing_is_wrong_all_rows_are_well_and_nothing_is_sent_that_counts() {
    for world in [sound(), on_cloudwatch(), on_s3()] {
        let ends = world.ends.clone();
        let found = found(world);
        for row in &found.rows {
            assert_eq!((row.result, &row.remedy), (Finding::Ok, &None), "{row:?}");
        }
        assert_eq!(found.outcome, Finding::Ok);
        assert_eq!(ends.borrow().accepted, Vec::<String>::new());
        let line: Value = serde_json::from_str(&found.line()).unwrap();
        assert_eq!(
            (&line["event"], &line["outcome"], &line["ledger"]),
            (&json!("check"), &json!("ok"), &json!("default"))
        );
        assert_eq!(line["calls"]["destination"], 1);
    }
}

#[test]
fn the_page_has_each_row_in_its_order() {
    let page = include_str!("../../docs/check-and-verify.md");
    let (_, table) = page.split_once("| row | what is tried |").unwrap();
    let told: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let found = found(sound());
    let names: Vec<&str> = found.rows.iter().map(|row| row.name).collect();
    assert_eq!(told[..names.len()], names);
}

/// What is wrong, the row that tells it, how, and in which words.
type Wrong = (fn(&mut World), &'static str, Finding, &'static str);

const WRONG: [Wrong; 22] = [
    (|world| _ = world.set("page_size", "0"), "configuration", Finding::Fail, "page_size"),
    (|world| _ = world.set("channel_arn", "arn"), "configuration", Finding::Fail, "channel_arn"),
    (|world| _ = world.set("ledger_key", "short"), "configuration", Finding::Fail, "ledger_key"),
    (
        |world| _ = world.set("task", "chek"),
        "configuration",
        Finding::Fail,
        "task \"chek\" must be",
    ),
    (|world| _ = world.set("log_group_arn", GROUP), "configuration", Finding::Warn, "no effect"),
    (
        |world| all_of_kong(world, &Err(HttpError::ConnectionRefused)),
        "kong-reach",
        Finding::Fail,
        "check the port in kong_admin_api",
    ),
    (
        |world| all_of_kong(world, &Err(HttpError::Tls("no trust".to_owned()))),
        "kong-reach",
        Finding::Fail,
        "ca_roots_file",
    ),
    (
        |world| all_of_kong(world, &Ok(answer(200, "<html>sign in</html>"))),
        "kong-reach",
        Finding::Fail,
        "is not Kong's Admin API",
    ),
    (
        |world| _ = world.set("kong_admin_api", "http://kong:8001").set("allow_plaintext", "true"),
        "kong-reach",
        Finding::Warn,
        "plain HTTP",
    ),
    (
        |world| world.ends.borrow_mut().version = "3.9.0",
        "kong-version",
        Finding::Fail,
        "is not Kong Gateway Enterprise",
    ),
    (
        |world| world.ends.borrow_mut().configuration["database"] = json!("off"),
        "kong-database",
        Finding::Fail,
        "database = off",
    ),
    (
        |world| world.ends.borrow_mut().configuration["audit_log"] = json!(false),
        "kong-audit-log",
        Finding::Fail,
        "set audit_log = on",
    ),
    (
        |world| pages(world, &Ok(of_kong(404, "Not found"))),
        "kong-audit-log",
        Finding::Fail,
        "Kong answered 404 on /audit/requests",
    ),
    (
        |world| pages(world, &Ok(of_kong(403, "Enterprise license missing or expired"))),
        "kong-licence",
        Finding::Fail,
        "install a valid licence",
    ),
    (
        |world| all_of_kong(world, &Ok(of_kong(401, "Invalid RBAC credentials"))),
        "kong-token",
        Finding::Fail,
        "kong_admin_token is missing or wrong",
    ),
    (
        |world| {
            let refused = of_kong(403, "reader, you do not have permissions to read this resource");
            world.ends.borrow_mut().kong_says.insert("/audit/objects", Ok(refused));
        },
        "kong-token",
        Finding::Fail,
        "on /audit/objects",
    ),
    (
        |world| {
            world
                .ends
                .borrow_mut()
                .kong_says
                .insert("/audit/objects", Ok(of_kong(500, "An error")));
        },
        "kong-pages",
        Finding::Fail,
        "migrations",
    ),
    (
        |world| world.ends.borrow_mut().version = "2.8.1.1-enterprise-edition",
        "kong-filters",
        Finding::Warn,
        "upgrade Kong to 3.7",
    ),
    (
        |world| {
            world.request("a", world.now() - DAY);
            world.ends.borrow_mut().filters_dropped = true;
        },
        "kong-filters",
        Finding::Warn,
        "no proxy drops the query",
    ),
    (
        |world| {
            world.ends.borrow_mut().configuration["audit_log_ignore_methods"] = json!(["GET"]);
        },
        "kong-ignore-settings",
        Finding::Warn,
        "audit_log_ignore_methods = GET",
    ),
    (
        |world| world.ends.borrow_mut().kong_clock = Some(-301),
        "kong-clock",
        Finding::Warn,
        "301 s behind",
    ),
    (|world| world.ends.borrow_mut().kong_clock = None, "kong-clock", Finding::Warn, "no Date"),
];

#[test]
fn each_single_thing_that_is_wrong_with_the_variables_or_with_kong_is_told_in_its_row_alone() {
    for (change, name, result, words) in WRONG {
        let mut world = sound();
        change(&mut world);
        assert_alone(&found(world), name, result, words);
    }
}

fn all_of_kong(world: &World, says: &Answer) {
    world.ends.borrow_mut().kong_says.insert("/", says.clone());
    pages(world, says);
}

fn pages(world: &World, says: &Answer) {
    let mut ends = world.ends.borrow_mut();
    for path in ["/audit/requests", "/audit/objects"] {
        ends.kong_says.insert(path, says.clone());
    }
}

#[test]
fn each_single_thing_that_is_wrong_with_the_store_is_told_in_its_row_alone() {
    use Finding::{Fail, Warn};
    let noperm = "NOPERM: this user has no permissions to run the command";
    let fails = |times, call, words| {
        let planned = Planned::default();
        planned.next(times, call, Fate::Fails(words, 0));
        planned
    };
    let overwrites = Planned::default();
    overwrites.overwrites.set(true);
    let ignored = Planned::default();
    ignored.next(1, Call::Swap, Fate::Ignored);
    let lost = Planned::default();
    lost.next(1, Call::SetMany(2), Fate::Ignored);
    for (faults, name, result, words) in [
        (
            fails(1, Call::Get, "Connection refused (os error 111)"),
            "store-read",
            Fail,
            "nothing listens",
        ),
        (fails(1, Call::SetMany(2), "READONLY"), "store-write", Fail, "lead to the primary"),
        (fails(1, Call::SetMany(2), noperm), "store-write", Fail, "+mset"),
        (lost, "store-write", Fail, "did not write the value"),
        (fails(2, Call::Delete, noperm), "store-write", Warn, "not deleted"),
        (fails(1, Call::Swap, noperm), "store-swap", Fail, "+watch"),
        (ignored, "store-swap", Fail, "did not write the value"),
        (overwrites, "store-swap", Fail, "+multi"),
    ] {
        let of_delete = words == "not deleted";
        let World { mut ports, variables, .. } = sound();
        ports.faults = faults;
        let found = ports.clock.run(check(&ports, |name| Ok(variables.get(name).cloned())));
        assert_alone(&found, name, result, words);
        assert_eq!(ports.store.values.borrow().is_empty(), !of_delete, "{words}");
    }
}

#[test]
fn a_ledger_that_a_run_would_refuse_is_told_with_the_remedy() {
    let damaged = |world: &World| {
        let mut values = world.ports.store.values.borrow_mut();
        let head = values.get_mut("kong-cloudtrail:default:{0}head").unwrap();
        *head.last_mut().unwrap() ^= 1;
    };
    let with_a_run = || {
        let world = sound();
        world.request("a", world.now() - DAY);
        world.run_ok();
        world.ends.borrow_mut().accepted.clear();
        world
    };
    let well = found(with_a_run());
    assert!(row(&well, "store-read").found.contains("generation"), "{:?}", well.rows);

    let world = with_a_run();
    damaged(&world);
    assert_alone(&found(world), "store-read", Finding::Fail, "{0}head");
    let mut world = with_a_run();
    world.set("channel_arn", "arn:aws:cloudtrail:eu-west-1:123456789012:channel/b");
    assert_alone(&found(world), "store-read", Finding::Fail, "set ledger to a new name");
    let mut world = with_a_run();
    world.set("ledger_key", "a-key-of-thirty-two-characters-00");
    assert_alone(&found(world), "store-read", Finding::Fail, "ledger_key");
}

/// What AWS answers, by host; the row that tells it, how, and in which words.
type OfAws = (&'static str, Answer, &'static str, Finding, &'static str);

fn of_cloudtrail() -> [OfAws; 10] {
    use Finding::{Fail, Warn};
    [
        (
            "cloudtrail-data.",
            Ok(refusal("ChannelNotFound")),
            "destination",
            Fail,
            "no such channel",
        ),
        (
            "cloudtrail-data.",
            Ok(refusal("ChannelInsufficientPermission")),
            "destination",
            Fail,
            "external_id must be",
        ),
        (
            "cloudtrail-data.",
            Ok(refusal("AccessDeniedException")),
            "destination",
            Fail,
            "cloudtrail-data:PutAuditEvents",
        ),
        (
            "cloudtrail-data.",
            Ok(refusal("ExpiredTokenException")),
            "destination",
            Fail,
            "aws_session_token",
        ),
        (
            "cloudtrail-data.",
            Ok(event("AccountNotSubscribed")),
            "destination",
            Fail,
            "event data store",
        ),
        (
            "cloudtrail-data.",
            Err(HttpError::Timeout("no answer".to_owned())),
            "destination",
            Fail,
            "interface endpoint",
        ),
        ("cloudtrail-data.", Err(HttpError::Denied), "destination", Fail, "allow_outbound"),
        ("cloudtrail-data.", Ok(taken()), "destination", Fail, "report it"),
        (
            "sts.",
            Ok(of_sts("InvalidClientTokenId")),
            "identity",
            Fail,
            "does not know these credentials",
        ),
        ("sts.", Err(HttpError::UnknownHost), "identity", Warn, "do not ask STS"),
    ]
}

fn of_cloudwatch() -> [OfAws; 5] {
    use Finding::Fail;
    let no_stream = r#"{"message":"The specified log stream does not exist."}"#;
    let mut no_stream = answer(400, no_stream);
    no_stream
        .headers_mut()
        .insert("x-amzn-errortype", "ResourceNotFoundException".parse().unwrap());
    [
        ("logs.", Ok(no_stream), "destination", Fail, "aws logs create-log-stream"),
        ("logs.", Ok(refusal("AccessDeniedException")), "destination", Fail, "logs:PutLogEvents"),
        ("logs.", Ok(answer(200, "{}")), "destination", Fail, "report it"),
        ("sts.", Err(HttpError::UnknownHost), "identity", Fail, "network path to STS"),
        ("sts.", Ok(of_sts("SignatureDoesNotMatch")), "identity", Fail, "clock"),
    ]
}

fn of_s3() -> [OfAws; 6] {
    use Finding::{Fail, Warn};
    let error = |status, code| {
        Ok(answer(status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>")))
    };
    let mut written = answer(200, "");
    written.headers_mut().insert("etag", "\"a\"".parse().unwrap());
    [
        ("trail.s3.", error(403, "AccessDenied"), "destination", Fail, "s3:PutObject"),
        ("trail.s3.", error(404, "NoSuchBucket"), "destination", Fail, "check bucket"),
        ("trail.s3.", error(412, "PreconditionFailed"), "destination", Fail, "nothing was tried"),
        ("trail.s3.", Ok(written), "destination", Fail, "report it"),
        ("trail.s3.", Err(HttpError::UnknownHost), "destination", Fail, "network path to S3"),
        ("sts.", Err(HttpError::UnknownHost), "identity", Warn, "do not ask STS"),
    ]
}

#[test]
fn each_single_thing_that_is_wrong_with_aws_is_told_in_its_row_alone() {
    for (host, says, name, result, words) in of_cloudtrail() {
        let world = sound();
        world.ends.borrow_mut().aws_says.insert(host, says);
        assert_alone(&found(world), name, result, words);
    }
    for (host, says, name, result, words) in of_cloudwatch() {
        let world = on_cloudwatch();
        world.ends.borrow_mut().aws_says.insert(host, says);
        assert_alone(&found(world), name, result, words);
    }
    for (host, says, name, result, words) in of_s3() {
        let world = on_s3();
        world.ends.borrow_mut().aws_says.insert(host, says);
        assert_alone(&found(world), name, result, words);
    }
}

/// CloudTrail refuses the event with that code.
fn event(code: &str) -> HttpResponse {
    let failed = json!([{"id": "kong-cloudtrail-check", "errorCode": code, "errorMessage": "m"}]);
    answer(200, json!({"failed": failed, "successful": []}).to_string())
}

/// CloudTrail takes the event.
fn taken() -> HttpResponse {
    let taken = json!([{"id": "kong-cloudtrail-check", "eventID": "e"}]);
    answer(200, json!({"failed": [], "successful": taken}).to_string())
}

#[test]
fn a_source_of_credentials_that_fails_is_told_and_what_needs_them_is_skipped() {
    let of_a_task = |says: HttpResponse| {
        let mut world = sound();
        world.variables.retain(|name, _| !name.starts_with("aws_"));
        world.set("aws_container_credentials_relative_uri", "/v2/credentials/a");
        world.ends.borrow_mut().aws_says.insert("169.254.170.2", Ok(says));
        world
    };
    let found_none = found(of_a_task(answer(404, "{}")));
    assert_alone(&found_none, "credentials", Finding::Fail, "aws_container_credentials");
    assert_eq!(row(&found_none, "destination").result, Finding::Skipped);
    let document = json!({"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "s", "Token": "t",
        "Expiration": "2026-11-22T13:00:00Z"});
    let found_some = found(of_a_task(answer(200, document.to_string())));
    assert!(row(&found_some, "credentials").found.contains("until 2026-11-22T13:00:00Z"));
    assert_eq!(found_some.outcome, Finding::Ok);
}

#[test]
fn credentials_of_another_account_are_refused_where_calls_name_none_and_told_where_they_do() {
    let world = on_cloudwatch();
    world.ends.borrow_mut().account = "210987654321";
    let sent = world.ends.clone();
    let found_other = found(world);
    assert_alone(&found_other, "identity", Finding::Fail, "210987654321");
    assert_eq!(row(&found_other, "destination").result, Finding::Skipped);
    assert_eq!(sent.borrow().accepted, Vec::<String>::new());

    let world = sound();
    world.ends.borrow_mut().account = "210987654321";
    let found_other = found(world);
    assert_eq!(found_other.outcome, Finding::Ok);
    assert!(row(&found_other, "identity").found.contains("resource policy"));
}

#[test]
fn what_does_not_need_the_failing_thing_is_tried_all_the_same() {
    let mut world = sound();
    world.set("channel_arn", "").set("page_size", "1000");
    let results: BTreeMap<&str, Finding> =
        found(world).rows.iter().map(|row| (row.name, row.result)).collect();
    assert_eq!(results["kong-token"], Finding::Ok);
    assert_eq!(results["store-swap"], Finding::Ok);
    assert_eq!(results["destination"], Finding::Skipped);

    let world = sound();
    let refused = of_kong(403, "reader, you do not have permissions to read this resource");
    world.ends.borrow_mut().kong_says.insert("/", Ok(refused));
    let found = found(world);
    assert_alone(&found, "kong-token", Finding::Fail, "on /");
    assert_eq!(row(&found, "kong-pages").result, Finding::Ok, "a token for the pages alone");
    assert_eq!(row(&found, "kong-version").result, Finding::Skipped);
}
