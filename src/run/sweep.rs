//! A sweep: the reading of all that Kong retains, without filters, page by page.
//!
//! Behind a row that cannot be read a sweep has no way. Where Kong filters, the rest is read by time instead.
//! Where it does not, or where rows may be in no window, the place is named, and the stream is not compared.

use std::time::Duration;

use super::reader::Question;
use super::slices::Slices;
use super::{Halt, Reader, StreamRun, messages, unreadable};
use crate::coverage::{ByTime, Filters, Progress, Sweep};
use crate::delivery::Reading;
use crate::kong::{Circles, Fetched, next_offset};
use crate::ports::Ports;
use crate::terms::Window;

/// A sweep beside a window may take `run_budget_secs` divided by this.
const SWEEP_SHARE: u32 = 10;

/// The most of Kong's error that is stored, in characters.
const MAX_STORED_ERROR: usize = 300;

/// How a step of a sweep ended.
enum Step {
    /// The sweep goes on.
    On,
    /// There is no next page.
    Last,
    /// What lies behind that place, and is in no window of time, cannot be had.
    Blocked { place: String, error: String },
}

/// A sweep in a run.
struct Under {
    sweep: Sweep,
    circles: Circles,
    /// Its next page is the first, at a place that an earlier run has stored.
    goes_on: bool,
    /// The last row that was met.
    last: Option<String>,
}

impl Under {
    fn new(sweep: Sweep) -> Self {
        let circles = Circles::new(sweep.offset.as_deref());
        let goes_on = sweep.offset.is_some();
        Self { sweep, circles, goes_on, last: None }
    }

    /// What to call the place that it has reached.
    fn place(&self) -> String {
        match (&self.last, &self.sweep.offset) {
            (Some(last), _) => format!("the entry {last}"),
            (None, Some(offset)) => format!("the offset {offset}"),
            (None, None) => "the beginning".to_owned(),
        }
    }
}

impl<P: Ports> Reader<'_, '_, P> {
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
        let mut under = Under::new(self.coverage(stream).sweep(now, &version));
        if under.sweep.by_time.is_some() && stream_run.filters == Filters::Ignored {
            under = Under::new(Sweep::new(now, &version));
        }
        stream_run.buckets.extend(&under.sweep.buckets);
        stream_run.untimed |= under.sweep.untimed;
        while self.run.port.elapsed() < until {
            match self.step(&mut under, until, stream_run).await? {
                Step::On => continue,
                Step::Last => self.delivery.swept(stream),
                Step::Blocked { place, error } => {
                    let behind = unreadable::behind(stream, &place, &error);
                    self.delivery.swept_up_to(stream, behind)?;
                    stream_run.blocked = true;
                }
            }
            let sweep = under.sweep;
            if !sweep.left_behind || stream_run.blocked {
                stream_run.swept = Some(sweep);
                return Ok(());
            }
            // Another sweep would meet the pending entries again at once. Beside a window it begins
            // `lookback_secs` after this one began, at the earliest.
            let lookback = self.run.config.spans.lookback;
            if beside && now.saturating_sub(sweep.began) < lookback {
                return Ok(());
            }
            under = Under::new(Sweep::new(now, &version));
        }
        if !beside {
            return Err(Halt::Budget);
        }
        self.run.log.info(messages::sweep_goes_on(stream, &under.sweep));
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

    async fn step(
        &mut self,
        under: &mut Under,
        until: Duration,
        stream_run: &mut StreamRun,
    ) -> Result<Step, Halt> {
        if under.sweep.by_time.is_some() {
            return Box::pin(self.sweep_by_time(under, until, stream_run)).await;
        }
        let offset = under.sweep.offset.clone();
        let question = Question { window: Window::default(), offset, closes_in: true };
        let goes_on = std::mem::take(&mut under.goes_on);
        let page = match self.read_page(question, stream_run).await {
            // Kong may no longer know this offset: the sweep begins again without one. If that fails too, the
            // place that is stored stays.
            Err(Halt::Kong(error)) if goes_on && error.may_be_the_offset() => {
                *under = Under::new(Sweep::new(self.facts.now, &under.sweep.version));
                return Ok(Step::On);
            }
            Ok(Fetched::Fails(error)) => {
                if stream_run.filters == Filters::Ignored && goes_on && error.may_be_the_offset() {
                    *under = Under::new(Sweep::new(self.facts.now, &under.sweep.version));
                    return Ok(Step::On);
                }
                let (place, error) = (under.place(), error.told().cause);
                if stream_run.filters == Filters::Ignored {
                    return Ok(Step::Blocked { place, error });
                }
                let error = error.chars().take(MAX_STORED_ERROR).collect();
                under.sweep.by_time = Some(ByTime { from: 0, place, error });
                return Ok(Step::On);
            }
            Ok(Fetched::Page(page)) => page,
            Err(halt) => return Err(halt),
        };
        under.last = page.last(stream_run.stream).or(under.last.take());
        under.sweep.offset = next_offset(&page, &mut under.circles, stream_run.stream)?;
        self.has_come_to(&mut under.sweep, stream_run)?;
        Ok(if under.sweep.offset.is_some() { Step::On } else { Step::Last })
    }

    /// Reads by time what a sweep has no way to: all that has one, in slices.
    async fn sweep_by_time(
        &mut self,
        under: &mut Under,
        until: Duration,
        stream_run: &mut StreamRun,
    ) -> Result<Step, Halt> {
        let Some(ByTime { from, place, error }) = under.sweep.by_time.clone() else {
            return Ok(Step::Last);
        };
        let began = under.sweep.began;
        // From the beginning, there is no bound.
        let after = Some(from).filter(|from| *from > 0);
        let window = Window { after, before: Some(began + 1) };
        let oldest = began - self.facts.retention().secs;
        let mut slices = Slices::new(window, oldest, began, self.run.config.kong.page_size);
        while let Some(slice) = slices.next() {
            let before = self.fetched();
            match self.read_slice(&slice, until, stream_run).await {
                Ok(true) => {}
                Ok(false) => {
                    slices.give_up();
                    continue;
                }
                Err(Halt::Budget) => return Ok(Step::On),
                Err(halt) => return Err(halt),
            }
            if let Some(end) = slice.end() {
                let (place, error) = (place.clone(), error.clone());
                under.sweep.by_time = Some(ByTime { from: end, place, error });
                self.has_come_to(&mut under.sweep, stream_run)?;
            }
            slices.read(slice, self.fetched() - before);
        }
        under.sweep.offset = None;
        let stream = stream_run.stream;
        let all_have_times =
            stream_run.filters == Filters::Complete || self.coverage(stream).all_have_times();
        Ok(if all_have_times { Step::Last } else { Step::Blocked { place, error } })
    }

    /// Takes note of how far a sweep has come, unless it is at its end.
    fn has_come_to(&mut self, sweep: &mut Sweep, stream_run: &StreamRun) -> Result<(), Halt> {
        sweep.buckets.clone_from(&stream_run.buckets);
        sweep.timeless |= stream_run.timeless;
        sweep.untimed |= stream_run.untimed;
        if sweep.offset.is_some() || sweep.by_time.is_some() {
            self.delivery.reached(Progress::Sweep(sweep.clone()))?;
        }
        Ok(())
    }
}
