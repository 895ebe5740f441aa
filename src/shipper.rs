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

use serde_json::value::RawValue;

use crate::cloudtrail::CloudTrail;
use crate::config::Config;
use crate::delivery::{Closed, Delivery, Halt, Tally};
use crate::kong::{About, Kong, Mode, Stream};
use crate::lease::{Lease, LeaseError};
use crate::ledger::{
    Bucket, Completed, DEAD_LETTERS, DeadLetters, Ledger, LedgerError, Reports, reports,
};
use crate::log::{Level, Logger};
use crate::messages;
use crate::notes;
use crate::pass::{Pass, Shared};
use crate::ports::Ports;
use crate::replay;
use crate::report::{Attention, Calls, Outcome, Report};
use crate::seal::{Seals, ValueFault};
use crate::store::Store;

/// Reads the variables, does one run, and reports it.
pub async fn run<P: Ports>(
    port: &P,
    variable: impl Fn(&str) -> Result<Option<String>, String>,
) -> Report {
    let started = port.elapsed();
    let mut report = Report::default();
    match Config::read(variable) {
        Ok(config) => {
            report.notes = notes::of_config(&config);
            ship(port, &config, &mut report).await;
        }
        Err(mistakes) => report.add(Outcome::Failed, Some(mistakes.to_string())),
    }
    report.duration_ms = millis(port.elapsed().saturating_sub(started));
    report
}

/// One run with a sound configuration.
async fn ship<P: Ports>(port: &P, config: &Config, report: &mut Report) {
    let budget = config.run_budget.min(Lease::<P>::longest_run(config.lease));
    let began = port.elapsed();
    let deadline = began + budget;
    let log = Logger::new(port, config.log_level);
    let seals = Seals::new(config.seal.clone(), config.previous_seal.clone());
    let store = Store::sealed(port, &config.ledger, seals);
    let target = config.target.as_str();
    let kong = Kong::new(port, config, deadline);
    let cloudtrail = CloudTrail::new(port, config, deadline);

    match Lease::take(&store, port, config.lease) {
        Ok(lease) => {
            let run = Run {
                port,
                config,
                log: &log,
                store: &store,
                kong: &kong,
                cloudtrail: &cloudtrail,
                target,
                budget,
                deadline,
                began,
            };
            if let Err(halt) = lease.during(run.streams(&lease, report)).await {
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
                 took all the same may be in it twice",
                cloudtrail.doubtful()
            ),
        );
    }
    report.calls = calls(&kong, &cloudtrail, &store);
}

fn calls<P: Ports>(
    kong: &Kong<'_, P>,
    cloudtrail: &CloudTrail<'_, P>,
    store: &Store<'_, P>,
) -> Calls {
    Calls {
        kong: kong.calls(),
        destination: cloudtrail.calls(),
        kv: store.calls(),
        retries: kong.retries() + cloudtrail.retries(),
    }
}

/// What a run works with.
pub(crate) struct Run<'a, P> {
    pub(crate) port: &'a P,
    pub(crate) config: &'a Config,
    pub(crate) log: &'a Logger<'a, P>,
    pub(crate) store: &'a Store<'a, P>,
    pub(crate) kong: &'a Kong<'a, P>,
    cloudtrail: &'a CloudTrail<'a, P>,
    target: &'a str,
    pub(crate) budget: Duration,
    deadline: Duration,
    began: Duration,
}

/// What a run reads of the store at its beginning, and writes at its end.
struct Kept<'a, P> {
    ledger: Ledger<'a, P>,
    dead_letters: DeadLetters<'a, P>,
    reports: Reports,
}

/// What the last write of a run stored.
enum Stored {
    All,
    Nothing,
}

