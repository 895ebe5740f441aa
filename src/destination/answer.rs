//! What answers mean for a batch and for each event, in terms that all destinations share.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::Profile;
use crate::aws::credentials::FetchError;
use crate::ports::HttpError;
use crate::wire::tls_remedy;
use crate::words::Told;

/// Why the whole run stops: nothing else would fare better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The destination refuses what is configured.
    Refused {
        /// The destination's name.
        name: &'static str,
        /// AWS's error code, or the status where there was none.
        code: String,
        /// AWS's words.
        message: String,
        /// What to do.
        remedy: Cow<'static, str>,
    },
    /// There are no credentials to sign with.
    Credentials(FetchError),
    /// No answer, in spite of all tries.
    Unreachable {
        /// The destination's name.
        name: &'static str,
        /// The variable that overrides its endpoint.
        variable: &'static str,
        /// What to do.
        remedy: &'static str,
        /// Why.
        error: HttpError,
    },
    /// The credentials are of another account than the one that is meant, or nobody says of which.
    Account(Told),
    /// The request could not be made.
    Unsendable(String),
}

impl Stop {
    /// Two names in turn, made a moment ago, are taken.
    pub fn taken(profile: &Profile) -> Self {
        Self::Refused {
            name: profile.name,
            code: "PreconditionFailed".to_owned(),
            message: "two names in a row, each made a moment ago, are said to be taken, and nothing counts as sent"
                .to_owned(),
            remedy: format!(
                "check {}: a proxy on the way, or what is there in place of {}, may answer 412 to everything; if it does \
                 not, find out who else may put objects below bucket_prefix",
                profile.endpoint_variable, profile.name
            )
            .into(),
        }
    }

    /// The destination of that profile cannot be reached.
    pub fn unreachable(profile: &Profile, error: HttpError) -> Self {
        Self::Unreachable {
            name: profile.name,
            variable: profile.endpoint_variable,
            remedy: profile.unreachable,
            error,
        }
    }
}

impl Stop {
    /// In words.
    pub fn told(&self) -> Told {
        match self {
            Self::Refused { name, code, message, remedy } => {
                let words =
                    if message.is_empty() { String::new() } else { format!(" ({message})") };
                Told::new(format!("{name} answered {code}{words}"), remedy.clone())
            }
            Self::Unreachable { name, variable, remedy, error } => {
                let cause = format!("{name} cannot be reached: {error}");
                match (tls_remedy(error, variable), error) {
                    (_, HttpError::TooLarge(_)) => Told::new(
                        format!("the answer of {name} is larger than this version reads"),
                        format!("check {variable}; a proxy on the way may answer instead of AWS"),
                    ),
                    (Some(remedy), _) => Told::new(cause, remedy.to_string()),
                    (None, HttpError::Denied) => Told::new(
                        cause,
                        format!("check {variable}, allow_outbound and kong_admin_api"),
                    ),
                    (None, _) => Told::new(cause, *remedy),
                }
            }
            Self::Credentials(error) => error.told(),
            Self::Account(told) => told.clone(),
            Self::Unsendable(why) => Told::from(why.clone()),
        }
    }

    /// A refused signature where the answer did not tell AWS's time: the clock may be at fault too.
    pub(crate) fn or_the_clock(self) -> Self {
        match self {
            Self::Refused { name, code, message, .. } => {
                Self::Refused { name, code, message, remedy: SIGNATURE_OR_CLOCK.into() }
            }
            stop => stop,
        }
    }
}

const SIGNATURE_OR_CLOCK: &str = "check this machine's clock (date -u): five minutes off are too much; if the clock is right, \
     aws_secret_access_key (or aws_session_token) does not belong to aws_access_key_id";

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

/// What became of an event that the destination did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// No call got an answer for it; another run tries again.
    Pending(String),
    /// Its own code says that it may be accepted later; another run tries again.
    Failing(String),
    /// It is refused for good, as it stands.
    Refused(String),
}

impl Undelivered {
    /// The destination asked for a wait that the run has no time for.
    pub(super) fn asks_to_wait(&mut self, asked: Duration) {
        let (Self::Pending(why) | Self::Failing(why) | Self::Refused(why)) = self;
        let secs = asked.as_secs();
        let _ = write!(why, ", and asks for a wait of {secs} s, which is longer than this run has");
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending(why) | Self::Failing(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

/// What one answer means.
#[derive(Debug)]
pub enum Answer {
    /// An outcome for each event, by its place in the batch.
    Outcomes(Vec<Outcome>),
    /// The same request may succeed later.
    MayPass {
        /// It came too soon after others.
        throttled: bool,
        /// What the answer says.
        why: String,
    },
    /// The same events in smaller requests may succeed.
    Split(String),
    /// There is something under the batch's name already, and it is none of ours.
    Taken,
    /// The signature is refused, for a wrong secret or for a wrong clock.
    Signature(Stop),
    /// The credentials have run out: with others the same request may succeed.
    Expired(Stop),
    /// No request will succeed until somebody mends what is configured.
    Stop(Stop),
}

/// What became of one event in a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has it.
    Accepted,
    /// It may be accepted when it is sent again.
    MayPass(String),
    /// It never will be, as it stands.
    Refused(String),
    /// The answer does not say.
    Unmentioned,
    /// Its timestamp is refused: it goes out once more, with the present one.
    Mistimed {
        /// What the answer says.
        why: String,
        /// False where the answer may also be read as that the event was accepted.
        is_certain: bool,
    },
    /// No event will be accepted until somebody mends what is configured.
    Stop(Stop),
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: fn() -> Profile = || Profile {
        name: "CloudTrail",
        endpoint_variable: "cloudtrail_endpoint",
        unreachable: "an interface endpoint",
        ..Profile::default()
    };

    #[test]
    fn what_stops_a_run_or_an_event_is_told_in_words() {
        let stop = |error| Stop::unreachable(&PROFILE(), error).to_string();
        let reset = stop(HttpError::Connection("reset".to_owned()));
        assert!(reset.starts_with("CloudTrail cannot be reached: "), "{reset}");
        assert!(reset.ends_with("an interface endpoint"), "{reset}");
        assert!(stop(HttpError::Tls("bad".to_owned())).contains("cloudtrail_endpoint"));
        assert_eq!(Stop::Unsendable("why".to_owned()).to_string(), "why");
        let refused = |message: &str| {
            let (code, message) = ("C".to_owned(), message.to_owned());
            Stop::Refused { name: "CloudTrail", code, message, remedy: "do it".into() }.to_string()
        };
        assert_eq!(refused("m"), "CloudTrail answered C (m): do it");
        assert_eq!(refused(""), "CloudTrail answered C: do it");
        assert_eq!(Undelivered::Failing("why".to_owned()).to_string(), "why");
    }
}
