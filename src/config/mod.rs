//! Variables to [`Config`]. Every mistake is found and reported at once, before any request is
//! made, Spin's own rules for `allowed_outbound_hosts` included: at run time Spin would refuse
//! every request for one bad entry, without telling the component why.

mod credentials;
mod outbound;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::HeaderName;

use crate::aws::Variant;
use crate::aws::credentials::Source;
use crate::cloudtrail::Channel;
use crate::kong::Stream;
use crate::log::Level;
use crate::seal::{Seal, Seals};

use outbound::{AllowEntry, Origin};

/// A value that must never be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that sends or signs with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// What one run goes by; each field is the variable of that name unless it says more.
#[derive(Clone, Debug)]
pub struct Config {
    /// `kong_admin_api`: scheme, host and port, without a trailing slash.
    pub kong_admin_api: String,
    /// Empty, or with a leading and without a trailing slash.
    pub kong_admin_path: String,
    /// Kong's token.
    pub kong_admin_token: Option<Secret>,
    /// The header that carries it: Kong's `rbac_auth_header`.
    pub kong_admin_token_header: HeaderName,
    /// `channel_arn`, with what is read from it.
    pub channel: Channel,
    /// Names the ledger in the store.
    pub ledger: String,
    /// `ledger_key`: what the ledger's values are authenticated with.
    pub seal: Seal,
    /// `ledger_key_previous`: what they were authenticated with before.
    pub previous_seal: Option<Seal>,
    /// `externalId` of the channel's resource policy.
    pub external_id: Option<String>,
    /// `audit_streams`, in the order in which they are shipped.
    pub streams: Vec<Stream>,
    /// `eventData.eventSource`.
    pub event_source: String,
    /// `cloudtrail_endpoint`, or the one derived from the channel ARN.
    pub cloudtrail_endpoint: String,
    /// What a ledger is bound to: the channel, with the endpoint where it is overridden.
    pub target: String,
    /// `cloudtrail_endpoint` or `aws_endpoint_url_sts` is set.
    pub endpoint_overridden: bool,
    /// The first source of AWS credentials that is configured.
    pub credentials: Source,
    /// Entries a page.
    pub page_size: u32,
    /// Most PutAuditEvents calls under way at once.
    pub max_in_flight: usize,
    /// Most PutAuditEvents calls a second.
    pub max_calls_per_sec: u32,
    /// Seconds behind the watermark that each run looks again.
    pub overlap_secs: i64,
    /// Seconds behind the watermark that a run looks again once in that span.
    pub lookback_secs: i64,
    /// Seconds between reconciles; 0 for none.
    pub reconcile_secs: i64,
    /// Seconds between readings of a Kong without time filters.
    pub full_secs: i64,
    /// `run_budget_secs`.
    pub run_budget: Duration,
    /// `lease_secs`.
    pub lease: Duration,
    /// Whether a key of Kong's Lambda counts as shipped.
    pub adopt_lambda_keys: bool,
    /// Least level of the log lines printed.
    pub log_level: Level,
}

/// What is wrong with the variables: one sentence a mistake, each naming the variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// The variables that take a whole number: name, default, allowed range.
const PAGE_SIZE: Number = Number("page_size", 1000, 1..=1000);
const MAX_IN_FLIGHT: Number = Number("max_in_flight", 16, 1..=100);
const MAX_CALLS_PER_SEC: Number = Number("max_calls_per_sec", 90, 1..=1_000_000);
const OVERLAP_SECS: Number = Number("overlap_secs", 120, 0..=YEAR);
const LOOKBACK_SECS: Number = Number("lookback_secs", 3600, 0..=YEAR);
const RECONCILE_SECS: Number = Number("reconcile_secs", 86_400, 0..=YEAR);
const FULL_SECS: Number = Number("full_secs", 3600, 0..=YEAR);
const RUN_BUDGET_SECS: Number = Number("run_budget_secs", 3000, 1..=YEAR);
const LEASE_SECS: Number = Number("lease_secs", 300, 1..=DAY);

/// Fewest characters of `ledger_key`.
const LEDGER_KEY_CHARS: usize = 32;

/// Seconds: no span here has a use beyond it.
const YEAR: u32 = 31_536_000;
const DAY: u32 = 86_400;

