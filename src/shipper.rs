//! One run, top to bottom:
//!
//! ```text
//! timer tick ─► lease ─► for each stream (requests, objects):
//!     plan the window ─► fetch pages ─► drop what the ledger knows ─► map ─► batch
//!                                                                              │
//!     watermark ◄─ ledger records the accepted ◄─ outcome per event ◄─ sign + PutAuditEvents
//! ─► one report
//! ```
//!
//! Every failure ends in a report and a normal return (invariant 4); what CloudTrail accepted is
//! recorded whatever else happens; the watermark moves only past entries that are accounted for.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::cloudtrail::CloudTrail;
use crate::config::Config;
use crate::delivery::{Delivery, Ended, Halt, Shipment};
use crate::event;
use crate::kong::{self, About, Entry, Kong, KongError, Mode, Page, Plan, Stream, Window};
use crate::lease::{Lease, LeaseError};
use crate::ledger::{BUCKET_SECS, Completed, Fingerprint, Ledger};
use crate::log::{Level, Logger};
use crate::ports::Ports;
use crate::report::{Outcome, Report, StreamReport};
use crate::store::Store;

/// Kong's default `audit_log_record_ttl`: 30 days.
const DEFAULT_RETENTION_SECS: i64 = 2_592_000;

/// Of how many requests the time is kept for the objects of an older Kong.
const MAX_REQUEST_TIMES: usize = 1_000_000;

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
            let run = Run {
                port,
                config,
                log,
                store: &store,
                kong: &kong,
                cloudtrail: &cloudtrail,
                deadline,
            };
            let shipped = lease.during(run.streams(&lease, report)).await;
            if let Err(halt) = shipped.map_err(Halt::Lease).flatten() {
                report.add(Outcome::Failed, Some(halt.to_string()));
            }
            if let Err(error) = lease.release() {
                run.log.log(
                    Level::Warn,
                    format!("the lease could not be released, and runs out by itself: {error}"),
                );
            }
        }
        Err(held @ LeaseError::Held { .. }) => {
            report.outcome = Outcome::Skipped;
            log.log(Level::Info, held.to_string());
        }
        Err(error) => report.add(Outcome::Failed, Some(error.to_string())),
    }

    report.calls.kong = kong.calls();
    report.calls.cloudtrail = cloudtrail.calls();
    report.calls.retries = kong.retries() + cloudtrail.retries();
    report.calls.kv = store.calls();
}

/// What a run works with.
struct Run<'a, P> {
    port: &'a P,
    config: &'a Config,
    log: Logger<'a, P>,
    store: &'a Store<'a, P>,
    kong: &'a Kong<'a, P>,
    cloudtrail: &'a CloudTrail<'a, P>,
    deadline: Duration,
}

/// What the streams of one run share.
struct Shared {
    about: About,
    /// Kong's clock at the beginning.
    now: i64,
    /// `request_timestamp` by `request_id`, for objects of a Kong that gives them none.
    request_times: HashMap<String, i64>,
    /// The longest `ttl` ever seen, in seconds.
    longest_ttl: i64,
}

impl Shared {
    /// Kong's retention in seconds: what `GET /` shows, else the longest `ttl` seen, else the default.
    fn retention(&self) -> i64 {
        let seen = (self.longest_ttl > 0).then_some(self.longest_ttl);
        self.about.record_ttl.or(seen).unwrap_or(DEFAULT_RETENTION_SECS)
    }
}

impl<'a, P: Ports> Run<'a, P> {
    /// Reads the ledger first, so that also with Kong out of reach the report says how far behind
    /// the streams are.
    async fn streams(&self, lease: &Lease<'a, P>, report: &mut Report) -> Result<(), Halt> {
        let mut ledger = Ledger::load(self.store, &self.config.channel.arn, &self.kong_address())?;
        report.dead_letters = Some(0);
        let about = self.kong.about().await;
        let told = about.as_ref().ok().and_then(|about| about.now);
        let now = told.unwrap_or_else(|| self.port.now_ms().div_euclid(1000));
        let told_at = self.port.elapsed();

        if let Ok(about) = &about {
            let mut shared = Shared {
                about: about.clone(),
                now,
                request_times: HashMap::new(),
                longest_ttl: Stream::ALL
                    .map(|s| ledger.stream(s).longest_ttl)
                    .into_iter()
                    .max()
                    .unwrap_or(0),
            };
            if !about.hides.is_empty() && ledger.warns(now) {
                self.warn_of_hidden_entries(about);
            }
            for stream in &self.config.streams {
                let ended = self.stream(*stream, &mut shared, &mut ledger, lease).await;
                let ends_run = !matches!(ended.halted, None | Some(Halt::Kong(_)));
                conclude(report, *stream, ended);
                if ends_run {
                    break;
                }
            }
        }

        let ended = now + seconds(self.port.elapsed().saturating_sub(told_at));
        for stream in Stream::ALL {
            let watermark = ledger.stream(stream).watermark;
            let stream = report.stream(stream);
            stream.watermark = watermark;
            stream.lag_secs = watermark.map(|watermark| ended - watermark);
        }
        about.map(drop).map_err(Halt::Kong)
    }

