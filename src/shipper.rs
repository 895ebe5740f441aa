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
use crate::delivery::{Delivery, Halt, Shipment};
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
    let deadline = port.elapsed() + config.run_budget;
    let log = Logger::new(port, config.log_level);
    let store = Store::new(port, &config.ledger);
    let kong = Kong::new(port, config, deadline);
    let cloudtrail = CloudTrail::new(port, config, deadline);

    match Lease::take(&store, port, config.lease) {
        Ok(mut lease) => {
            let run = Run {
                port,
                config,
                log,
                store: &store,
                kong: &kong,
                cloudtrail: &cloudtrail,
                deadline,
            };
            if let Err(halt) = run.streams(&mut lease, report).await {
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
}

impl<'a, P: Ports> Run<'a, P> {
    /// Reads the ledger first, so that also with Kong out of reach the report says how far behind
    /// the streams are.
    async fn streams(&self, lease: &mut Lease<'a, P>, report: &mut Report) -> Result<(), Halt> {
        let mut ledger =
            Ledger::load(self.store, &self.config.channel.arn, &self.config.kong_admin_api)?;
        report.dead_letters = Some(0);
        let about = self.kong.about().await;
        let told = about.as_ref().ok().and_then(|about| about.now);
        let now = told.unwrap_or_else(|| self.port.now_ms().div_euclid(1000));
        let told_at = self.port.elapsed();

        if let Ok(about) = &about {
            let mut shared = Shared { about: about.clone(), now, request_times: HashMap::new() };
            for stream in &self.config.streams {
                let (done, halted) = self.stream(*stream, &mut shared, &mut ledger, lease).await;
                let ends_run = !matches!(halted, None | Some(Halt::Kong(_)));
                conclude(report, *stream, done, halted);
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
        lease: &mut Lease<'a, P>,
    ) -> (StreamReport, Option<Halt>) {
        let time_filters = shared.about.version.has_time_filters();
        let plan = kong::plan(self.config, ledger.stream(stream), time_filters, shared.now);
        let (report, halted) = self.planned(stream, plan, shared, ledger, lease).await;
        if !matches!(halted, Some(Halt::Kong(KongError::FilterIgnored))) {
            return (report, halted);
        }
        self.log.log(
            Level::Warn,
            format!(
                "Kong {} ignored before and after on /audit/{}, so all of it is read: check that no proxy drops the query",
                shared.about.version,
                stream.name()
            ),
        );
        let plan = kong::plan(self.config, ledger.stream(stream), false, shared.now);
        let (mut again, halted) = self.planned(stream, plan, shared, ledger, lease).await;
        again.shipped += report.shipped;
        again.batches += report.batches;
        again.pages += report.pages;
        (again, halted)
    }

    async fn planned(
        &self,
        stream: Stream,
        plan: Plan,
        shared: &mut Shared,
        ledger: &mut Ledger<'a, P>,
        lease: &mut Lease<'a, P>,
    ) -> (StreamReport, Option<Halt>) {
        let mode = Some(plan.mode.name());
        let Some(window) = plan.window else {
            return (StreamReport { mode, ..StreamReport::default() }, None);
        };
        let mut delivery = Delivery::new(
            stream,
            self.config.max_in_flight,
            self.cloudtrail,
            ledger,
            lease,
            &self.log,
        );
        let mut walk =
            Walk { stream, window, plan, shared, buckets: HashSet::new(), longest_ttl: 0 };
        let halted = self.walk(&mut walk, &mut delivery).await.err();
        let Walk { buckets, longest_ttl, .. } = walk;
        let (mut report, mut halted) = delivery.close(halted).await;
        report.mode = mode;

        if window.after.is_none() && Some(&stream) == self.config.streams.first() {
            self.warn_of_hidden_entries(&shared.about);
        }
        let head = ledger.stream(stream);
        head.longest_ttl = head.longest_ttl.max(longest_ttl);
        head.incomplete = true;
        if halted.is_none()
            && report.pending == 0
            && let Err(halt) = self.complete(stream, plan, shared, ledger, lease, &buckets)
        {
            halted = Some(halt);
        }
        (report, halted)
    }

    /// Reads the window page by page and delivers what is new, the next page being fetched while
    /// batches are under way.
    async fn walk(
        &self,
        walk: &mut Walk<'_>,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<(), Halt> {
        let (stream, window) = (walk.stream, walk.window);
        let mut next = Some(self.kong.page(stream, window, None).await.map_err(Halt::Kong)?);
        while let Some(page) = next.take() {
            if self.port.elapsed() >= self.deadline {
                return Err(Halt::Budget);
            }
            self.sort_out(walk, &page, delivery)?;
            next = match page.offset() {
                Some(offset) => {
                    let fetched =
                        delivery.alongside(self.kong.page(stream, window, Some(offset))).await?;
                    let fetched = fetched.map_err(Halt::Kong)?;
                    if fetched.offset() == Some(offset) {
                        return Err(Halt::Kong(page.repeated()));
                    }
                    Some(fetched)
                }
                None => None,
            };
        }
        delivery.finish().await
    }

    /// Drops what the ledger knows and maps the rest.
    fn sort_out(
        &self,
        walk: &mut Walk<'_>,
        page: &Page,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<(), Halt> {
        delivery.report.pages += 1;
        for entry in page.entries(walk.stream) {
            let entry = entry.map_err(Halt::Kong)?;
            if !walk.window.holds(entry.exact_timestamp()) {
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
            delivery.add(Shipment { fingerprint, time, late, name, events });
        }
        Ok(())
    }

    fn context<'c>(&'c self, walk: &'c Walk<'_>) -> event::Context<'c> {
        event::Context {
            kong_version: walk.shared.about.version.as_str(),
            event_source: &self.config.event_source,
            account: &self.config.channel.account,
            kong_hostname: self.config.kong_hostname(),
            retention_secs: walk.retention(),
            request_times: &walk.shared.request_times,
            fallback_time: walk.shared.now,
        }
    }

    /// Once a reconcile, so about once a day.
    fn warn_of_hidden_entries(&self, about: &About) {
        if !about.hides.is_empty() {
            self.log.log(
                Level::Warn,
                format!(
                    "Kong keeps some calls or rows out of its audit log, and so out of CloudTrail: {}; check kong.conf on the \
                     control plane if that is not meant",
                    about.hides.join("; ")
                ),
            );
        }
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
        lease: &mut Lease<'a, P>,
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
        let retention = shared.about.retention(ledger.stream(stream).longest_ttl);
        if whole {
            ledger.expire(stream, now - retention, seen)?;
        } else if self.config.reconcile_secs == 0 && plan.mode == Mode::Incremental {
            ledger.expire(stream, now - 2 * retention, &HashSet::new())?;
        }
        Ok(())
    }
}

/// One stream's way through a window.
struct Walk<'s> {
    stream: Stream,
    window: Window,
    plan: Plan,
    shared: &'s mut Shared,
    /// Buckets whose entries Kong still holds.
    buckets: HashSet<i64>,
    longest_ttl: i64,
}

impl Walk<'_> {
    fn note(&mut self, entry: &Entry<'_>) {
        self.buckets.insert(entry.ledger_time().div_euclid(BUCKET_SECS));
        if let Some(ttl) = entry.get("ttl").and_then(|ttl| ttl.get().parse().ok()) {
            self.longest_ttl = self.longest_ttl.max(ttl);
        }
        if self.stream == Stream::Requests
            && !self.shared.about.version.has_time_filters()
            && let (Some(id), Some(time)) = (entry.id(), entry.request_timestamp())
        {
            self.shared.request_times.insert(id.into_owned(), time);
        }
    }

    fn retention(&self) -> i64 {
        self.shared.about.retention(self.longest_ttl)
    }
}

impl About {
    /// Kong's retention in seconds: what `GET /` shows, else the longest `ttl` seen, else the default.
    fn retention(&self, longest_ttl: i64) -> i64 {
        self.record_ttl
            .or((longest_ttl > 0).then_some(longest_ttl))
            .unwrap_or(DEFAULT_RETENTION_SECS)
    }
}

/// How a stream ended, in the report.
fn conclude(report: &mut Report, stream: Stream, done: StreamReport, halted: Option<Halt>) {
    let (outcome, error) = match halted {
        Some(halt @ Halt::Budget) => (Outcome::Partial, Some(halt.to_string())),
        Some(halt) => (Outcome::Failed, Some(halt.to_string())),
        None if done.pending > 0 => {
            let (pending, name) = (done.pending, stream.name());
            let error = format!(
                "CloudTrail has not taken {pending} of the {name} entries: the next run tries them again, and the log \
                 lines say why"
            );
            (Outcome::Partial, Some(error))
        }
        None if done.rejected > 0 => (Outcome::Partial, None),
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
