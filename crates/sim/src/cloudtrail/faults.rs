//! What goes wrong with this endpoint, as data and armed.

use super::error::ServiceError;
use crate::fault::{Rule, Trigger, When};
use crate::random::mix;

/// What goes wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Faults of single calls.
    pub rules: Vec<Rule>,
    /// Errors by which whole requests that are signed well are refused.
    pub errors: Vec<RequestError>,
    /// Failures of single events.
    pub events: Vec<EventFault>,
    /// The events are accepted, then the connection is reset without an answer.
    pub reset_after_accept: Option<When>,
}

/// An error by which requests are refused.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestError {
    /// Its type, such as `ThrottlingException` or `InternalServerError`.
    pub kind: String,
    /// Which requests.
    pub when: When,
    /// The message; AWS's own when absent.
    pub message: Option<String>,
}

/// A failure of single events.
#[derive(Clone, Debug, PartialEq)]
pub struct EventFault {
    /// The error code; `None` leaves the event out of both lists of the answer, unaccepted.
    pub code: Option<String>,
    /// Which of the events that `ids` match.
    pub when: When,
    /// Ids, or beginnings of ids that end in `*`; all events when empty.
    pub ids: Vec<String>,
}

impl EventFault {
    fn matches(&self, id: &str) -> bool {
        self.ids.is_empty()
            || self.ids.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(beginning) => id.starts_with(beginning),
                None => wanted == id,
            })
    }
}

/// What a fault does to an event.
#[derive(Debug)]
pub(crate) enum Struck {
    /// It fails with this code.
    Failed(String),
    /// It is in neither list of the answer.
    LeftOut,
}

/// The faults with the counts of what they have seen.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    errors: Vec<(RequestError, Trigger)>,
    events: Vec<(EventFault, Trigger)>,
    reset_after_accept: Option<Trigger>,
}

impl Armed {
    pub(crate) fn new(faults: Faults, seed: u64) -> Self {
        let trigger =
            |when: &When, number: usize| Trigger::new(when.clone(), mix(seed, number as u64));
        let events = faults.events.into_iter().enumerate();
        let errors = faults.errors.into_iter().enumerate();
        Self {
            errors: errors
                .map(|(number, error)| (error.clone(), trigger(&error.when, 1000 + number)))
                .collect(),
            events: events
                .map(|(number, event)| (event.clone(), trigger(&event.when, 2000 + number)))
                .collect(),
            reset_after_accept: faults.reset_after_accept.map(|when| trigger(&when, 3000)),
        }
    }

    /// The error that strikes this request.
    pub(crate) fn error(&mut self) -> Option<ServiceError> {
        self.errors.iter_mut().find_map(|(error, trigger)| {
            trigger.strikes().then(|| match &error.message {
                Some(message) => ServiceError::new(error.kind.clone(), message),
                None => ServiceError::usual(error.kind.clone()),
            })
        })
    }

    /// The failure that strikes this event.
    pub(crate) fn event(&mut self, id: &str) -> Option<Struck> {
        let mut matching = self.events.iter_mut().filter(|(fault, _)| fault.matches(id));
        matching.find_map(|(fault, trigger)| {
            trigger.strikes().then(|| fault.code.clone().map_or(Struck::LeftOut, Struck::Failed))
        })
    }

    pub(crate) fn loses_answer(&mut self) -> bool {
        self.reset_after_accept.as_mut().is_some_and(Trigger::strikes)
    }
}