    /// Ships one stream, and once more as a whole when Kong turns out to ignore time filters.
    async fn stream(
        &self,
        stream: Stream,
        shared: &mut Shared,
        ledger: &mut Ledger<'a, P>,
        lease: &Lease<'a, P>,
    ) -> Ended {
        let before = ledger.stream(stream).clone();
        let time_filters = shared.about.version.has_time_filters();
        let plan = kong::plan(self.config, &before, time_filters, shared.now);
        let first = self.planned(stream, plan, shared, ledger, lease).await;
        if !matches!(first.halted, Some(Halt::Kong(KongError::FilterIgnored))) {
            return first;
        }
        self.log.log(
            Level::Warn,
            format!(
                "Kong {} ignored before and after on /audit/{}, so all of it is read, every full_secs: check that no \
                 proxy drops the query",
                shared.about.version,
                stream.name()
            ),
        );
        ledger.stream(stream).incomplete = before.incomplete;
        let plan = kong::plan(self.config, &before, false, shared.now);
        let mut whole = self.planned(stream, plan, shared, ledger, lease).await;
        whole.report.add(&first.report);
        whole
    }

    async fn planned(
        &self,
        stream: Stream,
        plan: Plan,
        shared: &mut Shared,
        ledger: &mut Ledger<'a, P>,
        lease: &Lease<'a, P>,
    ) -> Ended {
        let mode = Some(plan.mode.name());
        let Some(window) = plan.window else {
            let report = StreamReport { mode, ..StreamReport::default() };
            return Ended { report, halted: None, reason: None };
        };
        // Until the stream is complete; stored with whatever is stored next.
        ledger.stream(stream).incomplete = true;
        let mut delivery = Delivery::new(
            stream,
            self.config.max_in_flight,
            self.cloudtrail,
            ledger,
            lease,
            &self.log,
        );
        let mut walk = Walk { stream, plan, shared, buckets: HashSet::new() };
        let read = self.walk(window, &mut walk, &mut delivery).await.err();
        let buckets = walk.buckets;
        // What was read is sent, though there be no more of it.
        let sent = match &read {
            None | Some(Halt::Kong(_) | Halt::Budget) => delivery.finish().await.err(),
            Some(_) => None,
        };
        let mut ended = delivery.close(read.or(sent)).await;
        ended.report.mode = mode;

        let head = ledger.stream(stream);
        head.longest_ttl = head.longest_ttl.max(shared.longest_ttl);
        let stored = match &ended.halted {
            None if ended.report.pending == 0 => {
                self.complete(stream, plan, shared, ledger, lease, &buckets)
            }
            Some(Halt::Ledger(_) | Halt::Lease(_)) => Ok(()),
            _ => lease.hold().map_err(Halt::from).and_then(|()| Ok(ledger.write()?)),
        };
        ended.halted = ended.halted.or(stored.err());
        ended
    }

    /// Reads the window page by page and delivers what is new, the next page being fetched while
    /// batches are under way.
    ///
    /// Where further pages of a filtered stream cannot be trusted, a window that does not fit one
    /// page is cut in two and each half asked for by itself.
    async fn walk(
        &self,
        window: Window,
        walk: &mut Walk<'_>,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<(), Halt> {
        let stream = walk.stream;
        let pages_filtered = walk.shared.about.version.pages_filtered();
        let mut windows = vec![window];
        while let Some(window) = windows.pop() {
            let mut offset = None;
            loop {
                if self.port.elapsed() >= self.deadline {
                    return Err(Halt::Budget);
                }
                let fetch = self.kong.page(stream, window, offset.as_deref());
                let page = delivery.alongside(fetch).await?.map_err(Halt::Kong)?;
                self.sort_out(walk, window, &page, delivery)?;
                if !pages_filtered
                    && page.is_full()
                    && let Some((older, newer)) = window.halves()
                {
                    windows.extend([newer, older]);
                    break;
                }
                match page.offset() {
                    None => break,
                    Some(next) if offset.as_deref() == Some(next) => {
                        return Err(Halt::Kong(page.repeated()));
                    }
                    Some(next) => offset = Some(next.to_owned()),
                }
            }
        }
        Ok(())
    }

