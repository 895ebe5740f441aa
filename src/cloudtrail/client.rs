//! Sends batches: signs, paces, tries again, and says what became of each event.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use super::batch::{Batch, Item};
use super::outcome::{Answer, EventOutcome, Stop, Undelivered};
use crate::aws;
use crate::aws::credentials::{Keeper, Lent};
use crate::config::Config;
use crate::ports::{
    Clock, Files, Http, HttpError, HttpLimits, HttpRequest, HttpResponse, Log, Random,
};
use crate::retry::Retry;
use crate::wire::{HANDSHAKES, query_value};

const SERVICE: &str = "cloudtrail-data";
const TRIES: u32 = 8;
const LIMITS: HttpLimits = HttpLimits {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_mins(1),
    between_bytes: Duration::from_secs(30),
    max_body: 4 << 20,
    keep_ends: 0,
};

/// The channel's endpoint, as one run talks to it.
pub struct CloudTrail<'a, P> {
    port: &'a P,
    config: &'a Config,
    credentials: Keeper<'a, P>,
    deadline: Duration,
    url: String,
    /// Earliest time of the next call, on the clock that never goes back.
    next_call: Cell<Duration>,
    concurrency: Cell<usize>,
    clock_ahead_ms: Cell<i64>,
    calls: Cell<u64>,
    retries: Cell<u64>,
    doubtful: Cell<u64>,
    /// When the endpoint last answered anything, on the clock that never goes back.
    answered: Cell<Option<Duration>>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Sent {
    /// Events that CloudTrail has.
    pub accepted: Vec<Item>,
    /// The others, each with the reason.
    pub undelivered: Vec<(Item, Undelivered)>,
    /// Why nothing else is to be sent.
    pub stop: Option<Stop>,
}

impl<'a, P: Http + Clock + Random + Files + Log> CloudTrail<'a, P> {
    /// A client whose tries end at `deadline` on the clock that never goes back.
    pub fn new(port: &'a P, config: &'a Config, deadline: Duration) -> Self {
        let mut url = format!(
            "{}/PutAuditEvents?channelArn={}",
            config.cloudtrail_endpoint,
            query_value(&config.channel.arn)
        );
        if let Some(external_id) = &config.external_id {
            url = format!("{url}&externalId={}", query_value(external_id));
        }
        Self {
            port,
            config,
            credentials: Keeper::new(port, config, deadline),
            deadline,
            url,
            next_call: Cell::default(),
            concurrency: Cell::new(config.max_in_flight),
            clock_ahead_ms: Cell::new(0),
            calls: Cell::new(0),
            retries: Cell::new(0),
            doubtful: Cell::new(0),
            answered: Cell::new(None),
        }
    }

    /// Calls made so far, tries included.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Those of them that repeated a failed one.
    pub fn retries(&self) -> u64 {
        self.retries.get()
    }

    /// Events that CloudTrail may have taken without saying so: their bytes may have arrived, and the answer
    /// was lost or did not mention them.
    pub fn doubtful(&self) -> u64 {
        self.doubtful.get()
    }

    /// Whether the time of the run is used up.
    pub fn out_of_time(&self) -> bool {
        self.port.elapsed() >= self.deadline
    }

    /// How many batches may be under way now: throttling halves it, success raises it by one.
    pub fn concurrency(&self) -> usize {
        self.concurrency.get()
    }

    /// Sends a batch until each of its events is accepted, refused, or out of tries. `may_call` is
    /// asked before each call, and ends the tries when it says no.
    pub async fn send(&self, batch: Batch, may_call: impl Fn() -> bool) -> Sent {
        let mut sent = Sent::default();
        let mut batches = vec![batch];
        while let Some(batch) = batches.pop() {
            if let Some(stop) = &sent.stop {
                let why = Undelivered::Pending(stop.to_string());
                sent.undelivered.extend(batch.items.into_iter().map(|item| (item, why.clone())));
                continue;
            }
            batches.extend(self.send_one(batch, &may_call, &mut sent).await.into_iter().flatten());
        }
        sent
    }

