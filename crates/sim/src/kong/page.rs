//! What a page of the audit log holds: a pure function of the rows, the question and the version.
//! The simulator's server calls it, and so do the core's model and fuzz targets over rows of their own.
//!
//! Pages are cut as a database cuts them by key: an offset names the last row of its page, and the
//! next page begins behind that row, whatever has arrived meanwhile. Kong's own queries do so
//! (Kong/kong, `kong/db/strategies/postgres/init.lua`). A row whose time is null is in no window,
//! since PostgreSQL finds a comparison with null not true.
//!
//! Sources: `size` and `offset`, their refusals and codes, `next`, from Kong's own source and its
//! tests (Kong/kong, `kong/api/endpoints.lua`, `kong/db/errors.lua`, `kong/db/dao/init.lua`,
//! `spec/02-integration/04-admin_api/09-routes_routes_spec.lua`); `before` and `after` from the
//! Enterprise Admin API description (Kong/developer.konghq.com, `api-specs/gateway/admin-ee`), the
//! words of their refusal from what Kong Gateway answers. The code of that refusal is likely 20:
//! the published list of codes ends with 19.

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::PrimitiveDateTime;
use time::macros::format_description;

use super::Stream;
use super::version::Version;

const MAX_SIZE: u16 = 1000;
const DEFAULT_SIZE: u16 = 100;

/// Where a row stands in the order of reading, which goes from the greatest down: its time, or a
/// number as good as random where the version sorts by key; and what tells rows of one time apart.
pub type Place = (i64, u64);

/// The rows of a stream that Kong shows now, numbered in the order of reading. By time that is newest
/// first, rows without a time before all others, as PostgreSQL sorts unless told otherwise.
pub trait Rows {
    /// How many there are.
    fn count(&self) -> usize;
    /// Where the `n`th stands: before the next.
    fn place(&self, n: usize) -> Place;
    /// Its `request_timestamp`, as the database holds it; asked for where they are sorted by it.
    fn stored_at(&self, n: usize) -> Option<i64>;
    /// Appends its entry, as JSON.
    fn write(&self, n: usize, out: &mut Vec<u8>);
}

/// How a Kong answers, and what stands before it.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'k> {
    /// The version, which may know no filters.
    pub version: &'k Version,
    /// In which form `before` and `after` are taken.
    pub dates: Dates,
    /// How a page without entries writes its list.
    pub empty_list: EmptyList,
    /// `before` and `after` do not reach Kong.
    pub filters_dropped: bool,
    /// Offsets are positions: what arrives or goes meanwhile shifts the borders of pages.
    pub shifting_offsets: bool,
    /// Offsets that lead on for ever.
    pub endless: Option<Endless>,
}

impl<'k> Manner<'k> {
    /// Nothing is wrong.
    pub fn sound(version: &'k Version) -> Self {
        Self {
            version,
            dates: Dates::default(),
            empty_list: EmptyList::default(),
            filters_dropped: false,
            shifting_offsets: false,
            endless: None,
        }
    }
}

/// How offsets lead on for ever, where there is a second page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endless {
    /// The third page begins where the second did: A B A B.
    Circle,
    /// The first page again, under a new offset each time.
    SameRows,
    /// Pages without rows, under a new offset each time.
    NoRows,
}

/// Forms of a date. The Admin API descriptions of 3.7 to 3.9 name both; those of 3.10 to 3.15 name
/// RFC 3339 alone, which need not mean that Unix seconds are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// Unix seconds, and RFC 3339 in UTC with `Z` and without fractions.
    #[default]
    Both,
    /// Unix seconds.
    UnixOnly,
    /// RFC 3339.
    Rfc3339Only,
}

/// An empty list in JSON. Lua has one type for lists and maps, so its encoder has to be told which
/// of them an empty one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyList {
    /// `[]`
    #[default]
    Array,
    /// `{}`
    Object,
    /// `null`
    Null,
}

