//! The entry point for Spin's HTTP trigger.
//!
//! Of waki it takes the bindings and the request. Its own way to send an answer traps where the reader has gone
//! away, and gives a HEAD a body.

use kong_cloudtrail::config;
use kong_cloudtrail::ports::Clock as _;
use kong_cloudtrail::spin::{Host, variable};
use kong_cloudtrail::status::{Found, Status};
use kong_cloudtrail::store::Store;
use waki::bindings::exports::wasi::http::incoming_handler::Guest;
use waki::bindings::wasi::http::types::{
    ErrorCode, Headers, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use waki::bindings::wasi::io::streams::StreamError;
use waki::{Method, Request};

use crate::answer::{Answer, Shown, Verb, answer, unreadable};

struct Component;

#[allow(unsafe_code, missing_docs, clippy::pedantic)]
mod export {
    use super::Component;

    waki::bindings::export!(Component with_types_in waki::bindings);
}

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (verb, answer) = match Request::try_from(request) {
            Ok(request) => {
                let verb = match request.method() {
                    Method::Get => Verb::Get,
                    Method::Head => Verb::Head,
                    _ => Verb::Other,
                };
                (verb, answer(verb, request.path(), look))
            }
            Err(_) => (Verb::Get, unreadable()),
        };
        send(&answer, verb, out);
    }
}

/// Reads the variables, then the store.
fn look() -> Result<Shown, String> {
    let config = config::status(variable).map_err(|mistakes| mistakes.to_string())?;
    let host = Host::open();
    let store = Store::sealed(&host, &config.ledger, config.seals);
    let mut found = Found::read(&store);
    let status = Status::of(&mut found, host.now_ms(), config.stale_after);
    Ok(Shown { ledger: config.ledger, status })
}

/// Sends the answer; a reader who has gone away is none of ours.
fn send(answer: &Answer, verb: Verb, out: ResponseOutparam) {
    let fields: Vec<(String, Vec<u8>)> = answer
        .headers()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into_bytes()))
        .collect();
    // Names and values are ours, and sound.
    let Ok(headers) = Headers::from_list(&fields) else {
        return ResponseOutparam::set(out, Err(ErrorCode::HttpResponseIncomplete));
    };
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(answer.status);
    let Ok(body) = response.body() else {
        return ResponseOutparam::set(out, Err(ErrorCode::HttpResponseIncomplete));
    };
    ResponseOutparam::set(out, Ok(response));
    if verb != Verb::Head {
        let _ = write(&body, answer.body.as_bytes());
    }
    let _ = OutgoingBody::finish(body, None);
}

fn write(body: &OutgoingBody, mut bytes: &[u8]) -> Result<(), StreamError> {
    let Ok(stream) = body.write() else { return Err(StreamError::Closed) };
    let ready = stream.subscribe();
    while !bytes.is_empty() {
        ready.block();
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        stream.write(now)?;
        bytes = later;
    }
    stream.flush()?;
    ready.block();
    Ok(())
}
