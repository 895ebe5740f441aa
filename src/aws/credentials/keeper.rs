//! A run's credentials: fetched when first needed, renewed in time, by one caller for all.

use std::rc::Rc;
use std::time::Duration;

use futures::lock::Mutex;

use super::{Credentials, FetchError, Source, Temporary};
use crate::log::{Code, Logger};
use crate::ports::{Clock, Files, Http, Log, Random};

/// Credentials this near to their end are renewed.
const MARGIN_MS: i64 = 5 * 60 * 1000;
/// How long a source is left alone that failed, or that gave credentials which are near their end.
const REST: Duration = Duration::from_mins(1);

/// Holds one run's credentials.
pub struct Keeper<'a, P> {
    port: &'a P,
    source: &'a Source,
    log: Logger<'a, P>,
    deadline: Duration,
    state: Mutex<State>,
}

/// Credentials to sign with.
#[derive(Clone, Debug)]
pub struct Lent {
    /// The credentials.
    pub credentials: Rc<Credentials>,
    /// Their number among those that the run has had.
    serial: u64,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    serial: u64,
    /// Until when, on the clock that never goes back, the source is left alone.
    rests_until: Duration,
    failed: Option<FetchError>,
}

struct Kept {
    lent: Lent,
    expires_ms: Option<i64>,
}

impl Kept {
    fn lasts(&self, margin_ms: i64, now_ms: i64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| expires_ms.saturating_sub(margin_ms) > now_ms)
    }
}

impl<'a, P: Http + Clock + Random + Log + Files> Keeper<'a, P> {
    /// A keeper that has nothing yet, and asks at most until `deadline`.
    pub fn new(log: Logger<'a, P>, source: &'a Source, deadline: Duration) -> Self {
        Self { port: log.port(), source, log, deadline, state: Mutex::default() }
    }

    /// Whether the source can give others when these are refused.
    pub fn renews(&self) -> bool {
        !matches!(self.source, Source::Static(_))
    }

    /// Credentials to sign with now. AWS's clock is `ahead_ms` ahead of the host's, as far as is
    /// known. While the old ones last, a renewal that fails is no failure.
    pub(crate) async fn lend(&self, ahead_ms: i64) -> Result<Lent, FetchError> {
        let mut state = self.state.lock().await;
        let rests = self.port.elapsed() < state.rests_until;
        let now_ms = self.port.now_ms() + ahead_ms;
        match (&state.kept, &state.failed) {
            (Some(kept), _) if rests || kept.lasts(MARGIN_MS, now_ms) => {
                return Ok(kept.lent.clone());
            }
            (None, Some(error)) if rests => return Err(error.clone()),
            _ => {}
        }
        match self.fetch(&mut state, ahead_ms).await {
            Ok(lent) => Ok(lent),
            Err(error) => {
                let now_ms = self.port.now_ms() + ahead_ms;
                if let Some(kept) = state.kept.take_if(|kept| kept.lasts(0, now_ms)) {
                    self.log.warn(
                        Code::CredentialsNotRenewed,
                        format!(
                            "the AWS credentials could not be renewed, and those at hand are used while they last: {error}"
                        ),
                    );
                    let lent = kept.lent.clone();
                    state.kept = Some(kept);
                    return Ok(lent);
                }
                state.kept = None;
                Err(error)
            }
        }
    }

    /// When those at hand end, in Unix milliseconds by AWS's clock, where the source says so.
    pub(crate) async fn end_ms(&self) -> Option<i64> {
        self.state.lock().await.kept.as_ref().and_then(|kept| kept.expires_ms)
    }

    /// Fetches others, since AWS refused `refused` as expired. Does nothing where another caller has fetched
    /// them already.
    pub(crate) async fn renew(&self, refused: &Lent, ahead_ms: i64) -> Result<(), FetchError> {
        let mut state = self.state.lock().await;
        if state.serial != refused.serial {
            return Ok(());
        }
        if state.kept.is_none()
            && self.port.elapsed() < state.rests_until
            && let Some(error) = &state.failed
        {
            return Err(error.clone());
        }
        let renewed = self.fetch(&mut state, ahead_ms).await;
        if renewed.is_err() {
            state.kept = None;
        }
        renewed.map(|_| ())
    }

    async fn fetch(&self, state: &mut State, ahead_ms: i64) -> Result<Lent, FetchError> {
        let fetched = self.source.fetch(self.port, self.deadline).await;
        let rests_until = self.port.elapsed() + REST;
        let Temporary { credentials, expires_ms } = match fetched {
            Ok(temporary) => temporary,
            Err(error) => {
                state.rests_until = rests_until;
                state.failed = Some(error.clone());
                return Err(error);
            }
        };
        state.serial += 1;
        if self.renews() {
            self.log.debug(format!("AWS credentials came from {}", self.source.name()));
        }
        let lent = Lent { credentials: Rc::new(credentials), serial: state.serial };
        let kept = Kept { lent: lent.clone(), expires_ms };
        // Instance metadata may go on handing out the same ones (or the host's clock is wrong): AWS
        // decides then.
        let lasts = kept.lasts(MARGIN_MS, self.port.now_ms() + ahead_ms);
        state.rests_until = if lasts { Duration::ZERO } else { rests_until };
        state.kept = Some(kept);
        Ok(lent)
    }
}
