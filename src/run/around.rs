//! The way around a row that cannot be read, where Kong filters: the window that holds it is read by halves.
//!
//! What lies behind the row on its page, and on those after it, can be had by no offset. It can be had by
//! time: each half of the window is read, those that fail are halved again, down to one second. Of that second
//! what lies before the row is read. Nothing is taken from the order in which Kong gives its rows.

use std::time::Duration;

use super::reader::Span;
use super::{Halt, Reader, StreamRun, unreadable};
use crate::kong::KongError;
use crate::ports::Ports;
use crate::terms::Window;

/// The most seconds with rows that cannot be read, in a run. Each costs some forty calls.
const MOST_PLACES: usize = 100;

/// No Kong filters by times from there on: Kong's clock, and 68 years.
const FAR_SECS: i64 = 1 << 31;

impl<P: Ports> Reader<'_, '_, P> {
    /// Reads a window of which a page fails. Names each second of which not all can be had.
    pub(super) async fn read_around(
        &mut self,
        window: Window,
        deadline: Duration,
        stream_run: &mut StreamRun,
    ) -> Result<(), Halt> {
        let now = self.facts.now;
        let oldest = now - self.facts.retention().longest;
        let mut open = halves(window, oldest, now);
        while let Some(window) = open.pop() {
            let closes_in = second(window, now).is_some();
            let span = Span { window, closes_in, most: u64::MAX };
            let Some(error) = self.read_pages(span, deadline, stream_run).await?.failed() else {
                continue;
            };
            match second(window, now) {
                Some(second) => self.leave_out_second(second, error, stream_run)?,
                None => open.extend(halves(window, oldest, now)),
            }
        }
        Ok(())
    }

    fn leave_out_second(
        &mut self,
        second: i64,
        error: KongError,
        stream_run: &mut StreamRun,
    ) -> Result<(), Halt> {
        self.places.insert((stream_run.stream, second));
        if self.places.len() > MOST_PLACES {
            let last = Box::new(error);
            return Err(KongError::ManyFail { places: MOST_PLACES, last }.into());
        }
        self.leave_out(unreadable::second(stream_run.stream, second, &error), stream_run)?;
        let window = Window { after: Some(second), before: Some(second + 1) };
        self.delivery.has_read(stream_run.stream, window);
        Ok(())
    }
}

/// The bounds of a window in which rows can be, the upper one not in it.
fn bounds(window: Window, now: i64) -> (i64, i64) {
    let far = now.saturating_add(FAR_SECS);
    (window.after.unwrap_or(0).max(0), window.before.unwrap_or(far))
}

/// The second that a window spans, if it is only one.
fn second(window: Window, now: i64) -> Option<i64> {
    let (from, to) = bounds(window, now);
    (to.saturating_sub(from) <= 1).then_some(from)
}

/// The halves of a window, the later one first; the window itself where it spans a second. One without a bound
/// is first cut where Kong's rows begin or end.
fn halves(window: Window, oldest: i64, now: i64) -> Vec<Window> {
    if second(window, now).is_some() {
        return vec![window];
    }
    let (from, to) = bounds(window, now);
    let within = |border: &i64| from < *border && *border < to;
    let beginning = Some(oldest).filter(|border| window.after.is_none() && within(border));
    let end = Some(now + 1).filter(|border| window.before.is_none() && within(border));
    let border = beginning.or(end).unwrap_or_else(|| from.midpoint(to));
    let (earlier, later) = window.split_at(border);
    later.into_iter().chain([earlier]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_348_800;
    const OLDEST: i64 = NOW - 2_592_000;

    fn window(after: Option<i64>, before: Option<i64>) -> Window {
        Window { after, before }
    }

    #[test]
    fn a_window_is_halved_and_one_without_a_bound_is_cut_where_rows_begin_or_end() {
        for (whole, border) in [
            (window(Some(100), Some(200)), 150),
            (window(Some(100), Some(102)), 101),
            (window(None, Some(NOW)), OLDEST),
            (window(None, Some(OLDEST)), OLDEST / 2),
            (window(None, Some(2)), 1),
            (window(Some(100), None), NOW + 1),
            (window(Some(NOW + 1), None), NOW + 1 + (FAR_SECS - 1) / 2),
            (window(None, None), OLDEST),
        ] {
            let later = window(Some(border), whole.before);
            let earlier = window(whole.after, Some(border));
            assert_eq!(halves(whole, OLDEST, NOW), [later, earlier], "{whole:?}");
        }
    }

    #[test]
    fn a_second_is_not_halved() {
        for (whole, expected) in [
            (window(Some(100), Some(101)), 100),
            (window(None, Some(1)), 0),
            (window(Some(NOW + FAR_SECS - 1), None), NOW + FAR_SECS - 1),
        ] {
            assert_eq!(second(whole, NOW), Some(expected));
            assert_eq!(halves(whole, OLDEST, NOW), [whole]);
        }
    }

    #[test]
    fn every_second_of_all_time_is_reached_by_some_forty_cuts() {
        for bad in [0, 1, OLDEST - 1, OLDEST, NOW - 5, NOW, NOW + 1, NOW + FAR_SECS - 1] {
            let (mut at, mut cuts) = (window(None, None), 0);
            while second(at, NOW).is_none() {
                let halves = halves(at, OLDEST, NOW);
                at = *halves.iter().find(|half| half.holds(bad)).expect("a half with it");
                cuts += 1;
            }
            assert_eq!(second(at, NOW), Some(bad));
            assert!(cuts <= 40, "{bad}: {cuts}");
        }
    }
}
