//! One run, top to bottom:
//!
//! ```text
//! timer tick ─► lease ─► for each stream (requests, objects): its window, slice by slice
//!                     ─► for each stream of which it is due: a sweep, page by page
//!                     ─► dead letters to be sent again ─► one report
//!
//! of a slice, or a sweep:
//!     fetch a page ─► drop what the ledger knows ─► map ─► batch ─► sign + PutAuditEvents
//!                                                                           │
//!     watermark, or the place in the sweep ◄─ ledger records ◄─ outcome per event
//! ```
//!
//! What is new in any stream goes before what is compared. Batches are under way while pages are
//! fetched, those of one stream still when the next one is begun.
//!
//! Every failure ends in a report and a normal return (invariant 4); what CloudTrail accepted is
//! recorded whatever else happens; the watermark moves only past entries that are accounted for.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::cloudtrail::CloudTrail;
use crate::config::Config;
use crate::delivery::{Delivery, Halt, Tally};
use crate::kong::{About, Kong, Mode, Stream};
use crate::lease::{Lease, LeaseError};
use crate::ledger::{Completed, DEAD_LETTERS, DeadLetters, Ledger, Sweep};
use crate::log::{Level, Logger};
use crate::pass::{Pass, Shared};
use crate::ports::Ports;
use crate::replay;
use crate::report::{Outcome, Report};
use crate::store::Store;

/// Reads the variables, does one run, and reports it.
pub async fn run<P: Ports>(
    port: &P,
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Report {
    let started = port.elapsed();
    let mut report = Report::default();
    match Config::read(variable) {
        Ok(config) => ship(port, &config, &mut report).await,
        Err(mistakes) => report.add(Outcome::Failed, Some(mistakes.to_string())),
    }
    report.duration_ms = millis(port.elapsed().saturating_sub(started));
    report
}

/// One run with a sound configuration.
async fn ship<P: Ports>(port: &P, config: &Config, report: &mut Report) {
    let budget = config.run_budget.min(Lease::<P>::longest_run(config.lease));
    let deadline = port.elapsed() + budget;
    let log = Logger::new(port, config.log_level);
    let store = Store::new(port, &config.ledger);
    let kong = Kong::new(port, config, deadline);
    let cloudtrail = CloudTrail::new(port, config, deadline);

    match Lease::take(&store, port, config.lease) {
        Ok(lease) => {
            if lease.follows_a_death() {
                log.log(
                    Level::Warn,
                    "the run before this one ended without releasing its lease: what CloudTrail had accepted of it and it \
                     had not recorded yet, at most max_in_flight batches, is shipped again",
                );
            }
            let run = Run {
                port,
                config,
                log: &log,
                store: &store,
                kong: &kong,
                cloudtrail: &cloudtrail,
                budget,
                deadline,
            };
            let shipped = lease.during(run.streams(&lease, report)).await;
            if let Err(halt) = shipped {
                report.add(Outcome::Failed, Some(halt.to_string()));
            }
            match lease.release() {
                Ok(()) => {}
                Err(LeaseError::Lost) => {
                    report.add(Outcome::Failed, Some(LeaseError::Lost.to_string()));
                }
                Err(error) => run.log.log(
                    Level::Warn,
                    format!("the lease could not be released, and runs out by itself: {error}"),
                ),
            }
        }
        Err(held @ LeaseError::Held { .. }) => {
            report.outcome = Outcome::Skipped;
            log.log(Level::Info, held.to_string());
        }
        Err(error) => report.add(Outcome::Failed, Some(error.to_string())),
    }

    if cloudtrail.doubtful() > 0 {
        log.log(
            Level::Warn,
            format!(
                "{} events were in PutAuditEvents calls whose answer was lost or did not mention them: those that CloudTrail \
                 took all the same are in it twice",
                cloudtrail.doubtful()
            ),
        );
    }
    report.calls.kong = kong.calls();
    report.calls.cloudtrail = cloudtrail.calls();
    report.calls.retries = kong.retries() + cloudtrail.retries();
    report.calls.kv = store.calls();
}

/// What a run works with.
pub(crate) struct Run<'a, P> {
    pub(crate) port: &'a P,
    pub(crate) config: &'a Config,
    pub(crate) log: &'a Logger<'a, P>,
    pub(crate) store: &'a Store<'a, P>,
    pub(crate) kong: &'a Kong<'a, P>,
    cloudtrail: &'a CloudTrail<'a, P>,
    pub(crate) budget: Duration,
    deadline: Duration,
}

