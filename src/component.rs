//! The only file that knows the host: the entry points, and the ports as Spin and WASI 0.2 give them.
//!
//! HTTP is a thin adapter of our own on the `wasi:http` bindings under `wstd`'s event loop, for
//! concurrent requests, all three time-outs, and no body stream where there is no body (measured:
//! decision 0001). Dropping order matters here: a stream before its body, a pollable before what it
//! waits for; the host traps otherwise.

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use futures::future::{Either, select};
use spin_sdk::variables;
use wasip2::filesystem::preopens;
use wasip2::filesystem::types::{DescriptorFlags, ErrorCode as FileFault, OpenFlags, PathFlags};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;
use wstd::runtime::AsyncPollable;

use crate::ports::{
    Clock, Ends, FileError, Files, Http, HttpError, HttpLimits, HttpRequest, HttpResponse,
    KeyValue, KeyValueError, Log, Random,
};
use crate::report::{Outcome, Report};
use crate::shipper;

#[allow(unsafe_code, missing_docs, clippy::pedantic)]
mod bindings {
    use super::Component;

    wit_bindgen::generate!({ world: "component", path: "wit", generate_all });
    export!(Component);
}

use bindings::exports::wasi::cli::run::Guest as Run;
use bindings::wasi::keyvalue::{atomics, batch, store as buckets};

struct Component;

impl bindings::Guest for Component {
    fn handle_timer_request() {
        tick();
    }
}

impl Run for Component {
    fn run() -> Result<(), ()> {
        if tick() == Outcome::Failed {
            // Not by returning an error: the command trigger up to 0.5.3, which is the one in
            // SpinKube's shim 0.24.0, drops that and succeeds.
            std::process::exit(1);
        }
        Ok(())
    }
}

/// One run; its report is printed whatever happens (invariant 4).
fn tick() -> Outcome {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let mut report = Report::default();
        report.add(
            Outcome::Failed,
            Some(format!("kong-cloudtrail has a defect at {place}: please report it; nothing that was not accepted is recorded")),
        );
        print(&report.line());
    }));
    let host = Host::open();
    let mut report = wstd::runtime::block_on(shipper::run(&host, variable));
    report.duration_ms = u64::try_from(host.began.elapsed().as_millis()).unwrap_or(u64::MAX);
    print(&report.line());
    report.outcome
}

/// A Spin variable; `None` when the manifest does not define it.
fn variable(name: &str) -> Result<Option<String>, String> {
    match variables::get(name) {
        Ok(value) => Ok(Some(value)),
        Err(variables::Error::Undefined(_)) => Ok(None),
        // The provider's own words may quote what it read: a line of .env with a secret, say.
        Err(_) => Err("the host's own log says why".to_owned()),
    }
}

