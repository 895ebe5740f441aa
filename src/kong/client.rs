//! Reads Kong's Admin API: `GET /` once a run, then the pages of the audit log.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Entry, Fields, KongError, Stream, Version, Window, text};
use crate::config::Config;
use crate::ports::{Clock, Ends, Http, HttpError, HttpLimits, HttpResponse, Random};
use crate::retry::Retry;
use crate::wire::{HANDSHAKES, date, query_value, retry_after, rfc3339};

/// Largest page, in bytes; of a larger one, half as many entries are asked for.
const MAX_PAGE: usize = 16 * 1024 * 1024;
/// Largest page of a single entry, in bytes.
const MAX_ENTRY: usize = 48 * 1024 * 1024;
/// Of an entry that is larger still, what is read to learn its name and where the next page begins.
const KEPT_ENDS: usize = 64 * 1024;
const TRIES: u32 = 5;

/// The Admin API, as one run reads it.
pub struct Kong<'a, P> {
    port: &'a P,
    config: &'a Config,
    deadline: Duration,
    page_size: Cell<u32>,
    dates: Cell<Dates>,
    tried_other_dates: Cell<bool>,
    calls: Cell<u64>,
    retries: Cell<u64>,
}

/// How a time is written in `before` and `after`. All descriptions of Kong's API take RFC 3339, those up to
/// 3.9 Unix seconds too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dates {
    Rfc3339,
    UnixSeconds,
}

impl Dates {
    fn write(self, seconds: i64) -> String {
        // Kong refuses negative times, and has nothing from before 1970.
        let seconds = seconds.max(0);
        match self {
            Self::Rfc3339 => rfc3339(seconds),
            Self::UnixSeconds => seconds.to_string(),
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Rfc3339 => Self::UnixSeconds,
            Self::UnixSeconds => Self::Rfc3339,
        }
    }
}

