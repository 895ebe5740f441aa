//! A sound Kong with a few entries, and the other half of what one says: which entries a page has.

use std::cell::RefCell;

use http::Uri;
use kong_cloudtrail::kong::Entry;
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail::ports::HttpRequest;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::page::{self, Manner, Place, Rows};
use crate::same;
use crate::version::Version;
use crate::world::{Answer, EPOCH, answer};

/// What `GET /` answers.
pub const ROOT: &str =
    r#"{"version":"3.9.0.0-enterprise-edition","configuration":{"audit_log":true}}"#;

/// A page without entries.
pub const LAST_PAGE: &str = r#"{"data":[],"next":null}"#;

/// The stream whose page a request asks for.
pub fn stream_of(uri: &Uri) -> Option<Stream> {
    Stream::ALL
        .into_iter()
        .find(|stream| uri.path().ends_with(&format!("/audit/{}", stream.name())))
}

fn parameter<'u>(uri: &'u Uri, name: &str) -> Option<&'u str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix(name))
}

/// A bound of what a request asks for, in Unix seconds or as RFC 3339.
fn bound(uri: &Uri, name: &str) -> Option<i64> {
    let text = percent_decode_str(parameter(uri, name)?).decode_utf8().unwrap();
    let date = || OffsetDateTime::parse(&text, &Rfc3339).unwrap().unix_timestamp();
    Some(text.parse().unwrap_or_else(|_| date()))
}

/// Whether a request asks for a part of time.
pub fn is_filtered(uri: &Uri) -> bool {
    bound(uri, "after=").is_some() || bound(uri, "before=").is_some()
}

/// Whether an entry of that `request_timestamp` is within what a request asks for.
pub fn is_asked_for(uri: &Uri, stamp: i64) -> bool {
    bound(uri, "after=").is_none_or(|after| stamp >= after)
        && bound(uri, "before=").is_none_or(|before| stamp < before)
}

/// Whether a Kong whose filters work can have given the entry to a request. It goes by what it has stored,
/// as SQL does: a row without a time is in no window. One whose time is in milliseconds, or in words, might be
/// of any.
pub fn may_be_of(uri: &Uri, entry: &Entry<'_>) -> bool {
    let stored = entry.get("request_timestamp").map_or("null", |value| value.get());
    match stored.parse::<i64>() {
        Ok(MILLISECONDS..) => true,
        Ok(stamp) => is_asked_for(uri, stamp),
        Err(_) => stored != "null" || !is_filtered(uri),
    }
}

/// From here on a time is in milliseconds.
const MILLISECONDS: i64 = 100_000_000_000;

/// Whether a request may be for a second in which nothing is, which tells whether Kong is sound. What Kong says
/// to it is not shipped.
pub fn may_probe(uri: &Uri) -> bool {
    let bounds = bound(uri, "after=").zip(bound(uri, "before="));
    let is_a_second = bounds.is_some_and(|(after, before)| before - after == 1);
    is_a_second && parameter(uri, "size=") == Some("1") && parameter(uri, "offset=").is_none()
}

/// A page as text, with a noncharacter for what is not UTF-8.
fn decoded(page: &[u8]) -> String {
    let chunks = page.utf8_chunks();
    chunks.flat_map(|chunk| [chunk.valid(), if chunk.invalid().is_empty() { "" } else { BAD }]).collect()
}

/// Stands for what is not UTF-8.
const BAD: &str = "\u{10fffe}";

/// The entries of a page as Kong sends one, without rows that cannot be read; nothing where it is no such page.
pub fn entries(page: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Page<'p> {
        #[serde(borrow)]
        data: Vec<&'p RawValue>,
        #[serde(default)]
        offset: Option<String>,
        #[serde(default)]
        next: Option<String>,
    }
    let text = decoded(page);
    let page: Page<'_> = serde_json::from_str(&text).ok()?;
    let leads_on = page.offset.is_some_and(|offset| !offset.is_empty());
    let is_entry = |entry: &&&RawValue| {
        !entry.get().contains(BAD) && Entry::parse(Stream::Requests, entry.get()).is_ok()
    };
    (leads_on || page.next.is_none())
        .then(|| page.data.iter().filter(is_entry).map(|entry| entry.get().to_owned()).collect())
}

