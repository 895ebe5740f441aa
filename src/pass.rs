//! One stream's way through its window, slice by slice and oldest first, and through a sweep of all that
//! Kong retains: pages, what is new in them, and its events.
//!
//! Keeps invariant 3, since each entry is mapped whole, and invariant 1, since a pass that did not
//! see all of its window says so.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::delivery::{Delivery, Halt, Progress, Reading, Shipment};
use crate::event;
use crate::kong::{self, About, Entry, Filters, KongError, Page, Plan, Stream, Window};
use crate::lambda;
use crate::ledger::{BUCKET_SECS, Bucket, Fingerprint, LedgerError, LedgerTime, Sweep};
use crate::log::Level;
use crate::ports::Ports;
use crate::shipper::Run;

/// Kong's default `audit_log_record_ttl`: 30 days.
const DEFAULT_RETENTION_SECS: i64 = 2_592_000;

/// No Kong keeps entries longer, whatever it says.
const CENTURY_SECS: i64 = 100 * 365 * 86_400;

/// What a slice of a window spans at first, in seconds.
const SLICE_SECS: i64 = BUCKET_SECS;

/// Pages that a slice should have, so that its end is progress before long, and its calls are few.
const SLICE_PAGES: u64 = 10;

/// The part of `run_budget_secs` that a sweep beside a window may take.
const SWEEP_SHARE: u32 = 10;

/// Of how many requests the time is kept for the objects of an older Kong.
const MAX_REQUEST_TIMES: usize = 1_000_000;

/// What the streams of one run share.
pub struct Shared {
    /// What Kong tells of itself.
    pub about: About,
    /// Kong's clock at the beginning.
    pub now: i64,
    /// This host's clock at that moment, the one that never goes back.
    pub told_at: Duration,
    /// `request_timestamp` by `request_id`, for objects of a Kong that gives them none.
    pub request_times: HashMap<String, i64>,
    /// The longest `ttl` ever seen, in seconds.
    pub longest_ttl: i64,
}

impl Shared {
    /// Keeps what later entries, or later runs, need to know of this one.
    fn note(&mut self, entry: &Entry<'_>) {
        if let Some(ttl) = entry.ttl() {
            self.longest_ttl = self.longest_ttl.max(ttl);
        }
        if entry.stream == Stream::Requests
            && !self.about.version.has_time_filters()
            && self.request_times.len() < MAX_REQUEST_TIMES
            && let (Some(id), Some(time)) = (entry.id(), entry.own_time())
        {
            self.request_times.insert(id.into_owned(), time);
        }
    }

    /// Kong's retention in seconds: what `GET /` shows, else the longest `ttl` seen, else the default.
    pub fn retention(&self) -> i64 {
        let seen = (self.longest_ttl > 0).then_some(self.longest_ttl);
        self.about.record_ttl.or(seen).unwrap_or(DEFAULT_RETENTION_SECS).min(CENTURY_SECS)
    }

    /// The longest that Kong may retain: of an old entry `ttl` is what is left, so that a trail without
    /// young ones shows too little.
    pub fn longest_retention(&self) -> i64 {
        let shown = self.about.record_ttl.is_some();
        if shown { self.retention() } else { self.retention().max(DEFAULT_RETENTION_SECS) }
    }
}

/// One stream's way through what was planned.
pub struct Pass {
    /// Which stream.
    pub stream: Stream,
    /// What Kong can be asked for.
    pub filters: Filters,
    /// What was to be done.
    pub plan: Plan,
    /// No run before got anywhere.
    pub first: bool,
    /// One page held all that Kong retains.
    pub read_all: bool,
    /// An entry was met that does not tell its time.
    pub timeless: bool,
    /// Buckets whose entries Kong still holds.
    pub buckets: BTreeSet<Bucket>,
    /// The sweep that came to its end.
    pub swept: Option<Sweep>,
    /// Why it ended early, if the other stream may fare better.
    pub halted: Option<Halt>,
}

