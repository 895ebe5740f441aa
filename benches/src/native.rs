//! The component's core as a native program: the same run over ports of this machine, in one
//! thread. As on the host, each HTTP exchange has a connection of its own.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use http::{HeaderValue, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use kong_cloudtrail::ports::{
    Clock, Ends, FileError, Files, Http, HttpError, HttpLimits, HttpRequest, HttpResponse,
    KeyValue, KeyValueError, Log, Random, Swap, unix_ms,
};
use kong_cloudtrail::report::Outcome;
use kong_cloudtrail::run::run as ship;
use redis::{Commands as _, Connection, RedisError, pipe};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Run, cpu_us};

/// One run.
pub fn run(run: &Run) -> Result<Value> {
    let ports =
        Ports { redis: RefCell::new(run.redis()?), url: run.redis.clone(), began: Instant::now() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cpu_before = cpu_us();
    let report = runtime.block_on(ship(&ports, |name| Ok(run.variable(name))));
    let cpu_us = cpu_us() - cpu_before;
    ensure!(report.outcome == Outcome::Ok, "the run is not ok: {}", report.line());
    Ok(json!({ "cpu_us": cpu_us }))
}

struct Ports {
    redis: RefCell<Connection>,
    url: String,
    began: Instant,
}

fn store_error(error: &RedisError) -> KeyValueError {
    KeyValueError(error.to_string())
}

impl KeyValue for Ports {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.redis.borrow_mut().get(key).map_err(|error| store_error(&error))
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        self.redis.borrow_mut().mset(pairs).map_err(|error| store_error(&error))
    }

    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.redis.borrow_mut().del(key).map_err(|error| store_error(&error))
    }

    /// On a connection of its own, as the host does it.
    fn begin_swap(&self, key: &str) -> Result<Box<dyn Swap + '_>, KeyValueError> {
        let begin = || {
            let mut connection = redis::Client::open(self.url.as_str())?.get_connection()?;
            redis::cmd("WATCH").arg(key).exec(&mut connection)?;
            Ok(Watched { connection: RefCell::new(connection), key: key.to_owned() })
        };
        begin().map(|begun| Box::new(begun) as _).map_err(|error| store_error(&error))
    }
}

struct Watched {
    connection: RefCell<Connection>,
    key: String,
}

impl Swap for Watched {
    fn current(&self) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.connection.borrow_mut().get(&self.key).map_err(|error| store_error(&error))
    }

    fn swap(self: Box<Self>, new: &[u8]) -> Result<(), KeyValueError> {
        let Self { mut connection, key } = *self;
        // Without an answer, nothing was written: the key has changed.
        let written: Result<Option<()>, _> =
            pipe().atomic().set(key, new).ignore().query(connection.get_mut());
        written.map(|_| ()).map_err(|error| store_error(&error))
    }
}

impl Clock for Ports {
    fn now_ms(&self) -> i64 {
        unix_ms(SystemTime::now())
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Random for Ports {
    fn u64(&self) -> u64 {
        fastrand::u64(..)
    }
}

impl Files for Ports {
    fn read(&self, _: &str, _: usize) -> Result<String, FileError> {
        Err(FileError::NotFound)
    }
}

impl Log for Ports {
    fn line(&self, line: &str) {
        eprintln!("{line}");
    }
}

impl Http for Ports {
    async fn send(
        &self,
        request: HttpRequest,
        limits: HttpLimits,
    ) -> Result<HttpResponse, HttpError> {
        let late = || HttpError::Timeout("no answer".to_owned());
        timeout(limits.first_byte, exchange(request, limits.max_body)).await.map_err(|_| late())?
    }
}

async fn exchange(request: HttpRequest, max_body: usize) -> Result<HttpResponse, HttpError> {
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().cloned();
    let authority = authority.ok_or_else(|| HttpError::Invalid("no host".to_owned()))?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|error| invalid(&error))?;
    head.headers.entry(header::HOST).or_insert(host);
    // In origin form: there is no proxy.
    head.uri = head.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);

    let stream = TcpStream::connect(authority.as_str()).await.map_err(|error| broken(&error))?;
    stream.set_nodelay(true).map_err(|error| broken(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    tokio::spawn(connection);
    let request = http::Request::from_parts(head, Full::new(Bytes::from(body)));
    let (head, body) =
        sender.send_request(request).await.map_err(|error| broken(&error))?.into_parts();
    match Limited::new(body, max_body).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes().into())),
        Err(error) if error.is::<LengthLimitError>() => Err(HttpError::TooLarge(Ends::default())),
        Err(error) => Err(broken(&error)),
    }
}

fn broken(error: &impl ToString) -> HttpError {
    HttpError::Connection(error.to_string())
}

fn invalid(error: &impl ToString) -> HttpError {
    HttpError::Invalid(error.to_string())
}
