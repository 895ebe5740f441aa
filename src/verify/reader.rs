//! Reads all that Kong retains of a stream, page by page, and looks each entry up.

use std::collections::HashSet;
use std::time::Duration;

use super::table::{Known, Table};
use crate::delivery::Unreadable;
use crate::event;
use crate::kong::{About, Ask, Circles, Entry, Fetched, Kong, KongError, LeftOut, next_offset};
use crate::ledger::{Fingerprint, Ledger};
use crate::ports::Ports;
use crate::terms::{Stream, Window};
use crate::words::Told;

/// An entry whose time is reckoned may be off by so much.
const SLACK_SECS: i64 = 300;

/// Reads streams.
pub(super) struct Reader<'r, 'a, P> {
    kong: &'r Kong<'a, P>,
    ledger: Ledger<'a, P>,
    letters: HashSet<(Stream, String)>,
    /// The ids of the events of which a part is a dead letter.
    parts: HashSet<(Stream, String)>,
    about: About,
    deadline: Duration,
}

/// What goes for all entries of a page.
struct Given {
    stream: Stream,
    watermark: i64,
    /// Kong's clock when it gave the page.
    date: i64,
    retention_secs: i64,
}

impl<'r, 'a, P: Ports> Reader<'r, 'a, P> {
    pub fn new(
        kong: &'r Kong<'a, P>,
        ledger: Ledger<'a, P>,
        letters: HashSet<(Stream, String)>,
        about: About,
        budget: Duration,
    ) -> Self {
        let deadline = kong.port().elapsed() + budget;
        let part = |(stream, id): &(Stream, String)| {
            event::whole_of(id).map(|whole| (*stream, whole.to_owned()))
        };
        let parts = letters.iter().filter_map(part).collect();
        Self { kong, ledger, letters, parts, about, deadline }
    }

    /// What was counted, and why it is not all, where it is not.
    pub async fn read(&mut self, stream: Stream) -> Table {
        let watermark = self.ledger.watermark(stream);
        let mut table = Table { watermark, ..Table::default() };
        let read = match watermark {
            Some(watermark) => self.read_before(watermark, stream, &mut table).await,
            None => Err(Told::new(
                format!("no run has read all {} entries up to a time yet", stream.name()),
                "see what the last report says, and verify again after a run that was ok",
            )),
        };
        table.error = read.err().map(|told| told.to_string());
        table
    }

    async fn read_before(
        &mut self,
        watermark: i64,
        stream: Stream,
        table: &mut Table,
    ) -> Result<(), Told> {
        let (mut circles, mut offset) = (Circles::default(), None);
        let mut unreadable = None;
        loop {
            if self.kong.port().elapsed() >= self.deadline {
                return Err(Told::new("run_budget_secs has passed", "raise it for this task"));
            }
            let page = match self.kong.page(self.ask(stream, offset.as_deref())).await {
                Ok(Fetched::Page(page)) => page,
                Ok(Fetched::Fails(error)) | Err(error) => return Err(error.told()),
            };
            let date = page.date().unwrap_or_else(|| self.now());
            let seen = self.ledger.coverage(stream).longest_ttl();
            let retention_secs = self.about.retention_secs(seen);
            let given = Given { stream, watermark, date, retention_secs };
            for row in page.entries(stream) {
                match row {
                    Ok(entry) => self.count(&entry, &given, table)?,
                    Err(row) => {
                        table.unreadable += 1;
                        if !self.is_a_letter(stream, &row) {
                            unreadable.get_or_insert_with(|| row.told(stream));
                        }
                    }
                }
            }
            offset = next_offset(&page, &mut circles, stream)
                .map_err(|error: KongError| error.told())?;
            if offset.is_none() {
                return unreadable.map_or(Ok(()), Err);
            }
        }
    }

    fn ask<'q>(&self, stream: Stream, offset: Option<&'q str>) -> Ask<'q> {
        let ahead = Window::ahead_of(self.about.now.unwrap_or_else(|| self.now()));
        let probe = if self.about.version.has_time_filters() { ahead } else { Window::default() };
        Ask { stream, window: Window::default(), offset, probe, closes_in: true }
    }

    fn count(&mut self, entry: &Entry<'_>, given: &Given, table: &mut Table) -> Result<(), Told> {
        let Given { stream, watermark, date, retention_secs } = *given;
        if entry.own_time().is_some_and(|time| time >= watermark) {
            table.later += 1;
            return Ok(());
        }
        let id = event::event_id(entry);
        let fingerprint = Fingerprint::of(stream, &entry.identity());
        let known = if self.letters.contains(&(stream, id.clone())) {
            Known::DeadLetter
        } else if self
            .ledger
            .is_known(stream, &fingerprint, entry.ledger_time(date))
            .map_err(|error| error.told())?
        {
            if self.parts.contains(&(stream, id.clone())) {
                Known::Incomplete
            } else {
                Known::Recorded
            }
        } else {
            Known::Missing
        };
        // Of an entry that tells no time at all, nobody knows whether it is from before the watermark. A time ahead of
        // Kong's clock is wrong: the retention has changed.
        let end = entry.ttl().map(|ttl| date.saturating_add(ttl)).or_else(|| entry.expire());
        let reckoned = end.map(|end| end.saturating_sub(retention_secs));
        let may_be_later = entry.own_time().is_none()
            && reckoned.is_some_and(|at| {
                (watermark.saturating_sub(SLACK_SECS)..=date.saturating_add(SLACK_SECS))
                    .contains(&at)
            });
        if known == Known::Missing && may_be_later {
            table.later += 1;
            return Ok(());
        }
        let time = event::told_time(entry, date.max(self.now()));
        let id_sum = event::id_sum(&id);
        table.count(id, time, known, id_sum);
        Ok(())
    }

    fn is_a_letter(&self, stream: Stream, row: &LeftOut) -> bool {
        let identity = row.id.as_deref().unwrap_or(&row.identity);
        self.letters.contains(&(stream, Unreadable::row(stream, identity)))
    }

    fn now(&self) -> i64 {
        self.kong.port().now_ms().div_euclid(1000)
    }
}
