//! One call of Kong's Admin API: made again while its failure may pass.

use std::cell::Cell;
use std::time::Duration;

use super::KongError;
use super::client::Access;
use super::error::refused;
use crate::log::{Code, Logger};
use crate::ports::{Clock, Http, HttpError, HttpLimits, HttpResponse, Log, Random};
use crate::retry::{self, Passing, Retry, Silence};
use crate::terms::Secret;
use crate::wire::{encoding, retry_after};

/// A wait that Kong asks for is told when it is this long.
const LONG_WAIT: Duration = Duration::from_secs(30);

/// The calls of one run.
pub(super) struct Calls<'a, P> {
    pub port: &'a P,
    log: Logger<'a, P>,
    pub access: &'a Access,
    pub deadline: Duration,
    silence: Silence,
    made: Cell<u64>,
    pub retries: Cell<u64>,
}

impl<'a, P: Http + Clock + Random + Log> Calls<'a, P> {
    pub fn new(log: Logger<'a, P>, access: &'a Access, deadline: Duration) -> Self {
        Self {
            port: log.port(),
            log,
            access,
            deadline,
            silence: Silence::default(),
            made: Cell::new(0),
            retries: Cell::new(0),
        }
    }

    /// Calls made so far, tries included.
    pub fn made(&self) -> u64 {
        self.made.get()
    }

    /// Takes note of a try that repeats a failed one.
    pub fn again(&self) {
        self.retries.set(self.retries.get() + 1);
    }

    /// Asks for `path` until it is read, or fails for good. A failure that a row may have caused is met
    /// `row_tries` times.
    pub async fn tried<T>(
        &self,
        path: &str,
        limits: HttpLimits,
        row_tries: u32,
        mut read: impl FnMut(HttpResponse) -> Result<T, KongError>,
    ) -> Result<T, KongError> {
        let mut retry = Retry::new(retry::KONG, self.deadline);
        let mut rows_failed = 0;
        loop {
            let mut asked = None;
            let began = self.port.elapsed();
            let outcome = match self.get(path, limits).await {
                Ok(response) => {
                    self.silence.ends();
                    asked = retry_after(&response);
                    let token = self.access.token.as_ref().map_or("", Secret::expose);
                    refused(path, &response, token)
                        .map_or(Ok(response), Err)
                        .and_then(|response| not_encoded(path, response))
                        .and_then(&mut read)
                }
                Err(error) => {
                    self.note(&error, path, began);
                    Err(KongError::Http(error))
                }
            };
            let error = match outcome {
                Err(error) if error.may_pass() => error,
                decided => return decided,
            };
            rows_failed += u32::from(error.may_be_a_row());
            if rows_failed >= row_tries {
                return Err(error);
            }
            if retry.is_too_long(self.port, asked) {
                return Err(error.asks_to_wait(asked.unwrap_or_default()));
            }
            self.tell_of_wait(asked, &error);
            let http = if let KongError::Http(error) = &error { Some(error) } else { None };
            let over = self.silence.is_over(self.port.elapsed());
            if over || !retry.again(self.port, Passing::of(http, asked)).await {
                return Err(error);
            }
            self.again();
        }
    }

    fn tell_of_wait(&self, asked: Option<Duration>, error: &KongError) {
        if let Some(asked) = asked.filter(|asked| *asked >= LONG_WAIT) {
            let secs = asked.as_secs();
            self.log.warn(
                Code::KongAsksToWait,
                format!("this run waits for {secs} s, which Kong asks for: {error}"),
            );
        }
    }

    /// Takes note of a call without an answer. The first time-out of a run is logged at once: a run that waits
    /// for a Kong that hangs must not look like one that hangs itself.
    fn note(&self, error: &HttpError, path: &str, began: Duration) {
        if !error.is_silence() {
            self.silence.ends();
        } else if self.silence.goes_on(began) {
            let path = path.split('?').next().unwrap_or_default();
            self.log.warn(
                Code::KongSilent,
                format!("no answer from Kong's Admin API on {path}: {error}"),
            );
        }
    }

    async fn get(&self, path: &str, limits: HttpLimits) -> Result<HttpResponse, HttpError> {
        self.made.set(self.made.get() + 1);
        let mut request = http::Request::get(self.access.url(path))
            .header("accept", "application/json")
            .header("accept-encoding", "identity");
        if let Some(token) = &self.access.token {
            request = request.header(&self.access.token_header, token.expose());
        }
        let invalid = |error: http::Error| HttpError::Invalid(error.to_string());
        let request = request.body(Vec::new()).map_err(invalid)?;
        let first_byte = self.silence.first_byte(self.port.elapsed());
        self.port.send(request, HttpLimits { first_byte, ..limits }).await
    }
}

fn not_encoded(path: &str, response: HttpResponse) -> Result<HttpResponse, KongError> {
    let path = path.split('?').next().unwrap_or_default().to_owned();
    encoding(&response).map_or(Ok(response), |encoding| Err(KongError::Encoded { path, encoding }))
}
