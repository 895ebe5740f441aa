//! When a call that failed is made again: one policy for Kong, for destinations and for sources of
//! credentials. The caller says whether a failure *may pass*. This module says how often a call is tried, and
//! how long the wait between two tries is.
//!
//! The wait is drawn between nothing and a ceiling that doubles with each try (full jitter, as AWS
//! advises), and is at least what the server asked for. A try that would begin after the run's time is
//! not waited for.

use std::cell::Cell;
use std::time::Duration;

use crate::ports::{Clock, HttpError, Random};

/// How often a call to Kong is tried.
pub const KONG: u32 = 5;
/// How often a batch is sent to a destination. The run has nothing better to do with its time.
pub const DESTINATION: u32 = 8;
/// How often a source of credentials is asked, as AWS's SDKs have it.
pub const CREDENTIALS: u32 = 3;
/// How often a call is tried whose TLS handshake fails. A connection that broke off may pass, a certificate
/// that is refused does not, and the host does not say which of them it was.
pub const HANDSHAKES: u32 = 2;
/// How often a call is tried that a time-out ends. What hangs for a minute seldom answers in the next one.
pub const SILENCES: u32 = 2;

/// Longest time until the first byte of an answer of Kong's or a destination's: two of them, and the wait in
/// between, pass within two minutes.
pub const FIRST_BYTE: Duration = Duration::from_secs(55);
/// How long a server may be silent in all, over all calls of a run. [`FIRST_BYTE`] is cut to it.
const SILENT: Duration = Duration::from_secs(115);
/// A call's time-out when a server has been silent for longer.
const LEAST: Duration = Duration::from_secs(4);

/// Half of the ceiling before the second try.
const BASE: Duration = Duration::from_millis(200);
/// The highest ceiling.
const LONGEST: Duration = Duration::from_secs(20);

/// Whether a status says that the same call may succeed when it is made again.
pub fn status_may_pass(status: u16) -> bool {
    status == 429 || status >= 500
}

/// A failure that may pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passing {
    /// The wait that the server asked for.
    pub asked: Option<Duration>,
    /// It was in a TLS handshake.
    pub handshake: bool,
    /// A time-out passed.
    pub silence: bool,
}

impl Passing {
    /// Of a call that ended with this error, if with any, or with an answer that asked for that wait.
    pub fn of(error: Option<&HttpError>, asked: Option<Duration>) -> Self {
        Self {
            asked,
            handshake: matches!(error, Some(HttpError::Tls(_))),
            silence: matches!(error, Some(HttpError::Timeout(_))),
        }
    }
}

/// Since when a server has let time-outs pass, over all calls of a run.
#[derive(Debug, Default)]
pub struct Silence {
    since: Cell<Option<Duration>>,
    was_told: Cell<bool>,
}

impl Silence {
    /// The time-out of a call that begins now.
    pub fn first_byte(&self, now: Duration) -> Duration {
        let left = self.since.get().map_or(SILENT, |since| (since + SILENT).saturating_sub(now));
        left.clamp(LEAST, FIRST_BYTE)
    }

    /// Whether the server has been silent for so long that no call is made again.
    pub fn is_over(&self, now: Duration) -> bool {
        self.since.get().is_some_and(|since| now >= since + SILENT.saturating_sub(LEAST))
    }

    /// The server answered.
    pub fn ends(&self) {
        self.since.set(None);
    }

    /// A time-out ended a call that began then. Returns whether it is the first of the run.
    pub fn goes_on(&self, began: Duration) -> bool {
        self.since.set(self.since.get().or(Some(began)));
        !self.was_told.replace(true)
    }
}

/// The tries of one call.
pub struct Retry {
    tries: u32,
    most: u32,
    handshakes: u32,
    silences: u32,
    deadline: Duration,
}

impl Retry {
    /// At most `most` tries, none of them begun after `deadline` on the clock that never goes back.
    pub fn new(most: u32, deadline: Duration) -> Self {
        Self { tries: 1, most, handshakes: 0, silences: 0, deadline }
    }

    /// Some of it got through: the rest has all tries again.
    pub fn got_through(&mut self) {
        (self.tries, self.silences) = (1, 0);
    }

    /// Whether the wait that a server asked for is longer than what is left.
    pub fn is_too_long(&self, port: &impl Clock, asked: Option<Duration>) -> bool {
        asked.is_some_and(|asked| port.elapsed().saturating_add(asked) >= self.deadline)
    }

    /// Waits and returns true when there is another try; false when the tries or the time are used up.
    pub async fn again(&mut self, port: &(impl Clock + Random), passing: Passing) -> bool {
        let Passing { asked, handshake, silence } = passing;
        self.handshakes += u32::from(handshake);
        self.silences += u32::from(silence);
        if self.handshakes >= HANDSHAKES || self.silences >= SILENCES || self.tries >= self.most {
            return false;
        }
        let ceiling = BASE.saturating_mul(1 << self.tries.min(10)).min(LONGEST);
        let ceiling_ms = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        let jittered = Duration::from_millis(port.u64() % (ceiling_ms + 1));
        let wait = jittered.max(asked.unwrap_or_default());
        if port.elapsed().saturating_add(wait) >= self.deadline {
            return false;
        }
        self.tries += 1;
        port.sleep(wait).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{InMemory, Seeded};

    const LATE: Duration = Duration::from_hours(1);
    const PASSING: Passing = Passing { asked: None, handshake: false, silence: false };

    fn port(seed: u64) -> InMemory<'static> {
        let mut port = InMemory::at(0, |_| unreachable!("nothing is sent"));
        port.random = Seeded::new(seed);
        port
    }

