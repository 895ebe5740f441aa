//! An entry of `/audit/requests`: an Admin API call.

use std::borrow::Cow;
use std::net::IpAddr;

use super::document::Document;
use super::envelope::{Placed, SHORT, shorten};
use super::section::{Member, Section};
use crate::kong::Entry;
use crate::kong::entry::text;

/// Where the payload stands when it is not spread.
pub(super) const PAYLOAD: &str = "payload";
pub(super) const QUERY_PARAMETERS: &str = "queryParameters";
/// Marks a part: no payload may seem to be one.
pub(super) const PART: &str = "part";

/// Method and path without its leading slash and query: `GETservices`.
pub(super) fn event_name(entry: &Entry<'_>) -> String {
    let method = entry.text("method").unwrap_or_default();
    let path = entry.text("path").unwrap_or_default();
    let path = path.split_once('?').map_or(path.as_ref(), |(path, _)| path);
    format!("{method}{}", path.strip_prefix('/').unwrap_or(path))
}

/// The payload, and the raw query string.
pub(super) fn request_parameters<'a>(entry: &Entry<'a>, placed: &mut Placed) -> Section<'a> {
    let mut section = Section::request_parameters();
    let reserved = [PAYLOAD, QUERY_PARAMETERS, PART];
    section.document = Document::of(entry, PAYLOAD, &reserved, placed);
    if let Some(query) = entry.text("path").and_then(query) {
        section.members.push(Member::text(QUERY_PARAMETERS, query));
    }
    section
}

fn query(path: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let start = path.find('?')? + 1;
    if start == path.len() {
        return None;
    }
    Some(match path {
        Cow::Borrowed(path) => path[start..].into(),
        Cow::Owned(path) => path[start..].to_owned().into(),
    })
}

/// `errorCode`: the status as text, from 400 up.
pub(super) fn error_code<'a>(entry: &Entry<'a>) -> Option<Cow<'a, str>> {
    let value = entry.get("status")?;
    let status = text(value).unwrap_or(value.get().into());
    // Rust reads "inf" and "nan" as numbers too.
    let is_number = status.starts_with(|first: char| first.is_ascii_digit());
    let is_error = is_number && status.parse::<f64>().is_ok_and(|status| status >= 400.0);
    is_error.then(|| shorten(status, SHORT))
}

/// `client_ip`, where it is an address: `unix:`, say, is none.
pub(super) fn source_ip_address<'a>(
    entry: &Entry<'a>,
    placed: &mut Placed,
) -> Option<Cow<'a, str>> {
    const FIELD: &str = "client_ip";
    let address = entry.text(FIELD).filter(|text| text.parse::<IpAddr>().is_ok())?;
    placed.elsewhere.push(FIELD);
    Some(address)
}
