//! Reads Kong's Admin API: `GET /` once a run, then the pages of the audit log.

use std::cell::Cell;
use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderName;

use super::about::{About, Root};
use super::error::{malformed, refused};
use super::{KongError, Page};
use crate::log::{Level, Logger};
use crate::ports::{Clock, Http, HttpError, HttpLimits, HttpResponse, Log, Random};
use crate::retry::{self, Passing, Retry, Silence};
use crate::terms::{Secret, Stream, Window};
use crate::wire::{date, encoding, query_value, retry_after, rfc3339};

/// Largest page, in bytes. When one is larger, half as many entries are asked for.
const MAX_PAGE: usize = 16 * 1024 * 1024;
/// Largest page of a single entry, in bytes.
const MAX_ENTRY: usize = 48 * 1024 * 1024;
/// Bytes that are kept of each end of a larger one: they tell the entry's id and where the next page begins.
const KEPT_ENDS: usize = 64 * 1024;
/// A wait that Kong asks for is told when it is this long.
const LONG_WAIT: Duration = Duration::from_secs(30);

/// Where the Admin API is, and how to ask it.
#[derive(Clone, Debug)]
pub struct Access {
    /// `kong_admin_api`: scheme, host and port, without a trailing slash.
    pub api: String,
    /// `kong_admin_path`: empty, or with a leading and without a trailing slash.
    pub path: String,
    /// `kong_admin_token`
    pub token: Option<Secret>,
    /// `kong_admin_token_header`, the header that carries it: Kong's `rbac_auth_header`.
    pub token_header: HeaderName,
    /// `page_size`: most entries a page.
    pub page_size: u32,
}

impl Access {
    /// The address of `path`, which begins with a slash; of the API itself where it is empty.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.api, self.path)
    }
}

/// The Admin API, as one run reads it.
pub struct Kong<'a, P> {
    port: &'a P,
    log: Logger<'a, P>,
    access: &'a Access,
    deadline: Duration,
    silence: Silence,
    page_size: Cell<u32>,
    dates: Cell<Dates>,
    tried_other_dates: Cell<bool>,
    calls: Cell<u64>,
    retries: Cell<u64>,
}

/// How a time is written in `before` and `after`. By its descriptions, Kong's API takes RFC 3339 in all
/// versions, and up to 3.9 also Unix seconds.
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