impl<'a, P: Ports> Run<'a, P> {
    /// Reads the ledger first, so that also with Kong out of reach the report says how far behind
    /// the streams are.
    async fn streams(&self, lease: &Lease<'a, P>, report: &mut Report) -> Result<(), Halt> {
        let mut ledger = Ledger::load(self.store, &self.config.channel.arn, &self.kong_address())?;
        let mut dead_letters = DeadLetters::load(self.store)?;
        report.dead_letters = Some(dead_letters.count());
        if ledger.knows_of_dead_letters() && !dead_letters.has_index() {
            let key = self.store.key(DEAD_LETTERS);
            let error = format!(
                "the store has lost the index of dead letters, {key}: restore it from its snapshot"
            );
            // A later run does not find out again.
            self.log.log(Level::Error, error.clone());
            report.add(Outcome::Partial, Some(error));
            // Its chunks may still be there, and must be when it is restored.
            dead_letters.number_from(self.port.now_ms().unsigned_abs());
        }
        let about = self.kong.about().await;
        let told = about.as_ref().ok().and_then(|about| about.now);
        let now = told.unwrap_or_else(|| self.port.now_ms().div_euclid(1000));
        let told_at = self.port.elapsed();

        let mut ended = match about {
            Ok(about) => {
                let longest_ttl = Stream::ALL.map(|s| ledger.stream(s).longest_ttl);
                let longest_ttl = longest_ttl.into_iter().max().unwrap_or(0);
                let shared = Shared { about, now, request_times: HashMap::new(), longest_ttl };
                self.ship(shared, &mut ledger, &mut dead_letters, lease, report).await
            }
            Err(error) => Err(Halt::Kong(error)),
        };
        if ended.is_ok() {
            let replayed = replay::replay(&mut dead_letters, self.cloudtrail, lease, self.log);
            ended = replayed.await.map(|pending| {
                if pending.is_some() {
                    report.add(Outcome::Partial, pending);
                }
            });
        }
        report.dead_letters = Some(dead_letters.count());
        for key in dead_letters.take_lost() {
            let error = format!(
                "the store has lost the dead letters at {key}: restore it from its snapshot"
            );
            report.add(Outcome::Partial, Some(error));
        }

        let end = now + seconds(self.port.elapsed().saturating_sub(told_at));
        for stream in Stream::ALL {
            let watermark = ledger.watermark(stream);
            let stream = report.stream(stream);
            stream.watermark = watermark;
            stream.lag_secs = watermark.map(|watermark| end.saturating_sub(watermark));
        }
        ended
    }