    /// Sends one batch; gives its two halves when it is to be split.
    async fn send_one(
        &self,
        mut batch: Batch,
        may_call: &impl Fn() -> bool,
        sent: &mut Sent,
    ) -> Option<[Batch; 2]> {
        let begun = self.port.elapsed();
        let mut retry = Retry::new(TRIES, self.deadline);
        let mut handshakes = 0;
        let mut renewed = false;
        loop {
            let signer = match self.credentials.lend(self.clock_ahead_ms.get()).await {
                Ok(signer) => signer,
                Err(error) => return stop(batch, Stop::Credentials(error), sent),
            };
            self.pace().await;
            if !may_call() {
                give_up(batch, "the lease is not certain any more", sent);
                return None;
            }
            let ahead_ms_signed = self.clock_ahead_ms.get();
            let answer = match self.request(&batch, &signer) {
                Ok(request) => Answer::of(self.call(request).await, self.port.now_ms()),
                Err(stop) => Answer::Stop(stop),
            };
            let (asked, left, unreachable) = match answer {
                Answer::PerEvent(outcomes) => {
                    self.concurrency
                        .set((self.concurrency.get() + 1).min(self.config.max_in_flight));
                    let items = batch.items.len();
                    let left = self.take_outcomes(&mut batch, outcomes, sent);
                    if let Some(stop) = &sent.stop {
                        give_up(batch, &stop.to_string(), sent);
                        return None;
                    }
                    if batch.items.is_empty() {
                        return None;
                    }
                    if left.len() < items {
                        retry = Retry::new(TRIES, self.deadline);
                    }
                    (None, left, None)
                }
                Answer::Again { throttled, asked, why, error } => {
                    let handshake_failed = matches!(error, Some(HttpError::Tls(_)));
                    handshakes += u32::from(handshake_failed);
                    if throttled {
                        self.concurrency.set((self.concurrency.get() / 2).max(1));
                    } else if error.as_ref().is_none_or(HttpError::may_have_arrived) {
                        batch.items.iter_mut().for_each(|item| self.doubt(item));
                    }
                    (asked, vec![Undelivered::Pending(why); batch.items.len()], error)
                }
                Answer::Split(_) if batch.items.len() > 1 => {
                    let second = batch.items.split_off(batch.items.len() / 2);
                    return Some([Batch { items: second }, batch]);
                }
                Answer::Split(why) => {
                    let refused = Undelivered::Refused(why);
                    sent.undelivered
                        .extend(batch.items.into_iter().map(|item| (item, refused.clone())));
                    return None;
                }
                Answer::ClockOff { ahead_ms, .. } if ahead_ms_signed == 0 => {
                    self.clock_ahead_ms.set(ahead_ms);
                    self.retries.set(self.retries.get() + 1);
                    continue;
                }
                Answer::Expired(_) if self.credentials.renews() && !renewed => {
                    renewed = true;
                    if let Err(error) = self.credentials.renew(&signer, ahead_ms_signed).await {
                        return stop(batch, Stop::Credentials(error), sent);
                    }
                    self.retries.set(self.retries.get() + 1);
                    continue;
                }
                Answer::ClockOff { stop: why, .. } | Answer::Expired(why) | Answer::Stop(why) => {
                    return stop(batch, why, sent);
                }
            };
            if handshakes >= HANDSHAKES || !retry.again(self.port, asked).await {
                sent.undelivered.extend(batch.items.into_iter().zip(left));
                // Others may have got through meanwhile.
                let answered = self.answered.get().is_some_and(|last| last >= begun);
                sent.stop = unreachable.filter(|_| !answered).map(Stop::Unreachable);
                return None;
            }
            self.retries.set(self.retries.get() + 1);
        }
    }

    /// Moves the decided events of `batch` to `sent`; those to be sent again stay, and why each of
    /// them is returned.
    fn take_outcomes(
        &self,
        batch: &mut Batch,
        mut outcomes: HashMap<String, EventOutcome>,
        sent: &mut Sent,
    ) -> Vec<Undelivered> {
        let mut left = Vec::new();
        for mut item in std::mem::take(&mut batch.items) {
            left.push(match outcomes.remove(&item.id) {
                Some(EventOutcome::Accepted) => {
                    sent.accepted.push(item);
                    continue;
                }
                Some(EventOutcome::Refused(why)) => {
                    sent.undelivered.push((item, Undelivered::Refused(why)));
                    continue;
                }
                Some(EventOutcome::Stop(stop)) => {
                    let why = stop.to_string();
                    sent.stop.get_or_insert(stop);
                    Undelivered::Pending(why)
                }
                Some(EventOutcome::Again(why)) => Undelivered::Failing(why),
                None => {
                    self.doubt(&mut item);
                    let why = "CloudTrail's answer does not mention the event";
                    Undelivered::Pending(why.to_owned())
                }
            });
            batch.items.push(item);
        }
        left
    }

    fn doubt(&self, item: &mut Item) {
        let first = !std::mem::replace(&mut item.doubtful, true);
        self.doubtful.set(self.doubtful.get() + u64::from(first));
    }

    /// Waits for this call's turn: at most `max_calls_per_sec`.
    async fn pace(&self) {
        let now = self.port.elapsed();
        let turn = self.next_call.get().max(now);
        self.next_call.set(turn + Duration::from_secs(1) / self.config.max_calls_per_sec);
        let wait = turn.saturating_sub(now);
        if !wait.is_zero() {
            self.port.sleep(wait).await;
        }
    }

    fn request(&self, batch: &Batch, signer: &Lent) -> Result<HttpRequest, Stop> {
        let unsendable = |why: &dyn std::fmt::Display| Stop::Unsendable(why.to_string());
        let host = self.config.cloudtrail_endpoint.split("://").last().unwrap_or_default();
        let mut request = http::Request::post(&self.url)
            .header("host", host)
            .header("content-type", "application/json")
            .body(batch.body())
            .map_err(|error| unsendable(&error))?;
        let (region, now_ms) =
            (&self.config.channel.region, self.port.now_ms() + self.clock_ahead_ms.get());
        aws::sign(&mut request, &signer.credentials, region, SERVICE, now_ms)
            .map_err(|error| unsendable(&error))?;
        Ok(request)
    }

    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.calls.set(self.calls.get() + 1);
        let answer = self.port.send(request, LIMITS).await;
        if answer.is_ok() {
            self.answered.set(Some(self.port.elapsed()));
        }
        answer
    }
}

/// Nothing else is to be sent: never gives batches to go on with.
fn stop(batch: Batch, why: Stop, sent: &mut Sent) -> Option<[Batch; 2]> {
    give_up(batch, &why.to_string(), sent);
    sent.stop = Some(why);
    None
}

fn give_up(batch: Batch, why: &str, sent: &mut Sent) {
    let pending = Undelivered::Pending(why.to_owned());
    sent.undelivered.extend(batch.items.into_iter().map(|item| (item, pending.clone())));
}
