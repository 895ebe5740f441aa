//! Kong's side: what it keeps, from when on it shows it and until when, and how each version pages
//! and filters. Sources: the simulator's (`crates/sim/src/kong`), which this repeats in memory.

use std::cmp::Reverse;

use kong_cloudtrail::ports::{HttpError, HttpResponse};
use kong_cloudtrail::terms::Stream;
use percent_encoding::percent_decode_str;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use crate::entry::{self, Kept};
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

/// How a time may be written in `before` and `after`; any other way is answered with 400.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    #[default]
    Either,
    Rfc3339,
    UnixSeconds,
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
    pub order: Vec<(Rank, usize)>,
    newest_first: bool,
}

/// A place in the order of reading.
type Rank = (Reverse<i64>, u64);

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

    /// A bound in a query, as this Kong reads it; an error where it takes no time of that form.
    fn bound(&self, text: Option<&str>) -> Result<Option<i64>, ()> {
        let Some(text) = text.filter(|_| self.filters()) else { return Ok(None) };
        let text = percent_decode_str(text).decode_utf8().unwrap();
        let date = OffsetDateTime::parse(&text, &Rfc3339).map(OffsetDateTime::unix_timestamp);
        let seconds = text.parse::<i64>();
        match self.dates {
            Dates::Either => Ok(Some(date.unwrap_or_else(|_| seconds.unwrap()))),
            Dates::Rfc3339 => date.map(Some).map_err(drop),
            Dates::UnixSeconds => seconds.map(Some).map_err(drop),
        }
    }

    /// A page; an error where a time is not written as this Kong takes it.
    fn page(&mut self, world: &World, stream: Stream, query: &str) -> Result<String, ()> {
        let now = world.time();
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let after = self.bound(parameter("after"))?;
        let before = self.bound(parameter("before"))?;
        let filtered = after.is_some() || before.is_some();
        let size: usize = parameter("size").unwrap().parse().unwrap();
        let offset = parameter("offset");

        self.trails[stream as usize].sort(self.version != Version::V2_8);
        let trail = self.trail(stream);
        let by_position = self.offsets == Offsets::Positions;
        let from = offset.filter(|_| !by_position).map_or(0, |last| {
            let last: usize = last.parse().unwrap();
            let last = trail.rank(last);
            trail.order.partition_point(|(rank, _)| *rank <= last)
        });
        let mut shown = trail.order[from..].iter().map(|(_, index)| *index).filter(|index| {
            let entry = &trail.entries[*index];
            // By what is stored: a row without a time is in no window.
            let in_window = !filtered
                || entry.stamp.is_some_and(|stamp| {
                    after.is_none_or(|after| stamp >= after)
                        && before.is_none_or(|before| stamp < before)
                });
            in_window && self.shows(entry, now)
        });
        let read = match offset {
            Some(position) if by_position => position.parse().unwrap(),
            _ => 0,
        };
        let mut page: Vec<usize> = shown.by_ref().skip(read).take(size + 1).collect();
        let more = page.len() > size;
        page.truncate(size);
        let last = if by_position { read + page.len() } else { page.last().copied().unwrap_or(0) };
        let data: Vec<_> = page.iter().map(|index| trail.entries[*index].shown(world)).collect();
        let data = match world.draw(4) {
            // As Lua may write a list without elements.
            0 if data.is_empty() => "{}".to_owned(),
            _ => format!("[{}]", data.join(",")),
        };
        let next = if more {
            let kept = |pair: &&str| {
                let is_filter = pair.starts_with("after") || pair.starts_with("before");
                !pair.starts_with("offset") && (self.version == Version::V3_9 || !is_filter)
            };
            let others: Vec<_> = query.split('&').filter(kept).collect();
            let link = format!("/audit/{}?{}&offset={last}", stream.name(), others.join("&"));
            format!(r#""next":"{link}","offset":"{last}""#)
        } else {
            r#""next":null"#.to_owned()
        };
        Ok(format!(r#"{{"data":{data},{next}}}"#))
    }

    fn root(&self) -> String {
        let version = match self.version {
            Version::V2_8 => "2.8.1.1",
            Version::V3_4 => "3.4.3.9",
            Version::V3_9 => "3.9.0.0",
        };
        let mut configuration = json!({"audit_log": true});
        if self.shows_retention {
            configuration["audit_log_record_ttl"] = json!(self.retention);
        }
        let version = format!("{version}-enterprise-edition");
        json!({"version": version, "configuration": configuration}).to_string()
    }
}

impl Trail {
    fn rank(&self, index: usize) -> Rank {
        let entry = &self.entries[index];
        // Nulls come first, as they do in a descending order of PostgreSQL's.
        let stamp = if self.newest_first { entry.stamp.unwrap_or(i64::MAX) } else { 0 };
        (Reverse(stamp), entry.key)
    }

    fn sort(&mut self, newest_first: bool) {
        if self.order.len() == self.entries.len() && self.newest_first == newest_first {
            return;
        }
        self.newest_first = newest_first;
        self.order = (0..self.entries.len()).map(|index| (self.rank(index), index)).collect();
        self.order.sort_unstable();
    }
}

/// Kong's answer.
pub fn get(world: &World, exchange: &Exchange) -> Result<HttpResponse, HttpError> {
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
    let dated = |kong: &Kong, status: u16, body: &str| {
        let mut response = answer(status, body);
        response.headers_mut().insert("date", http_date(now + kong.skew).parse().unwrap());
        Ok(response)
    };
    let stream = match uri.path() {
        "/" => {
            let fresh = Stream::ALL.map(|stream| world.store.borrow().ledger().is_fresh(stream));
            let mut truth = world.truth.borrow_mut();
            truth.told(exchange.run, now + kong.skew, kong.filters(), fresh);
            return dated(&kong, 200, &kong.root());
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
    if query.contains("offset=of-another-version") {
        return Ok(answer(400, r#"{"message":"invalid offset"}"#));
    }
    match kong.page(world, stream, query) {
        Ok(page) => dated(&kong, 200, &page),
        Err(()) => dated(&kong, 400, r#"{"message":"invalid date"}"#),
    }
}

pub fn answer(status: u16, body: &str) -> HttpResponse {
    http::Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
}

pub fn http_date(seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let date = date.format(&Rfc2822).unwrap();
    date.replace("+0000", "GMT")
}
