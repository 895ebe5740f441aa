//! One stream's way through its window: pages, what is new in them, and its events.
//!
//! Keeps invariant 3, since each entry is mapped whole, and invariant 1, since a pass that did not
//! see all of its window says so.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::delivery::{Delivery, Halt, Shipment};
use crate::event;
use crate::kong::{self, About, Entry, KongError, Page, Plan, Stream, Window};
use crate::ledger::{BUCKET_SECS, Fingerprint};
use crate::log::Level;
use crate::ports::Ports;
use crate::shipper::Run;

/// Kong's default `audit_log_record_ttl`: 30 days.
const DEFAULT_RETENTION_SECS: i64 = 2_592_000;

/// No Kong keeps entries longer, whatever it says.
const CENTURY_SECS: i64 = 100 * 365 * 86_400;

/// Of how many requests the time is kept for the objects of an older Kong.
const MAX_REQUEST_TIMES: usize = 1_000_000;

/// What the streams of one run share.
pub struct Shared {
    /// What Kong tells of itself.
    pub about: About,
    /// Kong's clock at the beginning.
    pub now: i64,
    /// `request_timestamp` by `request_id`, for objects of a Kong that gives them none.
    pub request_times: HashMap<String, i64>,
    /// The longest `ttl` ever seen, in seconds.
    pub longest_ttl: i64,
}

impl Shared {
    /// Keeps what later entries, or later runs, need to know of this one.
    fn note(&mut self, entry: &Entry<'_>) {
        if let Some(ttl) = entry.get("ttl").and_then(|ttl| ttl.get().parse().ok()) {
            self.longest_ttl = self.longest_ttl.max(ttl);
        }
        if entry.stream == Stream::Requests
            && !self.about.version.has_time_filters()
            && self.request_times.len() < MAX_REQUEST_TIMES
            && let (Some(id), Some(time)) = (entry.id(), entry.request_timestamp())
        {
            self.request_times.insert(id.into_owned(), time);
        }
    }

    /// Kong's retention in seconds: what `GET /` shows, else the longest `ttl` seen, else the default.
    pub fn retention(&self) -> i64 {
        let seen = (self.longest_ttl > 0).then_some(self.longest_ttl);
        self.about.record_ttl.or(seen).unwrap_or(DEFAULT_RETENTION_SECS).min(CENTURY_SECS)
    }
}

/// One stream's way through its window.
pub struct Pass {
    /// Which stream.
    pub stream: Stream,
    /// What was to be done.
    pub plan: Plan,
    /// Buckets whose entries Kong still holds.
    pub buckets: HashSet<i64>,
    /// Why it ended early, if the other stream may fare better.
    pub halted: Option<Halt>,
}

impl<'a, P: Ports> Run<'a, P> {
    /// Reads one stream, and once more as a whole when Kong turns out to ignore time filters.
    pub(crate) async fn stream(
        &self,
        stream: Stream,
        deadline: Duration,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Pass {
        let before = delivery.ledger.stream(stream).clone();
        let time_filters = shared.about.version.has_time_filters();
        let plan = kong::plan(self.config, &before, time_filters, shared.now);
        let pass = self.planned(stream, plan, deadline, shared, delivery).await;
        if !matches!(pass.halted, Some(Halt::Kong(KongError::FilterIgnored))) {
            return pass;
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
        delivery.ledger.stream(stream).incomplete = before.incomplete;
        let plan = kong::plan(self.config, &before, false, shared.now);
        self.planned(stream, plan, deadline, shared, delivery).await
    }

    async fn planned(
        &self,
        stream: Stream,
        plan: Plan,
        deadline: Duration,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Pass {
        delivery.tally().report.mode = Some(plan.mode.name());
        let mut pass = Pass { stream, plan, buckets: HashSet::new(), halted: None };
        if let Some(window) = plan.window {
            // Until the stream is complete; stored with whatever is stored next.
            delivery.ledger.stream(stream).incomplete = true;
            pass.halted = self.walk(window, deadline, &mut pass, shared, delivery).await.err();
        }
        pass
    }

    /// Reads the window page by page and delivers what is new, the next page being fetched while
    /// batches are under way.
    ///
    /// Where further pages of a filtered stream cannot be trusted, a window that does not fit one
    /// page is cut in two and each half asked for by itself.
    async fn walk(
        &self,
        window: Window,
        deadline: Duration,
        pass: &mut Pass,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<(), Halt> {
        let pages_filtered = shared.about.version.pages_filtered();
        let mut windows = vec![window];
        while let Some(window) = windows.pop() {
            let mut offset = None;
            loop {
                if self.port.elapsed() >= deadline {
                    return Err(Halt::Budget);
                }
                let fetch = self.kong.page(pass.stream, window, offset.as_deref());
                let page = delivery.alongside(fetch).await?.map_err(Halt::Kong)?;
                if let Some(name) = page.left_out() {
                    delivery.leave_out(name);
                }
                self.sort_out(&page, window, pass, shared, delivery)?;
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
        page: &Page,
        window: Window,
        pass: &mut Pass,
        shared: &mut Shared,
        delivery: &mut Delivery<'_, 'a, P>,
    ) -> Result<(), Halt> {
        delivery.tally().report.pages += 1;
        for entry in page.entries(pass.stream) {
            let entry = entry.map_err(Halt::Kong)?;
            if !window.holds(entry.exact_timestamp()) {
                return Err(Halt::Kong(KongError::FilterIgnored));
            }
            delivery.tally().report.fetched += 1;
            pass.buckets.insert(entry.ledger_time().div_euclid(BUCKET_SECS));
            shared.note(&entry);
            let (fingerprint, time) = (Fingerprint::of(&entry), entry.ledger_time());
            if delivery.knows(&fingerprint, time)? {
                delivery.tally().report.duplicates += 1;
                continue;
            }
            let name = entry.id().map(Cow::into_owned);
            let events = event::events(&entry, &self.context(shared));
            let name = name.or_else(|| Some(events.first()?.id.clone())).unwrap_or_default();
            self.warn_of_oddities(&entry, &name);
            let late = pass.plan.late_before.is_some_and(|before| time < before);
            delivery.add(Shipment { fingerprint, time, late, name, events })?;
        }
        Ok(())
    }

    fn context<'c>(&'c self, shared: &'c Shared) -> event::Context<'c> {
        event::Context {
            kong_version: shared.about.version.as_str(),
            event_source: &self.config.event_source,
            account: &self.config.channel.account,
            kong_hostname: &self.config.kong_admin_api,
            retention_secs: shared.retention(),
            request_times: &shared.request_times,
            fallback_time: shared.now,
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
}
