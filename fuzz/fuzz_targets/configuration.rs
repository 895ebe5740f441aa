//! The bytes are values of variables: each chunk begins with a letter for the variable, from `a`,
//! and goes on with its value. What no chunk names has a sound one. A value that is not UTF-8 is a
//! provider that fails.
//!
//! There is a report whatever the values are, and nothing printed or stored has a secret in it.

#![no_main]

use std::cell::RefCell;
use std::collections::BTreeMap;

use kong_cloudtrail::variables::VARIABLES;
use kong_cloudtrail_fuzz::audit::{self, Channel};
use kong_cloudtrail_fuzz::chunks;
use kong_cloudtrail_fuzz::kong::Kong;
use kong_cloudtrail_fuzz::world::{self, World};
use libfuzzer_sys::fuzz_target;

/// All of them. An input names one by its place, so new ones come last.
const NAMES: [&str; 50] = [
    "kong_admin_api",
    "kong_admin_path",
    "channel_arn",
    "ledger",
    "external_id",
    "audit_streams",
    "event_source",
    "cloudtrail_endpoint",
    "allow_outbound",
    "allow_plaintext",
    "page_size",
    "max_in_flight",
    "max_calls_per_sec",
    "overlap_secs",
    "lookback_secs",
    "reconcile_secs",
    "full_secs",
    "run_budget_secs",
    "lease_secs",
    "log_level",
    "kong_admin_token",
    "aws_session_token",
    "aws_access_key_id",
    "aws_secret_access_key",
    "adopt_lambda_keys",
    "aws_container_credentials_relative_uri",
    "aws_container_credentials_full_uri",
    "aws_container_authorization_token",
    "aws_container_authorization_token_file",
    "aws_role_arn",
    "aws_web_identity_token_file",
    "aws_role_session_name",
    "aws_endpoint_url_sts",
    "aws_ec2_metadata_disabled",
    "aws_ec2_metadata_service_endpoint",
    "use_fips_endpoint",
    "use_dualstack_endpoint",
    "kong_admin_token_header",
    "ledger_key",
    "ledger_key_previous",
    "destination",
    "log_group_arn",
    "log_stream",
    "aws_endpoint_url_cloudwatch_logs",
    "task",
    "bucket",
    "bucket_region",
    "bucket_prefix",
    "account_id",
    "aws_endpoint_url_s3",
];

/// What is no secret in the place of one.
const WORD: &str = "unkeyed";

/// Shorter ones are found in any text.
const SHORTEST: usize = 6;

fuzz_target!(|input: &[u8]| check(input));

type Variables<'i> = BTreeMap<&'i str, Result<&'i str, String>>;

fn check(input: &[u8]) {
    let mut variables: Variables<'_> =
        world::VARIABLES.iter().map(|(name, value)| (*name, Ok(*value))).collect();
    for chunk in chunks(input) {
        let Some((letter, value)) = chunk.split_first() else { continue };
        let name = NAMES[usize::from(letter.wrapping_sub(b'a')) % NAMES.len()];
        variables.insert(name, str::from_utf8(value).map_err(|error| error.to_string()));
    }
    let told = run(&variables);
    let secrets = VARIABLES
        .iter()
        .filter(|variable| variable.is_secret)
        .filter_map(|secret| Some((secret.name, *variables.get(secret.name)?.as_ref().ok()?)));
    let is_secret = |secret: &str| secret.len() >= SHORTEST && secret != WORD;
    for (name, secret) in secrets.filter(|(_, secret)| is_secret(secret.trim())) {
        let escaped = format!("{:?}", secret.trim());
        let leaks = |told: &str| {
            told.contains(secret.trim()) || told.contains(&escaped[1..escaped.len() - 1])
        };
        if leaks(&told) {
            // Innocent where a run with another secret says it too.
            let mut others = variables.clone();
            others.insert(name, Ok("AnotherSecretAltogether"));
            assert!(leaks(&run(&others)), "{name} {secret:?} is told: {told}");
        }
    }
}

/// All that a run prints and stores.
fn run(variables: &Variables<'_>) -> String {
    let kong = Kong::default();
    let channel = RefCell::new(Channel::default());
    let world = World::new(
        |request| kong.answer(request),
        |request| Ok(channel.borrow_mut().accept(audit::events(request))),
    );
    let report = world.run_with(|name| {
        variables.get(name).cloned().transpose().map(|value| value.map(str::to_owned))
    });
    let mut told = report.line();
    for line in world.lines.borrow().iter() {
        told += line;
    }
    for (key, value) in world.store.values.borrow().iter() {
        told += key;
        told += &String::from_utf8_lossy(value);
    }
    told
}
