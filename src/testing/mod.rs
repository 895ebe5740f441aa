//! The ports in memory: for the tests beside the code, the model (`tests/model`) and the fuzz targets.
//! With the feature `testing` others have them too.
//!
//! - [`VirtualClock`]: time that passes while all wait, and no sooner;
//! - [`Memory`]: a store, which can go back to an earlier state;
//! - [`Faulty`]: what stands before a store, and fails calls;
//! - [`Seeded`]: numbers that look random, and are the same each time;
//! - [`InMemory`]: all six ports, over a service that is a closure.

mod clock;
mod faulty;
mod store;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use clock::{Flag, VirtualClock};
pub use faulty::{Call, Fate, Faults, Faulty, Planned};
pub use store::{Change, Memory, Values};

use crate::ports::{
    Clock, Ends, FileError, Files, Http, HttpError, HttpLimits, HttpRequest, HttpResponse,
    KeyValue, KeyValueError, Log, Random, Swap,
};

/// What a service answers.
pub type Answer = Result<HttpResponse, HttpError>;

/// An answer of that status and body.
///
/// # Panics
/// When `status` is none.
pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    http::Response::builder().status(status).body(body.into()).expect("a status")
}

/// SplitMix64.
#[derive(Debug, Default)]
pub struct Seeded(Cell<u64>);

impl Seeded {
    /// The numbers of that seed.
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.u64() % bound
    }
}

impl Random for Seeded {
    fn u64(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

type Service<'s> = Box<dyn FnMut(&HttpRequest) -> Answer + 's>;

/// A process alone with a service, to which all its requests go.
pub struct InMemory<'s> {
    /// Its clocks.
    pub clock: VirtualClock,
    /// Its store.
    pub store: Memory,
    /// Its random numbers.
    pub random: Seeded,
    /// Its files, by path.
    pub files: RefCell<BTreeMap<String, String>>,
    /// What it printed.
    pub lines: RefCell<Vec<String>>,
    /// What it sent, and when.
    pub sent: RefCell<Vec<(Duration, HttpRequest)>>,
    /// How many values it had read from its store each time it sent something.
    pub reads: RefCell<Vec<usize>>,
    /// What an exchange takes.
    pub latency: Duration,
    service: RefCell<Service<'s>>,
}

impl<'s> InMemory<'s> {
    /// A process that begins at that time, with an empty store.
    pub fn at(epoch_ms: i64, service: impl FnMut(&HttpRequest) -> Answer + 's) -> Self {
        Self {
            clock: VirtualClock::at(epoch_ms),
            store: Memory::default(),
            random: Seeded::default(),
            files: RefCell::default(),
            lines: RefCell::default(),
            sent: RefCell::default(),
            reads: RefCell::default(),
            latency: Duration::ZERO,
            service: RefCell::new(Box::new(service)),
        }
    }

    /// One whose service gives these answers, one after the other.
    ///
    /// # Panics
    /// When it is asked for one more.
    pub fn answering(epoch_ms: i64, answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        Self::at(epoch_ms, move |_| answers.pop_front().expect("an answer"))
    }

    /// When it sent its requests.
    pub fn times(&self) -> Vec<Duration> {
        self.sent.borrow().iter().map(|(at, _)| *at).collect()
    }
}

impl Http for InMemory<'_> {
    async fn send(&self, request: HttpRequest, limits: HttpLimits) -> Answer {
        self.sent.borrow_mut().push((self.clock.elapsed(), request.clone()));
        self.reads.borrow_mut().push(self.store.reads.get());
        self.clock.sleep(self.latency).await;
        let answer = self.service.borrow_mut()(&request);
        if let Err(HttpError::Timeout(_)) = &answer {
            self.clock.sleep(limits.first_byte).await;
        }
        let answer = answer?;
        let body = answer.body();
        if body.len() <= limits.max_body {
            return Ok(answer);
        }
        let kept = limits.keep_ends.min(body.len());
        let (start, end) = (body[..kept].to_vec(), body[body.len() - kept..].to_vec());
        Err(HttpError::TooLarge(Ends { start, end }))
    }
}

impl KeyValue for InMemory<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.store.get(key)
    }
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        self.store.set_many(pairs)
    }
    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.store.delete(key)
    }
    fn begin_swap(&self, key: &str) -> Result<Box<dyn Swap + '_>, KeyValueError> {
        self.store.begin_swap(key)
    }
}

impl Clock for InMemory<'_> {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        self.clock.sleep(duration)
    }
}

impl Random for InMemory<'_> {
    fn u64(&self) -> u64 {
        self.random.u64()
    }
}

impl Files for InMemory<'_> {
    fn read(&self, path: &str, _: usize) -> Result<String, FileError> {
        self.files.borrow().get(path).cloned().ok_or(FileError::NotFound)
    }
}

impl Log for InMemory<'_> {
    fn line(&self, line: &str) {
        self.lines.borrow_mut().push(line.to_owned());
    }
}
