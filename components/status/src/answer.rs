//! What each address gives.

use kong_cloudtrail::status::{Health, Status};

use crate::{metrics, page};

/// How something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET
    Get,
    /// HEAD
    Head,
    /// Any other.
    Other,
}

/// What is shown.
pub struct Shown {
    /// The ledger's name.
    pub ledger: String,
    /// How things stand with it.
    pub status: Status,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

impl Answer {
    fn text(status: u16, body: impl Into<String>) -> Self {
        let mut body = body.into();
        body.push('\n');
        Self { status, content_type: TEXT, body }
    }

    /// Its headers: nothing is kept on the way, framed, guessed at or told of elsewhere, and the page may load
    /// nothing but its own style.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let style =
            if self.content_type == HTML { page::style_source() } else { "'none'".to_owned() };
        let policy = format!(
            "default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let mut headers = vec![
            ("content-type", self.content_type.to_owned()),
            ("content-security-policy", policy),
            ("cache-control", "no-store".to_owned()),
            ("cross-origin-resource-policy", "same-origin".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("x-frame-options", "DENY".to_owned()),
        ];
        if self.status == 405 {
            headers.push(("allow", "GET, HEAD".to_owned()));
        }
        headers
    }
}

/// The answer to a request; `look` reads the store, and is called only where that is needed. Its error is told.
pub fn answer(verb: Verb, path: &str, look: impl FnOnce() -> Result<Shown, String>) -> Answer {
    let give: fn(&Shown) -> Answer = match path {
        "/" => the_page,
        "/metrics" => the_metrics,
        "/healthz" => |shown| health(&shown.status),
        _ => {
            return Answer::text(
                404,
                "Nothing is here. The page is at /, metrics at /metrics, the probe at /healthz.",
            );
        }
    };
    if verb == Verb::Other {
        return Answer::text(405, "This page is only read: GET and HEAD.");
    }
    match look() {
        Ok(shown) => give(&shown),
        Err(why) => Answer::text(500, format!("The status page is not configured: {why}")),
    }
}

/// The answer to a request whose address or headers are none.
pub fn unreadable() -> Answer {
    Answer::text(400, "This request cannot be read.")
}

/// The page is a page also where the store cannot be read, but no success.
fn the_page(shown: &Shown) -> Answer {
    let readable = shown.status.readable.iter().any(|(_, readable)| *readable);
    let status = if readable { 200 } else { 503 };
    Answer { status, content_type: HTML, body: page::render(shown) }
}

/// Always a success, lest a scrape that failed hide why.
fn the_metrics(shown: &Shown) -> Answer {
    match metrics::encode(&shown.status) {
        Ok(body) => Answer { status: 200, content_type: metrics::CONTENT_TYPE, body },
        Err(_) => Answer::text(500, "The metrics could not be written."),
    }
}

fn health(status: &Status) -> Answer {
    let allowed = status.stale_after;
    match &status.health {
        Health::Fresh(age) => {
            Answer::text(200, format!("ok: the last run that made progress ended {age} s ago"))
        }
        Health::Stale(age) => Answer::text(
            503,
            format!(
                "stale: the last run that made progress ended {age} s ago, and stale_after_secs is {allowed}"
            ),
        ),
        Health::Never => {
            Answer::text(503, "no run that is kept was ok, or partial and made progress")
        }
        Health::Unknown(why) => Answer::text(503, format!("unknown: {why}")),
    }
}
