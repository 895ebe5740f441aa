#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use super::{AllowEntry, Config, Origin, Source};
use crate::variables::VARIABLES;

const ARN: &str =
    "arn:aws:cloudtrail:eu-west-1:123456789012:channel/3f2a1b4c-5d6e-4f70-8a9b-0c1d2e3f4a5b";

fn read(changes: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let mut variables: HashMap<&str, &str> = HashMap::from([
        ("kong_admin_api", "https://kong.internal:8001"),
        ("channel_arn", ARN),
        ("aws_access_key_id", "AKIDEXAMPLE"),
        ("aws_secret_access_key", "hidden-secret"),
    ]);
    variables.extend(changes.iter().copied());
    Config::read(|name| Ok(variables.get(name).map(|value| (*value).to_owned()))).map_err(|m| m.0)
}

fn mistakes(changes: &[(&str, &str)]) -> Vec<String> {
    read(changes).unwrap_err()
}

#[test]
fn defaults_apply_where_nothing_is_set() {
    let config = read(&[("page_size", " ")]).unwrap();
    assert_eq!(config.kong.page_size, 1000);
    assert_eq!(config.streams.len(), 2);
    assert_eq!(
        config.destination.profile().endpoint,
        "https://cloudtrail-data.eu-west-1.amazonaws.com"
    );
    assert_eq!(config.destination.profile().place.account, "123456789012");
}

#[test]
fn plaintext_to_another_machine_is_refused_unless_it_is_allowed() {
    for api in ["http://kong:8001", "http://10.0.0.1:8001", "http://[fd00::1]:8001"] {
        let told = mistakes(&[("kong_admin_api", api)]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(api) && told[0].contains("allow_plaintext"), "{told:?}");
        let allowed = read(&[("kong_admin_api", api), ("allow_plaintext", "true")]);
        assert!(allowed.unwrap().allow_plaintext);
    }
    for api in ["http://127.0.0.1:8001", "http://[::1]:8001", "http://localhost", "https://kong"] {
        assert!(!read(&[("kong_admin_api", api)]).unwrap().allow_plaintext, "{api}");
    }
}

#[test]
fn what_is_read_is_what_is_declared() {
    let asked_for = RefCell::new(BTreeSet::new());
    let read = Config::read(|name| {
        asked_for.borrow_mut().insert(name.to_owned());
        // Without it, nobody would ask for the previous key.
        Ok((name == "ledger_key").then(|| "k".repeat(32)))
    });
    assert!(read.is_err(), "there is no Kong");
    let declared: BTreeSet<_> = VARIABLES.iter().map(|v| v.name.to_owned()).collect();
    assert_eq!(asked_for.into_inner(), declared);
}

#[test]
fn every_mistake_is_reported_at_once_and_names_its_variable() {
    let found = mistakes(&[
        ("kong_admin_api", "kong"),
        ("channel_arn", "arn:aws:s3:::bucket"),
        ("page_size", "0"),
        ("max_in_flight", "many"),
        ("audit_streams", "requests,logs"),
        ("external_id", "x"),
        ("ledger", "a b"),
        ("adopt_lambda_keys", "yes"),
        ("log_level", "loud"),
        ("aws_access_key_id", ""),
        ("allow_outbound", "https://host/path"),
    ]);
    for name in [
        "kong_admin_api",
        "channel_arn",
        "page_size",
        "max_in_flight",
        "audit_streams",
        "external_id",
        "ledger",
        "adopt_lambda_keys",
        "log_level",
        "aws_access_key_id",
        "allow_outbound",
    ] {
        assert!(found.iter().any(|text| text.starts_with(name)), "{name} is missing in {found:#?}");
    }
    assert_eq!(found.len(), 11, "{found:#?}");
}

#[test]
fn no_mistake_shows_a_secret() {
    let found = mistakes(&[
        ("kong_admin_api", "http://admin:hunter2@kong:8001"),
        ("kong_admin_token", "tok\nen"),
        ("page_size", "0"),
    ]);
    let all = found.join("\n");
    assert!(
        !all.contains("hunter2") && !all.contains("tok\nen") && !all.contains("hidden-secret"),
        "{all}"
    );
    assert!(
        !format!("{:?}", read(&[("kong_admin_token", "hunter2")]).unwrap()).contains("hunter2")
    );
}

