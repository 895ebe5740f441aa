//! Reads Kong's Admin API: `GET /` once a run, then the pages of the audit log.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderName;

use super::call::Calls;
use super::page::{Page, decode};
use super::sizes::{Finding, Sizes};
use super::{About, Flaw, KongError, Root};
use crate::log::Logger;
use crate::ports::{Clock, Ends, Http, HttpError, HttpLimits, Log, Random};
use crate::retry;
use crate::terms::{Secret, Stream, Window};
use crate::wire::{date, query_value, rfc3339};

/// Largest page, in bytes. When one is larger, half as many entries are asked for.
const MAX_PAGE: usize = 16 * 1024 * 1024;
/// Largest page of a single entry, in bytes.
const MAX_ENTRY: usize = 48 * 1024 * 1024;
/// Bytes that are kept of each end of a larger one: they tell the entry's id and where the next page begins.
const KEPT_ENDS: usize = 64 * 1024;

const LIMITS: HttpLimits = HttpLimits {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_mins(1),
    between_bytes: Duration::from_secs(30),
    max_body: MAX_PAGE,
    keep_ends: 0,
};
const LIMITS_OF_ONE: HttpLimits =
    HttpLimits { max_body: MAX_ENTRY, keep_ends: KEPT_ENDS, ..LIMITS };

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'q> {
    /// Of which stream.
    pub stream: Stream,
    /// Within which span.
    pub window: Window,
    /// Where it begins.
    pub offset: Option<&'q str>,
    /// What a sound Kong answers whatever its rows are like: a span with nothing in it. Where Kong does not
    /// filter, its first page.
    pub probe: Window,
    /// Whether a page that fails is halved, down to the row that fails; else it is asked for once.
    pub closes_in: bool,
}

/// What became of it.
pub enum Fetched {
    /// The page.
    Page(Page),
    /// A row on it fails, and Kong is sound: the first one, where that was closed in on.
    Fails(KongError),
}

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
    calls: Calls<'a, P>,
    sizes: RefCell<Sizes>,
    dates: Cell<Dates>,
    tried_other_dates: Cell<bool>,
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
            calls: Calls::new(log, access, deadline),
            sizes: RefCell::new(Sizes::new(access.page_size)),
            dates: Cell::new(Dates::Rfc3339),
            tried_other_dates: Cell::new(false),
        }
    }

    /// What it works with.
    pub(crate) fn port(&self) -> &'a P {
        self.calls.port
    }

    /// Calls made so far, tries included.
    pub fn calls(&self) -> u64 {
        self.calls.made()
    }

    /// Those of them that repeated a failed one.
    pub fn retries(&self) -> u64 {
        self.calls.retries.get()
    }

    /// Reads `GET /`, and refuses a Kong that keeps no audit log.
    pub async fn about(&self) -> Result<About, KongError> {
        self.root().await.and_then(|(root, now)| root.about(now))
    }

    /// Reads `GET /`, and Kong's clock in Unix seconds.
    pub(crate) async fn root(&self) -> Result<(Root, Option<i64>), KongError> {
        self.calls
            .tried("/", LIMITS, retry::KONG, |response| {
                let now = date(&response);
                let (body, _) = decode("/", response.into_body())?;
                Root::read(&body).map(|root| (root, now))
            })
            .await
    }

    /// Writes times in the other way from now on; false when that was tried before.
    pub(crate) fn try_other_dates(&self) -> bool {
        if self.tried_other_dates.replace(true) {
            return false;
        }
        self.dates.set(self.dates.get().other());
        true
    }

    /// The page that is asked for. When a page is too large, half as many entries are asked for; after that
    /// their number rises again. The filters go along with every offset, since Kong's own `next` has them only
    /// from 3.9.0.0 on.
    ///
    /// When a page fails for good and that may be a row's fault, the row is closed in on. Before that, and
    /// before a row is named, Kong must answer the probe: a Kong that is simply broken is an error.
    pub async fn page(&self, ask: Ask<'_>) -> Result<Fetched, KongError> {
        if ask.offset.is_none() {
            self.sizes.borrow_mut().begin();
        }
        loop {
            let (size, closes_in) = {
                let sizes = self.sizes.borrow();
                (sizes.next(), sizes.closes_in())
            };
            let tries = if ask.closes_in { self.sizes.borrow().tries(size) } else { 1 };
            match self.page_of(size, ask, tries).await {
                Ok(page) => {
                    let mut sizes = self.sizes.borrow_mut();
                    if closes_in && page.is_a_bad_row() {
                        sizes.failed(size);
                    } else {
                        sizes.good(size);
                    }
                    return Ok(Fetched::Page(page));
                }
                Err(KongError::Http(HttpError::TooLarge(_))) if size > 1 => {
                    self.sizes.borrow_mut().too_large(size);
                }
                Err(error @ KongError::Status { status: 400, .. }) if ask.window.is_bounded() => {
                    if !self.try_other_dates() {
                        self.dates.set(Dates::Rfc3339);
                        return Err(error);
                    }
                }
                Err(error)
                    if error.may_be_a_row() && self.calls.port.elapsed() < self.calls.deadline =>
                {
                    if !ask.closes_in {
                        return Ok(Fetched::Fails(error));
                    }
                    let is_told = closes_in && size > 1;
                    if !is_told && !self.is_sound(ask, size).await {
                        return Err(error);
                    }
                    if self.sizes.borrow_mut().failed(size) == Finding::Row {
                        return Ok(Fetched::Fails(error));
                    }
                }
                Err(error) => return Err(error),
            }
            self.calls.again();
        }
    }

    /// Whether Kong answers what a sound one would, other than the page of that size that has failed.
    async fn is_sound(&self, ask: Ask<'_>, size: u32) -> bool {
        if !ask.probe.is_bounded() && ask.offset.is_none() {
            return size > 1;
        }
        let probe = Ask { window: ask.probe, offset: None, ..ask };
        let answer = self.page_of(1, probe, 1).await;
        // Dates in the other form are no matter here.
        matches!(answer, Ok(_) | Err(KongError::Status { status: 400, .. }))
    }

    async fn page_of(&self, size: u32, ask: Ask<'_>, tries: u32) -> Result<Page, KongError> {
        let Ask { stream, window, offset, .. } = ask;
        let mut path = format!("/audit/{}?size={size}", stream.name());
        for (name, bound) in [("after", window.after), ("before", window.before)] {
            if let Some(bound) = bound {
                let _ = write!(path, "&{name}={}", query_value(&self.dates.get().write(bound)));
            }
        }
        if let Some(offset) = offset {
            let _ = write!(path, "&offset={}", query_value(offset));
        }
        let alone = size == 1;
        let limits = if alone { LIMITS_OF_ONE } else { LIMITS };
        let page = self
            .calls
            .tried(&path, limits, tries, |response| {
                let date = date(&response);
                let body = response.into_body();
                let ends = alone.then(|| ends_of(&body));
                let page = Page::read(&path, body).or_else(|error| {
                    let cut = |ends: Ends| Page::without_row(&path, stream, &ends, Flaw::NotJson);
                    ends.and_then(cut).ok_or(error)
                });
                page.map(|page| page.given_at(date))
            })
            .await;
        match page {
            Err(KongError::Http(HttpError::TooLarge(ends))) if alone => {
                Page::without_row(&path, stream, &ends, Flaw::TooLarge)
                    .ok_or(KongError::Http(HttpError::TooLarge(ends)))
            }
            page => page,
        }
    }
}

