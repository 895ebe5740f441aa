//! One page of a stream, read without a copy of what it holds.
//!
//! A page that arrived whole may hold rows that cannot be shipped as Kong keeps them: with a byte that is not
//! UTF-8, or that are no entries. These are told apart from the others, which can.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::entry::exact;
use super::error::malformed;
use super::{Entry, Fields, Flaw, KongError, LeftOut, text};
use crate::ports::Ends;
use crate::terms::{LedgerTime, Stream};

/// The most bytes of a page that may be no UTF-8. A page with more is not read.
const MAX_BAD_BYTES: usize = 100_000;

/// The most of a row's text that is kept of one that is left out, in bytes.
const MAX_TEXT: usize = 16 * 1024;

/// One page of a stream: its bytes, and where in them each row stands.
pub struct Page {
    body: String,
    /// Where in it bytes stood that are not UTF-8, in rising order. A question mark stands for each.
    bad_bytes: Vec<usize>,
    rows: Vec<Range<usize>>,
    offset: Option<String>,
    date: Option<i64>,
    /// The only row, where its bytes are not kept.
    left_out: Option<LeftOut>,
}

impl Page {
    pub(super) fn read(path: &str, body: Vec<u8>) -> Result<Self, KongError> {
        let (body, bad_bytes) = decode(path, body)?;
        Self::parse(path, body, bad_bytes)
    }

