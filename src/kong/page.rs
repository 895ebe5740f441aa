//! One page of a stream, read without a copy of what it holds.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::malformed;
use super::{Entry, Fields, KongError, text};
use crate::ports::Ends;
use crate::terms::Stream;

/// One page of a stream: its bytes, and where in them each entry stands.
pub struct Page {
    body: String,
    path: String,
    entries: Vec<Range<usize>>,
    offset: Option<String>,
    date: Option<i64>,
    left_out: Option<String>,
}

impl Page {
    pub(super) fn read(path: &str, body: String) -> Result<Self, KongError> {
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
        let entries = elements(parsed.data).ok_or_else(no_list)?;
        if let Some(stray) = entries.iter().find(|raw| !raw.get().starts_with('{')) {
            let shown: String = stray.get().chars().take(40).collect();
            return Err(malformed(format!("an element of the page's data is no entry: {shown}")));
        }
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
        let entries: Vec<_> = entries.into_iter().map(range).collect();
        Ok(Self { path: path.to_owned(), entries, offset, body, date: None, left_out: None })
    }

    /// The page, with the time by Kong's clock at which Kong gave it.
    pub(super) fn given_at(self, date: Option<i64>) -> Self {
        Self { date, ..self }
    }

    /// The page of a single entry that is too large to be read, from its two ends. They tell where the next
    /// page begins, and what to call the entry.
    pub(super) fn without_entry(path: &str, stream: Stream, ends: &Ends) -> Option<Self> {
        let start = String::from_utf8_lossy(&ends.start);
        let end = String::from_utf8_lossy(&ends.end);
        let data = start.find(r#""data""#)?;
        let list = data + start[data..].find('[')?;
        // The last bracket from which on the text is the end of a page. Other brackets stand in strings.
        let mut page = end.rmatch_indices(']').find_map(|(at, _)| {
            let skeleton = format!("{}{}", &start[..=list], &end[at..]);
            Self::read(path, skeleton).ok()
        })?;
        // Quotes within strings are escaped, so this is a member: the entry's own, or one of an object
        // within.
        let id = [&start[list..], &end].into_iter().find_map(|text| {
            let member = format!(r#""{}":""#, stream.id_field());
            let (_, value) = text.split_once(&member)?;
            value.split_once('"').map(|(id, _)| id.to_owned())
        });
        page.left_out = Some(id.unwrap_or_else(|| "of unknown id".to_owned()));
        Some(page)
    }

    /// What to call the entry of this page, when it is too large to be read.
    pub fn left_out(&self) -> Option<&str> {
        self.left_out.as_deref()
    }

    /// The entries, in Kong's order.
    pub fn entries(&self, stream: Stream) -> impl Iterator<Item = Result<Entry<'_>, KongError>> {
        self.entries.iter().map(move |range| {
            Entry::parse(stream, &self.body[range.clone()]).map_err(|error| {
                malformed(&self.path, format!("an entry cannot be read ({error})"))
            })
        })
    }

    /// Kong's clock when it gave the page, in Unix seconds.
    pub fn date(&self) -> Option<i64> {
        self.date
    }

    /// Whether no page comes after it.
    pub fn is_last(&self) -> bool {
        self.offset.is_none()
    }

    /// Where the next page begins; none after the last. That this is `offset` again, where this page began,
    /// is an error: the reading would have no end.
    pub fn next(&self, offset: Option<&str>) -> Result<Option<String>, KongError> {
        if self.offset.is_some() && self.offset.as_deref() == offset {
            let why = "the page after it begins at the same offset".to_owned();
            return Err(malformed(&self.path, why));
        }
        Ok(self.offset.clone())
    }
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
        Page::without_entry("/audit/requests?size=1", Stream::Requests, &ends)
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
            assert_eq!((page.left_out(), page.offset.as_deref()), (Some("a"), Some("o]")), "{end}");
            assert_eq!(page.entries(Stream::Requests).count(), 0);
        }
        let last = cut(r#"{"data":[{"payload":"\"request_id\":\"b\""#, r#"x"}],"next":null}"#);
        let last = last.unwrap();
        assert_eq!((last.left_out(), last.offset.as_deref()), (Some("of unknown id"), None));
    }

    #[test]
    fn what_is_no_page_is_told_without_what_it_says() {
        let why = |body: &str| match Page::read("/audit/requests", body.to_owned()) {
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
