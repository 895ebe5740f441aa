//! States of a ledger, written as the shipper writes them.
#![allow(dead_code, reason = "each test uses its own part")]

use kong_cloudtrail::coverage::Progress;
use kong_cloudtrail::ledger::{DeadLetter, DeadLetters, Ledger, Reports, Target};
use kong_cloudtrail::report::Report;
use kong_cloudtrail::seal::{Seal, Seals};
use kong_cloudtrail::store::Store;
use kong_cloudtrail::terms::{Secret, Stream};
use kong_cloudtrail::testing::Memory;
use serde_json::Value;
use serde_json::value::RawValue;

/// What is in the store at a time in Unix seconds.
pub struct Scene {
    pub memory: Memory,
    key: Option<&'static str>,
    reports: Reports,
    now: i64,
}

impl Scene {
    pub fn at(now: i64) -> Self {
        Self { memory: Memory::default(), key: None, reports: Reports::default(), now }
    }

    /// The same under a key.
    pub fn under(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub fn store(&self) -> Store<'_, Memory> {
        let seal = self.key.map_or(Seal::Unkeyed, |key| Seal::Keyed(Secret::new(key)));
        Store::sealed(&self.memory, "default", Seals::new(seal, None))
    }

    /// A run that ended so many seconds ago, with these members of its report.
    pub fn run(mut self, ago: i64, changes: &Value) -> Self {
        let mut report: Value = serde_json::from_str(&Report::default().line()).unwrap();
        for (name, change) in changes.as_object().unwrap() {
            report[name] = change.clone();
        }
        let report = RawValue::from_string(report.to_string()).unwrap();
        self.reports.add((self.now - ago) * 1000, report);
        self
    }

    /// Writes the ledger, to which both streams are shipped to so many seconds ago, with these dead letters.
    pub fn written(self, ago: i64, letters: &[DeadLetter]) -> Self {
        let store = self.store();
        let mut kept = DeadLetters::load(&store).unwrap();
        for letter in letters {
            kept.add(letter.clone());
        }
        kept.write().unwrap();
        let target = Target { name: "channel", variables: "channel_arn" };
        let mut ledger = Ledger::load(&store, target, "https://kong").unwrap();
        ledger.head().dead_letters = kept.state();
        for stream in Stream::ALL {
            let progress = Progress::Window { end: self.now - ago, looks_back: false };
            ledger.coverage(stream).advance(&progress, false);
        }
        ledger.write_with(vec![self.reports.pair(&store)]).unwrap();
        self
    }
}

pub fn letter(id: &str) -> DeadLetter {
    let data = r#"{"userIdentity":{"type":"RBACUser","principalId":"5a1e0b3c"},"eventName":"POSTservices",
        "eventTime":"2026-11-21T08:00:00Z"}"#;
    DeadLetter {
        stream: Stream::Requests,
        id: id.to_owned(),
        entry: id.to_owned(),
        error: "FieldTooLong".to_owned(),
        refused_at: 1_795_348_800,
        replay: false,
        data: data.to_owned(),
    }
}