    fn parse(path: &str, body: String, bad_bytes: Vec<usize>) -> Result<Self, KongError> {
        #[derive(Deserialize)]
        struct Body<'p> {
            #[serde(borrow)]
            data: &'p RawValue,
            #[serde(borrow, default)]
            offset: Option<&'p RawValue>,
            #[serde(borrow, default)]
            next: Option<&'p RawValue>,
        }
        let malformed = |why: String| malformed(path, why);
        let no_list = || malformed("the page has no list named data".to_owned());
        // serde_json quotes the value in a data error, however long it is.
        let parsed: Body<'_> = serde_json::from_str(&body).map_err(|error| {
            if error.is_data() {
                return no_list();
            }
            malformed(format!("the page is not whole JSON ({error})"))
        })?;
        let rows = elements(parsed.data).ok_or_else(no_list)?;
        let offset = parsed.offset.and_then(text).filter(|offset| !offset.is_empty());
        let offset = offset.map(Cow::into_owned);
        if offset.is_none() && parsed.next.is_some_and(|next| next.get() != "null") {
            return Err(malformed("the page names a next one without an offset".to_owned()));
        }
        let start = body.as_ptr().addr();
        let range = |raw: &RawValue| {
            let from = raw.get().as_ptr().addr() - start;
            from..from + raw.get().len()
        };
        let rows: Vec<_> = rows.into_iter().map(range).collect();
        let is_in_a_row = |at: &usize| {
            let before = rows.partition_point(|row| row.start <= *at);
            rows[..before].last().is_some_and(|row| row.contains(at))
        };
        if !bad_bytes.iter().all(is_in_a_row) {
            return Err(malformed("the answer is not UTF-8".to_owned()));
        }
        Ok(Self { body, bad_bytes, rows, offset, date: None, left_out: None })
    }

    /// The page, with the time by Kong's clock at which Kong gave it.
    pub(super) fn given_at(self, date: Option<i64>) -> Self {
        Self { date, ..self }
    }

    /// The page of a single row that cannot be read, from its two ends. They tell where the next page begins,
    /// and what to call the row.
    pub(super) fn without_row(path: &str, stream: Stream, ends: &Ends, flaw: Flaw) -> Option<Self> {
        let start = String::from_utf8_lossy(&ends.start);
        let end = String::from_utf8_lossy(&ends.end);
        let data = start.find(r#""data""#)?;
        let list = data + start[data..].find('[')?;
        // The last bracket from which on the text is the end of a page. Other brackets stand in strings.
        let page = end.rmatch_indices(']').find_map(|(at, _)| {
            let skeleton = format!("{}{}", &start[..=list], &end[at..]);
            Self::parse(path, skeleton, Vec::new()).ok()
        })?;
        // Quotes within strings are escaped, so this is a member: the row's own, or one of an object within.
        let member = |name: &str| {
            let member = format!(r#""{name}":"#);
            [&start[list..], &end].into_iter().find_map(|text| {
                let (_, value) = text.split_once(&member)?;
                Some(value.split([',', '}']).next()?.trim().to_owned())
            })
        };
        let quoted = |value: String| Some(value.strip_prefix('"')?.strip_suffix('"')?.to_owned());
        let id = member(stream.id_field()).and_then(quoted);
        let stamp = member("request_timestamp").and_then(|value| exact(value.parse().ok()?));
        let time = stamp.map(LedgerTime::Written);
        let unknown = LeftOut::unknown(flaw, None);
        let left_out = Some(LeftOut { id, stamp, time, ..unknown });
        Some(Self { left_out, ..page })
    }

    /// The entries, in Kong's order, and the rows that cannot be shipped.
    pub fn entries(&self, stream: Stream) -> impl Iterator<Item = Result<Entry<'_>, LeftOut>> {
        let alone = self.left_out.iter().cloned().map(Err);
        alone.chain(self.rows.iter().map(move |row| self.entry(stream, row)))
    }

    fn entry(&self, stream: Stream, row: &Range<usize>) -> Result<Entry<'_>, LeftOut> {
        let json = &self.body[row.clone()];
        let bad = self.bad_bytes_in(row);
        match Entry::parse(stream, json) {
            Ok(entry) if bad.is_empty() => Ok(entry),
            Ok(entry) => Err(self.spoilt(&entry, row)),
            Err(_) => {
                let flaw = if bad.is_empty() { Flaw::NotAnEntry } else { Flaw::NotUtf8 };
                Err(LeftOut::unknown(flaw, Some(&self.shown(row))))
            }
        }
    }

    /// An entry that holds bytes that are not UTF-8. Members without them say what they say.
    fn spoilt(&self, entry: &Entry<'_>, row: &Range<usize>) -> LeftOut {
        let start = self.body.as_ptr().addr();
        let is_sound = |name: &str| {
            entry.get(name).is_none_or(|raw| {
                let from = raw.get().as_ptr().addr() - start;
                self.bad_bytes_in(&(from..from + raw.get().len())).is_empty()
            })
        };
        let tells_time = ["request_timestamp", "expire", "ttl"].into_iter().all(is_sound);
        LeftOut {
            id: entry.id().filter(|_| is_sound(entry.stream.id_field())).map(Cow::into_owned),
            identity: entry.canonical(),
            stamp: entry.exact_time().filter(|_| is_sound("request_timestamp")),
            time: self.date.filter(|_| tells_time).map(|date| entry.ledger_time(date)),
            flaw: Flaw::NotUtf8,
            text: Some(self.shown(row)),
        }
    }

    fn bad_bytes_in(&self, range: &Range<usize>) -> &[usize] {
        let from = self.bad_bytes.partition_point(|at| *at < range.start);
        let to = self.bad_bytes.partition_point(|at| *at < range.end);
        &self.bad_bytes[from..to]
    }

    /// The first bytes of a row, with a replacement character for each that is not UTF-8.
    fn shown(&self, row: &Range<usize>) -> String {
        let bad = self.bad_bytes_in(row);
        let bytes = self.body[row.clone()].char_indices();
        let bytes = bytes.take_while(|(at, _)| *at < MAX_TEXT);
        let shown = bytes.map(|(at, shown)| {
            let is_bad = bad.binary_search(&(row.start + at)).is_ok();
            if is_bad { char::REPLACEMENT_CHARACTER } else { shown }
        });
        shown.collect()
    }

    /// What tells the first row from others; none where there is none.
    pub fn first(&self, stream: Stream) -> Option<String> {
        self.entries(stream).next().map(|row| match row {
            Ok(entry) => entry.identity().into_owned(),
            // Of a row without bytes nothing may be known but where it stands.
            Err(row) => row.id.unwrap_or_else(|| format!("{}{:?}", row.identity, self.offset)),
        })
    }

    /// What to call the last row.
    pub fn last(&self, stream: Stream) -> Option<String> {
        let row = self.rows.last()?;
        self.entry(stream, row).ok()?.id().map(Cow::into_owned)
    }

    /// Kong's clock when it gave the page, in Unix seconds.
    pub fn date(&self) -> Option<i64> {
        self.date
    }

    /// Whether it is of a single row, which cannot be read.
    pub(super) fn is_a_bad_row(&self) -> bool {
        self.left_out.is_some()
    }

    /// Whether no page comes after it.
    pub fn is_last(&self) -> bool {
        self.offset.is_none()
    }

    /// Where the next page begins; none after the last.
    pub fn offset(&self) -> Option<&str> {
        self.offset.as_deref()
    }
}

