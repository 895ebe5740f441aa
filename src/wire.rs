//! The pieces of HTTP that Kong's and CloudTrail's clients share.

use std::fmt;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::ports::HttpResponse;

/// All but the unreserved characters of RFC 3986, as Signature Version 4 wants a query.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A query parameter's value.
pub fn query_value(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

/// The server's clock in Unix seconds: `Date`, whose form (RFC 9110) is one of RFC 2822.
pub fn date(response: &HttpResponse) -> Option<i64> {
    let date = response.headers().get("date")?.to_str().ok()?;
    OffsetDateTime::parse(date, &Rfc2822).ok().map(OffsetDateTime::unix_timestamp)
}

/// `Retry-After`, where it is a number of seconds.
pub fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn response(name: &str, value: &str) -> HttpResponse {
        http::Response::builder().header(name, value).body(Vec::new()).unwrap()
    }

    #[test]
    fn a_date_is_read_as_servers_send_it() {
        let at = |value| date(&response("date", value));
        assert_eq!(at("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(at("yesterday"), None);
    }

    #[test]
    fn a_query_value_leaves_unreserved_characters_alone() {
        assert_eq!(query_value("a-b_c.d~e/f:g h\u{e9}").to_string(), "a-b_c.d~e%2Ff%3Ag%20h%C3%A9");
    }
}