impl<'a, P: Http + Clock + Random + Log> Kong<'a, P> {
    /// A client whose tries end at `deadline` on the clock that never goes back.
    pub fn new(log: Logger<'a, P>, access: &'a Access, deadline: Duration) -> Self {
        Self {
            port: log.port(),
            log,
            access,
            deadline,
            silence: Silence::default(),
            page_size: Cell::new(access.page_size),
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

    /// Reads `GET /`, and refuses a Kong that keeps no audit log.
    pub async fn about(&self) -> Result<About, KongError> {
        self.tried("/", MAX_PAGE, 0, |response| {
            let now = date(&response);
            Root::read(&body_text("/", response)?).map(|root| (root, now))
        })
        .await
        .and_then(|(root, now)| root.about(now))
    }

    /// Writes times in the other way from now on; false when that was tried before.
    pub(crate) fn try_other_dates(&self) -> bool {
        if self.tried_other_dates.replace(true) {
            return false;
        }
        self.dates.set(self.dates.get().other());
        true
    }

    /// One page of `stream` within `window`. When a page is too large, half as many entries are asked for;
    /// after that their number rises again. The filters go along with every offset, since Kong's own `next`
    /// has them only from 3.9.0.0 on.
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
                    self.page_size.set((size + size / 4 + 1).min(self.access.page_size));
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
                Page::read(&path, body_text(&path, response)?).map(|page| page.given_at(date))
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
        let mut retry = Retry::new(retry::KONG, self.deadline);
        loop {
            let mut asked = None;
            let began = self.port.elapsed();
            let outcome = match self.get(path, max_body, keep_ends).await {
                Ok(response) => {
                    self.silence.ends();
                    asked = retry_after(&response);
                    let token = self.access.token.as_ref().map_or("", Secret::expose);
                    refused(path, &response, token)
                        .map_or(Ok(response), Err)
                        .and_then(|response| not_encoded(path, response))
                        .and_then(&mut read)
                }
                Err(error) => {
                    self.note(&error, path, began);
                    Err(KongError::Http(error))
                }
            };
            let error = match outcome {
                Err(error) if error.may_pass() => error,
                decided => return decided,
            };
            if retry.is_too_long(self.port, asked) {
                return Err(error.asks_to_wait(asked.unwrap_or_default()));
            }
            if let Some(asked) = asked.filter(|asked| *asked >= LONG_WAIT) {
                let secs = asked.as_secs();
                self.log.log(
                    Level::Warn,
                    format!("this run waits for {secs} s, which Kong asks for: {error}"),
                );
            }
            let http = if let KongError::Http(error) = &error { Some(error) } else { None };
            let over = self.silence.is_over(self.port.elapsed());
            if over || !retry.again(self.port, Passing::of(http, asked)).await {
                return Err(error);
            }
            self.retries.set(self.retries.get() + 1);
        }
    }

    /// Takes note of a call without an answer. The first time-out of a run is logged at once: a run that waits
    /// for a Kong that hangs must not look like one that hangs itself.
    fn note(&self, error: &HttpError, path: &str, began: Duration) {
        if !error.is_silence() {
            self.silence.ends();
        } else if self.silence.goes_on(began) {
            let path = path.split('?').next().unwrap_or_default();
            self.log
                .log(Level::Warn, format!("no answer from Kong's Admin API on {path}: {error}"));
        }
    }

    async fn get(
        &self,
        path: &str,
        max_body: usize,
        keep_ends: usize,
    ) -> Result<HttpResponse, HttpError> {
        self.calls.set(self.calls.get() + 1);
        let mut request = http::Request::get(self.access.url(path))
            .header("accept", "application/json")
            .header("accept-encoding", "identity");
        if let Some(token) = &self.access.token {
            request = request.header(&self.access.token_header, token.expose());
        }
        let invalid = |error: http::Error| HttpError::Invalid(error.to_string());
        let request = request.body(Vec::new()).map_err(invalid)?;
        let limits = HttpLimits {
            connect: Duration::from_secs(10),
            first_byte: self.silence.first_byte(self.port.elapsed()),
            between_bytes: Duration::from_secs(30),
            max_body,
            keep_ends,
        };
        self.port.send(request, limits).await
    }
}

fn not_encoded(path: &str, response: HttpResponse) -> Result<HttpResponse, KongError> {
    let path = path.split('?').next().unwrap_or_default().to_owned();
    encoding(&response).map_or(Ok(response), |encoding| Err(KongError::Encoded { path, encoding }))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::{Answer, InMemory, answer};

    fn tries(
        answers: impl IntoIterator<Item = Answer>,
    ) -> (Vec<Duration>, Result<About, KongError>) {
        let (times, about, _) = asked(answers);
        (times, about)
    }

    /// When `GET /` is asked for while those are the answers, and what is logged.
    fn asked(
        answers: impl IntoIterator<Item = Answer>,
    ) -> (Vec<Duration>, Result<About, KongError>, Vec<String>) {
        let access = Access {
            api: "http://kong:8001".to_owned(),
            path: String::new(),
            token: None,
            token_header: HeaderName::from_static("kong-admin-token"),
            page_size: 1000,
        };
        let port = InMemory::answering(0, answers);
        let log = Logger::new(&port, Level::Info);
        let about = port.clock.run(Kong::new(log, &access, Duration::from_hours(1)).about());
        (port.times(), about, port.lines.take())
    }

    #[test]
    fn a_kong_that_is_busy_is_asked_again_when_it_says_and_five_times_in_all() {
        let busy = || {
            let mut busy = answer(503, "{}");
            busy.headers_mut().insert("retry-after", "70".parse().unwrap());
            Ok(busy)
        };
        let root = answer(200, r#"{"version":"3.9.0.0-enterprise-edition"}"#);
        let (times, about) = tries([busy(), busy(), Ok(root)]);
        assert_eq!((times, about.is_ok()), ([0, 70, 140].map(Duration::from_secs).to_vec(), true));
        let (times, about) = tries((0..5).map(|_| busy()));
        let error = about.unwrap_err();
        assert!(matches!(error, KongError::Status { status: 503, .. }), "{error}");
        assert_eq!(times.len(), 5);
    }

    #[test]
    fn a_handshake_that_fails_is_tried_once_more_and_a_refused_token_is_not() {
        let failed = || Err(HttpError::Tls("no trust".to_owned()));
        assert_eq!(tries([failed(), failed()]).0.len(), 2);
        assert_eq!(tries([Ok(answer(401, ""))]).0.len(), 1);
    }

    #[test]
    fn a_kong_that_hangs_is_told_at_once_and_given_up_within_two_minutes() {
        let hangs = || Err(HttpError::Timeout("no answer within 55 s".to_owned()));
        let (times, about, lines) = asked([hangs(), hangs(), hangs()]);
        assert_eq!(times.len(), 2, "{times:?}");
        assert!(times[1] + Duration::from_secs(55) < Duration::from_mins(2), "{times:?}");
        assert!(about.unwrap_err().to_string().contains("it hangs (no answer within 55 s)"));
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(
            line.contains(r#""level":"warn""#) && line.contains("Kong's Admin API on /: it hangs")
        );
    }

    #[test]
    fn a_wait_that_is_longer_than_the_run_is_told_and_not_waited_for() {
        let busy = |secs: &str| {
            let mut busy = answer(429, r#"{"message":"API rate limit exceeded"}"#);
            busy.headers_mut().insert("retry-after", secs.parse().unwrap());
            Ok(busy)
        };
        let (times, about, _) = asked([busy("3600")]);
        let error = about.unwrap_err().to_string();
        assert_eq!(times, [Duration::ZERO]);
        assert!(error.contains("rate limit exceeded") && error.contains("3600 s"), "{error}");
        let root = answer(200, r#"{"version":"3.9.0.0-enterprise-edition"}"#);
        let (times, about, lines) = asked([busy("1800"), Ok(root)]);
        assert_eq!((times.len(), about.is_ok()), (2, true));
        assert!(lines[0].contains("waits for 1800 s"), "{lines:?}");
    }

    #[test]
    fn an_answer_that_is_compressed_unasked_is_named_and_not_asked_for_again() {
        let encoded = http::Response::builder().header("content-encoding", "gzip");
        let (times, about, _) = asked([Ok(encoded.body(b"x".to_vec()).unwrap())]);
        assert_eq!(times.len(), 1);
        assert!(about.unwrap_err().to_string().contains("encoded (gzip)"));
    }
}