#[test]
fn an_origin_is_what_spin_lets_stand_in_its_allow_list() {
    for good in
        ["https://kong:8001", "https://kong.internal", "https://10.0.0.1:8444", "http://[::1]:8001"]
    {
        assert_eq!(Origin::parse(good).unwrap().to_string(), good);
    }
    assert_eq!(Origin::parse("https://kong:8444/").unwrap().to_string(), "https://kong:8444");
    for bad in [
        "kong:8001",
        "ftp://kong",
        "http://",
        "https://kong:8001/admin",
        "http://kong:port",
        "http://kong:0",
        "http://u:p@kong",
        "http://*.kong",
        "http://[::1]",
        "http://1.2.3.999",
        "http://kong?x",
        "HTTP://kong",
        "http://a b",
        "http://ko\u{f6}nig",
        "http://10.0.0.0/8",
    ] {
        assert!(Origin::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_allow_entry_matches_as_in_spin() {
    let allows = |entry: &str, origin: &str| {
        AllowEntry::parse(entry).unwrap().allows(&Origin::parse(origin).unwrap())
    };
    assert!(allows("https://*.amazonaws.com", "https://cloudtrail-data.eu-west-1.amazonaws.com"));
    assert!(!allows("https://*.amazonaws.com", "https://amazonaws.com"));
    assert!(!allows("https://*.amazonaws.com", "http://a.amazonaws.com"));
    assert!(!allows("https://*.amazonaws.com", "https://a.amazonaws.com:8443"));
    assert!(allows("*://*:*", "http://127.0.0.1:9000"));
    assert!(allows("http://10.0.0.0/8:9000", "http://10.200.0.1:9000"));
    assert!(!allows("http://10.0.0.0/8:9000", "http://11.0.0.1:9000"));
    assert!(allows("http://localhost:9000..9010", "http://localhost:9009"));
    assert!(!allows("http://localhost:9000..9010", "http://localhost:9010"));
    for bad in ["*", "", "*://host", "https://a.*.b", "https://host:x", "https://host/path"] {
        assert!(AllowEntry::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_endpoint_that_spin_would_refuse_is_a_mistake() {
    let found = mistakes(&[("cloudtrail_endpoint", "http://127.0.0.1:9000")]);
    assert!(
        found[0].contains("allow_outbound") && found[0].contains("http://127.0.0.1:9000"),
        "{found:?}"
    );
    let both = [
        ("cloudtrail_endpoint", "http://127.0.0.1:9000"),
        ("allow_outbound", "http://127.0.0.1:9000"),
    ];
    assert_eq!(read(&both).unwrap().destination.profile().endpoint, "http://127.0.0.1:9000");
    assert!(
        read(&[(
            "cloudtrail_endpoint",
            "https://vpce-1.cloudtrail-data.eu-west-1.vpce.amazonaws.com"
        )])
        .is_ok()
    );
}

fn source(changes: &[(&str, &str)]) -> Source {
    let none = [("aws_access_key_id", ""), ("aws_secret_access_key", "")];
    read(&none.iter().chain(changes).copied().collect::<Vec<_>>()).unwrap().credentials
}

#[test]
fn a_containers_uri_is_taken_over_tls_or_from_this_machine_and_awss_addresses() {
    const FULL: &str = "aws_container_credentials_full_uri";
    for good in [
        "http://169.254.170.2/v3/x",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
        "http://127.0.0.1:4000/x?y=z",
        "http://localhost/x",
        "http://[::1]:1/x",
        "https://credentials.example/x",
    ] {
        let source = source(&[(FULL, good), ("allow_outbound", "*://*:*")]);
        assert!(matches!(source, Source::Container(container) if container.url == good));
    }
    let keys = [("aws_access_key_id", ""), ("aws_secret_access_key", "")];
    for bad in ["http://192.0.2.1/x", "http://credentials.example/x", "ftp://127.0.0.1/x", "/x"] {
        let set = [keys[0], keys[1], (FULL, bad), ("allow_outbound", "*://*:*")];
        let found = mistakes(&set);
        assert!(found.len() == 1 && found[0].starts_with(FULL), "{found:?}");
    }
    let found = mistakes(&[keys[0], keys[1], (FULL, "http://user:hunter2@127.0.0.1/x")]);
    assert!(!found.join("").contains("hunter2"), "{found:?}");
}

#[test]
fn endpoints_follow_the_partition_and_the_variant() {
    let fips = [("use_fips_endpoint", "TRUE"), ("use_dualstack_endpoint", "true")];
    let endpoint = read(&fips).unwrap().destination.profile().endpoint.clone();
    assert_eq!(endpoint, "https://cloudtrail-data-fips.eu-west-1.api.aws");
    assert!(mistakes(&[("use_fips_endpoint", "yes")])[0].contains("true or false"));

    let arn = "arn:aws-eusc:cloudtrail:eusc-de-east-1:123456789012:channel/a";
    let found = mistakes(&[("channel_arn", arn)]);
    assert!(found[0].contains("amazonaws.eu") && found[0].contains("allow_outbound"), "{found:?}");
    assert!(read(&[("channel_arn", arn), ("allow_outbound", "https://*.amazonaws.eu")]).is_ok());
}

#[test]
fn without_any_source_it_is_the_instances_unless_that_is_turned_off() {
    let Source::Instance(instance) = source(&[]) else { panic!("another source") };
    assert_eq!(instance.endpoint, "http://169.254.169.254");
    let off = [
        ("aws_access_key_id", ""),
        ("aws_secret_access_key", ""),
        ("aws_ec2_metadata_disabled", "true"),
    ];
    assert!(mistakes(&off)[0].contains("aws_ec2_metadata_disabled"));
    assert!(read(&[off[2]]).is_ok(), "with keys it is of no account");
}

const GROUP: &str = "arn:aws:logs:eu-west-1:123456789012:log-group:/kong/audit:*";

fn of_cloudwatch<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [("destination", "cloudwatch"), ("channel_arn", ""), ("log_group_arn", GROUP)];
    usual.iter().chain(changes).copied().collect()
}

#[test]
fn a_log_group_gives_endpoint_target_and_whom_to_ask_for_the_account() {
    let config = read(&of_cloudwatch(&[("log_stream", "trail")])).unwrap();
    let profile = config.destination.profile();
    assert_eq!(profile.endpoint, "https://logs.eu-west-1.amazonaws.com");
    assert_eq!(
        profile.target,
        "arn:aws:logs:eu-west-1:123456789012:log-group:/kong/audit:log-stream:trail"
    );
    let gate = config.destination.gate().unwrap().profile();
    assert_eq!(gate.endpoint, "https://sts.eu-west-1.amazonaws.com");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert!(read(&[]).unwrap().destination.gate().is_none(), "a channel names its account");

    let overridden = read(&of_cloudwatch(&[
        ("aws_endpoint_url_cloudwatch_logs", "http://127.0.0.1:1"),
        ("allow_outbound", "http://127.0.0.1:1"),
    ]));
    let target = overridden.unwrap().destination.profile().target.clone();
    assert!(target.ends_with("log-stream:kong-cloudtrail at http://127.0.0.1:1"), "{target}");
}

#[test]
fn mistakes_of_a_log_group_name_their_variable_once() {
    for (name, value) in [
        ("log_group_arn", ""),
        ("log_group_arn", ARN),
        ("log_stream", "a:b"),
        ("aws_endpoint_url_cloudwatch_logs", "http://127.0.0.1:1"),
        ("aws_endpoint_url_sts", "http://127.0.0.1:1"),
        ("destination", "lake"),
    ] {
        let identity = [
            ("aws_role_arn", "arn:aws:iam::123456789012:role/a"),
            ("aws_web_identity_token_file", "/token"),
        ];
        let set = of_cloudwatch(&[identity[0], identity[1], (name, value)]);
        let found = mistakes(&set);
        assert!(found.len() == 1 && found[0].starts_with(name), "{name} {value}: {found:?}");
    }
}

#[test]
fn what_is_set_for_another_destination_is_told() {
    let warnings = |set: &[(&str, &str)]| read(set).unwrap().warnings;
    assert_eq!(warnings(&[("log_stream", "kong-cloudtrail")]).len(), 0, "it is the default");
    let told = warnings(&[("log_group_arn", GROUP), ("log_stream", "trail")]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("log_group_arn") && told[0].contains("cloudwatch"), "{told:?}");
    let told = warnings(&of_cloudwatch(&[("channel_arn", ARN), ("external_id", "ab")]));
    assert!(told.len() == 2 && told[0].contains("destination = cloudtrail"), "{told:?}");
}
