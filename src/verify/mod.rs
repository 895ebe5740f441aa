//! `verify`: is all that Kong retains recorded? Each entry from before the watermark is looked for in the ledger.
//! No lease is taken, and nothing is changed.
//!
//! The ledger's head is read before Kong is, so that what a run ships meanwhile is from after the watermark that
//! is gone by. A row from before it that Kong stored late may be told as missing once. Memory is bounded by pages, as in a run.
//!
//! - `table`: what is counted;
//! - `reader`: reads a stream page by page.
//!
//! `docs/check-and-verify.md` has the line, `docs/auditor.md` what it proves.

mod reader;
mod table;

use std::collections::HashSet;

use serde::{Serialize, Serializer};

pub use table::{Counts, Day, Missing, Table};

use crate::config::Config;
use crate::kong::Kong;
use crate::ledger::{DeadLetters, Head, IndexState, Ledger, LedgerError, Target};
use crate::log::Logger;
use crate::ports::{KeyValue, Ports};
use crate::report::Calls;
use crate::seal::Seals;
use crate::store::Store;
use crate::terms::Stream;
use crate::words::{Told, json_line};
use reader::Reader;

/// How a comparison ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All is there.
    #[default]
    Ok,
    /// Something is not.
    Missing,
    /// Something could not be read, so nothing is proved.
    Failed,
}

/// What was found: one JSON object on one line.
#[derive(Debug, Default, Serialize)]
pub struct Verify {
    event: &'static str,
    version: &'static str,
    ledger: Option<String>,
    destination: Option<&'static str>,
    /// How it ended.
    pub outcome: Outcome,
    generation: Option<u64>,
    /// Of each stream that is shipped.
    #[serde(serialize_with = "by_name")]
    pub streams: Vec<(Stream, Table)>,
    calls: Calls,
    duration_ms: u64,
    /// Why nothing could be compared.
    pub error: Option<String>,
}

impl Verify {
    /// The line.
    pub fn line(&self) -> String {
        json_line(self)
    }

    fn judge(&mut self) {
        let tables = || self.streams.iter().map(|(_, table)| table);
        self.outcome = if self.error.is_some() || tables().any(|table| table.error.is_some()) {
            Outcome::Failed
        } else if tables().any(Table::misses) {
            Outcome::Missing
        } else {
            Outcome::Ok
        };
    }
}

fn by_name<S: Serializer>(streams: &[(Stream, Table)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(streams.iter().map(|(stream, table)| (stream.name(), table)))
}

/// Compares.
pub async fn verify<P: Ports>(
    port: &P,
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Verify {
    let began = port.elapsed();
    let mut verify =
        Verify { event: "verify", version: env!("CARGO_PKG_VERSION"), ..Verify::default() };
    match Config::read(variable) {
        Ok(config) => {
            verify.destination = Some(config.destination.profile().word);
            verify.ledger = Some(config.ledger.clone());
            if let Err(told) = compare(port, &config, &mut verify).await {
                verify.error = Some(told.to_string());
            }
        }
        Err(mistakes) => verify.error = Some(mistakes.to_string()),
    }
    verify.judge();
    let took = port.elapsed().saturating_sub(began).as_millis();
    verify.duration_ms = u64::try_from(took).unwrap_or(u64::MAX);
    verify
}

async fn compare<P: Ports>(port: &P, config: &Config, verify: &mut Verify) -> Result<(), Told> {
    let deadline = port.elapsed() + config.run_budget;
    let seals = Seals::new(config.seal.clone(), config.previous_seal.clone());
    let store = Store::sealed(port, &config.ledger, seals);
    let log = Logger::new(port, config.log_level);
    let kong = Kong::new(log, &config.kong, deadline);
    let compared = Box::pin(compare_with(&store, &kong, config, verify)).await;
    verify.calls =
        Calls { kong: kong.calls(), destination: 0, kv: store.calls(), retries: kong.retries() };
    compared
}

async fn compare_with<'a, P: Ports>(
    store: &'a Store<'a, P>,
    kong: &Kong<'a, P>,
    config: &'a Config,
    verify: &mut Verify,
) -> Result<(), Told> {
    let profile = config.destination.profile();
    let target = Target { name: &profile.target, variables: profile.target_variables };
    let told = |error: LedgerError| error.told();
    let mut ledger = Ledger::load(store, target, &config.kong.url("")).map_err(told)?;
    if ledger.is_new() {
        return Err(Told::new(
            format!("there is no ledger {} to compare with", store.key("head")),
            "check ledger and the key-value store in the runtime config: they must be those of the runs",
        ));
    }
    verify.generation = Some(ledger.generation());
    let letters = letters(store, &mut ledger)?;
    let about = kong.about().await.map_err(|error| error.told())?;
    ledger.expect_any_order();
    let mut reader = Reader::new(kong, ledger, letters, about, config.run_budget);
    for stream in &config.streams {
        let table = reader.read(*stream).await;
        verify.streams.push((*stream, table));
    }
    Ok(())
}

/// The dead letters' streams and ids.
fn letters<P: KeyValue>(
    store: &Store<'_, P>,
    ledger: &mut Ledger<'_, P>,
) -> Result<HashSet<(Stream, String)>, Told> {
    let mut read = letters_below(store, ledger.head().dead_letters);
    if matches!(read, Err(LedgerError::Lost { .. })) {
        // A run, or a tool, may have changed them meanwhile.
        let head = Head::load(store).map_err(|error| error.told())?;
        read = letters_below(store, head.and_then(|head| head.dead_letters));
    }
    read.map_err(|error| error.told())
}

fn letters_below<P: KeyValue>(
    store: &Store<'_, P>,
    known: Option<IndexState>,
) -> Result<HashSet<(Stream, String)>, LedgerError> {
    let mut dead_letters = DeadLetters::load(store)?;
    dead_letters.check(known)?;
    let mut letters = HashSet::new();
    for chunk in dead_letters.chunks() {
        letters
            .extend(dead_letters.read(chunk)?.into_iter().map(|letter| (letter.stream, letter.id)));
    }
    Ok(letters)
}

#[cfg(test)]
mod tests;
