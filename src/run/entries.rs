//! What becomes of the entries of a page: known ones are dropped, new ones mapped and delivered.

use std::borrow::Cow;

use super::{Halt, Reader, StreamRun, lambda, messages};
use crate::delivery::NewEntry;
use crate::event;
use crate::kong::{Entry, KongError, Page};
use crate::ledger::{Fingerprint, LedgerError};
use crate::log::Code;
use crate::ports::Ports;
use crate::terms::{LedgerTime, Window};

/// When a page was given, and what is known of when its new entries were written.
struct Given {
    /// Kong's clock.
    date: i64,
    /// What is new was not written before this.
    not_before: Option<i64>,
    /// What is new and was written before this is late.
    late_before: Option<i64>,
}

impl<P: Ports> Reader<'_, '_, P> {
    /// Drops what the ledger knows and delivers the rest.
    pub(super) fn take_in(
        &mut self,
        page: &Page,
        window: Window,
        stream_run: &mut StreamRun,
    ) -> Result<(), Halt> {
        self.delivery.tally().report.pages += 1;
        let compared = self.coverage(stream_run.stream).compared();
        let lookback = self.run.config.spans.lookback;
        let given = Given {
            date: page.date().unwrap_or_else(|| self.facts.now_at(self.run.port.elapsed())),
            not_before: compared.map(|began| began.saturating_sub(lookback)),
            late_before: stream_run.plan.late_before,
        };
        for entry in page.entries(stream_run.stream) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(left_out) => {
                    self.leave_out_row(left_out, stream_run)?;
                    continue;
                }
            };
            if !entry.may_be_in(&window) {
                return Err(Halt::Kong(KongError::FilterIgnored));
            }
            self.delivery.tally().report.fetched += 1;
            let time = entry.ledger_time(given.date);
            stream_run.buckets.extend(time.buckets());
            stream_run.timeless |= entry.own_time().is_none();
            self.facts.note(&entry);
            let fingerprint = Fingerprint::of(entry.stream, &entry.identity());
            if self.is_shipped(&entry, &fingerprint, time)? {
                self.delivery.tally().report.duplicates += 1;
            } else {
                let entry = self.map(&entry, fingerprint, time, &given);
                self.delivery.add(entry)?;
            }
        }
        Ok(())
    }

    /// Whether the ledger knows the entry, or adopts it from Kong's Lambda.
    fn is_shipped(
        &mut self,
        entry: &Entry<'_>,
        fingerprint: &Fingerprint,
        time: LedgerTime,
    ) -> Result<bool, Halt> {
        if self.delivery.is_known(fingerprint, time)? {
            return Ok(true);
        }
        let adopts = self.run.config.adopt_lambda_keys
            && lambda::has_key(self.run.store, entry).map_err(LedgerError::from)?;
        if adopts {
            self.delivery.adopt(*fingerprint, time)?;
        }
        Ok(adopts)
    }

    fn map(
        &self,
        entry: &Entry<'_>,
        fingerprint: Fingerprint,
        time: LedgerTime,
        given: &Given,
    ) -> NewEntry {
        let name = entry.id().map(Cow::into_owned);
        let events = event::events(entry, &self.context(given));
        let name = name.or_else(|| Some(events.first()?.id.clone())).unwrap_or_default();
        self.warn_of_oddities(entry, &name);
        // Windows never meet an entry without a time.
        let written = entry.own_time().unwrap_or(i64::MIN);
        let late = given.late_before.is_some_and(|before| written < before);
        NewEntry { fingerprint, time, stamp: entry.exact_time(), late, name, events }
    }

    fn context(&self, given: &Given) -> event::Context<'_> {
        let (config, facts) = (self.run.config, &self.facts);
        event::Context {
            kong_version: facts.about.version.as_str(),
            event_source: &config.event_source,
            account: &config.destination.profile().place.account,
            kong_hostname: &config.kong.api,
            rbac_is_off: facts.about.rbac_is_off,
            times: event::Times {
                now: facts.now,
                host_now: self.run.port.now_ms().div_euclid(1000),
                date: given.date,
                retention_secs: facts.retention().secs,
                not_before: given.not_before,
                request_times: &facts.request_times,
            },
        }
    }

    /// Logs what is odd about an entry. It is shipped all the same.
    fn warn_of_oddities(&self, entry: &Entry<'_>, name: &str) {
        let stream = entry.stream;
        if entry.id().is_none() {
            self.run.log.debug(messages::without_id(stream, name));
        }
        let told = entry.get("request_timestamp").filter(|value| value.get() != "null");
        if let Some(told) = told.filter(|_| entry.stamp().is_none()) {
            self.run.log.warn(Code::OddTime, messages::odd_time(stream, name, told.get()));
        }
    }
}
