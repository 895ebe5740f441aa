//! A host: the ports of the core over the shared world, with a wall clock of its own, and what goes
//! wrong with it and with its calls. A stall or a death strikes inside a call, after any check that
//! the core made before it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use kong_cloudtrail::ports::{
    Clock, FileError, Files, Http, HttpError, HttpLimits, HttpRequest, HttpResponse, KeyValue,
    KeyValueError, Log, Random,
};
use kong_cloudtrail::report::Report;
use kong_cloudtrail::run::run;

use crate::cloudtrail;
use crate::store::Change;
use crate::world::{Exchange, World};

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
    wakes: RefCell<Vec<(Duration, Waker)>>,
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
            wakes: RefCell::default(),
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
            std::future::pending::<()>().await;
        }
        world.end_run(self, Some(&report));
        report
    }

    fn variable(&self, setup: Setup, name: &str) -> Option<String> {
        Some(match name {
            "kong_admin_api" => "http://kong:8001".to_owned(),
            "channel_arn" => "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a".to_owned(),
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
        self.wakes.borrow_mut().clear();
    }

    pub fn next_wake(&self) -> Option<Duration> {
        self.wakes.borrow().iter().map(|(at, _)| *at).min()
    }

    pub fn wake_at(&self, at: Duration, waker: Waker) {
        self.wakes.borrow_mut().push((at, waker));
    }

    /// Wakes whoever waited up to now; false when nobody did.
    pub fn wake(&self, now: Duration) -> bool {
        let due: Vec<_> = self.wakes.borrow_mut().extract_if(.., |(at, _)| *at <= now).collect();
        let any = !due.is_empty();
        for (_, waker) in due {
            waker.wake();
        }
        any
    }

    /// What the other end does with a request that has arrived.
    pub fn handle(&self, exchange: &Exchange) -> Result<HttpResponse, HttpError> {
        let world = self.world();
        if exchange.request.uri().path() == "/PutAuditEvents" {
            cloudtrail::put(&world, exchange)
        } else {
            crate::kong::get(&world, exchange)
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

    async fn wait(&self, duration: Duration) {
        let until = self.elapsed() + duration;
        std::future::poll_fn(|context| {
            if self.is_dead() {
                return Poll::Pending;
            }
            if self.elapsed() >= until {
                return Poll::Ready(());
            }
            self.wake_at(until, context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// What a store says that takes no writes for now.
    fn refuse(&self) -> Result<(), KeyValueError> {
        let from = self.faults.get().read_only_after;
        if from.is_none_or(|from| self.calls.get() < from) {
            return Ok(());
        }
        self.world().store_failed(self.run());
        Err(KeyValueError("READONLY You can't write against a read only replica.".to_owned()))
    }

    fn read<T>(&self, read: impl FnOnce(&World) -> T) -> Result<T, KeyValueError> {
        let entered = self.enter();
        let world = self.world();
        if matches!(entered, Entered::Dying | Entered::Dead) {
            return Err(KeyValueError("the process is dead".to_owned()));
        }
        if world.strikes(self.faults.get().store) {
            world.store_failed(self.run());
            return Err(KeyValueError("connection lost".to_owned()));
        }
        Ok(read(&world))
    }

    /// A write: when it fails it may have taken effect all the same, as a whole or, on a store
    /// that writes pair by pair, in part.
    fn write(&self, change: impl FnOnce(&World) -> Vec<Change>) -> Result<(), KeyValueError> {
        let entered = self.enter();
        let world = self.world();
        let fails = match entered {
            Entered::Dead => return Err(KeyValueError("the process is dead".to_owned())),
            Entered::Dying => true,
            Entered::Alive | Entered::Stalled => world.strikes(self.faults.get().store),
        };
        let mut changes = change(&world);
        if fails {
            let done = [0, changes.len(), changes.len() / 2];
            changes.truncate(done[usize::try_from(world.draw(3)).unwrap()]);
        }
        world.apply(self.run(), changes);
        if fails {
            world.store_failed(self.run());
            return Err(KeyValueError("connection lost".to_owned()));
        }
        Ok(())
    }
}

impl Http for Host {
    async fn send(&self, request: HttpRequest, _: HttpLimits) -> Result<HttpResponse, HttpError> {
        let entered = self.enter();
        if matches!(entered, Entered::Dying | Entered::Dead) {
            std::future::pending::<()>().await;
        }
        self.world().looks_at_lease(self.run());
        let stalled = entered == Entered::Stalled;
        let reply = self.world().post(self.clone(), self.run(), request, stalled);
        std::future::poll_fn(|context| reply.poll(self, context)).await
    }
}

impl KeyValue for Host {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.read(|world| world.store.borrow().get(key).map(<[u8]>::to_vec))
    }
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        self.refuse()?;
        self.write(|_| pairs.iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect())?;
        let largest = pairs.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        self.world().store_took(self.run(), largest);
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.refuse()?;
        self.write(|_| vec![(key.to_owned(), None)])
    }
    fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), KeyValueError> {
        let swapped = self.write(|world| {
            let unchanged = world.store.borrow().get(key) == expected;
            unchanged.then(|| (key.to_owned(), Some(new.to_vec()))).into_iter().collect()
        });
        self.world().looks_at_lease(self.run());
        swapped
    }
}

impl Clock for Host {
    fn now_ms(&self) -> i64 {
        (self.world().time() + self.skew.get()) * 1000
    }
    fn elapsed(&self) -> Duration {
        self.world().elapsed()
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        Box::pin(self.wait(duration)) as Pin<Box<dyn Future<Output = ()> + '_>>
    }
}

impl Random for Host {
    fn u64(&self) -> u64 {
        self.world().draw(u64::MAX)
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
    }
}
