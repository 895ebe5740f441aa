//! The core in a process in memory, and what each run of it must do: one report, and log lines beside it.

use std::ops::Deref;
use std::time::Duration;

use kong_cloudtrail::ports::HttpRequest;
use kong_cloudtrail::report::Report;
use kong_cloudtrail::run::run;
use kong_cloudtrail::testing::InMemory;
pub use kong_cloudtrail::testing::{Answer, Values, answer};
use serde_json::Value;

/// The wall clock's time at which a world begins, in Unix seconds.
pub const EPOCH: i64 = 1_795_348_800;

/// What any exchange takes.
const LATENCY: Duration = Duration::from_millis(10);

/// What a variable is when nothing else is said.
pub const VARIABLES: [(&str, &str); 6] = [
    ("kong_admin_api", "http://kong:8001"),
    ("allow_plaintext", "true"),
    ("channel_arn", "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a"),
    ("aws_access_key_id", "AKIDEXAMPLE"),
    ("aws_secret_access_key", "wJalrXUtnFEMI/K7MDENG"),
    ("log_level", "debug"),
];

/// A world with a Kong, a CloudTrail and a store.
pub struct World<'w>(InMemory<'w>);

impl<'w> Deref for World<'w> {
    type Target = InMemory<'w>;
    fn deref(&self) -> &InMemory<'w> {
        &self.0
    }
}

impl<'w> World<'w> {
    /// A world with an empty store. Kong answers GET, and the destination all else.
    pub fn new(
        mut kong: impl FnMut(&HttpRequest) -> Answer + 'w,
        mut cloudtrail: impl FnMut(&HttpRequest) -> Answer + 'w,
    ) -> Self {
        let service = move |request: &HttpRequest| {
            if request.method() == http::Method::GET { kong(request) } else { cloudtrail(request) }
        };
        let mut ports = InMemory::at(EPOCH * 1000, service);
        ports.latency = LATENCY;
        Self(ports)
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// One run with the variables that [`VARIABLES`] does not say otherwise.
    pub fn run(&self, overrides: &[(&str, &str)]) -> Report {
        self.run_with(|name| {
            let named = |pair: &&(&str, &str)| pair.0 == name;
            let value = overrides.iter().find(named).or_else(|| VARIABLES.iter().find(named));
            Ok(value.map(|(_, value)| (*value).to_owned()))
        })
    }

    /// One run; a report it is, and every line beside it a log line.
    pub fn run_with(&self, variable: impl Fn(&str) -> Result<Option<String>, String>) -> Report {
        let report = self.clock.run(run(&self.0, variable));
        let is = |line: &str, event: &str| {
            !line.contains('\n')
                && serde_json::from_str::<Value>(line).is_ok_and(|line| line["event"] == event)
        };
        assert!(is(&report.line(), "run"), "no report: {}", report.line());
        for line in self.lines.borrow().iter() {
            assert!(is(line, "log"), "neither a log line nor a report: {line}");
        }
        report
    }
}
