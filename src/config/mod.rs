//! Makes a [`Config`] of the variables. All mistakes are reported at once, before any request is made.
//!
//! Addresses are checked by Spin's own rules for `allowed_outbound_hosts`. At run time Spin would refuse
//! every request for one bad entry, without telling the component why.

mod credentials;
mod task;

pub use task::{Task, task};

use std::rc::Rc;
use std::time::Duration;

use http::HeaderName;

use crate::aws::Variant;
use crate::aws::credentials::Source;
use crate::coverage::Spans;
use crate::destination::{self, Pace, Protocol};
use crate::kong::Access;
use crate::log::Level;
use crate::seal::{Seal, Seals};
use crate::terms::{Secret, Stream};
use crate::variables::{AllowEntry, Mistakes, Number, Origin, Reader, shown};

/// What one run goes by; each field is the variable of that name unless it says more.
#[derive(Clone, Debug)]
pub struct Config {
    /// The variables that begin with `kong_admin_`, and `page_size`.
    pub kong: Access,
    /// Where events go.
    pub destination: Rc<dyn Protocol>,
    /// Names the ledger in the store.
    pub ledger: String,
    /// `ledger_key`: what the ledger's values are authenticated with.
    pub seal: Seal,
    /// `ledger_key_previous`: what they were authenticated with before.
    pub previous_seal: Option<Seal>,
    /// `audit_streams`, in the order in which they are shipped.
    pub streams: Vec<Stream>,
    /// `eventData.eventSource`.
    pub event_source: String,
    /// An endpoint is set that would else be derived: the destination's or STS's.
    pub endpoint_overridden: bool,
    /// The first source of AWS credentials that is configured.
    pub credentials: Source,
    /// `max_in_flight` and `max_calls_per_sec`.
    pub pace: Pace,
    /// `overlap_secs`, `lookback_secs`, `reconcile_secs` and `full_secs`.
    pub spans: Spans,
    /// `run_budget_secs`.
    pub run_budget: Duration,
    /// `lease_secs`.
    pub lease: Duration,
    /// Whether what goes to Kong may be read on its way.
    pub allow_plaintext: bool,
    /// Whether a key of Kong's Lambda counts as shipped.
    pub adopt_lambda_keys: bool,
    /// What a single run does.
    pub task: Task,
    /// Least level of the log lines printed.
    pub log_level: Level,
    /// What is odd about the variables, and no mistake.
    pub warnings: Vec<String>,
}

/// The variables that take a whole number, with the allowed range. The defaults are in `variables`.
const PAGE_SIZE: Number = Number("page_size", 1..=1000);
const MAX_IN_FLIGHT: Number = Number("max_in_flight", 1..=100);
const MAX_CALLS_PER_SEC: Number = Number("max_calls_per_sec", 1..=1_000_000);
const OVERLAP_SECS: Number = Number("overlap_secs", 0..=YEAR);
const LOOKBACK_SECS: Number = Number("lookback_secs", 0..=YEAR);
const RECONCILE_SECS: Number = Number("reconcile_secs", 0..=YEAR);
const FULL_SECS: Number = Number("full_secs", 0..=YEAR);
const RUN_BUDGET_SECS: Number = Number("run_budget_secs", 1..=YEAR);
const LEASE_SECS: Number = Number("lease_secs", 1..=DAY);
const STALE_AFTER_SECS: Number = Number("stale_after_secs", 1..=YEAR);

/// Fewest characters of `ledger_key`.
const LEDGER_KEY_CHARS: usize = 32;

/// In seconds. No span here is of use beyond it.
const YEAR: u32 = 31_536_000;
const DAY: u32 = 86_400;

