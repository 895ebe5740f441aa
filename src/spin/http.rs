//! HTTP: a thin adapter of our own on the `wasi:http` bindings under `wstd`'s event loop, for
//! concurrent requests, all three time-outs, and no body stream where there is no body (measured:
//! decision 0001). Dropping order matters here: a stream before its body, a pollable before what it
//! waits for; the host traps otherwise.

use std::time::Duration;

use futures::future::{Either, select};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;
use wstd::runtime::AsyncPollable;

use super::Host;
use crate::ports::{Ends, Http, HttpError, HttpLimits, HttpRequest, HttpResponse};
use crate::words::shown;

impl Http for Host {
    async fn send(
        &self,
        request: HttpRequest,
        limits: HttpLimits,
    ) -> Result<HttpResponse, HttpError> {
        let (outgoing, body) = outgoing(&request)?;
        let options = options(limits)?;
        let upload = outgoing
            .body()
            .map_err(|()| HttpError::Invalid("the body was taken already".to_owned()))?;
        let answer = outgoing_handler::handle(outgoing, Some(options))
            .map_err(|error| http_error(&error, ""))?;
        {
            // The answer may come before the upload is through, and is then all that matters;
            // where the upload breaks off, the answer says why.
            let uploading = std::pin::pin!(send_body(upload, body));
            let answering = std::pin::pin!(wait_for(&answer));
            if let Either::Left((_, answering)) = select(uploading, answering).await {
                answering.await;
            }
        }
        let response = answer
            .get()
            .and_then(Result::ok)
            .ok_or_else(|| HttpError::Connection("the host gave no answer".to_owned()))?
            .map_err(|error| {
                let late = format!("no answer within {} s", limits.first_byte.as_secs());
                http_error(&error, &late)
            })?;
        drop(answer);
        receive(response, limits).await
    }
}

