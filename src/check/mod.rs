//! `check`: would a run work? Each thing that a run needs is tried, and one that fails keeps none from being tried
//! that does not need it. No change lasts, and nothing that counts is sent.
//!
//! - `row`: what is told of each thing;
//! - `kong`, `store` and `sending`: what is tried, in the order of the rows.
//!
//! `docs/check-and-verify.md` has the rows and the line.

mod kong;
mod row;
mod sending;
mod store;

use std::time::Duration;

use serde::Serialize;

pub use row::{Finding, Row};

use crate::config::{self, Config};
use crate::ledger::Target;
use crate::log::{Level, Logger};
use crate::ports::Ports;
use crate::report::Calls;
use crate::store::Store;
use crate::words::{Told, json_line};
use row::{Found, Rows};

/// How long Kong may be asked, and then AWS. A try under way goes on a little longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was found: one JSON object on one line.
#[derive(Debug, Serialize)]
pub struct Check {
    event: &'static str,
    version: &'static str,
    ledger: Option<String>,
    destination: Option<&'static str>,
    /// The worst of the rows.
    pub outcome: Finding,
    /// What was tried.
    pub rows: Vec<Row>,
    calls: Calls,
    duration_ms: u64,
}

impl Check {
    /// The line.
    pub fn line(&self) -> String {
        json_line(self)
    }
}

/// Tries everything.
pub async fn check<P: Ports>(
    port: &P,
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Check {
    let began = port.elapsed();
    let mut rows = Rows::default();
    let config = Config::read(&variable);
    rows.add("configuration", "all variables are read", of_config(config.as_ref()));
    let level = config.as_ref().map_or(Level::Info, |config| config.log_level);
    let log = Logger::new(port, level);

    let asking = config::asking(&variable).ok();
    let calls_of_kong = match &asking {
        Some((access, streams)) => kong::rows(log, access, streams, &mut rows).await,
        None => kong::skip(&mut rows),
    };

    let sending = config::of_sending(&variable).ok();
    let profile = sending.as_ref().map(|sending| sending.destination.profile());
    let ledger = config::ledger(&variable).ok();
    let mut calls = calls_of_kong;
    let ledger = ledger.map(|(name, seals)| {
        let store = Store::sealed(port, &name, seals);
        let target = profile
            .map(|profile| Target { name: &profile.target, variables: profile.target_variables });
        store::rows(port, &store, target, &mut rows);
        calls.kv = store.calls();
        name
    });
    if ledger.is_none() {
        store::skip(&mut rows);
    }
    match &sending {
        Some(sending) => {
            let (made, retries) = sending::rows(log, sending, &mut rows).await;
            calls.destination = made;
            calls.retries += retries;
        }
        None => sending::skip(&mut rows),
    }

    let rows = rows.into_vec();
    Check {
        event: "check",
        version: env!("CARGO_PKG_VERSION"),
        ledger,
        destination: profile.map(|profile| profile.word),
        outcome: Finding::worst(&rows),
        rows,
        calls,
        duration_ms: u64::try_from(port.elapsed().saturating_sub(began).as_millis())
            .unwrap_or(u64::MAX),
    }
}

/// Why a row is skipped whose variables are not sound.
const NOT_SOUND: &str = "its variables are not sound";

fn of_config(config: Result<&Config, &crate::variables::Mistakes>) -> Found {
    match config {
        Err(mistakes) => Found::Fail(Told::from(mistakes.to_string())),
        Ok(config) if !config.warnings.is_empty() => {
            Found::Warn(Told::new(config.warnings.join("; "), "leave out what has no effect"))
        }
        Ok(_) => Found::Ok("all are sound".to_owned()),
    }
}

#[cfg(test)]
mod tests;