    /// By the clock, how long was waited before each try that there was.
    fn waits(seed: u64, retry: &mut Retry, passing: Passing) -> Vec<Duration> {
        let port = port(seed);
        let mut waits = Vec::new();
        loop {
            let before = port.elapsed();
            if !port.clock.run(retry.again(&port, passing)) {
                assert_eq!(port.elapsed(), before, "no wait without a try");
                return waits;
            }
            waits.push(port.elapsed().saturating_sub(before));
        }
    }

    #[test]
    fn waits_are_drawn_below_a_ceiling_that_doubles_up_to_twenty_seconds() {
        let drawn: Vec<_> =
            (0..200).map(|seed| waits(seed, &mut Retry::new(10, LATE), PASSING)).collect();
        let ceilings = [400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000, 20_000];
        for (number, ceiling) in ceilings.map(Duration::from_millis).into_iter().enumerate() {
            let of_try = || drawn.iter().map(|waits| waits[number]);
            let (shortest, longest) = (of_try().min(), of_try().max());
            assert!(shortest < Some(ceiling / 10), "before try {number}: {shortest:?}");
            assert!(longest > Some(ceiling / 10 * 9), "before try {number}: {longest:?}");
            assert!(longest <= Some(ceiling), "before try {number}: {longest:?}");
        }
    }

    #[test]
    fn the_ceiling_itself_may_be_drawn() {
        let first = |seed| waits(seed, &mut Retry::new(2, LATE), PASSING)[0];
        assert_eq!((0..5000).map(first).max(), Some(2 * BASE));
    }

    #[test]
    fn a_server_that_asks_for_a_wait_gets_it_and_no_shorter_one() {
        let asked = Duration::from_secs(7);
        let passing = Passing { asked: Some(asked), ..PASSING };
        let waits = waits(1, &mut Retry::new(10, LATE), passing);
        assert!(waits.iter().all(|wait| *wait >= asked), "{waits:?}");
        assert_eq!(waits[..5], [asked; 5], "longer than what is drawn");
        assert!(waits[5..].iter().any(|wait| *wait > asked), "{waits:?}");
    }

    #[test]
    fn a_call_has_so_many_tries_and_all_of_them_again_when_some_of_it_got_through() {
        let mut retry = Retry::new(4, LATE);
        assert_eq!(waits(1, &mut retry, PASSING).len(), 3);
        assert_eq!(waits(1, &mut retry, PASSING).len(), 0);
        retry.got_through();
        assert_eq!(waits(1, &mut retry, PASSING).len(), 3);
    }

    #[test]
    fn a_try_that_would_begin_after_the_deadline_is_not_waited_for() {
        let deadline = Duration::from_secs(20);
        let passing = Passing { asked: Some(Duration::from_secs(7)), ..PASSING };
        assert_eq!(waits(1, &mut Retry::new(10, deadline), passing).len(), 2, "at 7 s and 14 s");
    }

    #[test]
    fn the_second_handshake_that_fails_is_the_last_and_other_failures_do_not_count_as_one() {
        let port = port(1);
        let mut retry = Retry::new(10, LATE);
        let failed = Passing::of(Some(&HttpError::Tls("broke off".to_owned())), None);
        let tries = [PASSING, failed, PASSING, failed]
            .map(|passing| port.clock.run(retry.again(&port, passing)));
        assert_eq!(tries, [true, true, true, false]);
        retry.got_through();
        assert!(!port.clock.run(retry.again(&port, PASSING)), "nor is there another one later");
    }

    #[test]
    fn the_second_time_out_is_the_last_unless_some_of_the_call_got_through_in_between() {
        let port = port(1);
        let hung = Passing::of(Some(&HttpError::Timeout("no answer".to_owned())), None);
        let mut retry = Retry::new(10, LATE);
        let again = |retry: &mut Retry, passing| port.clock.run(retry.again(&port, passing));
        assert!(again(&mut retry, hung) && again(&mut retry, PASSING));
        retry.got_through();
        assert!(again(&mut retry, hung) && again(&mut retry, PASSING));
        assert!(!again(&mut retry, hung));
    }

    #[test]
    fn a_server_may_be_silent_for_less_than_two_minutes_in_all() {
        let at = Duration::from_secs;
        let silence = Silence::default();
        assert_eq!(silence.first_byte(at(100)), FIRST_BYTE);
        assert!(silence.goes_on(at(100)), "the first one");
        assert_eq!((silence.first_byte(at(155)), silence.is_over(at(155))), (FIRST_BYTE, false));
        assert!(!silence.goes_on(at(155)));
        assert_eq!((silence.first_byte(at(205)), silence.is_over(at(205))), (at(10), false));
        assert_eq!((silence.first_byte(at(900)), silence.is_over(at(211))), (LEAST, true));
        silence.ends();
        assert_eq!((silence.first_byte(at(900)), silence.is_over(at(900))), (FIRST_BYTE, false));
        assert!(!silence.goes_on(at(900)), "told once a run");
    }
}
