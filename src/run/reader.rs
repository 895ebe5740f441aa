//! Reads a stream's window in slices, the oldest first, and each slice page by page. `streams` does the
//! planning, `sweep` reads what is in no window, `around` what lies behind a row that cannot be read.
//!
//! Keeps invariant 1: a reading that did not see all of its window says so. Keeps invariant 3: each entry is
//! mapped whole.

use std::collections::HashSet;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::{FutureExt as _, LocalBoxFuture, ready};

use super::slices::{Slice, Slices};
use super::{Facts, Halt, Run, StreamRun};
use crate::coverage::{Coverage, Filters, Progress};
use crate::delivery::Delivery;
use crate::kong::{Ask, Circles, Fetched, KongError, next_offset};
use crate::ports::Ports;
use crate::terms::{Stream, Window};

/// What is read page by page.
#[derive(Clone, Copy)]
pub struct Span {
    pub window: Window,
    /// Whether a page that fails is closed in on.
    pub closes_in: bool,
    /// The reading is given up after more entries.
    pub most: u64,
}

/// How far the reading of a span has come.
pub enum Reached {
    End,
    TooMany,
    Failure(KongError),
}

impl Reached {
    /// Why it did not reach the end, where a page fails.
    pub fn failed(self) -> Option<KongError> {
        match self {
            Self::Failure(error) => Some(error),
            Self::End | Self::TooMany => None,
        }
    }
}

/// A page of a window.
pub struct Question {
    pub window: Window,
    /// Where it begins.
    pub offset: Option<String>,
    /// Whether it is closed in on when it fails.
    pub closes_in: bool,
}

/// Reads streams and delivers what is new in them.
pub struct Reader<'r, 'a, P> {
    /// What it works with.
    pub run: &'r Run<'a, P>,
    /// What is known of Kong.
    pub facts: Facts,
    /// Where entries go.
    pub delivery: Delivery<'r, 'a, P>,
    /// Seconds with rows that cannot be read.
    pub places: HashSet<(Stream, i64)>,
}

impl<'r, P: Ports> Reader<'r, '_, P> {
    /// How far the stream has been read.
    pub fn coverage(&mut self, stream: Stream) -> &mut Coverage {
        self.delivery.records.ledger.coverage(stream)
    }

    /// How many entries of the current stream were read so far.
    pub(super) fn fetched(&mut self) -> u64 {
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
        if window.after.is_none() && self.is_one_page(window, stream_run).await? {
            stream_run.read_all = true;
            self.delivery.has_read(stream_run.stream, window);
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

    /// Reads the first page of a window. Whether that is all of it.
    async fn is_one_page(
        &mut self,
        window: Window,
        stream_run: &mut StreamRun,
    ) -> Result<bool, Halt> {
        let question = Question { window, offset: None, closes_in: true };
        Ok(match self.read_page(question, stream_run).await? {
            Fetched::Page(page) => page.is_last(),
            // Its slices lead to the row that fails once more, and around it.
            Fetched::Fails(_) => false,
        })
    }

    /// Reads a slice and delivers what is new. Returns false when it has too many entries, and so was given
    /// up.
    pub(super) async fn read_slice(
        &mut self,
        slice: &Slice,
        deadline: Duration,
        stream_run: &mut StreamRun,
    ) -> Result<bool, Halt> {
        let span = Span { window: slice.window, closes_in: true, most: slice.most };
        match self.read_pages(span, deadline, stream_run).await? {
            Reached::End => Ok(true),
            Reached::TooMany => Ok(false),
            Reached::Failure(_) => {
                // Boxed, as a page is: a future holds all that it may await.
                Box::pin(self.read_around(slice.window, deadline, stream_run)).await?;
                Ok(true)
            }
        }
    }

    /// Reads a span page by page. The next page is fetched while the entries of one are mapped, and while
    /// batches are under way.
    pub(super) async fn read_pages(
        &mut self,
        span: Span,
        deadline: Duration,
        stream_run: &mut StreamRun,
    ) -> Result<Reached, Halt> {
        let Span { window, closes_in, most } = span;
        let before = self.fetched();
        let mut circles = Circles::default();
        let mut asked = None;
        loop {
            if self.run.port.elapsed() >= deadline {
                return Err(Halt::Budget);
            }
            if self.fetched() - before > most {
                return Ok(Reached::TooMany);
            }
            let fetched = asked.unwrap_or_else(|| {
                self.fetch(Question { window, offset: None, closes_in }, stream_run)
            });
            let page = match self.delivery.alongside(fetched).await?? {
                Fetched::Page(page) => page,
                Fetched::Fails(error) => return Ok(Reached::Failure(error)),
            };
            let next = next_offset(&page, &mut circles, stream_run.stream);
            let ahead = next.as_ref().ok().and_then(Clone::clone).map(|offset| {
                self.fetch(Question { window, offset: Some(offset), closes_in }, stream_run)
            });
            self.take_in(&page, window, stream_run)?;
            drop(page);
            next?;
            if ahead.is_none() {
                self.delivery.read_through(stream_run.stream, window);
                return Ok(Reached::End);
            }
            asked = ahead;
        }
    }

    /// Reads a page and delivers what is new in it.
    pub(super) async fn read_page(
        &mut self,
        question: Question,
        stream_run: &mut StreamRun,
    ) -> Result<Fetched, Halt> {
        let window = question.window;
        let fetched = self.delivery.alongside(self.fetch(question, stream_run)).await??;
        if let Fetched::Page(page) = &fetched {
            self.take_in(page, window, stream_run)?;
        }
        Ok(fetched)
    }

    /// Asks Kong for a page, at once and not only when the answer is awaited.
    fn fetch(&self, question: Question, stream_run: &StreamRun) -> Fetching<'r> {
        let Question { window, offset, closes_in } = question;
        let (run, stream) = (self.run, stream_run.stream);
        let probe = match stream_run.filters {
            Filters::Ignored => Window::default(),
            _ => Window::ahead_of(self.facts.now),
        };
        let fetch = async move {
            let offset = offset.as_deref();
            run.kong.page(Ask { stream, window, offset, probe, closes_in }).await
        };
        under_way(fetch.boxed_local())
    }
}

/// A page that Kong was asked for.
type Fetching<'r> = LocalBoxFuture<'r, Result<Fetched, KongError>>;

/// Has the future come as far as it can now. What it has by then is kept until it is awaited.
fn under_way(mut future: Fetching<'_>) -> Fetching<'_> {
    match future.poll_unpin(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => ready(value).boxed_local(),
        Poll::Pending => future,
    }
}
