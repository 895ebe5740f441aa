//! One run, top to bottom:
//!
//! ```text
//! timer tick ─► lease ─► for each stream (requests, objects): its window, slice by slice
//!                     ─► for each stream that is due one: a sweep, page by page
//!                     ─► dead letters to be sent again ─► one report
//!
//! of a slice, or a sweep:
//!     fetch a page ─► drop what the ledger knows ─► map ─► batch ─► sign + send to the destination
//!                                                                           │
//!     watermark, or the place in the sweep ◄─ ledger records ◄─ outcome per event
//! ```
//!
//! The windows of all streams are read before any sweep. Batches are under way while pages are fetched. Those
//! of one stream may still be under way when the next stream is begun.
//!
//! Every failure ends in a report and a normal return (invariant 4). What the destination accepted is
//! recorded after a failure too, unless the lease or the store is lost. The watermark moves only past entries
//! that are accounted for (invariant 1).
//!
//! - `streams`: plans each stream's run, has it read, and reports how it ended;
//! - `reader`, `slices`, `sweep` and `entries`: read windows and sweeps, and deliver what is new;
//! - `around` and `unreadable`: rows that cannot be read;
//! - `store`: what a run reads of the store at its beginning, and writes at its end;
//! - `facts`, `stream_run` and `halt`: what is known of Kong, what one stream's run met, and why a run ends
//!   early;
//! - `lambda` and `adoption`: the move from Kong's Lambda;
//! - `notes` and `messages`: what the report says, and in which words.

mod adoption;
mod around;
mod entries;
mod facts;
mod halt;
mod lambda;
pub(crate) mod messages;
mod notes;
mod reader;
mod slices;
mod store;
mod stream_run;
mod streams;
mod sweep;
mod unreadable;

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};

use facts::Facts;
use halt::Halt;
use reader::Reader;
use store::Ended;
use stream_run::StreamRun;

use crate::config::{Config, Task};
use crate::delivery::HowFar;
use crate::destination::Sender;
use crate::kong::Kong;
use crate::lease::{Lease, LeaseError};
use crate::log::{Code, Logger};
use crate::ports::Ports;
use crate::report::{Calls, Outcome, Report};
use crate::seal::Seals;
use crate::store::Store;

/// How often a run that takes long says how far it is.
const TELLS: Duration = Duration::from_secs(10);

/// Reads the variables, does one run, and reports it.
pub async fn run<P: Ports>(
    port: &P,
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Report {
    let started = port.elapsed();
    let mut report = Report::default();
    match Config::read(variable) {
        Ok(config) if config.task != Task::Ship => {
            report.add(Outcome::Failed, messages::not_for_the_timer(config.task.word()));
        }
        Ok(config) => {
            report.destination = config.destination.profile().word;
            report.notes = notes::of_config(&config);
            take_lease(port, &config, &mut report).await;
        }
        Err(mistakes) => report.add(Outcome::Failed, mistakes.to_string()),
    }
    report.duration_ms = millis(port.elapsed().saturating_sub(started));
    report
}

/// One run with a sound configuration: under the lease, or not at all.
async fn take_lease<P: Ports>(port: &P, config: &Config, report: &mut Report) {
    let budget = config.run_budget.min(Lease::<P>::longest_run(config.lease));
    let began = port.elapsed();
    let deadline = began + budget;
    let log = Logger::new(port, config.log_level);
    for warning in &config.warnings {
        log.warn(Code::UnusedSetting, warning);
    }
    let seals = Seals::new(config.seal.clone(), config.previous_seal.clone());
    let store = Store::sealed(port, &config.ledger, seals);
    let kong = Kong::new(log, &config.kong, deadline);
    let how_far = HowFar::default();
    let destination = config.destination.as_ref();
    let sender = Sender::new(log, destination, &config.credentials, config.pace, deadline);

    match Lease::take(&store, port, config.lease) {
        Ok(lease) => {
            let run = Run {
                port,
                config,
                log,
                store: &store,
                kong: &kong,
                sender: &sender,
                lease: &lease,
                how_far: &how_far,
                budget,
                deadline,
                began,
            };
            // Boxed: each wait around it would have a copy of its own.
            let work = Box::pin(run.ship(report));
            if let Err(halt) = run.telling(lease.during(work)).await {
                report.add(Outcome::Failed, halt);
            }
            match lease.release() {
                Ok(()) => {}
                Err(LeaseError::Lost) => {
                    report.add(Outcome::Failed, LeaseError::Lost.told());
                }
                Err(error) => {
                    log.warn(Code::LeaseNotReleased, messages::lease_not_released(&error));
                }
            }
        }
        Err(held @ LeaseError::Held { .. }) => {
            report.outcome = Outcome::Skipped;
            log.info(held.to_string());
        }
        Err(error) => report.add(Outcome::Failed, error.told()),
    }

    if sender.doubtful() > 0 {
        let name = destination.profile().name;
        log.warn(Code::AnswersLost, messages::doubtful(name, sender.doubtful()));
    }
    report.calls = calls(&kong, &sender, &store);
}

/// What a run works with.
struct Run<'a, P> {
    port: &'a P,
    config: &'a Config,
    log: Logger<'a, P>,
    store: &'a Store<'a, P>,
    kong: &'a Kong<'a, P>,
    sender: &'a Sender<'a, P>,
    lease: &'a Lease<'a, P>,
    how_far: &'a HowFar,
    budget: Duration,
    deadline: Duration,
    began: Duration,
}

impl<P: Ports> Run<'_, P> {
    /// Awaits `work`, and says every [`TELLS`] how far it is.
    async fn telling<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let rest = pin!(self.port.sleep(TELLS));
            match select(work, rest).await {
                Either::Left((done, _)) => return done,
                Either::Right(((), unfinished)) => work = unfinished,
            }
            if let Some(stream) = self.how_far.stream.get() {
                self.log.progress(messages::how_far(stream, self.how_far));
            }
        }
    }

    /// Reads the ledger first. So the report says how far the streams are behind, even when Kong is out of
    /// reach.
    async fn ship(&self, report: &mut Report) -> Result<(), Halt> {
        let mut kept = self.load(report)?;
        let about = self.kong.about().await;
        let told = about.as_ref().ok().and_then(|about| about.now);
        let now = told.unwrap_or_else(|| self.port.now_ms().div_euclid(1000));
        let told_at = self.port.elapsed();

        let mut result = match about.clone() {
            Ok(about) => {
                let longest_ttl = kept.longest_ttl();
                let request_times = std::collections::HashMap::new();
                let facts = Facts { about, now, told_at, request_times, longest_ttl };
                self.streams(facts, &mut kept.records, report).await
            }
            Err(error) => Err(Halt::Kong(error)),
        };
        if result.is_ok() && kept.records.dead_letters.has_replays() {
            result = self.replay(&mut kept.records, report).await;
        }
        let at = facts::later(now, self.port.elapsed().saturating_sub(told_at));
        self.finish(kept, Ended { about: about.as_ref().ok(), at, result }, report)
    }
}

fn calls<P: Ports>(kong: &Kong<'_, P>, sender: &Sender<'_, P>, store: &Store<'_, P>) -> Calls {
    Calls {
        kong: kong.calls(),
        destination: sender.calls(),
        kv: store.calls(),
        retries: kong.retries() + sender.retries(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
