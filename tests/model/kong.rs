//! Kong's side: what it keeps, from when on it shows it and until when, and how each version pages
//! and filters. Sources: the simulator's (`crates/sim/src/kong`), which this repeats in memory.

use std::cmp::Reverse;

use kong_cloudtrail::kong::Stream;
use kong_cloudtrail::ports::{HttpError, HttpResponse};
use serde_json::json;

use crate::entry::{self, Kept};
use crate::world::{Exchange, World};

pub const MONTH_SECS: i64 = 2_592_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// No time filters, no order that tells anything, objects without a time.
    V2_8,
    /// Time filters; further pages of what is filtered are wrong.
    V3_4,
    #[default]
    V3_9,
}

/// What is wrong with further pages of a filtered stream before 3.9: the changelog does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FurtherPages {
    #[default]
    Right,
    /// The first page names no second.
    EndEarly,
    /// The second page lacks an entry and names no third.
    Lacking,
    /// The page after the second begins where the second does. Not in random histories.
    Endless,
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
    pub further_pages: FurtherPages,
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
            further_pages: FurtherPages::default(),
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
    /// By Kong's clock; none on a row that Kong wrote without.
    pub time: i64,
    /// True times: from when on, and until when at least.
    pub visible: i64,
    pub expires: i64,
}

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
        let expires = now + self.retention;
        self.write(world, stream, Arrival { time: now + self.skew, visible: now, expires });
    }

    pub fn shows(&self, entry: &Kept, now: i64) -> bool {
        let purged = if self.purges_on_insert { self.last_insert } else { now };
        entry.visible <= now && entry.expires > purged
    }

    pub fn filters(&self) -> bool {
        self.version != Version::V2_8 && !self.filters_dropped
    }

    fn page(&mut self, stream: Stream, query: &str, now: i64) -> String {
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let bound = |name| parameter(name).filter(|_| self.filters())?.parse::<i64>().ok();
        let (after, before) = (bound("after"), bound("before"));
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
            // A row without a time is in no window.
            let in_window = !filtered
                || entry.time.is_some_and(|time| {
                    after.is_none_or(|after| time >= after)
                        && before.is_none_or(|before| time < before)
                });
            in_window && self.shows(entry, now)
        });
        let read = match offset {
            Some(position) if by_position => position.parse().unwrap(),
            _ => 0,
        };
        let mut page: Vec<usize> = shown.by_ref().skip(read).take(size + 1).collect();
        let mut more = page.len() > size;
        page.truncate(size);
        let mut last =
            if by_position { read + page.len() } else { page.last().copied().unwrap_or(0) };
        if filtered && self.version == Version::V3_4 {
            match (self.further_pages, offset) {
                (FurtherPages::EndEarly, _) => more = false,
                (FurtherPages::Lacking, Some(_)) => {
                    more = false;
                    page.truncate(page.len().saturating_sub(1));
                }
                (FurtherPages::Endless, Some(asked)) => {
                    (more, last) = (true, asked.parse().unwrap());
                }
                _ => {}
            }
        }

        let data: Vec<_> = page.iter().map(|index| trail.entries[*index].shown(now)).collect();
        let next = if more {
            format!(r#""next":"/audit/{}?offset={last}","offset":"{last}""#, stream.name())
        } else {
            r#""next":null"#.to_owned()
        };
        format!(r#"{{"data":[{}],{next}}}"#, data.join(","))
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
        let time = if self.newest_first { entry.time.unwrap_or(i64::MAX) } else { 0 };
        (Reverse(time), entry.key)
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
    let stream = match uri.path() {
        "/" => {
            let mut response = answer(200, &kong.root());
            response.headers_mut().insert("date", http_date(now + kong.skew).parse().unwrap());
            let fresh = Stream::ALL.map(|stream| world.store.borrow().ledger().is_fresh(stream));
            let mut truth = world.truth.borrow_mut();
            truth.told(exchange.run, now + kong.skew, kong.filters(), fresh);
            return Ok(response);
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
    Ok(answer(200, &kong.page(stream, query, now)))
}

pub fn answer(status: u16, body: &str) -> HttpResponse {
    http::Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
}

pub fn http_date(seconds: i64) -> String {
    let date = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let date = date.format(&time::format_description::well_known::Rfc2822).unwrap();
    date.replace("+0000", "GMT")
}
