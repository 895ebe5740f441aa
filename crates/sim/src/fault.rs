//! Faults as data: what goes wrong, on which calls.
//!
//! Of several rules that strike one call all take effect: delays first, then what stops the call,
//! then what spoils the answer.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt as _};
use http::{HeaderValue, StatusCode, header};

use crate::random;
use crate::server::Connection;

/// Which calls a rule strikes: those for which every condition that is set holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// The first so many calls after the rule was set.
    pub next: Option<u64>,
    /// Every nth call: 3 strikes the third, the sixth and so on.
    pub every: Option<u64>,
    /// This share of the calls, 0 to 1, chosen by the simulator's seed.
    pub rate: Option<f64>,
}

/// A [`When`] with the count of calls that it has seen.
#[derive(Debug)]
pub(crate) struct Trigger {
    when: When,
    seen: u64,
    random: fastrand::Rng,
}

impl Trigger {
    pub(crate) fn new(when: When, seed: u64) -> Self {
        Self { when, seen: 0, random: random::generator(seed, 0) }
    }

    /// Counts one more call, and says whether it is struck.
    pub(crate) fn strikes(&mut self) -> bool {
        self.seen += 1;
        let drawn = self.random.f64();
        self.when.next.is_none_or(|count| self.seen <= count)
            && self.when.every.is_none_or(|count| self.seen.is_multiple_of(count.max(1)))
            && self.when.rate.is_none_or(|rate| drawn < rate)
    }
}

/// A fault and the calls that it strikes.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The path without its query; every path when absent.
    pub path: Option<String>,
    /// Which of the calls on that path.
    pub when: When,
    /// What goes wrong.
    pub fault: Fault,
}

/// What goes wrong with one call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The call is answered with this status and takes no effect.
    Status {
        /// The status code.
        code: u16,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u64>,
        /// The body; a JSON message when absent.
        body: Option<String>,
    },
    /// The connection is reset before an answer, and the call takes no effect.
    Reset,
    /// The call takes effect; the connection is reset within the answer's body.
    ResetInBody,
    /// The answer takes its time.
    Delay {
        /// Milliseconds before the call is looked at.
        first_byte_ms: u64,
        /// Milliseconds before each further piece of the body.
        between_bytes_ms: u64,
        /// Into how many pieces the body is cut for that.
        pieces: usize,
    },
    /// The call takes effect; the answer ends before its `Content-Length`.
    CutOff,
    /// The call takes effect; the answer is 200 with a body that is none of the service's.
    Body(Malformed),
}

/// A body that is none of the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A page of a proxy in between.
    Html,
    /// JSON without `data`.
    NoData,
    /// JSON whose `data` is an object.
    DataNotArray,
    /// JSON, with one byte that is not UTF-8.
    NotUtf8,
}

impl Malformed {
    fn answer(self) -> Response {
        const JSON: &str = "application/json; charset=utf-8";
        let (kind, body): (&str, &[u8]) = match self {
            Self::Html => (
                "text/html",
                b"<html><head><title>Sign in</title></head><body>Please sign in.</body></html>",
            ),
            Self::NoData => (JSON, br#"{"next":null,"offset":null}"#),
            Self::DataNotArray => (JSON, br#"{"data":{"1":{}},"next":null}"#),
            Self::NotUtf8 => (JSON, b"{\"data\":[{\"path\":\"/\xff\xfe\"}],\"next\":null}"),
        };
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    }
}

/// Sleeps, and not even until the timer's next tick when there is nothing to sleep for.
pub(crate) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// Answers a call through `faults`; `act` is the service's own answer, with all its effects.
pub(crate) async fn disturb(
    faults: &[Fault],
    connection: &Connection,
    act: impl Future<Output = Response>,
) -> Response {
    for fault in faults {
        if let Fault::Delay { first_byte_ms, .. } = fault {
            pause(Duration::from_millis(*first_byte_ms)).await;
        }
    }
    for fault in faults {
        match fault {
            Fault::Reset => connection.reset().await,
            Fault::Status { code, retry_after, body } => {
                return refusal(*code, *retry_after, body.as_deref());
            }
            _ => {}
        }
    }
    let mut response = act.await;
    for fault in faults {
        response = match fault {
            Fault::Body(malformed) => malformed.answer(),
            Fault::CutOff => broken(response, End::Early).await,
            Fault::ResetInBody => broken(response, End::Reset(connection.clone())).await,
            Fault::Delay { between_bytes_ms, pieces, .. } if *between_bytes_ms > 0 => {
                slowed(response, Duration::from_millis(*between_bytes_ms), *pieces).await
            }
            _ => response,
        };
    }
    response
}

fn refusal(code: u16, retry_after: Option<u64>, body: Option<&str>) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = body.map_or_else(
        || {
            let reason = status.canonical_reason().unwrap_or("An unexpected error occurred");
            serde_json::json!({ "message": reason }).to_string()
        },
        str::to_owned,
    );
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

async fn whole(body: Body) -> Bytes {
    axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default()
}

/// How an answer breaks off.
enum End {
    Early,
    Reset(Connection),
}

/// Half of the body under the `Content-Length` of the whole, then `end`.
async fn broken(response: Response, end: End) -> Response {
    let (mut head, body) = response.into_parts();
    let body = whole(body).await;
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    let rest = stream::once(async move {
        // What was written so far must be on its way before the connection goes.
        tokio::time::sleep(Duration::from_millis(20)).await;
        match end {
            End::Early => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            End::Reset(connection) => connection.reset().await,
        }
    });
    let stream = stream::once(async move { Ok(half) }).chain(rest);
    Response::from_parts(head, Body::from_stream(stream))
}

/// The body in `pieces`, with a pause before each but the first.
async fn slowed(response: Response, pause: Duration, pieces: usize) -> Response {
    let (mut head, body) = response.into_parts();
    let body = whole(body).await;
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let length = body.len().div_ceil(pieces.max(1)).max(1);
    let starts = (0..body.len()).step_by(length);
    let stream = stream::iter(starts).then(move |start| {
        let piece = body.slice(start..(start + length).min(body.len()));
        async move {
            if start > 0 {
                tokio::time::sleep(pause).await;
            }
            Ok::<_, io::Error>(piece)
        }
    });
    Response::from_parts(head, Body::from_stream(stream))
}
