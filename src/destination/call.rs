//! One call: signed, made, and its answer read.

use std::time::Duration;

use super::{Answer, Batch, Protocol, Sender, Stop};
use crate::aws;
use crate::aws::credentials::Lent;
use crate::log::Code;
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
    /// Makes one call, at AWS's time `now_ms`.
    pub(super) async fn call(
        &self,
        protocol: &dyn Protocol,
        batch: &Batch,
        signer: &Lent,
        now_ms: i64,
    ) -> Reply {
        let request = match request(protocol, batch, signer, now_ms) {
            Ok(request) => request,
            Err(stop) => return Reply::of(Answer::Stop(stop)),
        };
        let profile = protocol.profile();
        let is_of_destination = std::ptr::eq(profile, self.protocol.profile());
        self.calls.set(self.calls.get() + u64::from(is_of_destination));
        let began = self.port.elapsed();
        let limits = HttpLimits { first_byte: self.silence.first_byte(began), ..LIMITS };
        let answer = self.port.send(request, limits).await;
        match &answer {
            Err(error) if error.is_silence() => {
                if self.silence.goes_on(began) {
                    self.log.warn(
                        Code::DestinationSilent,
                        format!("no answer from {}: {error}", profile.name),
                    );
                }
            }
            _ => self.silence.ends(),
        }
        match answer {
            Ok(response) => {
                self.answered.set(Some(self.port.elapsed()));
                self.read(protocol, batch, &response)
            }
            Err(error) if error.may_pass() => {
                let why = format!("{} cannot be reached: {error}", profile.name);
                let reply = Reply::of(Answer::MayPass { throttled: false, why });
                Reply { error: Some(error), ..reply }
            }
            Err(error) => Reply::of(Answer::Stop(Stop::unreachable(profile, error))),
        }
    }

    fn read(&self, protocol: &dyn Protocol, batch: &Batch, response: &HttpResponse) -> Reply {
        let theirs_ms = date(response).map(|seconds| seconds.saturating_mul(1000));
        Reply {
            answer: protocol.answer(batch, response),
            asked: retry_after(response),
            ahead_ms: theirs_ms.map(|theirs_ms| theirs_ms - self.port.now_ms()),
            error: None,
        }
    }
}

fn request(
    protocol: &dyn Protocol,
    batch: &Batch,
    signer: &Lent,
    now_ms: i64,
) -> Result<HttpRequest, Stop> {
    let profile = protocol.profile();
    let mut request = protocol.request(batch, now_ms)?;
    aws::sign(&mut request, &signer.credentials, &profile.place.region, profile.service, now_ms)
        .map_err(|error| Stop::Unsendable(error.to_string()))?;
    Ok(request)
}