/// The body of the page that `query` asks for.
///
/// # Errors
/// The body of Kong's refusal, which it sends with 400.
pub fn page(
    manner: Manner<'_>,
    stream: Stream,
    rows: &impl Rows,
    query: &str,
) -> Result<Vec<u8>, Value> {
    let parameters = Parameters::read(query);
    let asked = parameters.understand(manner)?;
    let (shown, offset) = match manner.endless {
        None => cut(manner, rows, &asked),
        Some(endless) => lead_on(endless, manner, rows, &asked),
    };
    let mut body = br#"{"data":"#.to_vec();
    let list = match manner.empty_list {
        EmptyList::Object if shown.is_empty() => "{}",
        EmptyList::Null if shown.is_empty() => "null",
        _ => "[",
    };
    body.extend_from_slice(list.as_bytes());
    for n in shown.clone() {
        if n > shown.start {
            body.push(b',');
        }
        rows.write(n, &mut body);
    }
    if list == "[" {
        body.push(b']');
    }
    if manner.version.counts_milliseconds() {
        body.extend_from_slice(format!(r#","total":{}"#, rows.count()).as_bytes());
    }
    let tail = match offset.map(Offset::encode) {
        None => r#","next":null}"#.to_owned(),
        Some(offset) => {
            let keeps_filters = stream == Stream::Objects || manner.version.next_keeps_filters();
            let next = next_link(stream, &offset, &parameters, keeps_filters);
            format!(r#","next":{},"offset":{}}}"#, json!(next), json!(offset))
        }
    };
    body.extend_from_slice(tail.as_bytes());
    Ok(body)
}

/// Which rows are on the page, and where it ends if there is more.
fn cut(manner: Manner<'_>, rows: &impl Rows, asked: &Asked) -> (Range<usize>, Option<Offset>) {
    let filtered = asked.before.is_some() || asked.after.is_some();
    let all = if filtered { window(rows, asked) } else { 0..rows.count() };
    let start = match &asked.offset {
        None => all.start,
        Some(offset) if manner.shifting_offsets => {
            let read = usize::try_from(offset.position).unwrap_or(usize::MAX);
            all.start.saturating_add(read).min(all.end)
        }
        Some(offset) => {
            let behind = first(rows.count(), |n| rows.place(n) < offset.last);
            behind.clamp(all.start, all.end)
        }
    };
    let end = start.saturating_add(asked.size).min(all.end);
    let (position, pages) =
        asked.offset.as_ref().map_or((0, 0), |offset| (offset.position, offset.pages));
    let offset = (start < end && end < all.end).then(|| Offset {
        last: rows.place(end - 1),
        position: position + (end - start) as u64,
        pages: pages + 1,
    });
    (start..end, offset)
}

/// The rows of a page and where the next one begins, of a Kong that never says that there is none.
fn lead_on(
    endless: Endless,
    manner: Manner<'_>,
    rows: &impl Rows,
    asked: &Asked,
) -> (Range<usize>, Option<Offset>) {
    let pages = asked.offset.as_ref().map_or(0, |offset| offset.pages);
    let page = cut(manner, rows, asked);
    let (first, second) = cut(manner, rows, &Asked { offset: None, ..*asked });
    let Some(second) = second else { return page };
    match endless {
        Endless::Circle if pages == 2 => (page.0, Some(second)),
        Endless::Circle => page,
        Endless::SameRows => (first, Some(Offset { pages: pages + 1, ..second })),
        Endless::NoRows if pages == 0 => page,
        Endless::NoRows => (first.end..first.end, Some(Offset { pages: pages + 1, ..second })),
    }
}

/// The rows within the bounds, which only an order by time can tell.
fn window(rows: &impl Rows, asked: &Asked) -> Range<usize> {
    let from = |bound: Option<i64>| {
        // The first row that has a time, and one before the bound.
        let is_before = |at: i64| bound.is_none_or(|bound| at < bound);
        first(rows.count(), |n| rows.stored_at(n).is_some_and(is_before))
    };
    let start = from(asked.before);
    let end = asked.after.map_or(rows.count(), |after| from(Some(after)));
    start..end.max(start)
}

/// The first of `count` numbers for which something holds that holds for all after it.
fn first(count: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (0, count);
    while from < to {
        let middle = usize::midpoint(from, to);
        if holds(middle) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

fn next_link(stream: Stream, offset: &str, parameters: &Parameters, keeps_filters: bool) -> String {
    let path = match stream {
        Stream::Requests => "/audit/requests",
        Stream::Objects => "/audit/objects",
    };
    let mut next = format!("{path}?offset={}", utf8_percent_encode(offset, NON_ALPHANUMERIC));
    let kept = [
        ("size", &parameters.size),
        ("before", &parameters.before.clone().filter(|_| keeps_filters)),
        ("after", &parameters.after.clone().filter(|_| keeps_filters)),
    ];
    for (name, value) in kept {
        if let Some(value) = value {
            next.extend(["&", name, "="]);
            next.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
    }
    next
}

/// The parameters that Kong knows, as given. Others it ignores.
#[derive(Default)]
struct Parameters {
    size: Option<String>,
    offset: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

/// What they ask for.
struct Asked {
    /// Unix seconds, inclusive.
    after: Option<i64>,
    /// Unix seconds, exclusive.
    before: Option<i64>,
    offset: Option<Offset>,
    size: usize,
}

impl Parameters {
    fn read(query: &str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let parameter = match name.as_ref() {
                "size" => &mut parameters.size,
                "offset" => &mut parameters.offset,
                "before" => &mut parameters.before,
                "after" => &mut parameters.after,
                _ => continue,
            };
            *parameter = Some(value.into_owned());
        }
        parameters
    }

    /// What they ask a Kong for that answers so, or the body of its refusal.
    fn understand(&self, manner: Manner<'_>) -> Result<Asked, Value> {
        let size = self.size.as_deref().map(rows).transpose()?;
        let offset = self.offset.as_deref().map(|text| {
            Offset::decode(text).map_err(|why| {
                let text = format!("'{text}' is not a valid offset: {why}");
                json!({"code": 7, "name": "invalid offset", "message": text})
            })
        });
        let instant = |text: &Option<String>| {
            let filters = manner.version.filters_by_time() && !manner.filters_dropped;
            let text = text.as_deref().filter(|_| filters);
            text.map(|text| manner.dates.instant(text).ok_or_else(|| bad_date(text))).transpose()
        };
        Ok(Asked {
            size: size.unwrap_or(DEFAULT_SIZE.into()),
            offset: offset.transpose()?,
            before: instant(&self.before)?,
            after: instant(&self.after)?,
        })
    }
}

fn rows(size: &str) -> Result<usize, Value> {
    let refusal = |text: &str| json!({"code": 9, "name": "invalid size", "message": text});
    let size: f64 = size.trim().parse().map_err(|_| refusal("size must be a number"))?;
    (1..=MAX_SIZE)
        .find(|allowed| (f64::from(*allowed) - size).abs() < f64::EPSILON)
        .map(usize::from)
        .ok_or_else(|| refusal("size must be an integer between 1 and 1000"))
}

fn bad_date(text: &str) -> Value {
    let message =
        format!("date param: '{text}' does not match expected format: YYYY-MM-DDTHH:MI:SSZ");
    json!({"code": 20, "name": "invalid search query", "message": message})
}

impl Dates {
    /// The second that `text` names, if it is of a form that is taken.
    fn instant(self, text: &str) -> Option<i64> {
        let unix = || unix(text).filter(|_| self != Self::Rfc3339Only);
        let rfc3339 = || rfc3339(text).filter(|_| self != Self::UnixOnly);
        unix().or_else(rfc3339)
    }
}

fn unix(text: &str) -> Option<i64> {
    let seconds = text.trim().parse::<f64>().ok().filter(|seconds| seconds.is_finite())?;
    // Entries have whole seconds, so a bound between two is the later one's.
    #[allow(clippy::cast_possible_truncation)]
    Some(seconds.ceil() as i64)
}

/// In UTC with `Z` and without fractions of a second.
fn rfc3339(text: &str) -> Option<i64> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let date = PrimitiveDateTime::parse(text, format).ok()?;
    Some(date.assume_utc().unix_timestamp())
}

/// Where a page ended.
struct Offset {
    last: Place,
    position: u64,
    /// How many pages were read.
    pages: u64,
}

impl Offset {
    /// The opaque string: like Kong's, a JSON array in base64.
    fn encode(self) -> String {
        let numbers = (self.last.0, self.last.1, self.position, self.pages);
        BASE64_STANDARD.encode(serde_json::to_vec(&numbers).unwrap_or_default())
    }

    /// An offset out of its string, or what Kong says of it.
    fn decode(text: &str) -> Result<Self, &'static str> {
        let json = BASE64_STANDARD.decode(text).map_err(|_| "bad base64 encoding")?;
        let (time, number, position, pages) =
            serde_json::from_slice(&json).map_err(|_| "bad json encoding")?;
        Ok(Self { last: (time, number), position, pages })
    }
}