/// What `GET /` tells.
#[derive(Clone, Debug)]
pub struct About {
    /// Kong's version.
    pub version: Version,
    /// Kong's clock, in Unix seconds.
    pub now: Option<i64>,
    /// `audit_log_record_ttl`, in seconds.
    pub record_ttl: Option<i64>,
    /// Ignore settings in force that hide entries, as `name = value`.
    pub hides: Vec<String>,
    /// `enforce_rbac` is shown, and off.
    pub rbac_is_off: bool,
}

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
    fn read(path: &str, body: String) -> Result<Self, KongError> {
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
        // An error of data quotes them, however long they are.
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

    /// The page of a single entry that is too large to be read, from its two ends: where the next
    /// one begins, and what to call the entry.
    fn without_entry(path: &str, stream: Stream, ends: &Ends) -> Option<Self> {
        let start = String::from_utf8_lossy(&ends.start);
        let end = String::from_utf8_lossy(&ends.end);
        let data = start.find(r#""data""#)?;
        let list = data + start[data..].find('[')?;
        // The last bracket from which on all is as a page ends: others stand in strings.
        let mut page = end.rmatch_indices(']').find_map(|(at, _)| {
            let skeleton = format!("{}{}", &start[..=list], &end[at..]);
            Self::read(path, skeleton).ok()
        })?;
        // Quotes within strings are escaped, so this is a member, be it at the entry's own level.
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

    /// Where the next page begins; none after the last. A Kong whose next page is this one again, at
    /// `offset`, would be read without end.
    pub fn next(&self, offset: Option<&str>) -> Result<Option<String>, KongError> {
        if self.offset.is_some() && self.offset.as_deref() == offset {
            let why = "the page after it begins at the same offset".to_owned();
            return Err(malformed(&self.path, why));
        }
        Ok(self.offset.clone())
    }
}

impl<'a, P: Http + Clock + Random> Kong<'a, P> {
    /// A client whose tries end at `deadline` on the clock that never goes back.
    pub fn new(port: &'a P, config: &'a Config, deadline: Duration) -> Self {
        Self {
            port,
            config,
            deadline,
            page_size: Cell::new(config.page_size),
            dates: Cell::new(Dates::Rfc3339),
            tried_other_dates: Cell::new(false),
            calls: Cell::new(0),
            retries: Cell::new(0),
        }
    }

    /// Calls made so far, tries included.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Those of them that repeated a failed one.
    pub fn retries(&self) -> u64 {
        self.retries.get()
    }

    /// Asks who this is, and refuses a Kong that keeps no audit log.
    pub async fn about(&self) -> Result<About, KongError> {
        #[derive(Deserialize)]
        struct Root {
            version: String,
            #[serde(default)]
            configuration: serde_json::Value,
        }
        let mut now = None;
        let root = self
            .tried("/", MAX_PAGE, 0, |response| {
                now = date(&response);
                let body = body_text("/", response)?;
                serde_json::from_str::<Root>(&body).map_err(|error| {
                    malformed("/", format!("it does not tell Kong's version ({error})"))
                })
            })
            .await?;
        let version = Version::parse(&root.version);
        if !version.is_enterprise() {
            return Err(KongError::NotEnterprise { version: root.version });
        }
        let shown = Settings(root.configuration);
        if shown.is_off("audit_log") {
            return Err(KongError::AuditLogOff);
        }
        for (name, value) in [("database", "off"), ("role", "data_plane")] {
            if shown.text(name) == Some(value) {
                return Err(KongError::NoDatabase { setting: format!("{name} = {value}") });
            }
        }
        Ok(About {
            version,
            now,
            record_ttl: shown.seconds("audit_log_record_ttl"),
            hides: shown.hiding(),
            rbac_is_off: shown.is_off("enforce_rbac"),
        })
    }

    /// Writes times in the other way from now on; false when that was tried before.
    pub fn try_other_dates(&self) -> bool {
        if self.tried_other_dates.replace(true) {
            return false;
        }
        self.dates.set(self.dates.get().other());
        true
    }

    /// One page of `stream` within `window`, of half as many entries where one is too large, and
    /// then of more again. The filters go along with every offset: what Kong gives as `next` lost
    /// them before 3.9.0.0.
    pub async fn page(
        &self,
        stream: Stream,
        window: Window,
        offset: Option<&str>,
    ) -> Result<Page, KongError> {
        loop {
            let size = self.page_size.get();
            match self.page_of(size, stream, window, offset).await {
                Err(KongError::Http(HttpError::TooLarge(_))) if size > 1 => {
                    self.page_size.set(size / 2);
                    self.retries.set(self.retries.get() + 1);
                }
                Err(error @ KongError::Status { status: 400, .. }) if window.is_bounded() => {
                    if !self.try_other_dates() {
                        self.dates.set(Dates::Rfc3339);
                        return Err(error);
                    }
                    self.retries.set(self.retries.get() + 1);
                }
                page => {
                    self.page_size.set((size + size / 4 + 1).min(self.config.page_size));
                    return page;
                }
            }
        }
    }

    async fn page_of(
        &self,
        size: u32,
        stream: Stream,
        window: Window,
        offset: Option<&str>,
    ) -> Result<Page, KongError> {
        let mut path = format!("/audit/{}?size={size}", stream.name());
        for (name, bound) in [("after", window.after), ("before", window.before)] {
            if let Some(bound) = bound {
                let _ = write!(path, "&{name}={}", query_value(&self.dates.get().write(bound)));
            }
        }
        if let Some(offset) = offset {
            let _ = write!(path, "&offset={}", query_value(offset));
        }
        let (max_body, keep_ends) = if size == 1 { (MAX_ENTRY, KEPT_ENDS) } else { (MAX_PAGE, 0) };
        let page = self
            .tried(&path, max_body, keep_ends, |response| {
                let date = date(&response);
                let page = Page::read(&path, body_text(&path, response)?)?;
                Ok(Page { date, ..page })
            })
            .await;
        match page {
            Err(KongError::Http(HttpError::TooLarge(ends))) if size == 1 => {
                Page::without_entry(&path, stream, &ends)
                    .ok_or(KongError::Http(HttpError::TooLarge(ends)))
            }
            page => page,
        }
    }

    async fn tried<T>(
        &self,
        path: &str,
        max_body: usize,
        keep_ends: usize,
        mut read: impl FnMut(HttpResponse) -> Result<T, KongError>,
    ) -> Result<T, KongError> {
        let mut retry = Retry::new(TRIES, self.deadline);
        let mut handshakes = 0;
        loop {
            let mut asked = None;
            let outcome = match self.get(path, max_body, keep_ends).await {
                Ok(response) => {
                    asked = retry_after(&response);
                    check_status(path, &response).and_then(|()| read(response))
                }
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if error.is_passing() => {
                    handshakes += u32::from(matches!(error, KongError::Http(HttpError::Tls(_))));
                    if handshakes >= HANDSHAKES || !retry.again(self.port, asked).await {
                        return Err(error);
                    }
                    self.retries.set(self.retries.get() + 1);
                }
                decided => return decided,
            }
        }
    }

    async fn get(
        &self,
        path: &str,
        max_body: usize,
        keep_ends: usize,
    ) -> Result<HttpResponse, KongError> {
        self.calls.set(self.calls.get() + 1);
        let url = format!("{}{}{path}", self.config.kong_admin_api, self.config.kong_admin_path);
        let mut request = http::Request::get(url)
            .header("accept", "application/json")
            .header("accept-encoding", "identity");
        if let Some(token) = &self.config.kong_admin_token {
            request = request.header(&self.config.kong_admin_token_header, token.expose());
        }
        let invalid = |error: http::Error| KongError::Http(HttpError::Invalid(error.to_string()));
        let request = request.body(Vec::new()).map_err(invalid)?;
        let limits = HttpLimits {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_mins(1),
            between_bytes: Duration::from_secs(30),
            max_body,
            keep_ends,
        };
        self.port.send(request, limits).await.map_err(KongError::Http)
    }
}

fn check_status(path: &str, response: &HttpResponse) -> Result<(), KongError> {
    let path = path.split('?').next().unwrap_or_default().to_owned();
    match response.status().as_u16() {
        200 => Ok(()),
        status @ (401 | 403) => Err(KongError::TokenRefused { status, path }),
        404 if path.starts_with("/audit/") => Err(KongError::NoAuditLog { path }),
        400 => Err(nginx_error(response.body()).unwrap_or(KongError::Status { status: 400, path })),
        status => Err(KongError::Status { status, path }),
    }
}

/// What nginx says in a 400 of its own, before Kong sees the request.
fn nginx_error(page: &[u8]) -> Option<KongError> {
    let page = String::from_utf8_lossy(page);
    if page.contains("plain HTTP request was sent to HTTPS port") {
        return Some(KongError::SpeaksTls);
    }
    ["No required SSL certificate was sent", "The SSL certificate error"]
        .into_iter()
        .find(|why| page.contains(why))
        .map(|why| KongError::ClientCertificate { why })
}

fn body_text(path: &str, response: HttpResponse) -> Result<String, KongError> {
    const BYTE_ORDER_MARK: &str = "\u{feff}";
    let mut text = String::from_utf8(response.into_body())
        .map_err(|_| malformed(path, "the answer is not UTF-8".to_owned()))?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(text)
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

fn malformed(path: &str, why: String) -> KongError {
    KongError::Malformed { path: path.to_owned(), why }
}

/// Kong's settings, as `GET /` shows them: none where it writes an empty list for them, or hides them.
struct Settings(serde_json::Value);

impl Settings {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn is_off(&self, name: &str) -> bool {
        self.0.get(name) == Some(&serde_json::Value::Bool(false)) || self.text(name) == Some("off")
    }

    fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        let seconds = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
        seconds.filter(|seconds| *seconds > 0)
    }

    /// Ignore settings that are not empty, but for the paths of the audit log's own readers.
    fn hiding(&self) -> Vec<String> {
        const READERS: [&str; 3] = ["^/$", "^/audit/requests", "^/audit/objects"];
        ["audit_log_ignore_paths", "audit_log_ignore_methods", "audit_log_ignore_tables"]
            .into_iter()
            .filter_map(|name| {
                let listed: Vec<&str> = match self.0.get(name)? {
                    serde_json::Value::Array(items) => {
                        items.iter().filter_map(|item| item.as_str()).collect()
                    }
                    serde_json::Value::String(text) => text.split(',').map(str::trim).collect(),
                    _ => return None,
                };
                let hiding: Vec<&str> = listed
                    .into_iter()
                    .filter(|item| !item.is_empty() && !READERS.contains(item))
                    .collect();
                (!hiding.is_empty()).then(|| format!("{name} = {}", hiding.join(",")))
            })
            .collect()
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
    fn a_400_of_nginx_is_told_from_one_of_kong() {
        let status = |body: &str| {
            let response = http::Response::builder().status(400).body(body.into()).unwrap();
            check_status("/", &response).unwrap_err()
        };
        let page = |why: &str| status(&format!("<html><head><title>400 {why}</title></head>"));
        assert_eq!(page("The plain HTTP request was sent to HTTPS port"), KongError::SpeaksTls);
        for why in ["No required SSL certificate was sent", "The SSL certificate error"] {
            assert_eq!(page(why), KongError::ClientCertificate { why });
            assert!(!page(why).is_passing());
        }
        let other = KongError::Status { status: 400, path: "/".to_owned() };
        assert_eq!(status(r#"{"message":"bad request"}"#), other);
    }

    #[test]
    fn what_does_not_end_as_a_page_is_no_page() {
        assert!(cut(r#"{"data":[{"payload":"x"#, "xxxxxxxx").is_none());
        assert!(cut(r#"{"data":[{"payload":"x"#, r#"x"}],"next":"/n"}"#).is_none());
        assert!(cut("<html>", "</html>").is_none());
        assert!(cut("", "").is_none());
    }
}
