//! Sends batches: signs, paces, tries again, and says what became of each event.

use std::cell::Cell;
use std::time::Duration;

use futures::lock::Mutex;

use super::call::Reply;
use super::{Answer, Batch, Item, Outcome, Protocol, Sent, Stop, Undelivered, place};
use crate::aws::credentials::{Keeper, Lent, Source};
use crate::log::{Code, Logger};
use crate::ports::{Clock, Files, Http, HttpError, Log, Random};
use crate::retry::{self, Passing, Retry, Silence};

/// A clock that is further off is corrected: AWS refuses signatures from five minutes on.
const CLOCK_OFF_MS: i64 = 4 * 60 * 1000;

/// How fast batches may go out.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Most calls under way at once.
    pub max_in_flight: usize,
    /// Most calls a second.
    pub max_calls_per_sec: u32,
}

/// A destination, as one run sends to it.
pub struct Sender<'a, P> {
    pub(super) port: &'a P,
    pub(super) log: Logger<'a, P>,
    pub(super) protocol: &'a dyn Protocol,
    pub(super) credentials: Keeper<'a, P>,
    pace: Pace,
    deadline: Duration,
    /// Earliest time of the next call, on the clock that never goes back.
    next_call: Cell<Duration>,
    concurrency: Cell<usize>,
    pub(super) clock_ahead_ms: Cell<i64>,
    pub(super) calls: Cell<u64>,
    retries: Cell<u64>,
    doubtful: Cell<u64>,
    /// The name before the next one was taken, by somebody else.
    was_taken: Cell<bool>,
    /// When an endpoint last answered anything, on the clock that never goes back.
    pub(super) answered: Cell<Option<Duration>>,
    pub(super) silence: Silence,
    /// The protocol's gate has let this run through.
    pub(super) admitted: Mutex<bool>,
}

/// A batch between its tries.
struct Tried<'p> {
    protocol: &'p dyn Protocol,
    batch: Batch,
    retry: Retry,
    begun: Duration,
    /// Its credentials were renewed.
    renewed: bool,
}

/// How a batch goes on.
enum Next {
    /// All of it is decided.
    Done,
    /// Its halves are to be sent in its place.
    Halves([Batch; 2]),
    /// Something was put right: it goes out again at once.
    AtOnce,
    /// It goes out again after a wait, if there are tries left. If not, each event is undelivered for its
    /// reason in `left`.
    Later { left: Vec<Undelivered>, asked: Option<Duration>, error: Option<HttpError> },
}

impl<'a, P: Http + Clock + Random + Files + Log> Sender<'a, P> {
    /// A sender whose tries end at `deadline` on the clock that never goes back.
    pub fn new(
        log: Logger<'a, P>,
        protocol: &'a dyn Protocol,
        source: &'a Source,
        pace: Pace,
        deadline: Duration,
    ) -> Self {
        let most = protocol.profile().limits.at_once.unwrap_or(pace.max_in_flight);
        let pace = Pace { max_in_flight: pace.max_in_flight.min(most), ..pace };
        Self {
            port: log.port(),
            log,
            silence: Silence::default(),
            protocol,
            credentials: Keeper::new(log, source, deadline),
            pace,
            deadline,
            next_call: Cell::default(),
            concurrency: Cell::new(pace.max_in_flight),
            clock_ahead_ms: Cell::new(0),
            calls: Cell::new(0),
            retries: Cell::new(0),
            doubtful: Cell::new(0),
            was_taken: Cell::new(false),
            answered: Cell::new(None),
            admitted: Mutex::new(false),
        }
    }