fn outgoing(request: &HttpRequest) -> Result<(OutgoingRequest, &[u8]), HttpError> {
    let invalid = |what: &str| HttpError::Invalid(format!("the host refuses its {what}"));
    let headers = Fields::new();
    for (name, value) in request.headers() {
        // The host makes `host` of the authority, and refuses one of ours.
        if name != http::header::HOST {
            headers.append(name.as_str(), value.as_bytes()).map_err(|error| {
                HttpError::Invalid(format!("the host refuses its header {name}: {error}"))
            })?;
        }
    }
    let body = request.body().as_slice();
    // Without a length the host sends a PUT in chunks, which instance metadata does not take.
    if !body.is_empty() || *request.method() == http::Method::PUT {
        headers
            .set("content-length", &[body.len().to_string().into_bytes()])
            .map_err(|_| invalid("content-length"))?;
    }
    let outgoing = OutgoingRequest::new(headers);
    let method = match *request.method() {
        http::Method::GET => Method::Get,
        http::Method::POST => Method::Post,
        http::Method::PUT => Method::Put,
        _ => return Err(invalid("method")),
    };
    let uri = request.uri();
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        _ => Scheme::Https,
    };
    outgoing.set_method(&method).map_err(|()| invalid("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("scheme"))?;
    outgoing
        .set_authority(uri.authority().map(http::uri::Authority::as_str))
        .map_err(|()| invalid("authority"))?;
    outgoing
        .set_path_with_query(uri.path_and_query().map(http::uri::PathAndQuery::as_str))
        .map_err(|()| invalid("path"))?;
    Ok((outgoing, body))
}

fn options(limits: HttpLimits) -> Result<RequestOptions, HttpError> {
    let nanos = |duration: Duration| Some(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    let options = RequestOptions::new();
    options
        .set_connect_timeout(nanos(limits.connect))
        .and_then(|()| options.set_first_byte_timeout(nanos(limits.first_byte)))
        .and_then(|()| options.set_between_bytes_timeout(nanos(limits.between_bytes)))
        .map_err(|()| HttpError::Invalid("the host refuses its time-outs".to_owned()))?;
    Ok(options)
}

async fn wait_for(answer: &FutureIncomingResponse) {
    AsyncPollable::new(answer.subscribe()).wait_for().await;
}

/// Uploads the body. With none, no stream is opened: a writer on an empty body races with the host
/// closing it.
async fn send_body(body: OutgoingBody, bytes: &[u8]) -> Result<(), StreamError> {
    if !bytes.is_empty() {
        let Ok(stream) = body.write() else { return Err(StreamError::Closed) };
        let ready = AsyncPollable::new(stream.subscribe());
        let mut rest = bytes;
        while !rest.is_empty() {
            ready.wait_for().await;
            let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(room.min(rest.len()));
            stream.write(now)?;
            rest = later;
        }
        // After the last byte, "closed" is no failure: the host has taken all.
        let _ = stream.flush();
        ready.wait_for().await;
        drop(ready);
        drop(stream);
    }
    OutgoingBody::finish(body, None).map_err(|_| StreamError::Closed)
}

async fn receive(
    response: IncomingResponse,
    limits: HttpLimits,
) -> Result<HttpResponse, HttpError> {
    let mut builder = http::Response::builder().status(response.status());
    for (name, value) in response.headers().entries() {
        builder = builder.header(name, value);
    }
    let incoming = response
        .consume()
        .map_err(|()| HttpError::Connection("the answer's body was taken already".to_owned()))?;
    let body = read_body(&incoming, limits).await;
    drop(incoming);
    builder
        .body(body?)
        .map_err(|error| HttpError::Connection(format!("the answer is malformed: {error}")))
}

async fn read_body(incoming: &IncomingBody, limits: HttpLimits) -> Result<Vec<u8>, HttpError> {
    const CHUNK: u64 = 256 * 1024;
    /// Nobody waits for the end of an answer that has none.
    const LONGEST: usize = 1024 * 1024 * 1024;
    let HttpLimits { max_body, keep_ends, .. } = limits;
    let stream = incoming
        .stream()
        .map_err(|()| HttpError::Connection("the answer's body was read already".to_owned()))?;
    let ready = AsyncPollable::new(stream.subscribe());
    let mut body = Vec::new();
    let mut start = None;
    let mut read = 0;
    let outcome = loop {
        ready.wait_for().await;
        match stream.read(CHUNK) {
            Ok(bytes) => {
                read += bytes.len();
                body.extend_from_slice(&bytes);
                if read > max_body {
                    if keep_ends == 0 || read > LONGEST {
                        break Err(HttpError::TooLarge(Ends::default()));
                    }
                    start.get_or_insert_with(|| body[..keep_ends].to_vec());
                    body.drain(..body.len().saturating_sub(keep_ends));
                }
            }
            Err(StreamError::Closed) => match start {
                Some(start) => break Err(HttpError::TooLarge(Ends { start, end: body })),
                None => break Ok(body),
            },
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                let secs = limits.between_bytes.as_secs();
                let late = format!("its answer stood still for {secs} s");
                let broke = || HttpError::Connection("in its answer".to_owned());
                break Err(code.map_or_else(broke, |code| http_error(&code, &late)));
            }
        }
    };
    drop(ready);
    drop(stream);
    outcome
}

/// The host's error, in words: WASI gives names of an enum. `late` says which time-out it would be.
fn http_error(error: &ErrorCode, late: &str) -> HttpError {
    match error {
        ErrorCode::HttpRequestDenied => HttpError::Denied,
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => {
            HttpError::UnknownHost
        }
        ErrorCode::ConnectionRefused => HttpError::ConnectionRefused,
        ErrorCode::ConnectionTimeout => HttpError::NoConnection,
        ErrorCode::DestinationUnavailable => HttpError::NotReached("unavailable".to_owned()),
        ErrorCode::DestinationIpProhibited => {
            HttpError::NotReached("the host does not allow this address".to_owned())
        }
        ErrorCode::DestinationIpUnroutable => {
            HttpError::NotReached("there is no route to it".to_owned())
        }
        ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => HttpError::Timeout(late.to_owned()),
        ErrorCode::TlsProtocolError => HttpError::Tls("it broke off".to_owned()),
        ErrorCode::TlsCertificateError => HttpError::Tls("its certificate".to_owned()),
        ErrorCode::TlsAlertReceived(alert) => {
            let words = alert.alert_message.as_deref().map(shown).unwrap_or_default();
            HttpError::Tls(format!("it sent the alert {words:.60}"))
        }
        ErrorCode::HttpProtocolError => HttpError::NoHttp("no HTTP came".to_owned()),
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid => {
            HttpError::Invalid("the host does not take its address".to_owned())
        }
        ErrorCode::ConnectionTerminated => HttpError::Connection("by the other side".to_owned()),
        ErrorCode::HttpResponseIncomplete => HttpError::Connection("in its answer".to_owned()),
        ErrorCode::InternalError(Some(words)) => HttpError::Connection(shown(words)),
        // A name such as `LoopDetected`: what stands before a parenthesis is a word.
        other => {
            let name = other.to_string();
            let name = name.split(['(', ' ']).next().unwrap_or_default();
            HttpError::Connection(name.trim_start_matches("ErrorCode::").to_owned())
        }
    }
}
