//! How a window is cut into slices, the oldest first.

use crate::terms::{BUCKET_SECS, Window};

/// What a slice spans at first, in seconds.
const SLICE_SECS: i64 = BUCKET_SECS;

/// How many pages a slice should have: few, so that its end is reached soon, and enough to need few calls.
const SLICE_PAGES: u64 = 10;

/// A window that is read in slices. Their width follows the number of entries in them.
pub struct Slices {
    rest: Option<Window>,
    /// Kong has nothing from before.
    oldest: i64,
    now: i64,
    secs: i64,
    enough: u64,
}

/// A slice to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its span.
    pub window: Window,
    /// The reading of a slice with more entries is to be given up.
    pub most: u64,
    later: Option<Window>,
}

impl Slice {
    /// Where the next one begins.
    pub fn end(&self) -> Option<i64> {
        self.later.and_then(|later| later.after)
    }
}

impl Slices {
    /// Cuts `window`, with pages of `page_size`.
    pub fn new(window: Window, oldest: i64, now: i64, page_size: u32) -> Self {
        let enough = SLICE_PAGES * u64::from(page_size);
        Self { rest: Some(window), oldest, now, secs: SLICE_SECS, enough }
    }

    /// The slice to be read next.
    pub fn next(&self) -> Option<Slice> {
        let rest = self.rest?;
        let border = rest.after.unwrap_or(self.oldest).saturating_add(self.secs);
        let (window, later) = if border > self.now { (rest, None) } else { rest.split_at(border) };
        // A slice that was not widened is read to its end, however many entries it has.
        let most = if self.secs > SLICE_SECS { 2 * self.enough } else { u64::MAX };
        Some(Slice { window, most, later })
    }

    /// The slice had too many entries: it was widened over a stretch with few. Goes back to the first width.
    pub fn give_up(&mut self) {
        self.secs = SLICE_SECS;
    }

    /// The slice was read to its end, and had that many entries. Fits the width of the next one to it.
    pub fn read(&mut self, slice: Slice, entries: u64) {
        if entries < self.enough / 2 {
            self.secs = self.secs.saturating_mul(2);
        } else if entries > self.enough * 2 {
            self.secs = (self.secs / 2).max(1);
        }
        self.rest = slice.later;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: i64 = 1_000_000_000;
    /// Of pages of ten entries.
    const ENOUGH: u64 = 100;

    fn slices(after: Option<i64>) -> Slices {
        let before = after.map(|_| NOW + 1);
        Slices::new(Window { after, before }, NOW - 100 * SLICE_SECS, NOW, 10)
    }

    /// Reads a slice of so many entries; its width.
    fn read(slices: &mut Slices, entries: u64) -> i64 {
        let slice = slices.next().unwrap();
        slices.read(slice, entries);
        slice.end().unwrap() - slice.window.after.unwrap_or(NOW - 100 * SLICE_SECS)
    }

    #[test]
    fn slices_are_as_wide_as_makes_some_ten_pages() {
        let slices = &mut slices(None);
        for (entries, width) in [
            (ENOUGH, SLICE_SECS),
            (ENOUGH / 2 - 1, SLICE_SECS),
            (ENOUGH / 2, 2 * SLICE_SECS),
            (ENOUGH * 2, 2 * SLICE_SECS),
            (ENOUGH * 2 + 1, 2 * SLICE_SECS),
            (ENOUGH * 2 + 1, SLICE_SECS),
            (ENOUGH, SLICE_SECS / 2),
        ] {
            assert_eq!(read(slices, entries), width);
        }
    }

    #[test]
    fn a_wide_slice_with_many_entries_is_given_up_and_a_narrow_one_is_not() {
        let slices = &mut slices(None);
        assert_eq!(slices.next().unwrap().most, u64::MAX);
        read(slices, 0);
        let wide = slices.next().unwrap();
        assert_eq!(wide.most, 2 * ENOUGH);
        slices.give_up();
        let narrow = slices.next().unwrap();
        assert_eq!((narrow.most, narrow.window.after), (u64::MAX, wide.window.after));
        assert!(narrow.end() < wide.end());
    }

    #[test]
    fn slices_make_up_the_window_and_the_last_one_has_its_end() {
        let slices = &mut slices(Some(NOW - 3 * SLICE_SECS));
        let mut border = Some(NOW - 3 * SLICE_SECS);
        while let Some(slice) = slices.next() {
            assert_eq!(slice.window.after, border);
            assert_eq!(slice.window.before, slice.end().or(Some(NOW + 1)));
            border = slice.end();
            slices.read(slice, ENOUGH);
        }
        assert_eq!(border, None);
    }

    #[test]
    fn what_is_ahead_of_now_is_in_the_last_slice() {
        let slice = slices(Some(NOW - 10)).next().unwrap();
        assert_eq!((slice.window.after, slice.end()), (Some(NOW - 10), None));
        let slice = slices(Some(NOW - SLICE_SECS)).next().unwrap();
        assert_eq!((slice.window.before, slice.end()), (Some(NOW), Some(NOW)));
    }
}