    /// Ships the streams, one after the other, and stores what came of it.
    async fn ship(
        &self,
        mut shared: Shared,
        ledger: &mut Ledger<'a, P>,
        dead_letters: &mut DeadLetters<'a, P>,
        lease: &Lease<'a, P>,
        report: &mut Report,
    ) -> Result<(), Halt> {
        if !shared.about.hides.is_empty() && ledger.warns(shared.now) {
            self.warn_of_hidden_entries(&shared.about);
        }
        let mut delivery = Delivery::new(
            self.config.max_in_flight,
            shared.now,
            ledger,
            dead_letters,
            self.cloudtrail,
            lease,
            self.log,
        );
        // None takes the time of those that come after it.
        let deadline = |left: usize| {
            let now = self.port.elapsed();
            now + self.deadline.saturating_sub(now) / u32::try_from(left).unwrap_or(1).max(1)
        };
        let streams = &self.config.streams;
        let mut passes = Vec::new();
        let mut halted = None;
        for (index, stream) in streams.iter().enumerate() {
            let deadline = deadline(streams.len() - index);
            passes.push(self.begin(*stream, deadline, &mut shared, &mut delivery).await);
            halted = passes.last().and_then(Pass::ends_run);
            if halted.is_some() {
                break;
            }
        }
        let mut sweeps: Vec<_> = passes.iter_mut().filter(|pass| pass.may_sweep()).collect();
        while halted.is_none() && !sweeps.is_empty() {
            let deadline = deadline(sweeps.len());
            let pass = sweeps.remove(0);
            pass.halted = self.sweep(deadline, pass, &mut shared, &mut delivery).await.err();
            halted = pass.ends_run();
        }
        let (mut tallies, halted) = delivery.close(halted).await;
        let mut begun = false;
        for pass in passes {
            let tally = tallies.remove(&pass.stream).unwrap_or_default();
            begun |= pass.noted || !pass.plan.is_empty();
            let head = ledger.stream(pass.stream);
            head.longest_ttl = head.longest_ttl.max(shared.longest_ttl);
            // After a run that stopped, both streams look back.
            let ended = halted.is_none() && pass.halted.is_none();
            if ended {
                self.complete(&pass, &tally, &shared, ledger);
            }
            if tally.report.pending == 0 {
                if let Some(sweep) = pass.lags_behind(shared.now) {
                    report.add(Outcome::Partial, Some(spread(pass.stream, sweep)));
                }
                let head = ledger.stream(pass.stream);
                if head.crowded.is_some() {
                    report.add(Outcome::Partial, Some(crowded(pass.stream)));
                } else if head.sweep.as_ref().is_some_and(|sweep| sweep.left_behind) {
                    report.add(Outcome::Partial, Some(left_behind_by(pass.stream)));
                }
            }
            self.tell_of_adoption(&pass, &tally, ended);
            let kept = ledger.size(pass.stream);
            if pass.plan.mode == Mode::Full && pass.plan.sweep && kept > MOST_WITHOUT_FILTERS {
                report.add(Outcome::Partial, Some(too_many(&pass, &shared, kept)));
            }
            conclude(report, pass, tally);
        }
        let may_write = match &halted {
            Some(Halt::Lease(_)) => false,
            // A ledger that cannot be read is left as it is, but for what CloudTrail has meanwhile.
            Some(Halt::Ledger(_)) => ledger.has_news() || dead_letters.has_news(),
            // Without a window too: a pass may have met something new before it found out that
            // Kong ignores its filters.
            _ => begun || ledger.has_news() || dead_letters.has_news(),
        };
        if !may_write {
            return halted.map_or(Ok(()), Err);
        }
        dead_letters.forget_failing_before(shared.now - 2 * shared.retention());
        let stored =
            lease.hold().map_err(Halt::from).and_then(|()| Ok(dead_letters.write()?)).and_then(
                |()| {
                    ledger.note_dead_letters(dead_letters.has_index());
                    Ok(ledger.write()?)
                },
            );
        match (halted, stored) {
            (Some(halt), Err(also)) => {
                report.add(Outcome::Failed, Some(halt.to_string()));
                Err(also)
            }
            (halted, stored) => stored.and(halted.map_or(Ok(()), Err)),
        }
    }

    /// Which Kong this is, to the ledger.
    fn kong_address(&self) -> String {
        format!("{}{}", self.config.kong_admin_api, self.config.kong_admin_path)
    }

    fn warn_of_hidden_entries(&self, about: &About) {
        let hides = about.hides.join("; ");
        self.log.log(
            Level::Warn,
            format!(
                "Kong keeps some calls or rows out of its audit log, and so out of CloudTrail: {hides}; check kong.conf on \
                 the control plane if that is not meant"
            ),
        );
    }

    /// What came of `adopt_lambda_keys`, and when it has done its work.
    fn tell_of_adoption(&self, pass: &Pass, tally: &Tally, ended: bool) {
        let on = self.config.adopt_lambda_keys && pass.stream == Stream::Requests;
        if !on || pass.plan.is_empty() {
            return;
        }
        let (adopted, shipped) = (tally.adopted, tally.report.shipped);
        if adopted > 0 {
            let text = format!(
                "adopt_lambda_keys: {adopted} request entries count as shipped, since Kong's Lambda has a key for each"
            );
            self.log.log(Level::Info, text);
        } else if pass.first && shipped > 0 {
            let text = format!(
                "adopt_lambda_keys: Kong's Lambda has a key for none of the {shipped} request entries that were shipped: \
                 if it had shipped any, they are in CloudTrail twice now; check that the key-value store named in Spin's \
                 runtime config is the Lambda's Redis (REDIS_HOST), with the number of its database (REDIS_DB)"
            );
            self.log.log(Level::Warn, text);
        } else if ended && tally.report.pending == 0 {
            self.log.log(
                Level::Info,
                "adopt_lambda_keys can be switched off: no entry that was new to this run has a key of Kong's Lambda",
            );
        }
    }