/// By what two entries are the same: their ids, else all that they say.
pub fn identity(stream: Stream, entry: &str) -> String {
    let parsed = Entry::parse(stream, entry).unwrap();
    match parsed.id() {
        Some(id) => id.into_owned(),
        None => canonical(stream, entry),
    }
}

/// The canonical entry, where a payload or an entity of an unsigned one is told by its JSON value,
/// as an event tells it.
pub fn canonical(stream: Stream, entry: &str) -> String {
    let mut entry = Entry::parse(stream, entry).unwrap();
    let signed = entry.get("signature").is_some_and(|signature| signature.get() != "null");
    let name = if stream == Stream::Requests { "payload" } else { "entity" };
    let document: Option<Box<RawValue>> = entry
        .text(name)
        .filter(|text| {
            !signed && text.trim_start().starts_with('{') && !same::has_repeated_members(text)
        })
        .and_then(|text| serde_json::from_str(&text).ok());
    if let Some(document) = &document {
        entry.fields.retain(|(field, _)| field != name);
        entry.fields.push((name.into(), document));
        return entry.canonical();
    }
    entry.canonical()
}

/// A Kong whose filters work, with three entries a stream that it has kept for a while.
pub struct Kong {
    version: Version,
    /// Newest first.
    entries: [Entries; 2],
    /// What it gave away so far.
    pub served: RefCell<Vec<(Stream, String)>>,
}

/// The entries of a stream, with their times.
type Entries = Vec<(i64, String)>;

impl Default for Kong {
    fn default() -> Self {
        let kept = [(30, "a"), (4000, "b"), (200_000, "c")];
        let request = |(age, id)| {
            let time = EPOCH - age;
            // The first is too large for one event.
            let notes = "x".repeat(if id == "a" { 28_000 } else { 1 });
            let entry = format!(
                r#"{{"request_id":"{id}","request_timestamp":{time},"method":"POST","path":"/{id}","notes":"{notes}"}}"#
            );
            (time, entry)
        };
        let object = |(age, id)| {
            let time = EPOCH - age;
            let entry = format!(
                r#"{{"id":"{id}o","request_timestamp":{time},"dao_name":"services","operation":"create","entity":"{{}}"}}"#
            );
            (time, entry)
        };
        let entries = [kept.map(request).to_vec(), kept.map(object).to_vec()];
        Self { version: Version::current(), entries, served: RefCell::default() }
    }
}

impl Kong {
    /// All that it has.
    pub fn entries(&self) -> impl Iterator<Item = (Stream, &str)> {
        Stream::ALL.into_iter().flat_map(|stream| {
            self.entries[stream as usize].iter().map(move |(_, entry)| (stream, entry.as_str()))
        })
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// None: it is sound.
    pub fn answer(&self, request: &HttpRequest) -> Answer {
        let Some(stream) = stream_of(request.uri()) else { return Ok(answer(200, ROOT)) };
        let rows = Shown { entries: &self.entries[stream as usize], served: RefCell::default() };
        let query = request.uri().query().unwrap_or_default();
        let body = page::page(Manner::sound(&self.version), stream, &rows, query);
        self.served
            .borrow_mut()
            .extend(rows.served.take().into_iter().map(|entry| (stream, entry)));
        Ok(match body {
            Ok(page) => answer(200, page),
            Err(refusal) => answer(400, refusal.to_string()),
        })
    }
}

/// A stream, and what of it is on the page.
struct Shown<'k> {
    entries: &'k Entries,
    served: RefCell<Vec<String>>,
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.entries.len()
    }
    fn place(&self, n: usize) -> Place {
        (self.entries[n].0, 0)
    }
    fn stored_at(&self, n: usize) -> Option<i64> {
        Some(self.entries[n].0)
    }
    fn write(&self, n: usize, out: &mut Vec<u8>) {
        let entry = &self.entries[n].1;
        out.extend_from_slice(entry.as_bytes());
        self.served.borrow_mut().push(entry.clone());
    }
}