impl Config {
    /// Reads the variables through `variable`, which gives `None` for one that is not defined and
    /// an error when their provider fails. An empty value counts as not set.
    pub fn read(
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<Self, Mistakes> {
        let mut reading = Reader::new(&variable);
        let reader = &mut reading;
        let (kong, allow_plaintext) = encrypted_kong(reader);
        let Sending { destination, credentials, pace, .. } = sending(reader);
        let config = Self {
            kong,
            ledger: ledger_name(reader),
            seal: seal(reader),
            previous_seal: previous_seal(reader),
            streams: streams(reader),
            event_source: event_source(reader),
            endpoint_overridden: reader.set("aws_endpoint_url_sts").is_some()
                || destination.profile().is_overridden,
            credentials,
            pace,
            spans: Spans {
                overlap: reader.number(&OVERLAP_SECS).into(),
                lookback: reader.number(&LOOKBACK_SECS).into(),
                reconcile: reader.number(&RECONCILE_SECS).into(),
                full: reader.number(&FULL_SECS).into(),
            },
            run_budget: Duration::from_secs(reader.number(&RUN_BUDGET_SECS).into()),
            lease: Duration::from_secs(reader.number(&LEASE_SECS).into()),
            allow_plaintext,
            adopt_lambda_keys: reader.switch("adopt_lambda_keys"),
            task: task::read(reader),
            log_level: log_level(reader),
            warnings: reader.take_warnings(),
            destination,
        };
        reading.finish(config)
    }
}

/// Where Kong is, and whether what goes there may be read on its way.
fn encrypted_kong(reader: &mut Reader<'_>) -> (Access, bool) {
    let kong = kong(reader);
    let allow_plaintext = reader.switch("allow_plaintext");
    if !allow_plaintext && is_plaintext(&kong) {
        reader.mistake(format!(
            "kong_admin_api {:?} is not encrypted, and others on the way can read Kong's token and the entries: give the \
             https:// address of the Admin API (port 8444 by default), or set allow_plaintext to true",
            kong.api
        ));
    }
    (kong, allow_plaintext)
}

/// Whether what goes to that Kong can be read on its way.
pub(crate) fn is_plaintext(kong: &Access) -> bool {
    Origin::parse(&kong.api).is_ok_and(|origin| origin.is_plaintext())
}

/// Where Kong is and which of its streams are meant, for a program that asks Kong alone.
pub(crate) fn asking(
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<(Access, Vec<Stream>), Mistakes> {
    let mut reader = Reader::new(&variable);
    let asking = (encrypted_kong(&mut reader).0, streams(&mut reader));
    reader.finish(asking)
}

/// What is needed to send events.
#[derive(Debug)]
pub(crate) struct Sending {
    pub destination: Rc<dyn Protocol>,
    pub credentials: Source,
    pub pace: Pace,
    /// STS, or why it cannot be asked: not every destination needs it.
    pub sts: Result<String, Mistakes>,
}

/// The same for a program that looks at the destination alone.
pub(crate) fn of_sending(
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<Sending, Mistakes> {
    let mut reader = Reader::new(&variable);
    let sending = sending(&mut reader);
    reader.finish(sending)
}

fn sending(reader: &mut Reader<'_>) -> Sending {
    let allow_outbound = allow_outbound(reader);
    let allow_outbound = allow_outbound.as_ref();
    let variant = variant(reader);
    let destination = destination::read(reader, variant, allow_outbound);
    let place = &destination.profile().place;
    let place = Some(place).filter(|place| !place.region.is_empty());
    let credentials = credentials::read(reader, place, variant, allow_outbound);
    let mut aside = reader.aside();
    let sts = destination::sts_endpoint(&mut aside, place, variant, allow_outbound);
    let sts = aside.finish(sts);
    let calls = Pace {
        max_in_flight: reader.number(&MAX_IN_FLIGHT) as usize,
        max_calls_per_sec: reader.number(&MAX_CALLS_PER_SEC),
    };
    Sending { destination, credentials, pace: calls, sts }
}

/// The ledger's name and how its values are authenticated, for a program that looks at the store alone.
pub fn ledger(
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<(String, Seals), Mistakes> {
    let mut reader = Reader::new(&variable);
    let name = ledger_name(&mut reader);
    let seals = Seals::new(seal(&mut reader), previous_seal(&mut reader));
    reader.finish((name, seals))
}

/// What events go to: what a ledger is bound to.
pub fn target(
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<String, Mistakes> {
    let mut reader = Reader::new(&variable);
    let allow_outbound = allow_outbound(&mut reader);
    let variant = variant(&mut reader);
    let destination = destination::read(&mut reader, variant, allow_outbound.as_ref());
    reader.finish(destination.profile().target.clone())
}

/// What the status page goes by.
#[derive(Debug)]
pub struct StatusConfig {
    /// Names the ledger in the store.
    pub ledger: String,
    /// How its values are authenticated.
    pub seals: Seals,
    /// `stale_after_secs`.
    pub stale_after: i64,
}

/// Reads the variables of the status page.
pub fn status(
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<StatusConfig, Mistakes> {
    let mut reader = Reader::new(&variable);
    let config = StatusConfig {
        ledger: ledger_name(&mut reader),
        seals: Seals::new(seal(&mut reader), previous_seal(&mut reader)),
        stale_after: reader.number(&STALE_AFTER_SECS).into(),
    };
    reader.finish(config)
}

fn variant(reader: &mut Reader<'_>) -> Variant {
    Variant {
        fips: reader.switch("use_fips_endpoint"),
        dual_stack: reader.switch("use_dualstack_endpoint"),
    }
}

fn kong(reader: &mut Reader<'_>) -> Access {
    Access {
        api: kong_admin_api(reader),
        path: kong_admin_path(reader),
        token: kong_admin_token(reader),
        token_header: kong_admin_token_header(reader),
        page_size: reader.number(&PAGE_SIZE),
    }
}

fn kong_admin_api(reader: &mut Reader<'_>) -> String {
    const EXAMPLE: &str = "for example https://kong-admin.internal:8444";
    let Some(value) = reader.set("kong_admin_api") else {
        reader.mistake(format!("kong_admin_api is not set: give Kong's Admin API, {EXAMPLE}"));
        return String::new();
    };
    if value.contains('@') {
        reader.mistake(format!(
            "kong_admin_api must not hold a user or password (Spin refuses it as an allowed host): \
             put Kong's token into kong_admin_token and give the address alone, {EXAMPLE}"
        ));
        return String::new();
    }
    match Origin::parse(&value) {
        Ok(origin) => origin.to_string(),
        Err(why) => {
            reader.mistake(format!("kong_admin_api {value:?} {why}; {EXAMPLE}"));
            String::new()
        }
    }
}

fn kong_admin_path(reader: &mut Reader<'_>) -> String {
    let Some(value) = reader.set("kong_admin_path") else { return String::new() };
    let path = value.trim_matches('/');
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:@".contains(c);
    if !path.chars().all(allowed) {
        reader.mistake(format!(
            "kong_admin_path {value:?} is not a URL path: it may hold no spaces, no query and no \
             fragment; for example /kong/admin"
        ));
    }
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

fn kong_admin_token(reader: &mut Reader<'_>) -> Option<Secret> {
    let token = reader.set("kong_admin_token")?;
    reader.header_safe_with_blanks("kong_admin_token", &token);
    Some(Secret::new(token))
}

fn kong_admin_token_header(reader: &mut Reader<'_>) -> HeaderName {
    let name = reader.set("kong_admin_token_header").unwrap_or_default();
    name.parse().unwrap_or_else(|_| {
        reader.mistake(format!(
            "kong_admin_token_header {name:?} cannot be the name of an HTTP header: give what rbac_auth_header says in \
             kong.conf, or leave it out for Kong-Admin-Token"
        ));
        HeaderName::from_static("kong-admin-token")
    })
}

fn ledger_key(reader: &mut Reader<'_>, name: &str) -> Option<Secret> {
    let key = reader.set(name)?;
    if key.chars().count() < LEDGER_KEY_CHARS {
        reader.mistake(format!(
            "{name} is shorter than {LEDGER_KEY_CHARS} characters (the value is not shown): make one with openssl rand \
             -hex 32"
        ));
    }
    Some(Secret::new(key))
}

fn seal(reader: &mut Reader<'_>) -> Seal {
    ledger_key(reader, "ledger_key").map_or(Seal::Unkeyed, Seal::Keyed)
}

fn previous_seal(reader: &mut Reader<'_>) -> Option<Seal> {
    let previous = reader.set("ledger_key_previous")?;
    if reader.set("ledger_key").is_none() {
        reader.mistake(
            "ledger_key_previous is set and ledger_key is not: set ledger_key, or leave both out",
        );
    }
    if previous == "unkeyed" {
        return Some(Seal::Unkeyed);
    }
    ledger_key(reader, "ledger_key_previous").map(Seal::Keyed)
}

fn allow_outbound(reader: &mut Reader<'_>) -> Option<AllowEntry> {
    if reader.is_blank("allow_outbound") {
        reader.mistake(
            "allow_outbound is empty, for which Spin refuses every request of the component: leave it out, or set \
             it to https://*.amazonaws.com",
        );
        return None;
    }
    let value = reader.set("allow_outbound")?;
    match AllowEntry::parse(&value) {
        Ok(entry) => Some(entry),
        Err(why) => {
            reader.mistake(format!(
                "allow_outbound {} {why}; for example https://vpce-0a1b.cloudtrail-data.eu-west-1.vpce.amazonaws.com",
                shown(&value)
            ));
            None
        }
    }
}

fn ledger_name(reader: &mut Reader<'_>) -> String {
    let name = reader.set("ledger").unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.len() > 64 || !name.chars().all(allowed) {
        reader.mistake(format!(
            "ledger {name:?} must be 1 to 64 of the characters A-Z a-z 0-9 . _ -"
        ));
    }
    name
}

fn streams(reader: &mut Reader<'_>) -> Vec<Stream> {
    let value = reader.set("audit_streams").unwrap_or_default();
    if value.split(',').all(|name| name.trim().is_empty()) {
        reader.mistake(
            "audit_streams names no stream: it takes requests, objects or requests,objects",
        );
    }
    let named: Vec<&str> = value.split(',').map(str::trim).filter(|s| !s.is_empty()).collect();
    for name in &named {
        if Stream::ALL.iter().all(|stream| stream.name() != *name) {
            reader.mistake(format!(
                "audit_streams names the unknown stream {name:?}: it takes requests, objects or requests,objects"
            ));
        }
    }
    Stream::ALL.into_iter().filter(|stream| named.contains(&stream.name())).collect()
}

fn event_source(reader: &mut Reader<'_>) -> String {
    let source = reader.set("event_source").unwrap_or_default();
    if source.chars().count() > 1024 {
        reader.mistake("event_source is longer than CloudTrail's 1024 characters");
    }
    source
}

fn log_level(reader: &mut Reader<'_>) -> Level {
    let value = reader.set("log_level").unwrap_or_default();
    Level::parse(&value).unwrap_or_else(|| {
        reader.mistake(format!("log_level {value:?} must be error, warn, info or debug"));
        Level::Info
    })
}

#[cfg(test)]
mod tests;
