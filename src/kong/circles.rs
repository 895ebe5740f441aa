//! Notices a reading that leads in a circle, or on for ever.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{KongError, Page};
use crate::terms::Stream;

/// So many pages one after the other may bring nothing new. One may, where rows arrive while Kong is read.
const MOST_BARREN: u32 = 10;

/// What was met in a reading. It remembers eight bytes of each offset and of the first row of each page: some
/// 20 kB for a million rows on pages of 1,000.
#[derive(Default)]
pub struct Circles {
    offsets: HashSet<u64>,
    firsts: HashSet<u64>,
    barren: u32,
}

impl Circles {
    /// A reading that begins at `offset`.
    pub fn new(offset: Option<&str>) -> Self {
        Self { offsets: offset.map(hash).into_iter().collect(), ..Self::default() }
    }

    /// Takes note of a page that is not the last: of its first row, if it has one, and of where the next page
    /// begins. Returns whether that is to be read: not where an offset is met again, nor after ten pages that
    /// are empty or begin with a row with which an earlier one began.
    pub fn may_go_on(&mut self, first: Option<&str>, next: &str) -> bool {
        let is_new = first.is_some_and(|first| self.firsts.insert(hash(first)));
        self.barren = if is_new { 0 } else { self.barren + 1 };
        self.offsets.insert(hash(next)) && self.barren < MOST_BARREN
    }
}

/// Where the next page begins, if there is one, and the pages lead anywhere.
pub fn next_offset(
    page: &Page,
    circles: &mut Circles,
    stream: Stream,
) -> Result<Option<String>, KongError> {
    let Some(offset) = page.offset() else { return Ok(None) };
    if !circles.may_go_on(page.first(stream).as_deref(), offset) {
        let path = format!("/audit/{}", stream.name());
        return Err(KongError::Circle { path, offset: offset.to_owned() });
    }
    Ok(Some(offset.to_owned()))
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many of these pages the reading ends, each given by its first row and the next offset.
    fn pages(
        start: Option<&str>,
        pages: impl IntoIterator<Item = (Option<String>, String)>,
    ) -> usize {
        let mut circles = Circles::new(start);
        let goes_on =
            |(first, next): &(Option<String>, String)| circles.may_go_on(first.as_deref(), next);
        pages.into_iter().take_while(goes_on).count() + 1
    }

    fn row(number: usize) -> String {
        number.to_string()
    }

    #[test]
    fn an_offset_that_is_met_again_ends_the_reading() {
        let circle =
            |length: usize| (0..1000).map(move |n| (Some(row(n)), format!("o{}", n % length)));
        for length in [1, 2, 7, 500] {
            assert_eq!(pages(None, circle(length)), length + 1, "{length}");
        }
        assert_eq!(pages(Some("o3"), circle(7)), 4, "where it began counts too");
    }

    #[test]
    fn so_do_ten_pages_in_a_row_that_bring_nothing_new() {
        let offsets = || (0..1000).map(|n| format!("o{n}"));
        assert_eq!(pages(None, offsets().map(|next| (None, next))), 10);
        assert_eq!(pages(None, offsets().map(|next| (Some(row(1)), next))), 11);
        let shifted = (0..1000).map(|n| Some(row(n / 10))).zip(offsets());
        assert_eq!(pages(None, shifted), 1001, "every tenth page brings something");
    }
}