    /// Drops what the ledger knows and maps the rest.
    fn sort_out(
        &self,
        walk: &mut Walk<'_>,
        window: Window,
        page: &Page,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<(), Halt> {
        delivery.report.pages += 1;
        for entry in page.entries(walk.stream) {
            let entry = entry.map_err(Halt::Kong)?;
            if !window.holds(entry.exact_timestamp()) {
                return Err(Halt::Kong(KongError::FilterIgnored));
            }
            delivery.report.fetched += 1;
            walk.note(&entry);
            let (fingerprint, time) = (Fingerprint::of(&entry), entry.ledger_time());
            if delivery.knows(&fingerprint, time)? {
                delivery.report.duplicates += 1;
                continue;
            }
            let name = entry.id().map(Cow::into_owned);
            let events = event::events(&entry, &self.context(walk));
            let name = name.or_else(|| Some(events.first()?.id.clone())).unwrap_or_default();
            self.warn_of_oddities(&entry, &name);
            let late = walk.plan.late_before.is_some_and(|before| time < before);
            delivery.add(Shipment { fingerprint, time, late, name, events })?;
        }
        Ok(())
    }

    /// Which Kong this is, to the ledger.
    fn kong_address(&self) -> String {
        format!("{}{}", self.config.kong_admin_api, self.config.kong_admin_path)
    }

    fn context<'c>(&'c self, walk: &'c Walk<'_>) -> event::Context<'c> {
        event::Context {
            kong_version: walk.shared.about.version.as_str(),
            event_source: &self.config.event_source,
            account: &self.config.channel.account,
            kong_hostname: &self.config.kong_admin_api,
            retention_secs: walk.shared.retention(),
            request_times: &walk.shared.request_times,
            fallback_time: walk.shared.now,
        }
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

    /// What an entry lacks is no reason to hold it back, but somebody should know.
    fn warn_of_oddities(&self, entry: &Entry<'_>, name: &str) {
        let stream = entry.stream.name();
        if entry.id().is_none() {
            let field = entry.stream.id_field();
            self.log.log(
                Level::Debug,
                format!("a {stream} entry without {field} is shipped under the hash {name}"),
            );
        }
        let told = entry.get("request_timestamp").filter(|value| value.get() != "null");
        if let Some(told) = told.filter(|_| entry.exact_timestamp().is_none()) {
            let told: String = told.get().chars().take(40).collect();
            self.log.log(
                Level::Warn,
                format!(
                    "the {stream} entry {name} has the request_timestamp {told}, which is no number of seconds: it is \
                     shipped with the time it tells otherwise, and the value verbatim in additionalEventData"
                ),
            );
        }
    }

    /// Every entry of the window is accounted for: moves the watermark and drops what has expired.
    fn complete(
        &self,
        stream: Stream,
        plan: Plan,
        shared: &Shared,
        ledger: &mut Ledger<'a, P>,
        lease: &Lease<'a, P>,
        seen: &HashSet<i64>,
    ) -> Result<(), Halt> {
        let now = shared.now;
        let whole = plan.window.is_some_and(|window| window.after.is_none());
        lease.hold()?;
        ledger.complete(
            stream,
            Completed {
                watermark: now,
                looked_back: plan.looks_back.then_some(now),
                reconciled: whole.then_some(now),
            },
        )?;
        let retention = shared.retention();
        if whole {
            ledger.expire(stream, now - retention, seen)?;
        } else if self.config.reconcile_secs == 0 && plan.mode == Mode::Incremental {
            ledger.expire(stream, now - 2 * retention, seen)?;
        }
        Ok(())
    }
}

/// One stream's way through a window.
struct Walk<'s> {
    stream: Stream,
    plan: Plan,
    shared: &'s mut Shared,
    /// Buckets whose entries Kong still holds.
    buckets: HashSet<i64>,
}

impl Walk<'_> {
    fn note(&mut self, entry: &Entry<'_>) {
        self.buckets.insert(entry.ledger_time().div_euclid(BUCKET_SECS));
        if let Some(ttl) = entry.get("ttl").and_then(|ttl| ttl.get().parse().ok()) {
            self.shared.longest_ttl = self.shared.longest_ttl.max(ttl);
        }
        if self.stream == Stream::Requests
            && !self.shared.about.version.has_time_filters()
            && self.shared.request_times.len() < MAX_REQUEST_TIMES
            && let (Some(id), Some(time)) = (entry.id(), entry.request_timestamp())
        {
            self.shared.request_times.insert(id.into_owned(), time);
        }
    }
}

/// How a stream ended, in the report.
fn conclude(report: &mut Report, stream: Stream, ended: Ended) {
    let Ended { report: done, halted, reason } = ended;
    let (outcome, error) = match halted {
        Some(halt @ Halt::Budget) => (Outcome::Partial, Some(halt.to_string())),
        Some(halt) => (Outcome::Failed, Some(halt.to_string())),
        None if done.pending > 0 => {
            let (pending, name) = (done.pending, stream.name());
            let reason = reason.unwrap_or_else(|| "no answer mentions them".to_owned());
            let error = format!(
                "{pending} of the {name} entries are pending, and tried again by the next run: {reason}"
            );
            (Outcome::Partial, Some(error))
        }
        None => (Outcome::Ok, None),
    };
    report.add(outcome, error);
    *report.stream(stream) = done;
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
