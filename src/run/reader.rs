//! Reads a stream: its window in slices, the oldest first, and a sweep of all that Kong retains. `streams`
//! does the planning.
//!
//! Keeps invariant 1: a reading that did not see all of its window says so. Keeps invariant 3: each entry is
//! mapped whole.

use std::time::Duration;

use super::slices::{Slice, Slices};
use super::{Facts, Halt, Run, StreamRun, messages};
use crate::coverage::{Coverage, Progress, Sweep};
use crate::delivery::{Delivery, Reading};
use crate::kong::{self, Page};
use crate::log::Level;
use crate::ports::Ports;
use crate::terms::{Stream, Window};

/// A sweep beside a window may take `run_budget_secs` divided by this.
const SWEEP_SHARE: u32 = 10;

/// Reads streams and delivers what is new in them.
pub struct Reader<'r, 'a, P> {
    /// What it works with.
    pub run: &'r Run<'a, P>,
    /// What is known of Kong.
    pub facts: Facts,
    /// Where entries go.
    pub delivery: Delivery<'r, 'a, P>,
}

impl<P: Ports> Reader<'_, '_, P> {
    /// How far the stream has been read.
    pub fn coverage(&mut self, stream: Stream) -> &mut Coverage {
        self.delivery.records.ledger.coverage(stream)
    }

    /// How many entries of the current stream were read so far.
    fn fetched(&mut self) -> u64 {
        self.delivery.tally().report.fetched
    }

    /// Reads the window in slices, the oldest first. The end of each slice is progress that outlasts the run.
    ///
    /// A window without a beginning is long. One page of it is read before it is cut: a short trail fits into
    /// that page.
    pub async fn read_window(
        &mut self,
        window: Window,
        deadline: Duration,
        stream_run: &mut StreamRun,
    ) -> Result<(), Halt> {
        let now = self.facts.now;
        let looks_back = stream_run.plan.looks_back;
        if window.after.is_none() && self.read_page(window, None, stream_run).await?.is_last() {
            stream_run.read_all = true;
        } else {
            // That page may have told more of Kong's retention.
            let oldest = now - self.facts.retention().secs;
            let mut slices = Slices::new(window, oldest, now, self.run.config.kong.page_size);
            while let Some(slice) = slices.next() {
                let before = self.fetched();
                if !self.read_slice(&slice, deadline, stream_run).await? {
                    slices.give_up();
                    continue;
                }
                if let Some(end) = slice.end() {
                    self.delivery.reached(Progress::Window { end, looks_back })?;
                }
                slices.read(slice, self.fetched() - before);
            }
        }
        Ok(self.delivery.reached(Progress::Window { end: now, looks_back })?)
    }

    /// Reads a slice page by page and delivers what is new. The next page is fetched while batches are under
    /// way. Returns false when the slice has too many entries, and so was given up.
    async fn read_slice(
        &mut self,
        slice: &Slice,
        deadline: Duration,
        stream_run: &mut StreamRun,
    ) -> Result<bool, Halt> {
        let before = self.fetched();
        let mut offset = None;
        loop {
            if self.run.port.elapsed() >= deadline {
                return Err(Halt::Budget);
            }
            if self.fetched() - before > slice.most {
                return Ok(false);
            }
            let page = self.read_page(slice.window, offset.as_deref(), stream_run).await?;
            offset = page.next(offset.as_deref())?;
            if offset.is_none() {
                return Ok(true);
            }
        }
    }

    /// Reads everything that Kong retains, from where an earlier run stopped. What this run has no time for
    /// is left to the next one.
    pub async fn sweep(
        &mut self,
        deadline: Duration,
        stream_run: &mut StreamRun,
    ) -> Result<(), Halt> {
        let (stream, now) = (stream_run.stream, self.facts.now);
        self.delivery.turn_to(stream, Reading::Sweep);
        self.delivery.records.ledger.expect_any_order();
        let beside = stream_run.plan.window.is_some();
        let until = self.sweeps_until(deadline, stream_run);
        let version = self.facts.about.version.as_str().to_owned();
        let mut sweep = self.coverage(stream).sweep(now, &version);
        let mut goes_on = sweep.offset.is_some();
        stream_run.buckets.extend(&sweep.buckets);
        while self.run.port.elapsed() < until {
            let offset = sweep.offset.as_deref();
            let page = match self.read_page(Window::default(), offset, stream_run).await {
                // Kong may no longer know this offset: the sweep begins again without one. If that fails too,
                // the place that is stored stays.
                Err(Halt::Kong(error)) if goes_on && error.may_be_the_offset() => {
                    goes_on = false;
                    sweep = Sweep::new(now, &version);
                    continue;
                }
                page => page?,
            };
            goes_on = false;
            sweep.offset = page.next(offset)?;
            sweep.buckets.clone_from(&stream_run.buckets);
            sweep.timeless |= stream_run.timeless;
            if sweep.offset.is_some() {
                self.delivery.reached(Progress::Sweep(sweep.clone()))?;
                continue;
            }
            if !sweep.left_behind {
                stream_run.swept = Some(sweep);
                return Ok(());
            }
            // Another sweep would meet the pending entries again at once. Beside a window it begins
            // `lookback_secs` after this one began, at the earliest.
            let lookback = self.run.config.spans.lookback;
            if beside && now.saturating_sub(sweep.began) < lookback {
                return Ok(());
            }
            sweep = Sweep::new(now, &version);
        }
        if !beside {
            return Err(Halt::Budget);
        }
        self.run.log.log(Level::Info, messages::sweep_goes_on(stream, &sweep));
        Ok(())
    }

    /// Until when a sweep may go on. Beside a window it has only a part of the run's time, once all was
    /// compared before.
    fn sweeps_until(&mut self, deadline: Duration, stream_run: &StreamRun) -> Duration {
        let beside = stream_run.plan.window.is_some();
        let again = self.coverage(stream_run.stream).compared().is_some();
        let share = self.run.port.elapsed() + self.run.budget / SWEEP_SHARE;
        if beside && again { deadline.min(share) } else { deadline }
    }

    /// Reads a page and delivers what is new in it.
    async fn read_page(
        &mut self,
        window: Window,
        offset: Option<&str>,
        stream_run: &mut StreamRun,
    ) -> Result<Page, Halt> {
        let fetch = self.run.kong.page(stream_run.stream, window, offset);
        let page = self.delivery.alongside(fetch).await??;
        if let Some(name) = page.left_out() {
            self.delivery.leave_out(kong::too_large(stream_run.stream, name));
        }
        self.take_in(&page, window, stream_run)?;
        Ok(page)
    }
}
