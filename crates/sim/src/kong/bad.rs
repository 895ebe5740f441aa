//! Rows that cannot be read, and pages that are too large for what stands before Kong.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt as _};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};

/// A row with which something is wrong, on every page that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadRow {
    /// Its `request_id` or `id`.
    pub id: String,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// A string in it holds a byte that is not UTF-8.
    NotUtf8,
    /// A string in it holds a control character, which JSON does not allow.
    NotJson,
    /// A number stands in its place.
    NotAnObject,
    /// Kong answers this status for its page.
    Fails(u16),
    /// The answer ends amid its page, before its `Content-Length`.
    CutOff,
}

/// What of a page keeps it from being answered as it is.
#[derive(Default)]
pub(super) struct Struck {
    rows: Cell<usize>,
    flaw: Cell<Option<Flaw>>,
}

impl Struck {
    /// Takes note of a row that was written to `out` from `start` on, and spoils it where its flaw is in
    /// its bytes.
    pub(super) fn written(&self, bad: &[BadRow], id: &str, out: &mut Vec<u8>, start: usize) {
        self.rows.set(self.rows.get() + 1);
        let Some(BadRow { flaw, .. }) = bad.iter().find(|row| row.id == id) else { return };
        let spoilt = br#"{"spoilt":"x","#;
        match flaw {
            Flaw::NotAnObject => out.splice(start.., *b"17").for_each(drop),
            Flaw::NotUtf8 | Flaw::NotJson => {
                out.splice(start..=start, *spoilt);
                let byte = if *flaw == Flaw::NotUtf8 { 0xff } else { 1 };
                out[start + spoilt.len() - 3] = byte;
            }
            Flaw::Fails(_) | Flaw::CutOff => self.flaw.set(Some(*flaw)),
        }
    }

    /// The answer with that body, or what comes instead.
    pub(super) fn answer(&self, body: Vec<u8>, most_rows: Option<usize>) -> Response {
        let failure = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let text = "An unexpected error occurred";
            (status, axum::Json(serde_json::json!({ "message": text }))).into_response()
        };
        if most_rows.is_some_and(|most| self.rows.get() > most) {
            return failure(504);
        }
        let json = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
        match self.flaw.get() {
            Some(Flaw::Fails(status)) => failure(status),
            Some(Flaw::CutOff) => {
                let length = [(header::CONTENT_LENGTH, body.len())];
                let half = body[..body.len() / 2].to_vec();
                let end = async {
                    // What was written so far must be on its way before the connection goes.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Err(io::Error::from(io::ErrorKind::UnexpectedEof))
                };
                let stream = stream::once(async { Ok(half) }).chain(stream::once(end));
                (json, length.map(|(name, n)| (name, n.to_string())), Body::from_stream(stream))
                    .into_response()
            }
            _ => (json, body).into_response(),
        }
    }
}