/// Both ends of an answer.
fn ends_of(body: &[u8]) -> Ends {
    let kept = body.len().min(KEPT_ENDS);
    Ends { start: body[..kept].to_vec(), end: body[body.len() - kept..].to_vec() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::log::Level;
    use crate::testing::{Answer, InMemory, answer};

    fn access() -> Access {
        Access {
            api: "http://kong:8001".to_owned(),
            path: String::new(),
            token: None,
            token_header: HeaderName::from_static("kong-admin-token"),
            page_size: 1000,
        }
    }

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
        let access = access();
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
    fn a_page_that_is_too_large_is_halved_and_pages_grow_again_up_to_their_size() {
        let large = || Ok(answer(200, vec![b' '; MAX_PAGE + 1]));
        let last = || Ok(answer(200, r#"{"data":[],"next":null}"#));
        let answers = [large(), large()].into_iter().chain((0..9).map(|_| last()));
        let port = InMemory::answering(0, answers);
        let access = access();
        let kong = Kong::new(Logger::new(&port, Level::Info), &access, Duration::from_hours(1));
        let (stream, window) = (Stream::Requests, Window::default());
        let ask = Ask { stream, window, offset: None, probe: window, closes_in: true };
        for _ in 0..9 {
            let page = port.clock.run(kong.page(ask)).unwrap();
            assert!(matches!(page, Fetched::Page(page) if page.is_last()));
        }
        let sent = port.sent.borrow();
        let size = |request: &crate::ports::HttpRequest| {
            request.uri().query().unwrap().strip_prefix("size=").unwrap().to_owned()
        };
        let sizes: Vec<_> = sent.iter().map(|(_, request)| size(request)).collect();
        let grown = ["250", "313", "392", "491", "614", "768", "961", "1000", "1000"];
        assert_eq!(sizes, [&["1000", "500"], &grown[..]].concat());
        assert_eq!((kong.calls(), kong.retries()), (11, 2));
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