    /// Of a stream that came to its end: moves the watermark when every entry that was met is accounted for,
    /// and drops what has expired when all that Kong retains was compared. What only a window met does not
    /// hold up a sweep.
    fn complete(&self, pass: &Pass, tally: &Tally, shared: &Shared, ledger: &mut Ledger<'a, P>) {
        let Pass { stream, plan, buckets, swept, .. } = pass;
        let stream = *stream;
        let accounted_for = tally.report.pending == 0;
        let swept = swept.as_ref().filter(|_| tally.pending_in_sweep == 0);
        let compared = match swept {
            Some(sweep) => Some(sweep.began),
            None => (plan.is_whole() && accounted_for).then_some(shared.now),
        };
        let watermark = plan.window.map_or(compared, |_| Some(shared.now));
        if accounted_for && let Some(watermark) = watermark {
            let looked_back = plan.looks_back.then_some(watermark);
            ledger.complete(stream, Completed { watermark, looked_back });
        }
        if accounted_for && pass.cut_short {
            ledger.stream(stream).crowded = Some(shared.now);
        }
        let retention = shared.retention();
        if let Some(compared) = compared {
            let head = ledger.stream(stream);
            (head.reconciled, head.sweep) = (Some(compared), None);
            // A time that has not come yet is of a clock that went back.
            head.crowded = head.crowded.filter(|met| (compared + 1..=shared.now).contains(met));
            head.without_filters =
                stream == Stream::Objects && !shared.about.version.has_time_filters();
            ledger.expire(stream, compared - retention, buckets);
        } else if accounted_for && self.config.reconcile_secs == 0 && plan.mode == Mode::Incremental
        {
            ledger.expire(stream, shared.now - 2 * shared.longest_retention(), buckets);
        }
    }
}

/// Most reasons that a report gives for what is pending, or was refused; the log has all.
const MAX_REASONS: usize = 5;

/// Most entries of a stream that are meant to be read as a whole again and again.
const MOST_WITHOUT_FILTERS: usize = 1_000_000;

fn too_many(pass: &Pass, shared: &Shared, kept: usize) -> String {
    format!(
        "the ledger holds {kept} fingerprints of {}, and Kong {} gives only all of them at once, which is meant for \
         {MOST_WITHOUT_FILTERS} at most: nothing is lost, but runs take ever longer; upgrade Kong to 3.9 or later, shorten \
         audit_log_record_ttl, or let no proxy drop the query",
        pass.stream.name(),
        shared.about.version
    )
}

fn left_behind_by(stream: Stream) -> String {
    format!(
        "{} entries that the comparison with all that Kong retains met before are pending: it begins again when it is \
         through, and tries them again",
        stream.name()
    )
}

fn crowded(stream: Stream) -> String {
    format!(
        "a second of {} had more entries than a page, of which a Kong before 3.9 may leave some out of a window, and the \
         comparison with all that Kong retains is not through: the next run goes on with it; upgrade Kong, or raise \
         run_budget_secs",
        stream.name()
    )
}

fn spread(stream: Stream, sweep: &Sweep) -> String {
    format!(
        "all {} entries that Kong {} held at {} are accounted for, and what came since is left to the next run: reading all \
         of them took several; raise run_budget_secs, or, if Kong is older than 3.9, upgrade it",
        stream.name(),
        sweep.version,
        sweep.began
    )
}

/// How a stream ended, in the report.
fn conclude(report: &mut Report, pass: Pass, tally: Tally) {
    let Tally { report: done, pending, rejected, .. } = tally;
    let name = pass.stream.name();
    let few = |reasons: BTreeMap<String, u64>| {
        reasons.into_keys().take(MAX_REASONS).collect::<Vec<_>>().join("; ")
    };
    match pass.halted.filter(|halt| !halt.ends_run()) {
        Some(halt @ Halt::Budget) => report.add(Outcome::Partial, Some(halt.to_string())),
        Some(halt) => report.add(Outcome::Failed, Some(halt.to_string())),
        None => {}
    }
    if done.pending > 0 {
        let why = few(pending);
        let error = format!(
            "{} of the {name} entries are pending, and tried again by the next run: {why}",
            done.pending
        );
        report.add(Outcome::Partial, Some(error));
    }
    if done.rejected > 0 {
        let why = few(rejected);
        let error = format!(
            "CloudTrail refused {} of the {name} entries for good, which are dead letters now (see kong-cloudtrail-host \
             dead-letters): {why}",
            done.rejected
        );
        report.add(Outcome::Partial, Some(error));
    }
    *report.stream(pass.stream) = done;
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
