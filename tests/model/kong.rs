//! Kong's side: what it keeps, from when on it shows it and until when. What a page holds is the
//! simulator's word (`crates/sim/src/kong/page.rs`).

use std::cell::Cell;

use kong_cloudtrail::ports::HttpError;
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail::testing::{Answer, answer};
use kong_cloudtrail_sim::kong::page::{Manner, Place, Rows, page};
use kong_cloudtrail_sim::kong::{self as sim, Dates, EmptyList};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::entry::{self, Kept};
use crate::store;
use crate::world::{Exchange, World};

pub const MONTH_SECS: i64 = 2_592_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// No time filters, no order that tells anything, objects without a time.
    V2_8,
    /// Time filters, which the link to the next page loses.
    V3_4,
    #[default]
    V3_9,
}

impl Version {
    fn full(self) -> sim::version::Version {
        let number = match self {
            Self::V2_8 => "2.8.1.1",
            Self::V3_4 => "3.4.3.9",
            Self::V3_9 => "3.9.0.0",
        };
        number.parse().unwrap()
    }
}

/// What an upgrade puts into the column that it adds, of the rows that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Added {
    #[default]
    One,
    Null,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offsets {
    /// The next page begins behind the last entry of this one, whatever happens meanwhile.
    #[default]
    Keys,
    /// What arrives or goes while a reader pages shifts the border of pages.
    Positions,
}

/// How entries tell their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    #[default]
    Seconds,
    /// As a Kong of tomorrow may.
    Words,
}

#[derive(Clone, Debug)]
pub struct Kong {
    pub version: Version,
    pub dates: Dates,
    pub added: Added,
    /// A proxy takes `before` and `after` out of the query.
    pub filters_dropped: bool,
    pub offsets: Offsets,
    /// Entries outlive their time until the next one is written.
    pub purges_on_insert: bool,
    /// `GET /` shows how long entries are kept.
    pub shows_retention: bool,
    pub times: Times,
    /// The id of a row for whose pages it answers 500.
    pub bad: Option<String>,
    /// So many calls for further pages a proxy answers in Kong's stead, with 503.
    pub away: u32,
    /// `audit_log_record_ttl`: how long what is written now is kept; for ever where it is 0.
    pub retention: i64,
    /// Four entries in so many need parts.
    pub parts_in: u64,
    /// Kong's clock less the true time, in seconds.
    pub skew: i64,
    pub trails: [Trail; 2],
    pub made: u64,
    pub last_insert: i64,
}

impl Default for Kong {
    fn default() -> Self {
        Self {
            version: Version::default(),
            dates: Dates::default(),
            added: Added::default(),
            filters_dropped: false,
            offsets: Offsets::default(),
            purges_on_insert: false,
            shows_retention: true,
            times: Times::default(),
            bad: None,
            away: 0,
            retention: MONTH_SECS,
            parts_in: 400,
            skew: 0,
            trails: Default::default(),
            made: 0,
            last_insert: 0,
        }
    }
}

/// One stream, and the order in which it was last read.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    pub entries: Vec<Kept>,
    pub order: Vec<(Place, usize)>,
    newest_first: bool,
}

/// When an entry was written, and how it shows.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// By Kong's clock.
    pub time: i64,
    /// True time from which on it shows.
    pub visible: i64,
}

/// When what is kept for ever expires.
pub const NEVER: i64 = i64::MAX;

impl Kong {
    pub fn trail(&self, stream: Stream) -> &Trail {
        &self.trails[stream as usize]
    }

    /// Kong writes an entry.
    pub fn write(&mut self, world: &World, stream: Stream, arrival: Arrival) {
        self.made += 1;
        let kept = entry::write(world, self, stream, arrival);
        self.last_insert = self.last_insert.max(world.time());
        world.truth.borrow_mut().expect(stream, self.trail(stream).entries.len(), &kept);
        self.trails[stream as usize].entries.push(kept);
    }

    /// An entry that is written and shown at once.
    pub fn write_now(&mut self, world: &World, stream: Stream) {
        let now = world.time();
        self.write(world, stream, Arrival { time: now + self.skew, visible: now });
    }

    /// True time until which a row is kept that is written at `time` of Kong's clock.
    pub fn expires(&self, time: i64) -> i64 {
        if self.retention == 0 { NEVER } else { time - self.skew + self.retention }
    }

    /// How long rows are kept that anybody looks for.
    pub fn kept_secs(&self) -> i64 {
        if self.retention == 0 { MONTH_SECS } else { self.retention }
    }

    /// Another version takes over.
    pub fn exchange(&mut self, version: Version) {
        self.version = version;
        if version != Version::V2_8 {
            let objects = &mut self.trails[Stream::Objects as usize];
            objects.entries.iter_mut().for_each(|row| row.add_columns(self.added));
            objects.order.clear();
        }
    }

    pub fn shows(&self, entry: &Kept, now: i64) -> bool {
        let purged = if self.purges_on_insert { self.last_insert } else { now };
        entry.visible <= now && entry.expires > purged
    }