/// The answer as text, with a question mark for each byte that is not UTF-8, and where these are.
pub(super) fn decode(path: &str, mut body: Vec<u8>) -> Result<(String, Vec<usize>), KongError> {
    const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
    if body.starts_with(BYTE_ORDER_MARK) {
        body.drain(..BYTE_ORDER_MARK.len());
    }
    let (mut at, mut bad) = (0, Vec::new());
    for chunk in body.utf8_chunks() {
        at += chunk.valid().len();
        bad.extend(at..at + chunk.invalid().len());
        at += chunk.invalid().len();
        if bad.len() > MAX_BAD_BYTES {
            return Err(malformed(path, "the answer is not UTF-8".to_owned()));
        }
    }
    for at in &bad {
        body[*at] = b'?';
    }
    let body = String::from_utf8(body);
    Ok((body.map_err(|_| malformed(path, "the answer is not UTF-8".to_owned()))?, bad))
}

/// The elements of a list. Lua has one type for lists and maps, so an empty list may be written `{}` or
/// null.
fn elements(list: &RawValue) -> Option<Vec<&RawValue>> {
    match list.get().as_bytes().first() {
        Some(b'[') => serde_json::from_str(list.get()).ok(),
        Some(b'{') => {
            let Fields(members) = serde_json::from_str(list.get()).ok()?;
            members.is_empty().then(Vec::new)
        }
        _ => (list.get() == "null").then(Vec::new),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn cut(start: &str, end: &str) -> Option<Page> {
        let ends = Ends { start: start.into(), end: end.into() };
        Page::without_row("/audit/requests?size=1", Stream::Requests, &ends, Flaw::TooLarge)
    }

    fn row(page: &Page) -> LeftOut {
        page.entries(Stream::Requests).next().unwrap().unwrap_err()
    }

    #[test]
    fn of_a_page_too_large_the_next_one_and_the_entrys_id_are_learned() {
        for (start, end) in [
            (r#"{"data":[{"request_id":"a","payload":"xx"#, r#"xx"}],"next":"/n","offset":"o]"}"#),
            (
                r#"{"offset":"o]", "data" : [{"payload":"x"#,
                r#"]x","request_id":"a"}],"next":"/n"}"#,
            ),
            (
                r#"{"next":"/n","data":[{"payload":"x"#,
                r#"\"]}","request_id":"a"} ] ,"offset":"o]" }"#,
            ),
        ] {
            let page = cut(start, end).unwrap();
            assert_eq!((row(&page).id.as_deref(), page.offset()), (Some("a"), Some("o]")), "{end}");
            assert_eq!(page.entries(Stream::Requests).count(), 1);
        }
        let last = cut(r#"{"data":[{"payload":"\"request_id\":\"b\""#, r#"x"}],"next":null}"#);
        let last = last.unwrap();
        assert_eq!((row(&last).id, last.offset()), (None, None));
        let timed =
            cut(r#"{"data":[{"request_timestamp":1795348800,"payload":"x"#, r#"x"}],"next":null}"#);
        assert_eq!(row(&timed.unwrap()).stamp, Some(1_795_348_800));
    }

    /// What is wrong with a row, its id and its time.
    type Told = Option<(Flaw, Option<String>, Option<i64>)>;

    /// Of a page with these rows, what is wrong with each, its id and its time.
    fn rows(rows: &[u8]) -> Vec<Told> {
        let body = [br#"{"data":["#, rows, br#"],"next":null}"#].concat();
        let page = Page::read("/audit/requests", body).unwrap().given_at(Some(7));
        let told = |row: LeftOut| (row.flaw, row.id, row.time.map(LedgerTime::secs));
        page.entries(Stream::Requests).map(|row| row.err().map(told)).collect()
    }

    #[test]
    fn a_row_that_cannot_be_shipped_leaves_those_around_it_alone() {
        let sound = br#"{"request_id":"a"},"#;
        for (row, flaw, id, time) in [
            (
                &b"{\"request_id\":\"b\",\"request_timestamp\":5,\"path\":\"/\xff\"}"[..],
                Flaw::NotUtf8,
                Some("b"),
                Some(5),
            ),
            (b"{\"request_id\":\"b\xff\",\"ttl\":5}", Flaw::NotUtf8, None, Some(12)),
            (
                b"{\"request_id\":\"b\",\"request_timestamp\":\"5\xff\"}",
                Flaw::NotUtf8,
                Some("b"),
                None,
            ),
            (
                b"{\"request_id\":\"b\",\"request_timestamp\":5,\"\xe4\":1}",
                Flaw::NotUtf8,
                Some("b"),
                Some(5),
            ),
            (b"17", Flaw::NotAnEntry, None, None),
            (br#"{"\ud800":1}"#, Flaw::NotAnEntry, None, None),
            (b"\"\xff\"", Flaw::NotUtf8, None, None),
        ] {
            let all = [sound, row, &b","[..], &sound[..sound.len() - 1]].concat();
            let bad = Some((flaw, id.map(str::to_owned), time));
            assert_eq!(rows(&all), [None, bad, None], "{}", String::from_utf8_lossy(row));
        }
    }

    #[test]
    fn a_byte_that_is_not_utf_8_outside_of_all_rows_spoils_the_page() {
        for body in [&b"{\"data\":[{}],\"offset\":\"\xff\"}"[..], b"\xff", b"{\"data\":[\xff{}]}"] {
            assert!(Page::read("/audit/requests", body.to_vec()).is_err());
        }
    }

    #[test]
    fn the_text_of_a_row_has_replacement_characters_and_is_cut() {
        let long = "y".repeat(MAX_TEXT);
        let body = [br#"{"data":[{"a":"x"#, &b"\xff"[..], long.as_bytes(), br#""}]}"#].concat();
        let text = row(&Page::read("", body).unwrap()).text.unwrap();
        assert!(text.starts_with("{\"a\":\"x\u{fffd}yy"), "{text:.20}");
        assert!(text.ends_with('y') && text.len() <= MAX_TEXT + 3, "{}", text.len());
    }

    #[test]
    fn what_is_no_page_is_told_without_what_it_says() {
        let why = |body: &str| match Page::read("/audit/requests", body.into()) {
            Err(KongError::Malformed { why, .. }) => why,
            _ => panic!("{body} is a page"),
        };
        for body in [r#""secret""#, "{}", r#"{"data":"secret"}"#, r#"{"data":{"secret":1}}"#] {
            assert_eq!(why(body), "the page has no list named data");
        }
        assert!(why(r#"{"data":["secret"#).starts_with("the page is not whole JSON (EOF"));
        assert!(why(r#"{"data":[{}],"next":"/secret"}"#).ends_with("without an offset"));
    }

    #[test]
    fn what_does_not_end_as_a_page_is_no_page() {
        assert!(cut(r#"{"data":[{"payload":"x"#, "xxxxxxxx").is_none());
        assert!(cut(r#"{"data":[{"payload":"x"#, r#"x"}],"next":"/n"}"#).is_none());
        assert!(cut("<html>", "</html>").is_none());
        assert!(cut("", "").is_none());
    }
}