impl<'a, P: Ports> Run<'a, P> {
    /// Reads the ledger first, so that also with Kong out of reach the report says how far behind
    /// the streams are.
    async fn streams(&self, lease: &Lease<'a, P>, report: &mut Report) -> Result<(), Halt> {
        let mut ledger = Ledger::load(self.store, self.target, &self.kong_address())?;
        report.generation = Some(ledger.generation());
        if ledger.is_new() {
            report.attention.insert(Attention::NewLedger);
        }
        if lease.follows_a_death() || (lease.was_absent() && !ledger.is_new()) {
            report.attention.insert(Attention::DiedBefore);
            self.log.log(
                Level::Warn,
                "the run before this one ended without releasing its lease: what CloudTrail had accepted of it and it had \
                 not recorded yet, at most max_in_flight batches, is shipped again",
            );
        }
        let mut dead_letters = DeadLetters::load(self.store)?;
        let reports = self.reports(report)?;
        report.dead_letters = Some(dead_letters.count());
        if ledger.rekeys() {
            self.rekey(&mut ledger, &dead_letters, lease, report)?;
            report.attention.insert(Attention::Rekeyed);
        }
        self.tell_of_a_lost_index(&mut ledger, &mut dead_letters, report);
        let about = self.kong.about().await;
        let told = about.as_ref().ok().and_then(|about| about.now);
        let now = told.unwrap_or_else(|| self.port.now_ms().div_euclid(1000));
        let told_at = self.port.elapsed();

        let mut ended = match &about {
            Ok(about) => {
                let longest_ttl = Stream::ALL.map(|s| ledger.stream(s).longest_ttl);
                let longest_ttl = longest_ttl.into_iter().max().unwrap_or(0);
                let request_times = HashMap::new();
                let about = about.clone();
                let shared = Shared { about, now, told_at, request_times, longest_ttl };
                self.ship(shared, &mut ledger, &mut dead_letters, lease, report).await
            }
            Err(error) => Err(Halt::Kong(error.clone())),
        };
        if ended.is_ok() && dead_letters.has_replays() {
            ended = self.replay(&mut ledger, &mut dead_letters, lease, report).await;
        }
        let end = now + seconds(self.port.elapsed().saturating_sub(told_at));
        let kept = Kept { ledger, dead_letters, reports };
        self.finish(kept, about.as_ref().ok(), end, ended, lease, report)
    }

    /// Completes the report and stores it with what is not stored yet.
    fn finish(
        &self,
        mut kept: Kept<'a, P>,
        about: Option<&About>,
        end: i64,
        ended: Result<(), Halt>,
        lease: &Lease<'a, P>,
        report: &mut Report,
    ) -> Result<(), Halt> {
        let may_write = match &ended {
            Err(Halt::Lease(_)) => false,
            // A ledger that cannot be read is left as it is, but for what CloudTrail has meanwhile.
            Err(Halt::Ledger(_)) => kept.ledger.has_news() || kept.dead_letters.has_news(),
            _ => true,
        };
        if let Err(halt) = ended {
            report.add(Outcome::Failed, Some(halt.to_string()));
        }
        // Before the report is put together: it may meet that the store has lost letters.
        let letters = if may_write { Self::write_letters(&mut kept, lease) } else { Ok(()) };
        report.dead_letters = Some(kept.dead_letters.count());
        for key in kept.dead_letters.take_lost() {
            let error = format!(
                "the store has lost the dead letters at {key}: restore it from its snapshot"
            );
            report.attention.insert(Attention::StoreLost);
            report.add(Outcome::Partial, Some(error));
        }
        if report.late() > 0 {
            report.attention.insert(Attention::Late);
        }
        notes::complete(report, about, &mut kept.ledger);
        tell_watermarks(report, end, |stream| kept.ledger.stream(stream).watermark);
        let before = report.clone();
        let stored = match letters {
            Ok(()) if may_write => self.store(&mut kept, lease, report),
            Ok(()) => Ok(Stored::Nothing),
            Err(halt) => Err(halt),
        };
        if !matches!(stored, Ok(Stored::All)) {
            *report = before;
            report.generation = Some(kept.ledger.generation());
            tell_watermarks(report, end, |stream| kept.ledger.watermark(stream));
        }
        stored.map(|_| ())
    }