    pub fn filters(&self) -> bool {
        self.version != Version::V2_8 && !self.filters_dropped
    }

    /// A page, or how this Kong refuses it; none where the bad row is on it.
    fn page(
        &mut self,
        world: &World,
        stream: Stream,
        query: &str,
    ) -> Result<Option<Vec<u8>>, Value> {
        self.trails[stream as usize].sort(self.version != Version::V2_8);
        let (trail, now) = (self.trail(stream), world.time());
        let shown = trail.order.iter().filter(|(_, index)| self.shows(&trail.entries[*index], now));
        let order = shown.copied().collect();
        let bad = Cell::new(false);
        let rows =
            Shown { world, entries: &trail.entries, order, fails: self.bad.as_ref(), bad: &bad };
        let version = self.version.full();
        let manner = Manner {
            dates: self.dates,
            // As Lua may write a list without elements.
            empty_list: if world.draw(4) == 0 { EmptyList::Object } else { EmptyList::Array },
            filters_dropped: self.filters_dropped,
            shifting_offsets: self.offsets == Offsets::Positions,
            ..Manner::sound(&version)
        };
        let stream = match stream {
            Stream::Requests => sim::Stream::Requests,
            Stream::Objects => sim::Stream::Objects,
        };
        let page = page(manner, stream, &rows, query);
        if bad.get() { Ok(None) } else { page.map(Some) }
    }

    fn root(&self) -> String {
        let mut configuration = json!({"audit_log": true});
        if self.shows_retention {
            configuration["audit_log_record_ttl"] = json!(self.retention);
        }
        json!({"version": self.version.full().to_string(), "configuration": configuration})
            .to_string()
    }
}

impl Trail {
    fn sort(&mut self, newest_first: bool) {
        if self.order.len() == self.entries.len() && self.newest_first == newest_first {
            return;
        }
        self.newest_first = newest_first;
        let place = |entry: &Kept| {
            let time = if newest_first { entry.stamp.unwrap_or(i64::MAX) } else { 0 };
            // Rows of one time by rising key.
            (time, !entry.key)
        };
        self.order = self.entries.iter().map(place).zip(0..).collect();
        self.order.sort_unstable_by(|one, other| other.cmp(one));
    }
}

/// What Kong shows of a trail, in the order of reading.
struct Shown<'k> {
    world: &'k World,
    entries: &'k [Kept],
    order: Vec<(Place, usize)>,
    fails: Option<&'k String>,
    /// The row that fails was asked for.
    bad: &'k Cell<bool>,
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }
    fn place(&self, n: usize) -> Place {
        self.order[n].0
    }
    fn stored_at(&self, n: usize) -> Option<i64> {
        self.entries[self.order[n].1].stamp
    }
    fn write(&self, n: usize, out: &mut Vec<u8>) {
        let is_bad = self.fails.is_some_and(|id| *id == self.entries[self.order[n].1].id);
        self.bad.set(self.bad.get() || is_bad);
        out.extend_from_slice(self.entries[self.order[n].1].shown(self.world).as_bytes());
    }
}

/// Kong's answer.
pub fn get(world: &World, exchange: &Exchange) -> Answer {
    let faults = exchange.host.faults.get();
    if world.strikes(faults.kong) {
        return match world.draw(5) {
            0 => Err(HttpError::Connection("refused".to_owned())),
            1 => Err(HttpError::Timeout("first byte".to_owned())),
            2 => Ok(answer(503, "{}")),
            3 => Ok(answer(200, "<html>")),
            _ => Ok(answer(200, r#"{"data":[{"request_id":"cut off"#)),
        };
    }
    let mut kong = world.kong.borrow_mut();
    let now = world.time();
    let uri = exchange.request.uri();
    let dated = |kong: &Kong, status: u16, body: Vec<u8>| {
        let mut response = answer(status, body);
        response.headers_mut().insert("date", http_date(now + kong.skew).parse().unwrap());
        Ok(response)
    };
    let stream = match uri.path() {
        "/" => {
            let found = Stream::ALL.map(|stream| store::ledger(&world.store).found(stream));
            let mut truth = world.truth.borrow_mut();
            truth.told(exchange.run, now + kong.skew, kong.filters(), found);
            return dated(&kong, 200, kong.root().into());
        }
        "/audit/requests" => Stream::Requests,
        _ => Stream::Objects,
    };
    if world.strikes(faults.arrivals) {
        kong.write_now(world, stream);
    }
    let query = uri.query().unwrap_or_default();
    if query.contains("offset=") && kong.away > 0 {
        kong.away -= 1;
        return Ok(answer(503, "{}"));
    }
    match kong.page(world, stream, query) {
        Ok(Some(page)) => dated(&kong, 200, page),
        Ok(None) => dated(&kong, 500, b"{}".to_vec()),
        Err(refusal) => dated(&kong, 400, refusal.to_string().into()),
    }
}

pub fn http_date(seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let date = date.format(&Rfc2822).unwrap();
    date.replace("+0000", "GMT")
}
