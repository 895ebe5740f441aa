//! What the tests of the Kong simulator share.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeSet;

use kong_cloudtrail_sim::kong::{Options, Simulator, Stream};
use reqwest::{Response, StatusCode};
use serde_json::Value;

pub const DAY: i64 = 24 * 60 * 60;

pub fn start(options: Options) -> Simulator {
    Simulator::start(options).unwrap()
}

pub fn version(version: &str) -> Options {
    Options { version: version.parse().unwrap(), requests: 500, objects: 500, ..Options::default() }
}

pub async fn get(kong: &Simulator, path: &str) -> Response {
    reqwest::get(format!("{}{path}", kong.url())).await.unwrap()
}

pub async fn page(kong: &Simulator, path: &str) -> Value {
    let response = get(kong, path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.json().await.unwrap()
}

pub async fn refused(kong: &Simulator, path: &str) -> (u16, Value) {
    let response = get(kong, path).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

pub fn entries(page: &Value) -> &[Value] {
    page["data"].as_array().unwrap()
}

/// All entries behind `path`, by `next`, and the number of pages.
pub async fn follow_next(kong: &Simulator, path: &str) -> (Vec<Value>, usize) {
    let (mut found, mut pages, mut path) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(at) = path {
        let page = page(kong, &at).await;
        found.extend_from_slice(entries(&page));
        pages += 1;
        path = page["next"].as_str().map(str::to_owned);
        assert_eq!(path.is_some(), page["offset"].is_string(), "next and offset go together");
    }
    (found, pages)
}

/// All entries behind `path`, with the filters sent along with every `offset`.
pub async fn follow_offset(kong: &Simulator, path: &str) -> Vec<Value> {
    let (mut found, mut at) = (Vec::new(), path.to_owned());
    loop {
        let page = page(kong, &at).await;
        found.extend_from_slice(entries(&page));
        let Some(offset) = page["offset"].as_str() else { return found };
        at = format!("{path}&offset={}", offset.replace('=', "%3D").replace('+', "%2B"));
    }
}

pub fn ids(entries: &[Value], field: &str) -> Vec<String> {
    entries.iter().map(|entry| entry[field].as_str().unwrap().to_owned()).collect()
}

pub fn times(entries: &[Value]) -> Vec<i64> {
    entries.iter().map(|entry| entry["request_timestamp"].as_i64().unwrap()).collect()
}

pub fn fields(entry: &Value) -> BTreeSet<&str> {
    entry.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The entries of a published sample, in the order in which `tests/golden/kong/README.md` lists
/// them.
pub fn sample(stream: Stream) -> Vec<Value> {
    let page: Value = serde_json::from_str(match stream {
        Stream::Requests => include_str!("../../../../tests/golden/kong/audit-requests.json"),
        Stream::Objects => include_str!("../../../../tests/golden/kong/audit-objects.json"),
    })
    .unwrap();
    entries(&page).to_vec()
}
