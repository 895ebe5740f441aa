//! One call: signed, made, and its answer read.

use std::time::Duration;

use super::{Answer, Batch, Sender, Stop};
use crate::aws;
use crate::aws::credentials::Lent;
use crate::log::Level;
use crate::ports::{
    Clock, Files, Http, HttpError, HttpLimits, HttpRequest, HttpResponse, Log, Random,
};
use crate::retry::FIRST_BYTE;
use crate::wire::{date, retry_after};

const LIMITS: HttpLimits = HttpLimits {
    connect: Duration::from_secs(5),
    first_byte: FIRST_BYTE,
    between_bytes: Duration::from_secs(30),
    max_body: 4 << 20,
    keep_ends: 0,
};

/// The result of a call.
pub(super) struct Reply {
    pub answer: Answer,
    /// The wait that the destination asks for.
    pub asked: Option<Duration>,
    /// How far its clock is ahead of the one that signed, where it tells.
    pub ahead_ms: Option<i64>,
    pub error: Option<HttpError>,
}

impl Reply {
    fn of(answer: Answer) -> Self {
        Self { answer, asked: None, ahead_ms: None, error: None }
    }
}

impl<P: Http + Clock + Random + Files + Log> Sender<'_, P> {
    /// Makes one call.
    pub(super) async fn call(&self, batch: &Batch, signer: &Lent) -> Reply {
        let request = match self.request(batch, signer) {
            Ok(request) => request,
            Err(stop) => return Reply::of(Answer::Stop(stop)),
        };
        self.calls.set(self.calls.get() + 1);
        let began = self.port.elapsed();
        let limits = HttpLimits { first_byte: self.silence.first_byte(began), ..LIMITS };
        let answer = self.port.send(request, limits).await;
        match &answer {
            Err(error) if error.is_silence() => {
                if self.silence.goes_on(began) {
                    let name = self.protocol.profile().name;
                    self.log.log(Level::Warn, format!("no answer from {name}: {error}"));
                }
            }
            _ => self.silence.ends(),
        }
        match answer {
            Ok(response) => {
                self.answered.set(Some(self.port.elapsed()));
                self.read(batch, &response)
            }
            Err(error) if error.may_pass() => {
                let name = self.protocol.profile().name;
                let why = format!("{name} cannot be reached: {error}");
                let reply = Reply::of(Answer::MayPass { throttled: false, why });
                Reply { error: Some(error), ..reply }
            }
            Err(error) => {
                Reply::of(Answer::Stop(Stop::unreachable(self.protocol.profile(), error)))
            }
        }
    }

    fn read(&self, batch: &Batch, response: &HttpResponse) -> Reply {
        let theirs_ms = date(response).map(|seconds| seconds.saturating_mul(1000));
        Reply {
            answer: self.protocol.answer(batch, response),
            asked: retry_after(response),
            ahead_ms: theirs_ms.map(|theirs_ms| theirs_ms - self.port.now_ms()),
            error: None,
        }
    }

    fn request(&self, batch: &Batch, signer: &Lent) -> Result<HttpRequest, Stop> {
        let profile = self.protocol.profile();
        let now_ms = self.port.now_ms() + self.clock_ahead_ms.get();
        let mut request = self.protocol.request(batch, now_ms)?;
        aws::sign(
            &mut request,
            &signer.credentials,
            &profile.place.region,
            profile.service,
            now_ms,
        )
        .map_err(|error| Stop::Unsendable(error.to_string()))?;
        Ok(request)
    }
}
