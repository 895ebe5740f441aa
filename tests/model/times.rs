//! When an event says that it happened: its row's own time, or one that is marked as derived, and never
//! one that the row cannot be from.

use std::ops::RangeInclusive;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::entry::Kept;
use crate::host::LOOKBACK_SECS;
use crate::kong::{Kong, Offsets};

/// 2015-01-01: there was no Kong before.
const FIRST: i64 = 1_420_070_400;
/// How far nodes of Kong may be ahead of each other.
const AHEAD_SECS: i64 = 86_400;
/// A `ttl` is in whole seconds, and off by one now and then.
const CLOSE_SECS: i64 = 2;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_time: String,
    additional_event_data: Additional,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Additional {
    id_sum: u32,
    derived_time: Option<Derived>,
}

#[derive(Debug, Deserialize)]
struct Derived {
    source: String,
    retention: Option<i64>,
}

/// Of which run and Kong an event is.
pub struct Circumstances<'a> {
    pub kong: &'a Kong,
    /// Kong's clock when the run began.
    pub told: i64,
    /// The host's clock from then until now.
    pub host: RangeInclusive<i64>,
    /// Kong's clock was set, in this run or before.
    pub clock_moved: bool,
    /// The entry was not shipped before.
    pub is_first: bool,
}

/// What is wrong with the time of an event of `row`, or with its sum.
pub fn judge(of: &Circumstances<'_>, row: &Kept, id: &str, data: &str) -> Result<(), String> {
    let event: Event = serde_json::from_str(data).unwrap();
    let digest = Sha256::digest(id);
    if event.additional_event_data.id_sum.to_be_bytes() != digest[..4] {
        return Err(format!("{id} has another sum than its id's"));
    }
    let time = OffsetDateTime::parse(&event.event_time, &Rfc3339).unwrap().unix_timestamp();
    // By the later of both clocks. The host's went on while the entry was on its way.
    let [certain, possible] =
        [of.host.start(), of.host.end()].map(|host| FIRST..=of.told.max(*host) + AHEAD_SECS);
    let derived = event.additional_event_data.derived_time;
    let is_right = match &derived {
        None => row.tells_time && time == row.written && possible.contains(&time),
        Some(derived) => {
            let tells = row.tells_time && certain.contains(&row.written);
            !tells && possible.contains(&time) && is_close(of, row, time, derived)
        }
    };
    if is_right {
        return Ok(());
    }
    let (told, stamp) = (&event.event_time, row.stamp);
    Err(format!(
        "the event {id} is told to be of {told}, {derived:?}, in a run at {}: its row is of {}, with the time {stamp:?}",
        of.told, row.written
    ))
}

/// Whether a derived time is as close as what was known allows.
fn is_close(of: &Circumstances<'_>, row: &Kept, time: i64, derived: &Derived) -> bool {
    let is_close = (time - row.written).abs() <= CLOSE_SECS;
    let same_clock = of.kong.skew == row.skew;
    match derived.source.as_str() {
        "request" => is_close,
        "ttl" => is_close || derived.retention != Some(row.retention) || !same_clock,
        "run" => !is_known(of, row),
        _ => false,
    }
}

/// Whether `ttl` tells when a row was written: Kong keeps rows as long as it did then and says how long that
/// is, its clock is the same, and nothing suggests that a reading of everything should have met the row before.
fn is_known(of: &Circumstances<'_>, row: &Kept) -> bool {
    let kong = of.kong;
    let unchanged = kong.retention == row.retention && kong.retention > 0 && !of.clock_moved;
    let shown_at_once = row.visible - (row.written - row.skew) <= LOOKBACK_SECS - CLOSE_SECS;
    let all_is_met = kong.offsets == Offsets::Keys;
    of.is_first && kong.shows_retention && unchanged && shown_at_once && all_is_met
}