impl Pass {
    /// Whether a sweep is due and nothing forbids it.
    pub fn may_sweep(&self) -> bool {
        self.plan.sweep && !self.read_all && self.halted.is_none()
    }

    /// Whether what was read of a window is all that Kong retains.
    pub fn has_compared_all(&self) -> bool {
        self.plan.is_whole() && (self.read_all || self.filters == Filters::Complete)
    }

    /// The sweep that came to its end and was begun by an earlier run, with no window for what came since.
    pub fn lags_behind(&self, now: i64) -> Option<&Sweep> {
        self.swept.as_ref().filter(|sweep| self.plan.window.is_none() && sweep.began < now)
    }

    /// Why no other stream would fare better.
    pub fn ends_run(&self) -> Option<Halt> {
        self.halted.clone().filter(Halt::ends_run)
    }
}

impl<'a, P: Ports> Run<'a, P> {
    /// Plans a stream's run and reads its window, if it has one; plans anew when Kong turns out to ignore
    /// time filters.
    pub(crate) async fn begin(
        &self,
        stream: Stream,
        deadline: Duration,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Pass {
        delivery.begin(stream, Reading::Window);
        let before = delivery.ledger.stream(stream).clone();
        let mut filters = Filters::of(stream, &shared.about.version);
        let mut first = None;
        loop {
            let mut pass = self.plan(stream, filters, shared, delivery);
            pass.first = *first.get_or_insert(pass.first);
            let Some(window) = pass.plan.window else { return pass };
            let halted = self.walk(window, deadline, &mut pass, shared, delivery).await.err();
            if !matches!(halted, Some(Halt::Kong(KongError::FilterIgnored))) {
                return Pass { halted, ..pass };
            }
            let head = delivery.ledger.stream(stream);
            head.incomplete = before.incomplete;
            (head.watermark, head.sweep) = (before.watermark, before.sweep.clone());
            if !self.kong.try_other_dates() {
                self.tell_of_ignored_filters(stream, shared);
                filters = Filters::Ignored;
            }
        }
    }

    fn tell_of_ignored_filters(&self, stream: Stream, shared: &Shared) {
        self.log.log(
            Level::Warn,
            format!(
                "Kong {} ignored before and after on /audit/{}, so all of it is read, every full_secs: check that no \
                 proxy drops the query",
                shared.about.version,
                stream.name()
            ),
        );
    }

    fn plan(
        &self,
        stream: Stream,
        filters: Filters,
        shared: &Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Pass {
        let head = delivery.ledger.stream(stream);
        // Rows that this Kong writes may have no time.
        head.without_filters |=
            stream == Stream::Objects && !shared.about.version.has_time_filters();
        let plan = kong::plan(self.config, head, filters, shared.now);
        if !plan.is_empty() {
            // Until the stream is complete; stored with whatever is stored next.
            head.incomplete = true;
        }
        let first = head.watermark.is_none() && head.buckets.is_empty();
        if plan.begins_anew() {
            (head.watermark, head.sweep) = (None, None);
        }
        delivery.tally().report.mode = Some(plan.mode.name());
        Pass {
            stream,
            filters,
            plan,
            first,
            read_all: false,
            timeless: false,
            buckets: BTreeSet::new(),
            swept: None,
            halted: None,
        }
    }

    /// Reads the window in slices, the oldest first: the end of each is progress that outlasts the run.
    /// Of a first window, which is long, one page is read before: of a short trail that is all.
    async fn walk(
        &self,
        window: Window,
        deadline: Duration,
        pass: &mut Pass,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<(), Halt> {
        let looks_back = pass.plan.looks_back;
        let enough = SLICE_PAGES * u64::from(self.config.page_size);
        let mut secs = SLICE_SECS;
        let mut rest = Some(window);
        if window.after.is_none()
            && self.page(window, None, pass, shared, delivery).await?.is_last()
        {
            pass.read_all = true;
            rest = None;
        }
        // By what that page has told of Kong's retention.
        let oldest = shared.now - shared.retention();
        while let Some(window) = rest {
            let border = window.after.unwrap_or(oldest).saturating_add(secs);
            let (slice, later) =
                if border > shared.now { (window, None) } else { window.split_at(border) };
            let before = delivery.tally().report.fetched;
            let most = if secs > SLICE_SECS { 2 * enough } else { u64::MAX };
            if !self.slice(slice, most, deadline, pass, shared, delivery).await? {
                // After a stretch with few entries a wide one has many.
                secs = SLICE_SECS;
                continue;
            }
            if let Some(end) = later.and_then(|later| later.after) {
                delivery.reached(Progress::Window { end, looks_back })?;
            }
            match delivery.tally().report.fetched - before {
                few if few < enough / 2 => secs = secs.saturating_mul(2),
                many if many > enough * 2 => secs = (secs / 2).max(1),
                _ => {}
            }
            rest = later;
        }
        delivery.reached(Progress::Window { end: shared.now, looks_back })
    }

    /// Reads a slice page by page and delivers what is new, the next page being fetched while batches
    /// are under way. Gives up, and says so, when it has more than `most` entries.
    async fn slice(
        &self,
        slice: Window,
        most: u64,
        deadline: Duration,
        pass: &mut Pass,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<bool, Halt> {
        let before = delivery.tally().report.fetched;
        let mut offset = None;
        loop {
            if self.port.elapsed() >= deadline {
                return Err(Halt::Budget);
            }
            if delivery.tally().report.fetched - before > most {
                return Ok(false);
            }
            let page = self.page(slice, offset.as_deref(), pass, shared, delivery).await?;
            offset = page.next(offset.as_deref()).map_err(Halt::Kong)?;
            if offset.is_none() {
                return Ok(true);
            }
        }
    }

    /// Reads everything that Kong retains, from where an earlier run got to, and goes on in the next run.
    /// Beside a window it takes a part of the run's time at most, once all was compared before.
    pub(crate) async fn sweep(
        &self,
        deadline: Duration,
        pass: &mut Pass,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<(), Halt> {
        delivery.begin(pass.stream, Reading::Sweep);
        delivery.ledger.expect_any_order();
        let beside = pass.plan.window.is_some();
        let again = delivery.ledger.stream(pass.stream).reconciled.is_some();
        let share = self.port.elapsed() + self.budget / SWEEP_SHARE;
        let until = if beside && again { deadline.min(share) } else { deadline };
        let version = shared.about.version.as_str().to_owned();
        let anew = Sweep { began: shared.now, version, ..Sweep::default() };
        // Another version of Kong may order its pages otherwise.
        let begun = delivery.ledger.stream(pass.stream).sweep.clone();
        let begun = begun.filter(|it| it.began <= shared.now && it.version == anew.version);
        let mut sweep = begun.unwrap_or_else(|| anew.clone());
        let mut goes_on = sweep.offset.is_some();
        pass.buckets.extend(&sweep.buckets);
        while self.port.elapsed() < until {
            let everything = Window::default();
            let offset = sweep.offset.as_deref();
            let page = match self.page(everything, offset, pass, shared, delivery).await {
                // Does Kong not know its own offset any more? If it fails without one as well, what
                // is stored stays.
                Err(Halt::Kong(error)) if goes_on && error.may_be_the_offset() => {
                    goes_on = false;
                    sweep.clone_from(&anew);
                    continue;
                }
                page => page?,
            };
            goes_on = false;
            sweep.offset = page.next(offset).map_err(Halt::Kong)?;
            sweep.buckets.clone_from(&pass.buckets);
            sweep.timeless |= pass.timeless;
            if sweep.offset.is_none() {
                if sweep.left_behind {
                    // What is pending would be met again at once: one more reading in each look-back's span.
                    if beside && shared.now.saturating_sub(sweep.began) < self.config.lookback_secs
                    {
                        return Ok(());
                    }
                    sweep.clone_from(&anew);
                    continue;
                }
                pass.swept = Some(sweep);
                return Ok(());
            }
            delivery.reached(Progress::Sweep(sweep.clone()))?;
        }
        if !beside {
            return Err(Halt::Budget);
        }
        self.log.log(
            Level::Info,
            format!(
                "the comparison of {} with all that Kong retains, begun at {}, goes on in the next run",
                pass.stream.name(),
                sweep.began
            ),
        );
        Ok(())
    }

    /// Reads a page and delivers what is new in it.
    async fn page(
        &self,
        window: Window,
        offset: Option<&str>,
        pass: &mut Pass,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<Page, Halt> {
        let fetch = self.kong.page(pass.stream, window, offset);
        let page = delivery.alongside(fetch).await?.map_err(Halt::Kong)?;
        if let Some(name) = page.left_out() {
            delivery.leave_out(name);
        }
        self.sort_out(&page, window, pass, shared, delivery)?;
        Ok(page)
    }

    /// Drops what the ledger knows and maps the rest.
    fn sort_out(
        &self,
        page: &Page,
        window: Window,
        pass: &mut Pass,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<(), Halt> {
        delivery.tally().report.pages += 1;
        let since = self.port.elapsed().saturating_sub(shared.told_at);
        let passed = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let date = page.date().unwrap_or_else(|| shared.now.saturating_add(passed));
        let reconciled = delivery.ledger.stream(pass.stream).reconciled;
        let not_before = reconciled.map(|began| began.saturating_sub(self.config.lookback_secs));
        for entry in page.entries(pass.stream) {
            let entry = entry.map_err(Halt::Kong)?;
            if !window.may_hold(&entry) {
                return Err(Halt::Kong(KongError::FilterIgnored));
            }
            delivery.tally().report.fetched += 1;
            let time = LedgerTime::of(&entry, date);
            pass.buckets.extend(time.buckets());
            pass.timeless |= entry.own_time().is_none();
            shared.note(&entry);
            let fingerprint = Fingerprint::of(&entry);
            if delivery.knows(&fingerprint, time)? {
                delivery.tally().report.duplicates += 1;
                continue;
            }
            if self.config.adopt_lambda_keys
                && lambda::has_key(self.store, &entry).map_err(LedgerError::from)?
            {
                delivery.adopt(fingerprint, time)?;
                delivery.tally().report.duplicates += 1;
                continue;
            }
            let name = entry.id().map(Cow::into_owned);
            let events = event::events(&entry, &self.context(date, not_before, shared));
            let name = name.or_else(|| Some(events.first()?.id.clone())).unwrap_or_default();
            self.warn_of_oddities(&entry, &name);
            // Windows never meet an entry without a time.
            let written = entry.own_time().unwrap_or(i64::MIN);
            let late = pass.plan.late_before.is_some_and(|before| written < before);
            let stamp = entry.exact_time();
            delivery.add(Shipment { fingerprint, time, stamp, late, name, events })?;
        }
        Ok(())
    }

    fn context<'c>(
        &'c self,
        date: i64,
        not_before: Option<i64>,
        shared: &'c Shared,
    ) -> event::Context<'c> {
        event::Context {
            kong_version: shared.about.version.as_str(),
            event_source: &self.config.event_source,
            account: &self.config.channel.account,
            kong_hostname: &self.config.kong_admin_api,
            rbac_is_off: shared.about.rbac_is_off,
            times: event::Times {
                now: shared.now,
                host_now: self.port.now_ms().div_euclid(1000),
                date,
                retention_secs: shared.retention(),
                not_before,
                request_times: &shared.request_times,
            },
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
        if let Some(told) = told.filter(|_| entry.stamp().is_none()) {
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
}