    fn write_letters(kept: &mut Kept<'a, P>, lease: &Lease<'a, P>) -> Result<(), Halt> {
        lease.hold()?;
        kept.dead_letters.write()?;
        kept.ledger.head().dead_letters = kept.dead_letters.state();
        Ok(())
    }

    /// The last write of a run, and the report with it, as it is when the store takes it.
    fn store(
        &self,
        kept: &mut Kept<'a, P>,
        lease: &Lease<'a, P>,
        report: &mut Report,
    ) -> Result<Stored, Halt> {
        let Kept { ledger, reports, .. } = kept;
        lease.hold()?;
        report.recorded();
        report.generation = Some(ledger.generation() + 1);
        report.calls = calls(self.kong, self.cloudtrail, self.store);
        report.duration_ms = millis(self.port.elapsed().saturating_sub(self.began));
        if let Ok(line) = RawValue::from_string(report.line()) {
            reports.add(self.port.now_ms(), line);
        }
        ledger.write_with(vec![reports.pair(self.store)])?;
        for key in ledger.take_undeleted() {
            let text = format!(
                "{key} has expired and could not be deleted: nothing reads it, so delete it by hand"
            );
            self.log.log(Level::Warn, text);
        }
        Ok(Stored::All)
    }

    /// Writes everything anew with the key of now.
    fn rekey(
        &self,
        ledger: &mut Ledger<'a, P>,
        dead_letters: &DeadLetters<'a, P>,
        lease: &Lease<'a, P>,
        report: &mut Report,
    ) -> Result<(), Halt> {
        let mut names = ledger.segment_names();
        names.extend(dead_letters.names());
        names.push(reports::NAME.to_owned());
        for name in names {
            lease.hold()?;
            match ledger.reseal(&name) {
                // As in other runs: what is damaged of the dead letters is told, and holds up nothing.
                Err(error @ LedgerError::Unreadable { .. })
                    if name.starts_with(DEAD_LETTERS) && name != DEAD_LETTERS =>
                {
                    report.attention.insert(Attention::StoreLost);
                    self.log.log(Level::Error, error.to_string());
                }
                resealed => resealed?,
            }
        }
        lease.hold()?;
        ledger.finish_rekey()?;
        self.log.log(Level::Info, "the ledger was written anew with the new ledger_key");
        Ok(())
    }

    /// The ring of reports. One that is damaged is no reason to ship nothing; with a key it may have been
    /// forged, and is.
    fn reports(&self, report: &mut Report) -> Result<Reports, Halt> {
        match Reports::load(self.store) {
            Err(LedgerError::Unreadable { fault: ValueFault::Damaged, .. }) => {
                report.attention.insert(Attention::StoreLost);
                Ok(Reports::default())
            }
            loaded => Ok(loaded?),
        }
    }

    fn tell_of_a_lost_index(
        &self,
        ledger: &mut Ledger<'a, P>,
        dead_letters: &mut DeadLetters<'a, P>,
        report: &mut Report,
    ) {
        let known = ledger.head().dead_letters;
        let Some(known) = known.filter(|known| dead_letters.is_behind(Some(*known))) else {
            return;
        };
        let error = format!(
            "the store has lost the index of {} dead letters, {}, or gone back to an earlier one: restore it from its \
             snapshot",
            known.letters,
            self.store.key(DEAD_LETTERS)
        );
        // A later run does not find out again.
        self.log.log(Level::Error, error.clone());
        report.attention.insert(Attention::StoreLost);
        report.add(Outcome::Partial, Some(error));
        dead_letters.go_on_after(known, self.port.now_ms().unsigned_abs());
    }

