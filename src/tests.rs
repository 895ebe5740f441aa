//! `docs/errors.md` has every error that an operator can meet, in the words that the code has for it.
//!
//! Each row is made here by the code that tells the error. `KONG_CLOUDTRAIL_WRITE_ERRORS=1 cargo test --lib
//! errors` writes the tables anew. What a row is about (`when`) is written here.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderName;

use crate::aws::credentials::{
    Container, Credentials, Instance, Keeper, Source, Token, WebIdentity,
};
use crate::config::Config;
use crate::coverage::Sweep;
use crate::delivery::Failure;
use crate::destination::{Answer as Meaning, Batch, Item, Outcome, Protocol, Stop};
use crate::kong::{Access, Ask, Fetched, Flaw, Kong, KongError, LeftOut, Version};
use crate::lease::LeaseError;
use crate::ledger::{LedgerError, Lost};
use crate::log::{Level, Logger};
use crate::ports::{HttpError, KeyValueError};
use crate::run::messages;
use crate::seal::ValueFault;
use crate::store::fault;
use crate::terms::{Event, Secret, Stream, Window};
use crate::testing::{Answer, InMemory, answer};
use crate::variables::VARIABLES;
use crate::words::Told;

/// When it is told, and how.
type Row = (&'static str, Told);

const LATE: Duration = Duration::from_hours(1);

fn http_errors() -> Vec<(&'static str, HttpError)> {
    let why = |text: &str| text.to_owned();
    let all = vec![
        ("the host's name is unknown", HttpError::UnknownHost),
        ("nothing listens on the port", HttpError::ConnectionRefused),
        ("packets are dropped", HttpError::NoConnection),
        ("another network failure", HttpError::NotReached(why("there is no route to it"))),
        ("it hangs", HttpError::Timeout(why("no answer within 55 s"))),
        ("the connection breaks off", HttpError::Connection(why("in its answer"))),
        ("TLS: any failure of the handshake", HttpError::Tls(why("it broke off"))),
        ("no HTTP comes, or TLS 1.3 ends", HttpError::NoHttp(why("no HTTP came"))),
        ("Spin's allow list refuses it", HttpError::Denied),
        ("the request cannot be made", HttpError::Invalid(why("the host refuses its path"))),
        ("an answer over the limit", HttpError::TooLarge(crate::ports::Ends::default())),
    ];
    // A variant that is new needs a row.
    let number = |error: &HttpError| match error {
        HttpError::Denied => 0,
        HttpError::Invalid(_) => 1,
        HttpError::UnknownHost => 2,
        HttpError::ConnectionRefused => 3,
        HttpError::NoConnection => 4,
        HttpError::NotReached(_) => 5,
        HttpError::Connection(_) => 6,
        HttpError::Tls(_) => 7,
        HttpError::NoHttp(_) => 8,
        HttpError::Timeout(_) => 9,
        HttpError::TooLarge(_) => 10,
    };
    assert_eq!(all.iter().map(|(_, error)| number(error)).collect::<BTreeSet<_>>().len(), 11);
    all
}

/// What a Kong that answers so makes of a run's first call; of `GET /` or of a page.
fn kong(of_page: bool, answers: Answer) -> KongError {
    let access = Access {
        api: "https://kong-admin.internal:8444".to_owned(),
        path: String::new(),
        token: Some(Secret::new("a-token-of-kong")),
        token_header: HeaderName::from_static("kong-admin-token"),
        page_size: 1,
    };
    let port = InMemory::at(0, move |_| answers.clone());
    let client = Kong::new(Logger::new(&port, Level::Error), &access, LATE);
    if of_page {
        let window = Window::default();
        let stream = Stream::Requests;
        let ask = Ask { stream, window, offset: None, probe: window, closes_in: true };
        match port.clock.run(client.page(ask)) {
            Err(error) | Ok(Fetched::Fails(error)) => error,
            Ok(Fetched::Page(_)) => panic!("a page"),
        }
    } else {
        port.clock.run(client.about()).unwrap_err()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "an answer, as those that are lost are")]
fn with(status: u16, name: &'static str, value: &str, body: &str) -> Answer {
    let mut answer = answer(status, body);
    answer.headers_mut().insert(name, value.parse().unwrap());
    Ok(answer)
}

/// When Kong answers so: of a page or not, and what.
fn kong_answers() -> Vec<(&'static str, bool, Answer)> {
    let status = |status, message: &str| {
        Ok(answer(status, serde_json::json!({ "message": message }).to_string()))
    };
    let root = |root: &str| Ok(answer(200, root));
    let nginx = |why: &str| Ok(answer(400, format!("<html><title>400 {why}</title></html>")));
    let page = true;
    let data_plane = r#"{"version":"3.9.0.0","configuration":{"role":"data_plane"}}"#;
    let off = r#"{"version":"3.9.0.0","configuration":{"audit_log":false}}"#;
    vec![
        ("the token is wrong or missing", !page, status(401, "Invalid RBAC credentials")),
        (
            "the token's user lacks rights",
            page,
            status(403, "reader, you do not have permissions to read this resource"),
        ),
        (
            "the Enterprise licence has run out",
            !page,
            status(403, "Enterprise license missing or expired"),
        ),
        ("Kong wants HTTPS", !page, status(426, "Please use HTTPS protocol")),
        (
            "page_size is above Kong's maximum",
            page,
            status(400, "size must be an integer between 1 and 1000"),
        ),
        ("Kong does not know the offset", page, status(400, "invalid offset: bad base64 encoding")),
        ("Kong takes the times in no form", page, status(400, "before: expected a date-time")),
        ("no Admin API is there", !page, status(404, "Not found")),
        ("a proxy asks for a login", !page, Ok(answer(407, ""))),
        ("the rate limit is reached", !page, status(429, "API rate limit exceeded")),
        ("Kong or its database fails", page, status(500, "An unexpected error occurred")),
        ("Kong is away behind its proxy", !page, Ok(answer(503, "<html>"))),
        ("a status that Kong does not give", !page, Ok(answer(418, ""))),
        (
            "a login page or another address",
            !page,
            with(302, "location", "https://login.example/authorize?state=x", ""),
        ),
        (
            "the wait is longer than the run",
            !page,
            with(429, "retry-after", "7200", r#"{"message":"API rate limit exceeded"}"#),
        ),
        ("a proxy compresses answers", !page, with(200, "content-encoding", "gzip", "x")),
        ("an open-source Kong", !page, root(r#"{"version":"3.9.0"}"#)),
        ("audit_log is off", !page, root(off)),
        ("a data plane, or a node without database", !page, root(data_plane)),
        ("the audit paths are missing", page, status(404, "Not found")),
        ("no client certificate", !page, nginx("No required SSL certificate was sent")),
        ("a client certificate that is refused", !page, nginx("The SSL certificate error")),
        ("http:// to a port of TLS", !page, nginx("The plain HTTP request was sent to HTTPS port")),
        ("no JSON, such as a login page", !page, root("<html>")),
        ("a page without data", page, root("{}")),
    ]
}

/// What no answer by itself makes.
fn readings() -> [(&'static str, KongError); 2] {
    let fails = answer(500, r#"{"message":"An unexpected error occurred"}"#);
    [
        (
            "pages that lead on and bring nothing new",
            KongError::Circle {
                path: "/audit/requests".to_owned(),
                offset: "WyJhYmMiXQ".to_owned(),
            },
        ),
        (
            "rows of more than 100 seconds fail",
            KongError::ManyFail { places: 100, last: Box::new(kong(true, Ok(fails))) },
        ),
    ]
}

fn kong_rows() -> Vec<Row> {
    let mut answered = kong_answers();
    answered.extend(http_errors().into_iter().map(|(when, error)| (when, true, Err(error))));
    let answered = answered.into_iter();
    let answered = answered.map(|(when, of_page, answer)| (when, kong(of_page, answer)));
    let errors: Vec<_> = answered.chain(readings()).collect();
    let number = |error: &KongError| match error {
        KongError::Http(_) => 0,
        KongError::Status { .. } => 1,
        KongError::Redirected { .. } => 2,
        KongError::LongWait { .. } => 3,
        KongError::Encoded { .. } => 4,
        KongError::NotEnterprise { .. } => 5,
        KongError::AuditLogOff => 6,
        KongError::NoDatabase { .. } => 7,
        KongError::NoAuditLog { .. } => 8,
        KongError::ClientCertificate { .. } => 9,
        KongError::SpeaksTls => 10,
        KongError::Malformed { .. } => 11,
        // A run reads on without filters: it is a log line.
        KongError::FilterIgnored => 12,
        KongError::Circle { .. } => 13,
        KongError::ManyFail { .. } => 14,
    };
    assert_eq!(errors.iter().map(|(_, error)| number(error)).collect::<BTreeSet<_>>().len(), 14);
    let rows = errors.iter().map(|(when, error)| (*when, error.told()));
    rows.chain(row_rows()).collect()
}

/// What is said of a row that cannot be read.
fn row_rows() -> Vec<Row> {
    let stream = Stream::Requests;
    let row = |flaw| {
        let id = Some("0bAf1b0nfOZsMSEByhhgn8FHdra7DjRp".to_owned());
        LeftOut { id, ..LeftOut::unknown(flaw, None) }.told(stream)
    };
    vec![
        ("a row over 48 MiB", row(Flaw::TooLarge)),
        ("a row with a byte that is not UTF-8", row(Flaw::NotUtf8)),
        ("a row that is not JSON", row(Flaw::NotJson)),
        ("a row that is no entry", row(Flaw::NotAnEntry)),
    ]
}

fn store_rows() -> Vec<Row> {
    let unknown = KeyValueError("the words of the store".to_owned());
    fault::samples().chain([("anything else", fault::told(&unknown))]).collect()
}

fn ledger_rows() -> Vec<Row> {
    let key = || "kong-cloudtrail:default:{0}head".to_owned();
    let unreadable = |fault| LedgerError::Unreadable { key: key(), fault }.told();
    let target = LedgerError::OtherTarget {
        target: "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a".to_owned(),
        variables: "channel_arn and cloudtrail_endpoint",
    };
    let faults = [
        ("a newer version wrote it", ValueFault::NewerFormat),
        ("a version before 0.1 wrote it", ValueFault::OldFormat),
        ("damage, or a key is missing", ValueFault::Damaged),
        ("another ledger_key", ValueFault::OtherKey),
        ("written without a key", ValueFault::Unkeyed),
    ];
    let number = |fault: ValueFault| match fault {
        ValueFault::NewerFormat => 0,
        ValueFault::OldFormat => 1,
        ValueFault::Damaged => 2,
        ValueFault::OtherKey => 3,
        ValueFault::Unkeyed => 4,
    };
    assert_eq!(
        faults.map(|(_, fault)| number(fault)).into_iter().collect::<BTreeSet<_>>().len(),
        5
    );
    let lost = |name, what| LedgerError::Lost { key: key().replace("head", name), what }.told();
    let mut rows: Vec<Row> = faults.map(|(when, fault)| (when, unreadable(fault))).into();
    rows.extend([
        ("another channel or endpoint", target.told()),
        (
            "the lease is of another key",
            LeaseError::Foreign { key: key().replace("head", "lease") }.told(),
        ),
        ("the host stalled", LeaseError::Lost.told()),
        (
            "skipped: another run is under way (log line)",
            LeaseError::Held { until_ms: 1_795_348_800_000 }.told(),
        ),
        ("dead letters are lost", lost("dead-letters:7", Lost::Letters(None))),
        (
            "dead letters are damaged, or of another key",
            lost("dead-letters:7", Lost::Letters(Some(ValueFault::OtherKey))),
        ),
        (
            "dead letters are lost under a run",
            messages::lost_letters(&key().replace("head", "dead-letters:7")),
        ),
        ("the index of dead letters is lost", lost("dead-letters", Lost::Index(2))),
        (
            "an index that named none is lost",
            messages::lost_index(&key().replace("head", "dead-letters")),
        ),
        ("the record of interventions is lost", lost("interventions", Lost::Interventions(3))),
    ]);
    rows
}

fn config(set: &[(&str, &str)]) -> Result<Config, String> {
    let variable = |name: &str| {
        let given = set.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        Ok(given.map(str::to_owned).or(match name {
            "kong_admin_api" => Some("https://kong:8444".to_owned()),
            "channel_arn" => Some("arn:aws:cloudtrail:eu-west-1:123456789012:channel/a".to_owned()),
            "log_group_arn" => {
                Some("arn:aws:logs:eu-west-1:123456789012:log-group:kong".to_owned())
            }
            "bucket" => Some("kong-trail".to_owned()),
            "bucket_region" => Some("eu-west-1".to_owned()),
            "account_id" => Some("123456789012".to_owned()),
            _ => None,
        }))
    };
    Config::read(variable).map_err(|mistakes| mistakes.to_string())
}

fn destination_rows() -> Vec<Row> {
    let config = config(&[]).unwrap();
    let destination = config.destination.as_ref();
    let event = Event { id: "a".to_owned(), time: 0, data: String::new() };
    let batch = Batch::of(vec![Item::new(event, 0, 0)]);
    let stop = |status, code: &str, body: &str| {
        let mut response = answer(status, body);
        response.headers_mut().insert("x-amzn-errortype", code.parse().unwrap());
        match destination.answer(&batch, &response) {
            Meaning::Stop(stop) | Meaning::Signature(stop) | Meaning::Expired(stop) => stop,
            Meaning::Outcomes(outcomes) => match outcomes.into_iter().next() {
                Some(Outcome::Stop(stop)) => stop,
                other => panic!("{code}: {other:?}"),
            },
            other => panic!("{code}: {other:?}"),
        }
    };
    let event = |code: &str| {
        let failed =
            serde_json::json!({"failed": [{"id": "a", "errorCode": code}], "successful": []});
        stop(200, "", &failed.to_string())
    };
    let of = |code| stop(403, code, r#"{"message":"AWS's words"}"#);
    let mut rows: Vec<Row> = [
        ("wrong secret", of("InvalidSignatureException")),
        ("wrong secret, or the clock", of("SignatureDoesNotMatch").or_the_clock()),
        ("the clock is off", of("RequestExpired")),
        ("the clock is off", of("RequestTimeTooSkewed")),
        ("unknown access key", of("UnrecognizedClientException")),
        ("expired keys", of("ExpiredTokenException")),
        ("rights are missing", of("AccessDeniedException")),
        ("no such channel", of("ChannelNotFound")),
        ("the channel's own policy", of("ChannelInsufficientPermission")),
        ("a channel for something else", of("ChannelUnsupportedSchema")),
        ("no CloudTrail Lake there", of("UnsupportedOperationException")),
        ("the channel is of another account", event("InvalidRecipient")),
        ("event_source is not taken", event("InvalidEventSource")),
        ("the channel leads to no store", event("AccountNotSubscribed")),
        ("a proxy answers, or a new code", stop(403, "", "<html>")),
    ]
    .map(|(when, stop)| (when, stop.told()))
    .into();
    let remedy = destination.profile().flood;
    let (name, why) = (destination.profile().name, "InvalidData AWS's words".to_owned());
    rows.push(("all is refused", Failure::Flood { name, why, remedy }.told()));
    let told = |(when, error)| (when, Stop::unreachable(destination.profile(), error).told());
    rows.extend(http_errors().into_iter().map(told));
    rows
}

fn cloudwatch_rows() -> Vec<Row> {
    let config = config(&[("destination", "cloudwatch")]).unwrap();
    let logs = config.destination.as_ref();
    let stop = |of: &dyn Protocol, status, code: &str, body: &str| {
        let mut response = answer(status, body);
        response.headers_mut().insert("x-amzn-errortype", code.parse().unwrap());
        match of.answer(&Batch::default(), &response) {
            Meaning::Stop(stop) | Meaning::Signature(stop) | Meaning::Expired(stop) => stop.told(),
            other => panic!("{code}: {other:?}"),
        }
    };
    let of = |code, words: &str| stop(logs, 400, code, &format!(r#"{{"message":"{words}"}}"#));
    let sts = logs.gate().unwrap();
    let denied = "<Error><Code>AccessDenied</Code><Message>AWS's words</Message></Error>";
    let other = "<R><Account>210987654321</Account></R>";
    vec![
        (
            "no such log group",
            of("ResourceNotFoundException", "The specified log group does not exist."),
        ),
        (
            "no such log stream",
            of("ResourceNotFoundException", "The specified log stream does not exist."),
        ),
        ("rights are missing", of("AccessDeniedException", "AWS's words")),
        ("a proxy answers, or a new code", stop(logs, 403, "", "<html>")),
        ("credentials of another account", stop(sts, 200, "", other)),
        ("an endpoint's policy forbids to ask", stop(sts, 403, "", denied)),
    ]
}

fn s3_rows() -> Vec<Row> {
    let config = config(&[("destination", "s3")]).unwrap();
    let s3 = config.destination.as_ref();
    let of = |status, code: &str| {
        let body = format!("<Error><Code>{code}</Code><Message>AWS's words</Message></Error>");
        match s3.answer(&Batch::default(), &answer(status, body)) {
            Meaning::Stop(stop) => stop.told(),
            other => panic!("{code}: {other:?}"),
        }
    };
    vec![
        ("rights are missing, or the bucket is another account's", of(403, "AccessDenied")),
        ("no such bucket", of(404, "NoSuchBucket")),
        ("the bucket is in another region", of(400, "AuthorizationHeaderMalformed")),
        ("what the bucket demands was not sent", of(400, "InvalidRequest")),
        ("what answers is not S3", of(501, "NotImplemented")),
        ("the key of the bucket", of(400, "KMS.DisabledException")),
        ("a proxy takes no such body", of(413, "EntityTooLarge")),
        ("two names in a row are taken", Stop::taken(s3.profile()).told()),
        ("`check`: what it tries is there", of(412, "PreconditionFailed")),
        ("a proxy answers, or a new code", of(403, "")),
    ]
}

/// What a source of credentials says that is answered so.
fn credentials(source: &Source, answers: impl FnMut(&crate::ports::HttpRequest) -> Answer) -> Told {
    let port = InMemory::at(0, answers);
    port.files.borrow_mut().insert("/token".to_owned(), "token-of-the-pod-0123456789".to_owned());
    let keeper = Keeper::new(Logger::new(&port, Level::Error), source, LATE);
    port.clock.run(keeper.lend(0)).err().unwrap().told()
}

fn credential_rows() -> Vec<Row> {
    let container = |file: &str| {
        let token = Some(Token::File(file.to_owned()));
        Source::Container(Container {
            url: "http://169.254.170.23/v1/credentials".to_owned(),
            token,
        })
    };
    let identity = || {
        Source::WebIdentity(WebIdentity {
            endpoint: "https://sts.eu-west-1.amazonaws.com".to_owned(),
            role_arn: "arn:aws:iam::123456789012:role/a".to_owned(),
            session_name: "kong-cloudtrail".to_owned(),
            token_file: "/token".to_owned(),
        })
    };
    let instance = || Source::Instance(Instance { endpoint: "http://169.254.169.254".to_owned() });
    let sts = |code: &str| {
        let xml =
            format!("<E><Error><Code>{code}</Code><Message>AWS's words</Message></Error></E>");
        credentials(&identity(), move |_| Ok(answer(400, xml.clone())))
    };
    let says = |source, status, body: &'static str| {
        credentials(&source, move |_| Ok(answer(status, body)))
    };
    let no_role = |request: &crate::ports::HttpRequest| {
        Ok(if request.method() == http::Method::PUT { answer(200, "t") } else { answer(404, "") })
    };
    vec![
        ("ECS, EKS: the token file is missing", says(container("/absent"), 200, "")),
        (
            "ECS, EKS: refused",
            says(container("/token"), 401, r#"{"code":"AccessDenied","message":"AWS's words"}"#),
        ),
        ("ECS, EKS: no such path", says(container("/token"), 404, "")),
        ("ECS, EKS: not credentials", says(container("/token"), 200, "<html>")),
        (
            "ECS, EKS: out of reach",
            credentials(&container("/token"), |_| Err(HttpError::ConnectionRefused)),
        ),
        ("IRSA: the token has run out", sts("ExpiredTokenException")),
        ("IRSA: the token is not known", sts("InvalidIdentityToken")),
        ("IRSA: the role does not trust it", sts("AccessDenied")),
        ("IRSA: a wrong role", sts("ValidationError")),
        ("IRSA: STS is off in the region", sts("RegionDisabledException")),
        ("IRSA: AWS cannot reach the issuer", sts("IDPCommunicationError")),
        ("IRSA: STS is out of reach", credentials(&identity(), |_| Err(HttpError::NoConnection))),
        ("EC2: metadata is off", says(instance(), 403, "")),
        ("EC2: no role", credentials(&instance(), no_role)),
        (
            "EC2: in a container, or not on EC2",
            credentials(&instance(), |_| {
                Err(HttpError::Timeout("no answer within 2 s".to_owned()))
            }),
        ),
    ]
}

/// Variables that take whatever is set.
const TAKES_ALL: [&str; 2] = ["aws_container_authorization_token_file", "kong_admin_token_header"];

/// Variables that are wrong, alone or together.
fn wrong_settings() -> Vec<Vec<(&'static str, &'static str)>> {
    let id = ("aws_access_key_id", "AKIDEXAMPLE");
    let role = ("aws_role_arn", "arn:aws:iam::123456789012:role/a");
    let file = ("aws_web_identity_token_file", "/token");
    let before = vec![
        vec![("kong_admin_api", "")],
        vec![("kong_admin_api", "kong.internal")],
        vec![("kong_admin_api", "http://user:password@kong:8001")],
        vec![("kong_admin_api", "http://kong:8001")],
        vec![("allow_plaintext", "maybe")],
        vec![("kong_admin_path", "/a b")],
        vec![("kong_admin_token", "to\nken")],
        vec![("destination", "lake")],
        vec![("channel_arn", "")],
        vec![("channel_arn", "arn:aws:s3:::bucket")],
        vec![("ledger", "a b")],
        vec![("ledger_key", "short")],
        vec![("ledger_key_previous", "unkeyed")],
        vec![("external_id", "x")],
        vec![("audit_streams", "requests,logs")],
        vec![("event_source", &LONG)],
        vec![("cloudtrail_endpoint", "https://elsewhere.example")],
    ];
    let after = vec![
        vec![("allow_outbound", " ")],
        vec![("allow_outbound", "https://a.example/path")],
        vec![("use_fips_endpoint", "maybe")],
        vec![("use_dualstack_endpoint", "maybe")],
        vec![("aws_access_key_id", "")]
            .into_iter()
            .chain([("aws_secret_access_key", "s")])
            .collect(),
        vec![id],
        vec![id, ("aws_secret_access_key", "s"), ("aws_session_token", "to\nken")],
        vec![("aws_container_credentials_relative_uri", "v2")],
        vec![("aws_container_credentials_full_uri", "http://a.example/x")],
        vec![("aws_container_authorization_token", "token")],
        vec![role],
        vec![("aws_role_arn", "arn:x"), file],
        vec![("aws_role_session_name", "a b")],
        vec![role, file, ("aws_endpoint_url_sts", "sts.example")],
        vec![("aws_ec2_metadata_disabled", "true")],
        vec![("aws_ec2_metadata_service_endpoint", "http://10.0.0.1")],
        vec![("page_size", "1001")],
        vec![("max_in_flight", "0")],
        vec![("max_calls_per_sec", "0")],
        vec![("overlap_secs", "a day")],
        vec![("lookback_secs", "-1")],
        vec![("reconcile_secs", "1h")],
        vec![("full_secs", "1h")],
        vec![("run_budget_secs", "0")],
        vec![("lease_secs", "100000")],
        vec![("adopt_lambda_keys", "yes")],
        vec![("log_level", "all")],
        vec![("task", "ships")],
    ];
    [before, wrong_destinations(), after].concat()
}

/// Those of one destination.
fn wrong_destinations() -> Vec<Vec<(&'static str, &'static str)>> {
    let cloudwatch = ("destination", "cloudwatch");
    let s3 = ("destination", "s3");
    vec![
        vec![cloudwatch, ("log_group_arn", "")],
        vec![cloudwatch, ("log_group_arn", "arn:aws:s3:::bucket")],
        vec![cloudwatch, ("log_stream", "a:b")],
        vec![cloudwatch, ("aws_endpoint_url_cloudwatch_logs", "https://elsewhere.example")],
        vec![s3, ("bucket", "")],
        vec![s3, ("bucket", "Kong")],
        vec![s3, ("bucket_region", "Ireland")],
        vec![s3, ("bucket_prefix", "/a")],
        vec![s3, ("account_id", "12345")],
        vec![s3, ("aws_endpoint_url_s3", "https://elsewhere.example")],
    ]
}

fn setting_rows() -> Vec<(String, String)> {
    let cases = wrong_settings();
    let named: BTreeSet<&str> =
        cases.iter().flatten().map(|(name, _)| *name).chain(TAKES_ALL).collect();
    for variable in VARIABLES {
        assert!(named.contains(variable.name), "{} has no row", variable.name);
    }
    let rows = cases.iter().map(|case| {
        let mistakes = config(case).err().unwrap_or_else(|| panic!("{case:?} is taken"));
        assert!(!mistakes.contains("; and "), "{mistakes}");
        let wrong: Vec<_> = case.iter().map(|(name, _)| format!("`{name}`")).collect();
        (wrong.join(", "), mistakes.replace(LONG.as_str(), "…"))
    });
    rows.collect()
}

static LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "x".repeat(1025));

fn partial_rows() -> Vec<Row> {
    let version = Version::parse("2.8.1.1-enterprise-edition");
    let sweep = Sweep::new(1_795_348_800, version.as_str());
    let stream = Stream::Requests;
    vec![
        ("time is up", messages::out_of_time()),
        (
            "failed: `task` is `check` or `verify`, under the timer",
            messages::not_for_the_timer("check"),
        ),
        (
            "entries are left over",
            messages::pending(stream, 7, "CloudTrail answered 503 ServiceUnavailable"),
        ),
        (
            "entries cannot be read",
            messages::cannot_be_read(
                stream,
                1,
                "a row of requests of 2026-11-22T12:00:00Z cannot be read",
            ),
        ),
        (
            "entries became dead letters",
            messages::rejected("CloudTrail", stream, 2, "FieldTooLong AWS's words"),
        ),
        (
            "what cannot be read is a dead letter now",
            messages::unreadable(
                stream,
                1,
                "a row of requests of 2026-11-22T12:00:00Z cannot be read",
            ),
        ),
        ("rows behind one that cannot be read", messages::partly(stream)),
        ("an old Kong, many entries", messages::too_many(stream, &version, 1_200_000)),
        ("a comparison left entries behind", messages::left_behind_by(stream)),
        ("the first comparison goes on", messages::not_compared(Stream::Objects)),
        ("an old Kong, read over several runs", messages::spread(stream, &sweep)),
        ("S3: what a run that died was about to send has expired", messages::gone("S3", 7)),
        ("S3: it cannot be met together again", messages::renamed("S3", 7)),
    ]
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*").replace('<', "\\<")
}

fn table(head: &str, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let columns = head.matches('|').count() - 1;
    let mut table = format!("{head}\n|{}\n", " --- |".repeat(columns));
    for row in rows {
        let _ = writeln!(table, "| {} |", row.join(" | "));
    }
    table
}

fn told(rows: Vec<Row>) -> String {
    let rows = rows.into_iter().map(|(when, Told { cause, remedy })| {
        vec![cell(when), format!("`{}`", cause.replace('|', "\\|")), cell(&remedy)]
    });
    table("| when | what it says | what to do, as it says |", rows)
}

fn tables() -> Vec<(&'static str, String)> {
    let settings = setting_rows()
        .into_iter()
        .map(|(names, text)| vec![names, format!("`{}`", text.replace('|', "\\|"))]);
    vec![
        ("settings", table("| wrong | what it says |", settings)),
        ("kong", told(kong_rows())),
        ("store", told(store_rows())),
        ("ledger", told(ledger_rows())),
        ("destination", told(destination_rows())),
        ("cloudwatch", told(cloudwatch_rows())),
        ("s3", told(s3_rows())),
        ("credentials", told(credential_rows())),
        ("partial", told(partial_rows())),
    ]
}

#[test]
fn the_page_of_errors_has_the_words_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut written = page.clone();
    for (name, table) in tables() {
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
        let from =
            written.find(&begin).unwrap_or_else(|| panic!("{begin} is missing")) + begin.len();
        let to = from + written[from..].find(&end).unwrap_or_else(|| panic!("{end} is missing"));
        written.replace_range(from..to, &format!("\n{table}\n"));
    }
    if std::env::var_os("KONG_CLOUDTRAIL_WRITE_ERRORS").is_some() {
        std::fs::write(path, &written).unwrap();
        return;
    }
    for (there, here) in page.lines().zip(written.lines()) {
        assert_eq!(there, here, "docs/errors.md is not what the code says");
    }
    assert_eq!(page, written);
}

/// By rows, and not by sections: what the code says where three in the morning is.
#[test]
fn each_error_is_short_has_one_remedy_and_no_word_for_developers() {
    let sections = [
        kong_rows(),
        store_rows(),
        ledger_rows(),
        destination_rows(),
        cloudwatch_rows(),
        s3_rows(),
        credential_rows(),
        partial_rows(),
    ];
    for (when, Told { cause, remedy }) in sections.into_iter().flatten() {
        assert!(!cause.trim().is_empty() && !cause.ends_with([':', ';', ' ']), "{when}: {cause}");
        for text in [cause.as_str(), &remedy] {
            for word in ["ErrorCode", "Some(", "None)", "Err(", "{:?}", "  ", ": ;", ": :", "::"] {
                assert!(!text.contains(word), "{when}: {text}");
            }
        }
        let length = cause.chars().count() + remedy.chars().count();
        assert!(length < 700, "{when}: {length} characters");
        assert!(
            !remedy.is_empty()
                || cause.contains("pending")
                || cause.contains("holds the lease")
                || cause.contains("cannot be sent"),
            "{when}: {cause}"
        );
    }
}

/// In the ACL, the pages and Terraform.
#[test]
fn the_rights_in_redis_are_the_same_list_everywhere() {
    let remedy = fault::told(&KeyValueError("NOPERM".to_owned())).remedy;
    let rights = &remedy[remedy.find("+get").unwrap()..remedy.find(" on the keys").unwrap()];
    for file in ["docs/tls.md", "docs/operations.md", "terraform/redis.tf"] {
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let lists = text.matches("-@all +get +set").count();
        assert!(lists > 0 && text.matches(&format!("-@all {rights}")).count() == lists, "{file}");
    }
}

#[test]
fn static_keys_have_nothing_that_fails() {
    let keys = Source::Static(Credentials::default());
    let port = InMemory::at(0, |_| unreachable!("nobody is asked"));
    let keeper = Keeper::new(Logger::new(&port, Level::Error), &keys, LATE);
    assert!(port.clock.run(keeper.lend(0)).is_ok());
}
