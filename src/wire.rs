//! The pieces of HTTP and JSON that all calls share: to Kong, to a destination, and for credentials.

use std::fmt;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use crate::ports::{HttpError, HttpResponse};
use crate::words::shown;

/// All but the unreserved characters of RFC 3986, as Signature Version 4 wants a query.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A query parameter's value.
pub fn query_value(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

/// The bytes that `text` takes as a JSON string, its quotes included.
pub(crate) fn json_string_bytes(text: &str) -> usize {
    let escape = |byte: u8| match byte {
        b'"' | b'\\' | 8 | b'\t' | b'\n' | 12 | b'\r' => 2,
        0..32 => 6,
        _ => 1,
    };
    text.bytes().map(escape).sum::<usize>() + 2
}

/// The server's clock in Unix seconds: `Date`, whose form (RFC 9110) is one of RFC 2822.
pub fn date(response: &HttpResponse) -> Option<i64> {
    let date = response.headers().get("date")?.to_str().ok()?;
    OffsetDateTime::parse(date, &Rfc2822).ok().map(OffsetDateTime::unix_timestamp)
}

/// A time in Unix seconds as RFC 3339 has it, in UTC, without fractions.
pub fn rfc3339(seconds: i64) -> String {
    /// 9999-12-31T23:59:59Z, the last time that the form can name.
    const LAST: i64 = 253_402_300_799;
    let time = OffsetDateTime::from_unix_timestamp(seconds.clamp(0, LAST));
    // Between 1970 and 9999 every time has this form.
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(&Rfc3339).unwrap_or_default()
}

/// Reads a time of RFC 3339, in Unix seconds.
pub(crate) fn read_rfc3339(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// `Retry-After`, where it is a number of seconds.
pub fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Words of a server as far as they may be printed: none that hold the secret that was sent to it. Of a long
/// secret a part would be too much.
pub fn quoted(words: &str, secret: &str) -> String {
    let holds = |part: &[u8]| words.as_bytes().windows(part.len()).any(|window| window == part);
    let whole = !secret.is_empty() && holds(secret.as_bytes());
    if whole || secret.as_bytes().windows(16).any(holds) {
        return "its words are not shown".to_owned();
    }
    shown(words)
}

/// How the body of an answer is encoded, where it is: nobody here asks for that.
pub fn encoding(response: &HttpResponse) -> Option<String> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let named = response.headers().get("content-encoding").and_then(|value| value.to_str().ok());
    match named.map(str::trim).unwrap_or_default() {
        "" | "identity" => response.body().starts_with(&GZIP).then(|| "gzip".to_owned()),
        named => Some(shown(named)),
    }
}

/// Where a redirection leads, without a user and password and without the query, which may hold a secret.
pub fn leads_to(response: &HttpResponse) -> String {
    let location = response.headers().get("location").and_then(|value| value.to_str().ok());
    let location = location.unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    match location.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('@'))) {
        Some((scheme, Some((user, rest)))) if !user.contains('/') => {
            shown(&format!("{scheme}://{rest}"))
        }
        _ => shown(location),
    }
}

/// What to look at when `error` is about TLS and the server is the one that the variable `setting`
/// names; none for other errors.
pub(crate) fn tls_remedy<'s>(
    error: &HttpError,
    setting: &'s str,
) -> Option<impl fmt::Display + use<'s>> {
    const IDENTITY: &str = "client_cert_file and client_private_key_file";
    let handshake = match error {
        HttpError::Tls(_) => true,
        HttpError::NoHttp(_) => false,
        _ => return None,
    };
    Some(fmt::from_fn(move |f| {
        if handshake {
            write!(
                f,
                "to see the cause, run RUST_LOG=warn spin up --from spin-command.toml with the same runtime config and look \
                 for \"tls protocol error\"; private authority: set ca_roots_file in the [[client_tls]] section (runtime \
                 config) whose hosts list names the host of {setting}, without port; client certificate needed: set \
                 {IDENTITY} in that section; certificate expired or for another name: renew it; plain HTTP there: write \
                 http:// in {setting}"
            )
        } else {
            write!(
                f,
                "check the scheme in {setting}, http:// or https://; client certificate needed: set {IDENTITY} in the \
                 [[client_tls]] section (runtime config) whose hosts list names the host of {setting}, to a pair that the \
                 server accepts; RUST_LOG=warn spin up --from spin-command.toml may say more"
            )
        }
    }))
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
    fn a_servers_words_are_shown_unless_they_hold_the_secret_or_a_part_of_it() {
        let secret = "0123456789abcdefXYZ";
        assert_eq!(quoted("Invalid\u{1b} token", secret), r"Invalid\u001b token");
        for words in ["x 0123456789abcdefXYZ", "x 23456789abcdefXY"] {
            assert_eq!(quoted(words, secret), "its words are not shown");
        }
        assert_eq!(
            (quoted("short", "or").as_str(), quoted("x", "").as_str()),
            ("its words are not shown", "x")
        );
    }

    #[test]
    fn an_encoded_answer_is_known_by_its_header_or_by_its_first_bytes() {
        for (name, body, expected) in [
            ("gzip", &b"x"[..], Some("gzip")),
            ("br", b"x", Some("br")),
            ("identity", b"{}", None),
            ("", b"{}", None),
            ("", b"\x1f\x8b\x08", Some("gzip")),
        ] {
            let response = http::Response::builder().header("content-encoding", name);
            let response = response.body(body.to_vec()).unwrap();
            assert_eq!(encoding(&response).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn where_a_redirection_leads_is_told_without_query_user_and_password() {
        for (location, expected) in [
            ("https://login.example/authorize?state=secret#x", "https://login.example/authorize"),
            ("https://user:secret@kong.example/a?b", "https://kong.example/a"),
            ("https://kong.example/a@b", "https://kong.example/a@b"),
            ("/login?next=%2F", "/login"),
            ("", ""),
        ] {
            assert_eq!(leads_to(&response("location", location)), expected);
        }
    }

    #[test]
    fn a_tls_failure_leads_to_its_settings_and_others_do_not() {
        let told = |error| tls_remedy(&error, "kong_admin_api").map(|text| text.to_string());
        let handshake = told(HttpError::Tls("x".to_owned())).unwrap();
        let after_it = told(HttpError::NoHttp("x".to_owned())).unwrap();
        for text in [&handshake, &after_it] {
            for setting in ["kong_admin_api", "[[client_tls]]", "client_cert_file", "http://"] {
                assert!(text.contains(setting), "{text}");
            }
        }
        assert!(handshake.contains("ca_roots_file") && !after_it.contains("ca_roots_file"));
        assert_eq!(told(HttpError::Connection("refused".to_owned())), None);
    }

    #[test]
    fn a_query_value_leaves_unreserved_characters_alone() {
        assert_eq!(query_value("a-b_c.d~e/f:g h\u{e9}").to_string(), "a-b_c.d~e%2Ff%3Ag%20h%C3%A9");
    }
}
