//! What is counted of a stream.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::wire::rfc3339;

/// So many entries that are missing are named.
const MOST_NAMED: usize = 100;
const DAY: i64 = 86_400;

/// What was counted of a stream.
#[derive(Debug, Default, Serialize)]
pub struct Table {
    /// Entries from before it are counted, in Unix seconds by Kong's clock.
    pub watermark: Option<i64>,
    /// By days since 1970, in UTC.
    #[serde(serialize_with = "as_rows")]
    pub days: BTreeMap<i64, Counts>,
    /// Entries whose event has a derived time.
    pub derived: Counts,
    /// Entries from after the watermark.
    pub later: u64,
    /// Rows that cannot be shipped.
    pub unreadable: u64,
    /// The first of those that are missing.
    pub missing: Vec<Missing>,
    /// Why not all could be read.
    pub error: Option<String>,
}

/// Of entries: how many Kong holds, and what is known of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Kong holds them: the sum of `recorded`, `dead_letters` and `missing`.
    pub kong: u64,
    /// In the ledger, and accepted by the destination.
    pub recorded: u64,
    /// In the ledger, and refused by the destination.
    pub dead_letters: u64,
    /// Of those recorded: the event was accepted, and a part of it was refused.
    pub incomplete: u64,
    /// Neither.
    pub missing: u64,
    /// The sum of `idSum` of those that the destination must hold: all but the dead letters.
    pub id_sum: u64,
}

/// A day's row.
#[derive(Debug, Serialize)]
pub struct Day {
    day: String,
    #[serde(flatten)]
    counts: Counts,
}

/// An entry that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its event's id.
    pub id: String,
    /// When it happened, in Unix seconds, where it tells it.
    pub time: Option<i64>,
}

/// What is known of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Recorded,
    /// As recorded, less a part.
    Incomplete,
    DeadLetter,
    Missing,
}

impl Table {
    /// Counts an entry, by the time of its event where that is not derived.
    pub(super) fn count(&mut self, id: String, time: Option<i64>, known: Known, id_sum: u32) {
        let counts = match time {
            Some(time) => self.days.entry(time.div_euclid(DAY)).or_default(),
            None => &mut self.derived,
        };
        counts.kong += 1;
        match known {
            Known::Recorded => counts.recorded += 1,
            Known::Incomplete => {
                counts.recorded += 1;
                counts.incomplete += 1;
            }
            Known::DeadLetter => counts.dead_letters += 1,
            Known::Missing => counts.missing += 1,
        }
        if known != Known::DeadLetter {
            counts.id_sum += u64::from(id_sum);
        }
        if known == Known::Missing && self.missing.len() < MOST_NAMED {
            self.missing.push(Missing { id, time });
        }
    }

    /// Whether an entry is missing.
    pub(super) fn misses(&self) -> bool {
        !self.missing.is_empty()
    }
}

fn as_rows<S: Serializer>(days: &BTreeMap<i64, Counts>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(days.iter().map(|(day, counts)| {
        let time = rfc3339(day.saturating_mul(DAY));
        Day { day: time.split('T').next().unwrap_or_default().to_owned(), counts: *counts }
    }))
}