struct Number(&'static str, u32, RangeInclusive<u32>);

impl Config {
    /// Whether what goes to Kong can be read on its way.
    pub fn is_plaintext(&self) -> bool {
        Origin::parse(&self.kong_admin_api).is_ok_and(|origin| origin.is_plaintext())
    }

    /// Reads the variables through `variable`, which gives `None` for one that is not defined and
    /// an error when their provider fails. An empty value counts as not set.
    pub fn read(
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<Self, Mistakes> {
        Reader { variable, mistakes: Vec::new() }.read()
    }
}

/// The ledger's name and what its values are authenticated with, for a program that looks at the store
/// alone.
pub fn ledger(
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<(String, Seals), Mistakes> {
    let mut reader = Reader { variable, mistakes: Vec::new() };
    let name = reader.ledger();
    let seals = Seals::new(reader.seal(), reader.previous_seal());
    if reader.mistakes.is_empty() { Ok((name, seals)) } else { Err(Mistakes(reader.mistakes)) }
}

/// An address in a message, unless it holds a user and password.
fn shown(address: &str) -> String {
    if address.contains('@') { "(not shown)".to_owned() } else { format!("{address:?}") }
}

struct Reader<F> {
    variable: F,
    mistakes: Vec<String>,
}

impl<F: Fn(&str) -> Result<Option<String>, String>> Reader<F> {
    fn read(mut self) -> Result<Config, Mistakes> {
        let kong = self.kong_admin_api();
        let allow_outbound = self.allow_outbound();
        let channel = self.channel();
        let variant = self.variant();
        let streams = self.streams();
        let cloudtrail_endpoint =
            self.cloudtrail_endpoint(channel.as_ref(), variant, allow_outbound.as_ref());
        let config = Config {
            kong_admin_api: kong,
            kong_admin_path: self.kong_admin_path(),
            kong_admin_token: self.kong_admin_token(),
            kong_admin_token_header: self.kong_admin_token_header(),
            ledger: self.ledger(),
            seal: self.seal(),
            previous_seal: self.previous_seal(),
            external_id: self.external_id(),
            streams,
            event_source: self.event_source(),
            target: self.target(channel.as_ref(), &cloudtrail_endpoint),
            cloudtrail_endpoint,
            endpoint_overridden: ["cloudtrail_endpoint", "aws_endpoint_url_sts"]
                .into_iter()
                .any(|name| self.set(name).is_some()),
            credentials: self.credentials(channel.as_ref(), variant, allow_outbound.as_ref()),
            page_size: self.number(&PAGE_SIZE),
            max_in_flight: self.number(&MAX_IN_FLIGHT) as usize,
            max_calls_per_sec: self.number(&MAX_CALLS_PER_SEC),
            overlap_secs: self.number(&OVERLAP_SECS).into(),
            lookback_secs: self.number(&LOOKBACK_SECS).into(),
            reconcile_secs: self.number(&RECONCILE_SECS).into(),
            full_secs: self.number(&FULL_SECS).into(),
            run_budget: Duration::from_secs(self.number(&RUN_BUDGET_SECS).into()),
            lease: Duration::from_secs(self.number(&LEASE_SECS).into()),
            adopt_lambda_keys: self.switch("adopt_lambda_keys"),
            log_level: self.log_level(),
            channel: channel.unwrap_or_default(),
        };
        if self.mistakes.is_empty() { Ok(config) } else { Err(Mistakes(self.mistakes)) }
    }

    /// The trimmed value of a variable that is set and not empty.
    fn set(&mut self, name: &str) -> Option<String> {
        match (self.variable)(name) {
            Ok(value) => {
                let value = value?.trim().to_owned();
                (!value.is_empty()).then_some(value)
            }
            Err(why) => {
                self.mistake(format!("{name} cannot be had of Spin's variable provider: {why}"));
                None
            }
        }
    }

    fn mistake(&mut self, text: String) {
        self.mistakes.push(text);
    }

    fn kong_admin_api(&mut self) -> String {
        const EXAMPLE: &str = "for example https://kong-admin.internal:8444";
        let Some(value) = self.set("kong_admin_api") else {
            self.mistake(format!("kong_admin_api is not set: give Kong's Admin API, {EXAMPLE}"));
            return String::new();
        };
        if value.contains('@') {
            self.mistake(format!(
                "kong_admin_api must not hold a user or password (Spin refuses it as an allowed host): \
                 put Kong's token into kong_admin_token and give the address alone, {EXAMPLE}"
            ));
            return String::new();
        }
        match Origin::parse(&value) {
            Ok(origin) => origin.to_string(),
            Err(why) => {
                self.mistake(format!("kong_admin_api {value:?} {why}; {EXAMPLE}"));
                String::new()
            }
        }
    }

    fn kong_admin_path(&mut self) -> String {
        let Some(value) = self.set("kong_admin_path") else { return String::new() };
        let path = value.trim_matches('/');
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:@".contains(c);
        if !path.chars().all(allowed) {
            self.mistake(format!(
                "kong_admin_path {value:?} is not a URL path: it may hold no spaces, no query and no \
                 fragment; for example /kong/admin"
            ));
        }
        if path.is_empty() { String::new() } else { format!("/{path}") }
    }

    fn kong_admin_token(&mut self) -> Option<Secret> {
        let token = self.set("kong_admin_token")?;
        self.header_safe("kong_admin_token", Some(&token));
        Some(Secret::new(token))
    }

    fn kong_admin_token_header(&mut self) -> HeaderName {
        const DEFAULT: HeaderName = HeaderName::from_static("kong-admin-token");
        let Some(name) = self.set("kong_admin_token_header") else { return DEFAULT };
        name.parse().unwrap_or_else(|_| {
            self.mistake(format!(
                "kong_admin_token_header {name:?} cannot be the name of an HTTP header: give what rbac_auth_header says in \
                 kong.conf, or leave it out for Kong-Admin-Token"
            ));
            DEFAULT
        })
    }

    fn ledger_key(&mut self, name: &str) -> Option<Secret> {
        let key = self.set(name)?;
        if key.chars().count() < LEDGER_KEY_CHARS {
            self.mistake(format!(
                "{name} is shorter than {LEDGER_KEY_CHARS} characters (the value is not shown): make one with openssl rand \
                 -hex 32"
            ));
        }
        Some(Secret::new(key))
    }

    fn seal(&mut self) -> Seal {
        self.ledger_key("ledger_key").map_or(Seal::Unkeyed, Seal::Keyed)
    }

    fn previous_seal(&mut self) -> Option<Seal> {
        let previous = self.set("ledger_key_previous")?;
        if self.set("ledger_key").is_none() {
            self.mistake(
                "ledger_key_previous is set and ledger_key is not: set ledger_key, or leave both out".to_owned(),
            );
        }
        if previous == "unkeyed" {
            return Some(Seal::Unkeyed);
        }
        self.ledger_key("ledger_key_previous").map(Seal::Keyed)
    }

    /// What goes into a header must fit there.
    fn header_safe(&mut self, name: &str, value: Option<&str>) {
        if value.is_some_and(|value| !value.chars().all(|c| c.is_ascii_graphic())) {
            self.mistake(format!(
                "{name} holds characters that no HTTP header can carry (the value is not shown): check for line breaks \
                 and spaces"
            ));
        }
    }

    fn allow_outbound(&mut self) -> Option<AllowEntry> {
        if matches!((self.variable)("allow_outbound"), Ok(Some(value)) if value.trim().is_empty()) {
            self.mistake(
                "allow_outbound is empty, for which Spin refuses every request of the component: leave it out, or set \
                 it to https://*.amazonaws.com"
                    .to_owned(),
            );
            return None;
        }
        let value = self.set("allow_outbound")?;
        match AllowEntry::parse(&value) {
            Ok(entry) => Some(entry),
            Err(why) => {
                self.mistake(format!(
                    "allow_outbound {} {why}; for example https://vpce-0a1b.cloudtrail-data.eu-west-1.vpce.amazonaws.com",
                    shown(&value)
                ));
                None
            }
        }
    }

    fn channel(&mut self) -> Option<Channel> {
        const FORM: &str = "arn:aws:cloudtrail:<region>:<account>:channel/<uuid>";
        let Some(value) = self.set("channel_arn") else {
            self.mistake(format!(
                "channel_arn is not set: give the ARN of the CloudTrail Lake channel, {FORM}"
            ));
            return None;
        };
        let channel = Channel::parse(&value);
        if channel.is_none() {
            self.mistake(format!(
                "channel_arn {value:?} is not the ARN of a CloudTrail channel, {FORM}"
            ));
        }
        channel
    }

    fn ledger(&mut self) -> String {
        let name = self.set("ledger").unwrap_or_else(|| "default".to_owned());
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.len() > 64 || !name.chars().all(allowed) {
            self.mistake(format!(
                "ledger {name:?} must be 1 to 64 of the characters A-Z a-z 0-9 . _ -"
            ));
        }
        name
    }

    fn external_id(&mut self) -> Option<String> {
        let id = self.set("external_id")?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
        if !(2..=1224).contains(&id.len()) || !id.chars().all(allowed) {
            self.mistake(
                "external_id must be 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / -"
                    .to_owned(),
            );
        }
        Some(id)
    }

    fn streams(&mut self) -> Vec<Stream> {
        let Some(value) = self.set("audit_streams") else { return Stream::ALL.to_vec() };
        if value.split(',').all(|name| name.trim().is_empty()) {
            self.mistake(
                "audit_streams names no stream: it takes requests, objects or requests,objects"
                    .to_owned(),
            );
        }
        let named: Vec<&str> = value.split(',').map(str::trim).filter(|s| !s.is_empty()).collect();
        for name in &named {
            if Stream::ALL.iter().all(|stream| stream.name() != *name) {
                self.mistake(format!(
                    "audit_streams names the unknown stream {name:?}: it takes requests, objects or requests,objects"
                ));
            }
        }
        Stream::ALL.into_iter().filter(|stream| named.contains(&stream.name())).collect()
    }

    fn event_source(&mut self) -> String {
        let source = self.set("event_source").unwrap_or_else(|| "kong-gateway".to_owned());
        if source.chars().count() > 1024 {
            self.mistake("event_source is longer than CloudTrail's 1024 characters".to_owned());
        }
        source
    }

    /// The override; else what the ARN gives.
    fn cloudtrail_endpoint(
        &mut self,
        channel: Option<&Channel>,
        variant: Variant,
        allow_outbound: Option<&AllowEntry>,
    ) -> String {
        const EXAMPLE: &str = "for example https://cloudtrail-data.eu-west-1.amazonaws.com";
        let derived = channel.map(|channel| channel.endpoint(variant));
        self.endpoint("cloudtrail_endpoint", EXAMPLE, derived, allow_outbound)
    }

    fn target(&mut self, channel: Option<&Channel>, endpoint: &str) -> String {
        let arn = channel.map(|channel| channel.arn.clone()).unwrap_or_default();
        match self.set("cloudtrail_endpoint") {
            Some(_) => format!("{arn} at {endpoint}"),
            None => arn,
        }
    }

    /// The address in `name`, else the one derived. It must be reachable through the allow list.
    fn endpoint(
        &mut self,
        name: &str,
        example: &str,
        derived: Option<String>,
        allow_outbound: Option<&AllowEntry>,
    ) -> String {
        let set = self.set(name);
        let (shown_as, value) = match (&set, derived) {
            (Some(value), _) => (format!("{name} {}", shown(value)), value.clone()),
            (None, Some(derived)) => (format!("{derived}, which {name} would override,"), derived),
            (None, None) => return String::new(),
        };
        match Origin::parse(&value) {
            Ok(origin) => {
                self.check_reachable(&shown_as, &origin, allow_outbound);
                origin.to_string()
            }
            Err(why) => {
                self.mistake(format!("{shown_as} {why}; {example}"));
                String::new()
            }
        }
    }

    /// Spin refuses what its allow list does not have.
    fn check_reachable(
        &mut self,
        what: &str,
        origin: &Origin,
        allow_outbound: Option<&AllowEntry>,
    ) {
        if !outbound::aws().any(|entry| entry.allows(origin))
            && !allow_outbound.is_some_and(|entry| entry.allows(origin))
        {
            self.mistake(format!(
                "{what} is not among the addresses that Spin lets the component reach: set allow_outbound to {origin}, or \
                 to a domain that covers all that is needed, such as https://*.example.com"
            ));
        }
    }

    fn variant(&mut self) -> Variant {
        Variant {
            fips: self.switch("use_fips_endpoint"),
            dual_stack: self.switch("use_dualstack_endpoint"),
        }
    }

    /// A variable that is `true` or `false`, and false when it is not set.
    fn switch(&mut self, name: &str) -> bool {
        let Some(value) = self.set(name) else { return false };
        let is = |word: &str| value.eq_ignore_ascii_case(word);
        if !is("true") && !is("false") {
            self.mistake(format!("{name} {value:?} must be true or false (default false)"));
        }
        is("true")
    }

    fn number(&mut self, Number(name, default, range): &Number) -> u32 {
        let Some(value) = self.set(name) else { return *default };
        match value.parse::<u32>() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.mistake(format!(
                    "{name} {value:?} must be a whole number from {} to {} (default {default})",
                    range.start(),
                    range.end()
                ));
                *default
            }
        }
    }

    fn log_level(&mut self) -> Level {
        let Some(value) = self.set("log_level") else { return Level::Info };
        Level::parse(&value).unwrap_or_else(|| {
            self.mistake(format!("log_level {value:?} must be error, warn, info or debug"));
            Level::Info
        })
    }
}

#[cfg(test)]
mod tests;
