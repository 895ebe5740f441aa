//! A host: the ports of the core over the shared world, with a wall clock of its own, and what goes
//! wrong with it and with its calls. A stall or a death strikes inside a call, after any check that
//! the core made before it.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::time::Duration;

use kong_cloudtrail::ports::{
    Clock, FileError, Files, Http, HttpLimits, HttpRequest, KeyValue, KeyValueError, Log, Random,
    Swap,
};
use kong_cloudtrail::report::Report;
use kong_cloudtrail::run::run;
use kong_cloudtrail::testing::{self, Answer, Call, Change, Fate, Faulty};

use crate::world::{Destination, Exchange, World};
use crate::{cloudtrail, cloudwatch, s3};

/// What goes wrong in a run; rates are in percent of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub kong: u32,
    /// Entries arrive while Kong is being read.
    pub arrivals: u32,
    /// Calls that CloudTrail does not take.
    pub cloudtrail: u32,
    /// The events are accepted, and the answer is lost or says nothing.
    pub lost_answers: u32,
    /// Events that fail by themselves.
    pub events: u32,
    /// CloudTrail refuses every call of the run.
    pub refusal: Option<Refusal>,
    pub store: u32,
    /// After how many calls of any kind the process dies.
    pub dies_after: Option<u32>,
    /// In which call the host stalls, and for how many seconds.
    pub stall: Option<(u32, u64)>,
    /// In which call the store loses its last writes, and how many.
    pub failover: Option<(u32, usize)>,
    /// After how many calls the store takes no writes but swaps, as a primary does that was demoted.
    pub read_only_after: Option<u32>,
    /// The run has three seconds.
    pub short_budget: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    ExpiredToken,
    AccessDenied,
}

/// How the component is configured in a history.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub page_size: u32,
    pub max_in_flight: usize,
    /// Without reconciles nothing may depend on one.
    pub reconciles: bool,
}

pub const LEASE_SECS: u64 = 300;
pub const OVERLAP_SECS: i64 = 120;
pub const LOOKBACK_SECS: i64 = 3600;
pub const RECONCILE_SECS: i64 = 86_400;
pub const FULL_SECS: i64 = 3600;

#[derive(Clone)]
pub struct Host(Rc<Inner>);

pub struct Inner {
    world: Weak<World>,
    pub faults: Cell<Faults>,
    /// The wall clock less the true time, in seconds.
    pub skew: Cell<i64>,
    pub lines: RefCell<Vec<String>>,
    calls: Cell<u32>,
    dead: Cell<bool>,
    run: Cell<usize>,
}

impl Deref for Host {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// How a call begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entered {
    Alive,
    /// The host stalled past its lease within this call.
    Stalled,
    /// The process dies in this call.
    Dying,
    Dead,
}

impl Host {
    pub fn new(world: &Rc<World>) -> Self {
        Self(Rc::new(Inner {
            world: Rc::downgrade(world),
            faults: Cell::default(),
            skew: Cell::new(0),
            lines: RefCell::default(),
            calls: Cell::new(0),
            dead: Cell::new(false),
            run: Cell::new(usize::MAX),
        }))
    }

    pub fn world(&self) -> Rc<World> {
        self.world.upgrade().unwrap()
    }

    /// One run; no report when the process died.
    pub fn run_once(&self, setup: Setup, faults: Faults) -> Option<Report> {
        self.faults.set(faults);
        let host = self.clone();
        let report = self.play(async move { host.tick(setup).await });
        self.faults.set(Faults::default());
        report
    }

    /// Work that is this host's alone, to its end or to the death of the process.
    pub fn play<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> Option<T> {
        let done = Rc::new(RefCell::new(None));
        let result = done.clone();
        let work = async move {
            result.replace(Some(work.await));
        };
        self.world().play(vec![(self.clone(), Box::pin(work))]);
        done.take()
    }

    /// One run, with its accounts.
    pub async fn tick(&self, setup: Setup) -> Report {
        let world = self.world();
        self.run.set(world.begin_run(setup, self.skew.get()));
        let report = run(self, |name| Ok(self.variable(setup, name))).await;
        if self.is_dead() {
            // Its report never left the process.
            pending::<()>().await;
        }
        world.end_run(self, Some(&report));
        report
    }

