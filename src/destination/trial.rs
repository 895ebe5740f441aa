//! Tries whether a destination would take events, by one that it must refuse for its content.

use super::{Answer, Batch, Outcome, Profile, Protocol, Stop};
use crate::ports::{HttpRequest, HttpResponse};
use crate::terms::Event;

/// A destination that is tried: what it refuses for its content is refused for good, and so the right to put
/// events is there.
#[derive(Debug)]
pub struct Trial<'d>(pub &'d dyn Protocol);

impl Trial<'_> {
    /// The event: of 15 days ago, and without all that an event must have.
    pub fn event(now_ms: i64) -> Event {
        const AGE_SECS: i64 = 15 * 24 * 3600;
        let time = now_ms.div_euclid(1000) - AGE_SECS;
        Event { id: "kong-cloudtrail-check".to_owned(), time, data: "{}".to_owned() }
    }
}

impl Protocol for Trial<'_> {
    fn profile(&self) -> &Profile {
        self.0.profile()
    }

    fn size(&self, event: &Event) -> usize {
        self.0.size(event)
    }

    fn request(&self, batch: &Batch, _: i64) -> Result<HttpRequest, Stop> {
        self.0.trial(batch)
    }

    fn trial(&self, batch: &Batch) -> Result<HttpRequest, Stop> {
        self.0.trial(batch)
    }

    fn answer(&self, batch: &Batch, response: &HttpResponse) -> Answer {
        match self.0.answer(batch, response) {
            Answer::Outcomes(outcomes) => Answer::Outcomes(
                outcomes
                    .into_iter()
                    .map(|outcome| match outcome {
                        Outcome::Mistimed { why, .. } => Outcome::Refused(why),
                        outcome => outcome,
                    })
                    .collect(),
            ),
            // That says nothing of the right to put events.
            Answer::Split(why) => Answer::MayPass { throttled: false, why },
            answer => answer,
        }
    }
}