    /// Records what was shipped, then sends the dead letters that somebody wants sent again.
    async fn replay(
        &self,
        ledger: &mut Ledger<'a, P>,
        dead_letters: &mut DeadLetters<'a, P>,
        lease: &Lease<'a, P>,
        report: &mut Report,
    ) -> Result<(), Halt> {
        lease.hold()?;
        dead_letters.write()?;
        ledger.head().dead_letters = dead_letters.state();
        ledger.write()?;
        report.recorded();
        let pending =
            replay::replay(ledger, dead_letters, self.cloudtrail, lease, self.log).await?;
        if pending.is_some() {
            report.add(Outcome::Partial, pending);
        }
        Ok(())
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
        let Closed { mut tallies, halted, store_lost } = delivery.close(halted).await;
        if store_lost {
            report.attention.insert(Attention::StoreLost);
        }
        for pass in passes {
            let tally = tallies.remove(&pass.stream).unwrap_or_default();
            let head = ledger.stream(pass.stream);
            head.longest_ttl = head.longest_ttl.max(shared.longest_ttl);
            head.timeless |= pass.timeless;
            // After a run that stopped, both streams look back.
            let ended = halted.is_none() && pass.halted.is_none();
            if ended {
                self.complete(&pass, &tally, &shared, ledger);
            }
            if tally.report.pending == 0 {
                if let Some(sweep) = pass.lags_behind(shared.now) {
                    report.add(Outcome::Partial, Some(messages::spread(pass.stream, sweep)));
                }
                let head = ledger.stream(pass.stream);
                if head.sweep.as_ref().is_some_and(|sweep| sweep.left_behind) {
                    report.add(Outcome::Partial, Some(messages::left_behind_by(pass.stream)));
                } else if pass.plan.window.is_some() && ended && head.reconciled.is_none() {
                    report.add(Outcome::Partial, Some(messages::not_compared(pass.stream)));
                }
            }
            self.tell_of_adoption(&pass, &tally, ended);
            let kept = ledger.size(pass.stream);
            if pass.plan.mode == Mode::Full
                && pass.plan.sweep
                && kept > messages::MOST_WITHOUT_FILTERS
            {
                let why = messages::too_many(pass.stream, &shared.about.version, kept);
                report.add(Outcome::Partial, Some(why));
            }
            conclude(report, pass, tally);
        }
        dead_letters.forget_failing_before(shared.now - 2 * shared.retention());
        halted.map_or(Ok(()), Err)
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
        let shipped = tally.report.shipped + tally.report.unrecorded;
        let adopted = tally.adopted;
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
            None => (pass.has_compared_all() && accounted_for).then_some(shared.now),
        };
        let watermark = plan.window.map_or(compared, |_| Some(shared.now));
        if accounted_for && let Some(watermark) = watermark {
            let looked_back = plan.looks_back.then_some(watermark);
            ledger.complete(stream, Completed { watermark, looked_back });
        }
        let retention = shared.retention();
        let head = ledger.stream(stream);
        if let Some(compared) = compared {
            (head.reconciled, head.sweep) = (Some(compared), None);
            head.timeless = pass.timeless || swept.is_some_and(|sweep| sweep.timeless);
            head.without_filters =
                stream == Stream::Objects && !shared.about.version.has_time_filters();
            ledger.expire(stream, compared - retention, compared, buckets);
        } else if accounted_for && self.config.reconcile_secs == 0 && plan.mode == Mode::Incremental
        {
            let longest = shared.longest_retention();
            // Windows never meet entries that tell no time at all.
            let mut keep = buckets.clone();
            keep.insert(Bucket::Written(0));
            ledger.expire(stream, shared.now - 2 * longest, shared.now - longest, &keep);
        }
    }
}

/// Most reasons that a report gives for what is pending, or was refused; the log has all.
const MAX_REASONS: usize = 5;

/// Sets each stream's watermark, and how far it is behind the run's end.
fn tell_watermarks(report: &mut Report, end: i64, mut of: impl FnMut(Stream) -> Option<i64>) {
    for stream in Stream::ALL {
        let watermark = of(stream);
        let stream = report.stream(stream);
        stream.watermark = watermark;
        stream.lag_secs = watermark.map(|watermark| end.saturating_sub(watermark));
    }
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