    fn variable(&self, setup: Setup, name: &str) -> Option<String> {
        Some(match name {
            "kong_admin_api" => "https://kong:8001".to_owned(),
            "destination" => match self.world().destination.get() {
                Destination::CloudTrail => "cloudtrail".to_owned(),
                Destination::CloudWatch => "cloudwatch".to_owned(),
                Destination::S3 => "s3".to_owned(),
            },
            "bucket" => "trail".to_owned(),
            "bucket_region" => "eu-west-1".to_owned(),
            "account_id" => "123456789012".to_owned(),
            "channel_arn" => "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a".to_owned(),
            "log_group_arn" => cloudwatch::GROUP.to_owned(),
            "aws_access_key_id" => "AKIDEXAMPLE".to_owned(),
            "aws_secret_access_key" => "secret".to_owned(),
            "page_size" => setup.page_size.to_string(),
            "max_in_flight" => setup.max_in_flight.to_string(),
            "max_calls_per_sec" => "1000".to_owned(),
            "ledger_key" => self.world().keys.get().current()?,
            "ledger_key_previous" => self.world().keys.get().previous()?,
            "reconcile_secs" if !setup.reconciles => "0".to_owned(),
            "run_budget_secs" if self.faults.get().short_budget => "3".to_owned(),
            _ => return None,
        })
    }

    pub fn run(&self) -> usize {
        self.run.get()
    }

    pub fn is_dead(&self) -> bool {
        self.dead.get()
    }

    /// The process starts anew.
    pub fn rise(&self) {
        self.calls.set(0);
        self.dead.set(false);
    }

    /// What the other end does with a request that has arrived.
    pub fn handle(&self, exchange: &Exchange) -> Answer {
        let world = self.world();
        match exchange.request.uri().host() {
            Some("cloudtrail-data.eu-west-1.amazonaws.com") => cloudtrail::put(&world, exchange),
            Some("logs.eu-west-1.amazonaws.com") => cloudwatch::put(&world, exchange),
            Some("trail.s3.eu-west-1.amazonaws.com") => s3::put(&world, exchange),
            Some("sts.eu-west-1.amazonaws.com") => cloudwatch::identity(&world, exchange),
            _ => crate::kong::get(&world, exchange),
        }
    }

    fn enter(&self) -> Entered {
        if self.dead.get() {
            return Entered::Dead;
        }
        let call = self.calls.get() + 1;
        self.calls.set(call);
        let faults = self.faults.get();
        if faults.dies_after.is_some_and(|calls| call > calls) {
            self.dead.set(true);
            return Entered::Dying;
        }
        if let Some((_, writes)) = faults.failover.filter(|(at, _)| *at == call) {
            self.world().fail_over(writes);
        }
        match faults.stall.filter(|(at, _)| *at == call) {
            Some((_, seconds)) => self.stall(seconds),
            None => Entered::Alive,
        }
    }

    /// This host stands still while the world goes on.
    fn stall(&self, seconds: u64) -> Entered {
        let world = self.world();
        // The lease may have been renewed just now or almost a third of it ago, and clocks differ.
        let past_lease = world.has_other_hosts() && seconds >= LEASE_SECS / 3;
        if past_lease {
            world.stalls(self.run());
        }
        world.advance(seconds);
        if !past_lease {
            return Entered::Alive;
        }
        world.resumes(self.run());
        Entered::Stalled
    }

    /// The process goes on, unless it has died meanwhile.
    async fn lives(&self) {
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    /// The store, as this process reaches it.
    fn store(&self) -> Faulty<Accounts<'_>, &Self> {
        Faulty { inner: Accounts(self), faults: self }
    }

    fn noted<T>(&self, said: Result<T, KeyValueError>) -> Result<T, KeyValueError> {
        if said.is_err() && !self.is_dead() {
            self.world().store_failed(self.run());
        }
        said
    }
}

