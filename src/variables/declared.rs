//! All variables that somebody can set. They are declared here and nowhere else.
//!
//! The defaults are read from here. The manifests, the table of docs/configuration.md, `.env.example`, the lists of
//! Terraform and Kubernetes and that of the fuzz target are held to it by `tests/variables.rs`.

/// A variable of the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name, as the manifests have it.
    pub name: &'static str,
    /// Its value when nobody sets it; where that is empty, it is not set. None where Spin must refuse to
    /// start without a value.
    pub default: Option<&'static str>,
    /// Whether its value may never be printed or stored.
    pub is_secret: bool,
    /// What it is for, in a line.
    pub meaning: &'static str,
}

/// All of them, in the order of the manifests.
pub const VARIABLES: [Variable; 50] = [
    required("kong_admin_api", "Origin of the Admin API: scheme, host and port, no path"),
    optional("kong_admin_path", "Path prefix, when the Admin API sits behind one"),
    secret("kong_admin_token", "Kong's token"),
    variable(
        "kong_admin_token_header",
        "Kong-Admin-Token",
        "The header that carries it: Kong's rbac_auth_header",
    ),
    variable(
        "allow_plaintext",
        "false",
        "true: take an http:// address of Kong on another machine, and in the image Redis' password over redis://",
    ),
    variable("destination", "cloudtrail", "Where events go: cloudtrail, cloudwatch or s3"),
    optional("channel_arn", "The CloudTrail channel; region, account and partition come from it"),
    optional(
        "log_group_arn",
        "The log group of CloudWatch Logs; region, account and partition come from it",
    ),
    variable("log_stream", "kong-cloudtrail", "The log stream in it"),
    optional("bucket", "The bucket of S3"),
    optional("bucket_region", "Its region"),
    variable("bucket_prefix", "kong-audit", "What the names of its objects begin with"),
    optional("account_id", "The account that must own the bucket, and is named in the events"),
    variable(
        "ledger",
        "default",
        "Names the ledger in the store, so that several deployments share one Redis",
    ),
    secret("ledger_key", "Authenticates what the store holds; at least 32 characters"),
    secret("ledger_key_previous", "While the key is changed: the one before, or the word unkeyed"),
    optional("external_id", "externalId of the channel's resource policy"),
    variable("audit_streams", "requests,objects", "Which streams to ship"),
    variable("event_source", "kong-gateway", "eventSource of every event"),
    optional(
        "cloudtrail_endpoint",
        "Overrides the endpoint derived from channel_arn; set allow_outbound with it",
    ),
    optional(
        "aws_endpoint_url_cloudwatch_logs",
        "Overrides the endpoint derived from log_group_arn; set allow_outbound with it",
    ),
    optional(
        "aws_endpoint_url_s3",
        "Overrides the endpoint derived from bucket_region; set allow_outbound with it",
    ),
    variable(
        "allow_outbound",
        "https://*.amazonaws.com",
        "One more origin that the component may reach",
    ),
    secret("aws_access_key_id", "Static credentials"),
    secret("aws_secret_access_key", "Static credentials"),
    secret("aws_session_token", "Static credentials"),
    optional(
        "aws_container_credentials_relative_uri",
        "Path of ECS's credentials endpoint: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI of the task",
    ),
    optional(
        "aws_container_credentials_full_uri",
        "URL of the container's credentials endpoint: AWS_CONTAINER_CREDENTIALS_FULL_URI of the pod or task",
    ),
    secret(
        "aws_container_authorization_token",
        "Sent to the container's credentials endpoint as Authorization",
    ),
    optional(
        "aws_container_authorization_token_file",
        "Mounted file with that token, which is preferred",
    ),
    optional("aws_role_arn", "Role to assume with a web identity token"),
    optional("aws_web_identity_token_file", "Mounted file with the web identity token"),
    variable("aws_role_session_name", "kong-cloudtrail", "Session name of that role"),
    optional(
        "aws_endpoint_url_sts",
        "Overrides the STS endpoint of the destination's region; set allow_outbound with it",
    ),
    variable(
        "aws_ec2_metadata_disabled",
        "false",
        "true: do not ask EC2's instance metadata for credentials",
    ),
    optional(
        "aws_ec2_metadata_service_endpoint",
        "Overrides http://169.254.169.254; set allow_outbound with it",
    ),
    variable("use_fips_endpoint", "false", "true: the FIPS endpoints of the destination and STS"),
    variable(
        "use_dualstack_endpoint",
        "false",
        "true: the endpoints of the destination and STS that IPv6 reaches too",
    ),
    variable("page_size", "1000", "Kong page size, 1 to 1000"),
    variable(
        "max_in_flight",
        "16",
        "Upper bound of concurrent calls to the destination; for S3 at most 4",
    ),
    variable(
        "max_calls_per_sec",
        "90",
        "Upper bound of calls to the destination a second; CloudTrail allows 100 to an account and region",
    ),
    variable("overlap_secs", "120", "How far behind the watermark each run looks again"),
    variable(
        "lookback_secs",
        "3600",
        "How often, and then how far, a run looks back beyond the overlap",
    ),
    variable(
        "reconcile_secs",
        "86400",
        "How often all that Kong retains is compared with the ledger; 0 turns it off",
    ),
    variable("full_secs", "3600", "On a Kong without time filters, how often all of it is read"),
    variable(
        "run_budget_secs",
        "3000",
        "A run stops at a clean point after this long and the next one goes on",
    ),
    variable("lease_secs", "300", "How long a host that died keeps others waiting"),
    variable(
        "adopt_lambda_keys",
        "false",
        "While moving from Kong's Lambda: its Redis keys count as shipped, also for what it failed to publish",
    ),
    variable("log_level", "info", "error, warn, info or debug"),
    variable("task", "ship", "What a single run does: ship, check or verify"),
];

/// What the status page takes beside the ledger's name and keys.
pub const STATUS_VARIABLES: [Variable; 1] =
    [variable("stale_after_secs", "900", "After how long without success /healthz fails")];

/// The values of `.env.example` that nobody can use.
pub const PLACEHOLDERS: [(&str, &str); 3] = [
    ("kong_admin_api", "https://kong-admin.example.internal:8444"),
    (
        "channel_arn",
        "arn:aws:cloudtrail:us-east-1:123456789012:channel/00000000-0000-0000-0000-000000000000",
    ),
    ("log_group_arn", "arn:aws:logs:us-east-1:123456789012:log-group:/kong/audit"),
];

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default: Some(default), is_secret: false, meaning }
}

const fn optional(name: &'static str, meaning: &'static str) -> Variable {
    variable(name, "", meaning)
}

const fn secret(name: &'static str, meaning: &'static str) -> Variable {
    Variable { is_secret: true, ..optional(name, meaning) }
}

const fn required(name: &'static str, meaning: &'static str) -> Variable {
    Variable { default: None, ..optional(name, meaning) }
}

/// The default of the variable `name`; empty where it has none.
pub fn default(name: &str) -> &'static str {
    let mut all = VARIABLES.iter().chain(&STATUS_VARIABLES);
    let variable = all.find(|variable| variable.name == name);
    variable.and_then(|variable| variable.default).unwrap_or_default()
}
