//! How many rows are asked for at once, and how a page that fails is closed in on.
//!
//! A page may fail for a row on it, or for its size. Half as many rows are asked for at the same offset, and
//! so on. Where half a page succeeds, the rest of what failed is halved, so that a bad row among n is found in
//! log2(n) calls. Where all rows of a page that failed were read in the end, its size was the cause: for the
//! rest of the run no more are asked for than succeeded, but for a try now and then.

use crate::retry;

/// After so many good pages of the size that is known to succeed, a larger one is tried.
const PATIENCE: u32 = 100;

/// How often a single row is asked for, before it is the one.
const ROW_TRIES: u32 = 2;

/// How many rows are asked for at once.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// `page_size`
    most: u32,
    /// What is asked for next, outside of a stretch that failed.
    size: u32,
    /// What is known to succeed, where a size has failed.
    ceiling: u32,
    /// Good pages of that size.
    good: u32,
    stretch: Option<Stretch>,
    /// A row was found that fails.
    found: bool,
}

/// The rows of a page that failed.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Those that were not read yet. The cause is among them, if it is a row.
    left: u32,
    /// The largest page that succeeded.
    succeeded: u32,
}

/// What a page that failed says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Fewer rows are to be asked for.
    Smaller,
    /// It is this row.
    Row,
}

impl Sizes {
    /// Pages of `most` rows.
    pub fn new(most: u32) -> Self {
        Self { most, size: most, ceiling: most, good: 0, stretch: None, found: false }
    }

    /// A reading begins, elsewhere than the last one ended.
    pub fn begin(&mut self) {
        self.stretch = None;
    }

    /// How many rows to ask for.
    pub fn next(&self) -> u32 {
        let size = self.size.min(self.ceiling);
        self.stretch.map_or(size, |stretch| size.min(stretch.left / 2).max(1))
    }

    /// Whether the cause of a failure is being closed in on.
    pub fn closes_in(&self) -> bool {
        self.stretch.is_some()
    }

    /// How often so many rows are asked for, where the answer is a failure that may be a row's.
    pub fn tries(&self, size: u32) -> u32 {
        let is_first = self.stretch.is_none() && !self.found && self.ceiling == self.most;
        match size {
            _ if is_first => retry::KONG,
            1 => ROW_TRIES,
            _ => 1,
        }
    }

    /// The page is too large to be read.
    pub fn too_large(&mut self, size: u32) {
        match &mut self.stretch {
            Some(stretch) => stretch.left = size,
            None => self.size = size / 2,
        }
    }

    /// The page fails.
    pub fn failed(&mut self, size: u32) -> Finding {
        if size == 1 {
            (self.stretch, self.found, self.size) = (None, true, self.ceiling);
            return Finding::Row;
        }
        let succeeded = self.stretch.map_or(0, |stretch| stretch.succeeded);
        self.stretch = Some(Stretch { left: size, succeeded });
        Finding::Smaller
    }

    /// The page is good.
    pub fn good(&mut self, size: u32) {
        let grown = |size: u32| (size + size / 4 + 1).min(self.most);
        if let Some(stretch) = &mut self.stretch {
            stretch.left = stretch.left.saturating_sub(size);
            stretch.succeeded = stretch.succeeded.max(size);
            if stretch.left == 0 {
                (self.ceiling, self.good) = (stretch.succeeded, 0);
                (self.size, self.stretch) = (self.ceiling, None);
            }
            return;
        }
        self.good += 1;
        if self.ceiling < self.most && self.good >= PATIENCE {
            (self.ceiling, self.good) = (grown(self.ceiling), 0);
        }
        self.size = grown(size).min(self.ceiling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes that are asked for until `rows` rows are read or one is found that fails, where a page fails
    /// by `fails`, given its first row and its size.
    fn asked(sizes: &mut Sizes, rows: u32, fails: impl Fn(u32, u32) -> bool) -> (Vec<u32>, bool) {
        let (mut at, mut asked) = (0, Vec::new());
        while at < rows {
            let size = sizes.next();
            asked.push(size);
            if !fails(at, size) {
                sizes.good(size);
                at += size;
            } else if sizes.failed(size) == Finding::Row {
                return (asked, true);
            }
        }
        (asked, false)
    }

    #[test]
    fn a_row_is_found_by_halves() {
        for (bad, expected) in [
            (0, &[16, 8, 4, 2, 1][..]),
            (5, &[16, 8, 4, 2, 1, 1]),
            (15, &[16, 8, 4, 2, 1, 1]),
            (16, &[16, 16, 8, 4, 2, 1]),
        ] {
            let holds = |at: u32, size: u32| (at..at + size).contains(&bad);
            let (asked, found) = asked(&mut Sizes::new(16), 32, holds);
            assert_eq!((&asked[..], found), (expected, true), "{bad}");
        }
        for bad in 0..1000 {
            let mut sizes = Sizes::new(1000);
            let (asked, found) = asked(&mut sizes, 1000, |at, size| (at..at + size).contains(&bad));
            assert!(found && asked.len() <= 12, "{bad}: {asked:?}");
            assert_eq!(sizes.next(), 1000, "what comes then is read as before");
        }
    }

    #[test]
    fn a_limit_of_size_becomes_a_ceiling_that_is_tried_again_after_many_pages() {
        let mut sizes = Sizes::new(1000);
        let over = |most: u32| move |_: u32, size: u32| size > most;
        let (first, found) = asked(&mut sizes, 62, over(60));
        assert_eq!((&first[..5], found), (&[1000, 500, 250, 125, 62][..], false));
        assert_eq!((sizes.next(), sizes.closes_in()), (31, false));
        let (later, _) = asked(&mut sizes, 31 * 99, over(60));
        assert!(later.iter().all(|size| *size == 31), "{later:?}");
        let (grown, _) = asked(&mut sizes, 31 + 39, over(60));
        assert_eq!(grown, [31, 39]);
        let (refused, _) = asked(&mut sizes, 20_000, over(60));
        assert!(refused.iter().all(|size| *size < 120), "{refused:?}");
    }

    #[test]
    fn the_first_page_that_fails_has_all_tries_and_what_follows_has_few() {
        let mut sizes = Sizes::new(8);
        assert_eq!(sizes.tries(8), retry::KONG);
        sizes.failed(8);
        assert_eq!((sizes.tries(4), sizes.tries(1)), (1, ROW_TRIES));
        sizes.failed(1);
        assert_eq!(sizes.tries(8), 1, "a row was found in this run");
    }

    #[test]
    fn a_reading_that_begins_elsewhere_is_not_of_the_stretch() {
        let mut sizes = Sizes::new(8);
        sizes.failed(8);
        sizes.begin();
        assert_eq!(sizes.next(), 8);
    }

    #[test]
    fn after_a_page_too_large_to_be_read_their_size_rises_again() {
        let mut sizes = Sizes::new(1000);
        sizes.too_large(1000);
        sizes.too_large(500);
        assert_eq!(sizes.next(), 250);
        sizes.good(250);
        assert_eq!(sizes.next(), 313);
    }
}