/// A write that fails may have taken effect all the same, as a whole or, on a store that writes pair by
/// pair, in part.
impl testing::Faults for Host {
    fn fate(&self, call: Call) -> Fate {
        let faults = self.faults.get();
        let is_read_only = faults.read_only_after.is_some_and(|from| self.calls.get() >= from);
        if is_read_only && !matches!(call, Call::Get | Call::Swap) {
            return Fate::Fails("READONLY You can't write against a read only replica.", 0);
        }
        let entered = self.enter();
        let world = self.world();
        let is_alive = matches!(entered, Entered::Alive | Entered::Stalled);
        if is_alive && !world.strikes(faults.store) {
            return Fate::Made;
        }
        let changes = match call {
            _ if entered == Entered::Dead => 0,
            Call::Get => 0,
            Call::SetMany(changes) => changes,
            Call::Delete | Call::Swap => 1,
        };
        let done = if changes > 0 {
            [0, changes, changes / 2][usize::try_from(world.draw(3)).unwrap()]
        } else {
            0
        };
        Fate::Fails("connection lost", done)
    }
}

/// The shared store, with what each run writes on its account.
struct Accounts<'h>(&'h Host);

impl Accounts<'_> {
    fn apply(&self, changes: Vec<Change>) {
        self.0.world().apply(self.0.run(), changes);
    }
}

impl KeyValue for Accounts<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.0.world().store.get(key)
    }
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        self.apply(pairs.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect());
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.apply(vec![(key.to_owned(), None)]);
        Ok(())
    }
    fn begin_swap(&self, _: &str) -> Result<Box<dyn Swap + '_>, KeyValueError> {
        unreachable!("a swap is one call here")
    }
    fn swaps_atomically(&self, key: &str) -> Result<bool, KeyValueError> {
        self.0.world().store.swaps_atomically(key)
    }
    fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), KeyValueError> {
        let is_expected = self.get(key)?.as_deref() == expected;
        let change = is_expected.then(|| (key.to_owned(), Some(new.to_vec())));
        self.apply(change.into_iter().collect());
        Ok(())
    }
}

impl KeyValue for Host {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.noted(self.store().get(key))
    }
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        self.noted(self.store().set_many(pairs))?;
        let largest = pairs.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        self.world().store_took(self.run(), largest);
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.noted(self.store().delete(key))
    }
    fn begin_swap(&self, _: &str) -> Result<Box<dyn Swap + '_>, KeyValueError> {
        unreachable!("a swap is one call here")
    }
    fn swaps_atomically(&self, key: &str) -> Result<bool, KeyValueError> {
        self.world().store.swaps_atomically(key)
    }
    fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), KeyValueError> {
        let swapped = self.noted(self.store().swap(key, expected, new));
        self.world().looks_at_lease(self.run());
        swapped
    }
}

impl Http for Host {
    async fn send(&self, request: HttpRequest, _: HttpLimits) -> Answer {
        let entered = self.enter();
        self.lives().await;
        let world = self.world();
        world.looks_at_lease(self.run());
        let stalled = entered == Entered::Stalled;
        let reply = world.post(self.clone(), self.run(), request, stalled);
        let (at, answer) = reply.sent().await;
        world.clock.sleep_until(at).await;
        self.lives().await;
        answer
    }
}

impl Clock for Host {
    fn now_ms(&self) -> i64 {
        (self.world().time() + self.skew.get()) * 1000
    }
    fn elapsed(&self) -> Duration {
        self.world().elapsed()
    }
    async fn sleep(&self, duration: Duration) {
        self.world().clock.sleep(duration).await;
        self.lives().await;
    }
}

impl Random for Host {
    fn u64(&self) -> u64 {
        self.world().random.u64()
    }
}

impl Files for Host {
    fn read(&self, _: &str, _: usize) -> Result<String, FileError> {
        Err(FileError::NotFound)
    }
}

impl Log for Host {
    fn line(&self, line: &str) {
        self.lines.borrow_mut().push(line.to_owned());
        let given_up = line.split_once("was about to send as ");
        if let Some((place, _)) = given_up.and_then(|(_, text)| text.split_once("-… can be read"))
        {
            let Some(world) = self.world.upgrade() else { return };
            world.given_up.borrow_mut().insert(place.to_owned());
        }
    }
}
