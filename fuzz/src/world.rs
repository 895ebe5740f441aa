//! The core's ports in memory: sleep only moves a clock, and one thread polls a run to its end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kong_cloudtrail::ports::{
    Clock, FileError, Files, Http, HttpError, HttpLimits, HttpRequest, HttpResponse, KeyValue,
    KeyValueError, Log, Random,
};
use kong_cloudtrail::report::Report;
use kong_cloudtrail::run::run;
use serde_json::Value;

/// What a service answers.
pub type Answer = Result<HttpResponse, HttpError>;

/// The store's values by key.
pub type Values = BTreeMap<String, Vec<u8>>;

/// A service, as a request meets it.
pub type Service<'w> = Box<dyn FnMut(&HttpRequest) -> Answer + 'w>;

/// The wall clock's time at which a world begins, in Unix seconds.
pub const EPOCH: i64 = 1_795_348_800;

/// What any exchange takes.
const LATENCY: Duration = Duration::from_millis(10);

/// What a variable is when nothing else is said.
pub const VARIABLES: [(&str, &str); 5] = [
    ("kong_admin_api", "http://kong:8001"),
    ("channel_arn", "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a"),
    ("aws_access_key_id", "AKIDEXAMPLE"),
    ("aws_secret_access_key", "wJalrXUtnFEMI/K7MDENG"),
    ("log_level", "debug"),
];

/// A world with a Kong, a CloudTrail and a store.
pub struct World<'w> {
    /// Answers all but POST.
    pub kong: RefCell<Service<'w>>,
    /// Answers POST.
    pub cloudtrail: RefCell<Service<'w>>,
    /// What the store holds.
    pub values: RefCell<Values>,
    /// What was printed.
    pub lines: RefCell<Vec<String>>,
    now: Cell<Duration>,
    drawn: Cell<u64>,
    wakes: RefCell<Vec<(Duration, Waker)>>,
}

impl<'w> World<'w> {
    /// A world with an empty store.
    pub fn new(
        kong: impl FnMut(&HttpRequest) -> Answer + 'w,
        cloudtrail: impl FnMut(&HttpRequest) -> Answer + 'w,
    ) -> Self {
        Self {
            kong: RefCell::new(Box::new(kong)),
            cloudtrail: RefCell::new(Box::new(cloudtrail)),
            values: RefCell::default(),
            lines: RefCell::default(),
            now: Cell::default(),
            drawn: Cell::default(),
            wakes: RefCell::default(),
        }
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: u64) {
        self.now.set(self.now.get() + Duration::from_secs(seconds));
    }

    /// One run with the variables that [`VARIABLES`] does not say otherwise.
    pub fn run(&self, overrides: &[(&str, &str)]) -> Report {
        self.run_with(|name| {
            let named = |pair: &&(&str, &str)| pair.0 == name;
            let value = overrides.iter().find(named).or_else(|| VARIABLES.iter().find(named));
            Ok(value.map(|(_, value)| (*value).to_owned()))
        })
    }

    /// One run; a report it is, and every line beside it a log line.
    pub fn run_with(&self, variable: impl Fn(&str) -> Result<Option<String>, String>) -> Report {
        let report = self.play(run(self, variable));
        let is = |line: &str, event: &str| {
            !line.contains('\n')
                && serde_json::from_str::<Value>(line).is_ok_and(|line| line["event"] == event)
        };
        assert!(is(&report.line(), "run"), "no report: {}", report.line());
        for line in self.lines.borrow().iter() {
            assert!(is(line, "log"), "neither a log line nor a report: {line}");
        }
        report
    }

    fn play<T>(&self, future: impl Future<Output = T>) -> T {
        self.wakes.borrow_mut().clear();
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            let mut wakes = self.wakes.borrow_mut();
            let next = wakes.iter().map(|(at, _)| *at).min().expect("a run that waits for nothing");
            self.now.set(next.max(self.now.get()));
            for (_, waker) in wakes.extract_if(.., |(at, _)| *at <= next) {
                waker.wake();
            }
        }
    }

    async fn wait(&self, duration: Duration) {
        let until = self.now.get().saturating_add(duration);
        std::future::poll_fn(|context| {
            if self.now.get() >= until {
                return Poll::Ready(());
            }
            self.wakes.borrow_mut().push((until, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// An answer of that status and body.
pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    http::Response::builder().status(status).body(body.into()).unwrap()
}

impl Http for World<'_> {
    async fn send(&self, request: HttpRequest, _: HttpLimits) -> Answer {
        self.wait(LATENCY).await;
        let service =
            if request.method() == http::Method::POST { &self.cloudtrail } else { &self.kong };
        let mut service = service.borrow_mut();
        service(&request)
    }
}

impl KeyValue for World<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        Ok(self.values.borrow().get(key).cloned())
    }
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        self.values.borrow_mut().extend(pairs.iter().cloned());
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.values.borrow_mut().remove(key);
        Ok(())
    }
    fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), KeyValueError> {
        let mut values = self.values.borrow_mut();
        if values.get(key).map(Vec::as_slice) == expected {
            values.insert(key.to_owned(), new.to_vec());
        }
        Ok(())
    }
}

impl Clock for World<'_> {
    fn now_ms(&self) -> i64 {
        EPOCH * 1000 + i64::try_from(self.now.get().as_millis()).unwrap()
    }
    fn elapsed(&self) -> Duration {
        self.now.get()
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        self.wait(duration)
    }
}

impl Random for World<'_> {
    /// SplitMix64, the same numbers in each world: a crash must come again.
    fn u64(&self) -> u64 {
        let state = self.drawn.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.drawn.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Files for World<'_> {
    fn read(&self, _: &str, _: usize) -> Result<String, FileError> {
        Err(FileError::NotFound)
    }
}

impl Log for World<'_> {
    fn line(&self, line: &str) {
        self.lines.borrow_mut().push(line.to_owned());
    }
}