fn print(line: &str) {
    // A host that has closed stdout must not turn a run into a panic.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The host's interfaces, opened for one run.
struct Host {
    store: Result<spin_sdk::key_value::Store, KeyValueError>,
    bucket: Result<buckets::Bucket, KeyValueError>,
    began: Instant,
}

impl Host {
    fn open() -> Self {
        let began = Instant::now();
        let store = spin_sdk::key_value::Store::open_default().map_err(key_value_error);
        // A Redis out of reach holds up each open for minutes: once is enough.
        let bucket = match &store {
            Ok(_) => buckets::open("default").map_err(|error| KeyValueError(format!("{error:?}"))),
            Err(error) => Err(error.clone()),
        };
        Self { store, bucket, began }
    }

    fn store(&self) -> Result<&spin_sdk::key_value::Store, KeyValueError> {
        self.store.as_ref().map_err(Clone::clone)
    }

    fn bucket(&self) -> Result<&buckets::Bucket, KeyValueError> {
        self.bucket.as_ref().map_err(Clone::clone)
    }
}

fn key_value_error(error: spin_sdk::key_value::Error) -> KeyValueError {
    KeyValueError(error.to_string())
}

impl KeyValue for Host {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.store()?.get(key).map_err(key_value_error)
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        match pairs {
            [(key, value)] => self.store()?.set(key, value).map_err(key_value_error),
            _ => batch::set_many(self.bucket()?, pairs)
                .map_err(|error| KeyValueError(format!("{error:?}"))),
        }
    }

    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.store()?.delete(key).map_err(key_value_error)
    }

    fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), KeyValueError> {
        let failed = |error| KeyValueError(format!("{error:?}"));
        let cas = atomics::Cas::new(self.bucket()?, key).map_err(failed)?;
        if cas.current().map_err(failed)?.as_deref() == expected {
            match atomics::swap(cas, new) {
                Ok(()) | Err(atomics::CasError::CasFailed(_)) => {}
                Err(atomics::CasError::StoreError(error)) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn swaps_atomically(&self, key: &str) -> Result<bool, KeyValueError> {
        let failed = |error| KeyValueError(format!("{error:?}"));
        let store = self.store()?;
        let [before, between, after] = TRIAL;
        store.set(key, before).map_err(key_value_error)?;
        let cas = atomics::Cas::new(self.bucket()?, key).map_err(failed)?;
        cas.current().map_err(failed)?;
        store.set(key, between).map_err(key_value_error)?;
        // Its answer says nothing, as everywhere.
        let _ = atomics::swap(cas, after);
        Ok(self.get(key)?.as_deref() == Some(between))
    }
}

/// What a swap that is tried out finds, what is written after it has looked, and what it would write.
const TRIAL: [&[u8]; 3] = [b"before", b"between", b"after"];

impl Clock for Host {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        AsyncPollable::new(wasip2::clocks::monotonic_clock::subscribe_duration(nanos))
            .wait_for()
            .await;
    }
}

impl Random for Host {
    fn u64(&self) -> u64 {
        wasip2::random::random::get_random_u64()
    }
}

/// By WASI itself: the standard library's way to a file would make the component 40 KiB larger.
impl Files for Host {
    fn read(&self, path: &str, max_bytes: usize) -> Result<String, FileError> {
        const CHUNK: u64 = 16 * 1024;
        // A mount may be named without its leading slash.
        let path = path.trim_start_matches('/');
        let mounts = preopens::get_directories();
        let found = mounts.iter().filter_map(|(folder, seen)| {
            let seen = seen.trim_matches('/');
            let below = path.strip_prefix(seen)?;
            let below = if seen.is_empty() { below } else { below.strip_prefix('/')? };
            Some((seen.len(), folder, below))
        });
        let (_, folder, below) =
            found.max_by_key(|(depth, ..)| *depth).ok_or(FileError::NotFound)?;
        let flags = (PathFlags::SYMLINK_FOLLOW, OpenFlags::empty(), DescriptorFlags::READ);
        let file = folder.open_at(flags.0, below, flags.1, flags.2).map_err(file_error)?;
        let mut bytes = Vec::new();
        loop {
            let (more, at_end) = file.read(CHUNK, bytes.len() as u64).map_err(file_error)?;
            let is_through = at_end || more.is_empty();
            bytes.extend(more);
            if bytes.len() > max_bytes {
                return Err(FileError::TooLarge);
            }
            if is_through {
                break;
            }
        }
        String::from_utf8(bytes).map_err(|_| FileError::Other("it is no text".to_owned()))
    }
}

fn file_error(error: FileFault) -> FileError {
    match error {
        FileFault::NoEntry | FileFault::NotDirectory => FileError::NotFound,
        error => FileError::Other(error.name().to_owned()),
    }
}

impl Log for Host {
    fn line(&self, line: &str) {
        print(line);
    }
}

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
            .map_err(|error| http_error(&error))?;
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
            .map_err(|error| http_error(&error))?;
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
                break Err(code.map_or_else(
                    || {
                        HttpError::Connection(format!(
                            "the answer broke off: {}",
                            error.to_debug_string()
                        ))
                    },
                    |code| http_error(&code),
                ));
            }
        }
    };
    drop(ready);
    drop(stream);
    outcome
}

fn http_error(error: &ErrorCode) -> HttpError {
    match error {
        ErrorCode::HttpRequestDenied => HttpError::Denied,
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpProhibited
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTimeout => HttpError::NotReached(error.to_string()),
        ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => HttpError::Timeout(error.to_string()),
        ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => HttpError::Tls(error.to_string()),
        ErrorCode::HttpProtocolError => HttpError::NoHttp(error.to_string()),
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid => {
            HttpError::Invalid(error.to_string())
        }
        _ => HttpError::Connection(error.to_string()),
    }
}