    /// The destination.
    pub fn protocol(&self) -> &'a dyn Protocol {
        self.protocol
    }

    /// Gives a batch a new name, where the destination keeps any.
    pub(crate) fn name(&self, batch: &mut Batch) {
        if self.protocol.profile().names.is_none() {
            return;
        }
        let random = u128::from(self.port.u64()) << 64 | u128::from(self.port.u64());
        let now_ms = self.port.now_ms() + self.clock_ahead_ms.get();
        batch.name = self.protocol.name(batch, now_ms, random);
        batch.is_untried = true;
    }

    /// Calls made so far, tries included.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Those of them that repeated a failed one.
    pub fn retries(&self) -> u64 {
        self.retries.get()
    }

    /// Events that the destination may have taken without saying so: their bytes may have arrived, and the
    /// answer was lost or did not mention them.
    pub(crate) fn doubtful(&self) -> u64 {
        self.doubtful.get()
    }

    /// Whether the time of the run is used up.
    pub(crate) fn out_of_time(&self) -> bool {
        self.port.elapsed() >= self.deadline
    }

    /// How many batches may be under way at most.
    pub fn max_in_flight(&self) -> usize {
        self.pace.max_in_flight
    }

    /// How many batches may be under way now: throttling halves it, success raises it by one.
    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency.get()
    }

    /// Sends a batch until each of its events is accepted, refused, or out of tries. `may_call` is
    /// asked before each call, and ends the tries when it says no.
    pub async fn send(&self, batch: Batch, may_call: impl Fn() -> bool) -> Sent {
        let name = batch.name.clone();
        let stop = self.pass_gate(&may_call).await.err();
        let mut sent = Sent { stop, name, ..Sent::default() };
        if sent.stop.is_some() && !may_call() {
            // It is not the gate's fault: who holds the lease says why it is lost.
            sent.give_up(batch, LEASE_LOST);
            return Sent { stop: None, ..sent };
        }
        let mut batches = vec![batch];
        while let Some(batch) = batches.pop() {
            if let Some(stop) = &sent.stop {
                let why = stop.to_string();
                sent.give_up(batch, &why);
            } else {
                let halves = self.send_one(self.protocol, batch, &may_call, &mut sent).await;
                batches.extend(halves.into_iter().flatten());
            }
        }
        sent
    }

    /// Sends one batch; gives its two halves when it is to be split.
    pub(super) async fn send_one(
        &self,
        protocol: &dyn Protocol,
        batch: Batch,
        may_call: &impl Fn() -> bool,
        sent: &mut Sent,
    ) -> Option<[Batch; 2]> {
        let mut tried = Tried {
            protocol,
            batch,
            retry: Retry::new(retry::DESTINATION, self.deadline),
            begun: self.port.elapsed(),
            renewed: false,
        };
        loop {
            let signer = match self.credentials.lend(self.clock_ahead_ms.get()).await {
                Ok(signer) => signer,
                Err(error) => {
                    sent.stop(tried.batch, Stop::Credentials(error));
                    return None;
                }
            };
            self.wait_for_turn().await;
            if !may_call() {
                sent.give_up(tried.batch, LEASE_LOST);
                return None;
            }
            let signed_ahead_ms = self.clock_ahead_ms.get();
            let now_ms = self.port.now_ms() + signed_ahead_ms;
            sent.left.extend(protocol.arrange(&mut tried.batch, now_ms));
            let reply = self.call(protocol, &tried.batch, &signer, now_ms).await;
            match self.react(&mut tried, reply, (&signer, signed_ahead_ms), sent).await {
                Next::Done => return None,
                Next::Halves(halves) => return Some(halves),
                Next::AtOnce => {}
                Next::Later { mut left, asked, error } => {
                    let passing = Passing::of(error.as_ref(), asked);
                    if let Some(asked) = asked.filter(|_| tried.retry.is_too_long(self.port, asked))
                    {
                        for why in &mut left {
                            why.asks_to_wait(asked);
                        }
                    }
                    let over = self.silence.is_over(self.port.elapsed());
                    if over || !tried.retry.again(self.port, passing).await {
                        sent.undelivered.extend(tried.batch.items.into_iter().zip(left));
                        // If another batch got an answer meanwhile, the destination can be reached.
                        let answered = self.answered.get().is_some_and(|last| last >= tried.begun);
                        let error = error.filter(|_| !answered);
                        sent.stop = error.map(|error| Stop::unreachable(protocol.profile(), error));
                        return None;
                    }
                }
            }
            self.retries.set(self.retries.get() + 1);
        }
    }

    /// Moves to `sent` what a reply decides, and says how the rest goes on.
    async fn react(
        &self,
        tried: &mut Tried<'_>,
        reply: Reply,
        (signer, signed_ahead_ms): (&Lent, i64),
        sent: &mut Sent,
    ) -> Next {
        let Reply { answer, asked, ahead_ms, error } = reply;
        match answer {
            Answer::Outcomes(outcomes) => self.take_outcomes(tried, outcomes, sent),
            Answer::MayPass { throttled, why } => {
                let may_have_arrived = error.as_ref().is_none_or(HttpError::may_have_arrived);
                tried.batch.is_untried &= !may_have_arrived;
                if throttled {
                    self.concurrency.set((self.concurrency.get() / 2).max(1));
                } else if !tried.batch.name.is_empty() {
                    sent.may_have_arrived |= may_have_arrived;
                } else if may_have_arrived {
                    tried.batch.items.iter_mut().for_each(|item| self.doubt(item));
                }
                let left = vec![Undelivered::Pending(why); tried.batch.items.len()];
                Next::Later { left, asked, error }
            }
            Answer::Split(why) => {
                let mut batch = std::mem::take(&mut tried.batch);
                if batch.items.len() > 1 {
                    let second = batch.items.split_off(batch.items.len() / 2);
                    return Next::Halves([Batch::of(second), batch]);
                }
                let refused = Undelivered::Refused(why);
                sent.undelivered
                    .extend(batch.items.into_iter().map(|item| (item, refused.clone())));
                Next::Done
            }
            Answer::Taken => self.take_another_name(std::mem::take(&mut tried.batch), sent),
            Answer::Signature(why) => match ahead_ms {
                Some(ahead_ms) if ahead_ms.abs() > CLOCK_OFF_MS && signed_ahead_ms == 0 => {
                    self.clock_ahead_ms.set(ahead_ms);
                    Next::AtOnce
                }
                Some(_) => stop(tried, why, sent),
                None => stop(tried, why.or_the_clock(), sent),
            },
            Answer::Expired(_) if self.credentials.renews() && !tried.renewed => {
                tried.renewed = true;
                match self.credentials.renew(signer, signed_ahead_ms).await {
                    Ok(()) => Next::AtOnce,
                    Err(error) => stop(tried, Stop::Credentials(error), sent),
                }
            }
            Answer::Expired(why) | Answer::Stop(why) => stop(tried, why, sent),
        }
    }

    /// A name that was made a moment ago is taken. Of two in a row neither is likely to be: then nothing else is sent.
    fn take_another_name(&self, batch: Batch, sent: &mut Sent) -> Next {
        let profile = self.protocol.profile();
        sent.is_taken = true;
        self.log.warn(
            Code::NameTaken,
            format!(
                "{} has an object already of the name {}-…, which was made a moment ago: somebody else has put it there, or a \
                 proxy sent the call twice; what was to be in it is sent under another name",
                profile.name,
                place(&batch.name)
            ),
        );
        if self.was_taken.replace(true) {
            sent.stop(batch, Stop::taken(profile));
        } else {
            sent.left.push(Batch { name: String::new(), ..batch });
        }
        Next::Done
    }

    /// Moves the decided events to `sent`; those to be sent again stay. Where some were decided, the rest has
    /// all its tries again.
    fn take_outcomes(
        &self,
        tried: &mut Tried<'_>,
        outcomes: Vec<Outcome>,
        sent: &mut Sent,
    ) -> Next {
        self.concurrency.set((self.concurrency.get() + 1).min(self.pace.max_in_flight));
        self.was_taken.set(false);
        let events = tried.batch.items.len();
        let mut left = Vec::new();
        // Where an answer has fewer outcomes than there were events, the others are in doubt.
        let outcomes = outcomes.into_iter().chain(std::iter::repeat_with(|| Outcome::Unmentioned));
        for (mut item, outcome) in std::mem::take(&mut tried.batch.items).into_iter().zip(outcomes)
        {
            left.push(match outcome {
                Outcome::Accepted => {
                    sent.accepted.push(item);
                    continue;
                }
                Outcome::Refused(why) => {
                    sent.undelivered.push((item, Undelivered::Refused(why)));
                    continue;
                }
                Outcome::Stop(stop) => {
                    let why = stop.to_string();
                    sent.stop.get_or_insert(stop);
                    Undelivered::Pending(why)
                }
                Outcome::MayPass(why) => Undelivered::Failing(why),
                Outcome::Mistimed { why, is_certain: true } if item.retimed => {
                    sent.undelivered.push((item, Undelivered::Refused(why)));
                    continue;
                }
                Outcome::Mistimed { why, is_certain } => {
                    if !is_certain {
                        self.doubt(&mut item);
                    }
                    let again = std::mem::replace(&mut item.retimed, true);
                    if again { Undelivered::Failing(why) } else { Undelivered::Pending(why) }
                }
                Outcome::Unmentioned => {
                    self.doubt(&mut item);
                    let name = tried.protocol.profile().name;
                    Undelivered::Pending(format!("{name}'s answer does not mention the event"))
                }
            });
            tried.batch.items.push(item);
        }
        if let Some(stop) = &sent.stop {
            let why = stop.to_string();
            sent.give_up(std::mem::take(&mut tried.batch), &why);
        }
        if tried.batch.items.is_empty() {
            return Next::Done;
        }
        if left.len() < events {
            tried.retry.got_through();
        }
        Next::Later { left, asked: None, error: None }
    }

    /// The destination may have taken the event without saying so.
    pub(crate) fn doubt(&self, item: &mut Item) {
        let first = !std::mem::replace(&mut item.doubtful, true);
        self.doubtful.set(self.doubtful.get() + u64::from(first));
    }

    /// Waits for this call's turn: at most `max_calls_per_sec`.
    async fn wait_for_turn(&self) {
        let now = self.port.elapsed();
        let turn = self.next_call.get().max(now);
        self.next_call.set(turn + Duration::from_secs(1) / self.pace.max_calls_per_sec);
        let wait = turn.saturating_sub(now);
        if !wait.is_zero() {
            self.port.sleep(wait).await;
        }
    }
}

/// Nothing else is to be sent.
fn stop(tried: &mut Tried<'_>, why: Stop, sent: &mut Sent) -> Next {
    sent.stop(std::mem::take(&mut tried.batch), why);
    Next::Done
}

const LEASE_LOST: &str = "the lease is not certain any more";
