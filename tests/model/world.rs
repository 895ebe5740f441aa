//! A world in memory for the core: a time of its own, one Kong, one CloudTrail, one store, and
//! between them and the hosts a network on which requests take time and arrive whatever becomes of
//! their sender. Everything is drawn from one seed, so that a history can be played again.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use kong_cloudtrail::ports::{Clock, HttpRequest};
use kong_cloudtrail::testing::{Answer, Flag, Memory, Seeded, VirtualClock};

use crate::cloudtrail::CloudTrail;
use crate::cloudwatch::Group;
use crate::host::Host;
use crate::keys::Keys;
use crate::kong::Kong;
use crate::truth::Truth;

/// The true time at which a history begins unless it says otherwise.
pub const EPOCH: i64 = 1_795_348_800;

/// Where events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    CloudTrail,
    CloudWatch,
    S3,
}

impl Destination {
    /// The one that the environment names: single histories are told of CloudTrail where it names none.
    pub fn of_environment() -> Self {
        match std::env::var("KONG_CLOUDTRAIL_TEST_DESTINATION").as_deref() {
            Ok("cloudwatch") => Self::CloudWatch,
            Ok("s3") => Self::S3,
            Ok("cloudtrail") | Err(_) => Self::CloudTrail,
            Ok(other) => panic!("no destination: {other}"),
        }
    }

    /// The most events of a batch.
    pub fn batch(self) -> usize {
        match self {
            Self::CloudTrail => 100,
            Self::CloudWatch => 500,
            Self::S3 => 10_000,
        }
    }
}

pub struct World {
    pub kong: RefCell<Kong>,
    /// Where events go: what is there, of whichever it is.
    pub cloudtrail: RefCell<CloudTrail>,
    pub destination: Cell<Destination>,
    /// The log group, for CloudWatch Logs.
    pub group: Cell<Group>,
    /// For S3, the ids in each object.
    pub objects: RefCell<BTreeMap<String, HashSet<String>>>,
    /// The names under which calls arrived at S3.
    pub tried: RefCell<HashSet<String>>,
    /// Somebody else was first with a name.
    pub others_put: Cell<bool>,
    /// How the names begin that runs gave up.
    pub given_up: RefCell<HashSet<String>>,
    /// How often STS was asked whose the credentials are.
    pub asked_sts: Cell<u32>,
    pub store: Memory,
    /// The true time.
    pub clock: VirtualClock,
    pub random: Seeded,
    pub truth: RefCell<Truth>,
    pub keys: Cell<Keys>,
    wire: RefCell<BTreeMap<(Duration, u64), Exchange>>,
    exchanges: Cell<u64>,
    slots: RefCell<Vec<Rc<Slot>>>,
}

/// A request on its way.
pub struct Exchange {
    pub host: Host,
    /// The run that sent it.
    pub run: usize,
    pub request: HttpRequest,
    /// It was on the wire when its host stalled for longer than its lease.
    pub stalled: bool,
    reply: Rc<Reply>,
}

/// Where an answer waits for its host.
#[derive(Default)]
pub struct Reply {
    value: RefCell<Option<(Duration, Answer)>>,
    waker: RefCell<Option<Waker>>,
}

/// What a host is doing; taken out while it is being done.
struct Slot {
    host: Host,
    woken: Arc<Flag>,
    work: RefCell<Option<Work>>,
}

type Work = Pin<Box<dyn Future<Output = ()>>>;

impl World {
    pub fn new(seed: u64) -> Rc<Self> {
        Self::at(EPOCH, seed)
    }

    pub fn at(epoch: i64, seed: u64) -> Rc<Self> {
        Rc::new(Self {
            kong: RefCell::default(),
            cloudtrail: RefCell::default(),
            destination: Cell::new(Destination::of_environment()),
            group: Cell::default(),
            objects: RefCell::default(),
            tried: RefCell::default(),
            others_put: Cell::default(),
            given_up: RefCell::default(),
            asked_sts: Cell::default(),
            store: Memory::default(),
            clock: VirtualClock::at(epoch * 1000),
            random: Seeded::new(seed),
            truth: RefCell::default(),
            keys: Cell::default(),
            wire: RefCell::default(),
            exchanges: Cell::new(0),
            slots: RefCell::default(),
        })
    }

    pub fn time(&self) -> i64 {
        self.clock.now_ms().div_euclid(1000)
    }

    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    pub fn advance(&self, seconds: u64) {
        self.drive(Some(self.elapsed() + Duration::from_secs(seconds)));
    }

    pub fn draw(&self, below: u64) -> u64 {
        self.random.below(below)
    }

    pub fn strikes(&self, percent: u32) -> bool {
        percent > 0 && self.draw(100) < u64::from(percent)
    }

    /// Lets hosts work at the same time until all are done or dead.
    pub fn play(&self, works: Vec<(Host, Work)>) {
        *self.slots.borrow_mut() = works
            .into_iter()
            .map(|(host, work)| {
                host.rise();
                let woken = Arc::<Flag>::default();
                woken.wake_by_ref();
                Rc::new(Slot { host, woken, work: RefCell::new(Some(work)) })
            })
            .collect();
        self.drive(None);
        self.slots.borrow_mut().clear();
    }

    /// Whether hosts other than the one that asks are at work.
    pub fn has_other_hosts(&self) -> bool {
        self.slots.borrow().len() > 1
    }

    /// Puts a request on the wire.
    pub fn post(&self, host: Host, run: usize, request: HttpRequest, stalled: bool) -> Rc<Reply> {
        let number = self.exchanges.get();
        self.exchanges.set(number + 1);
        let arrives = self.elapsed() + Duration::from_millis(self.draw(40));
        let reply = Rc::<Reply>::default();
        let exchange = Exchange { host, run, request, stalled, reply: reply.clone() };
        self.wire.borrow_mut().insert((arrives, number), exchange);
        reply
    }

    /// The host stalls past its lease: what it has on the wire no check can call back.
    pub fn mark_stalled(&self, run: usize) {
        for exchange in self.wire.borrow_mut().values_mut().filter(|exchange| exchange.run == run) {
            exchange.stalled = true;
        }
    }

    /// Time passes, up to `until` or until nobody works any more, and what falls due happens. A
    /// host that stalls does so inside one of its calls, so this may be entered again from within.
    pub fn drive(&self, until: Option<Duration>) {
        loop {
            self.poll_slots();
            let arrival = self.wire.borrow().first_key_value().map(|((at, _), _)| *at);
            let next = self.clock.next_wake().into_iter().chain(arrival).min();
            match (next, until) {
                (Some(at), until) if until.is_none_or(|until| at <= until) => {
                    self.clock.advance_to(at);
                    self.deliver_due();
                }
                (_, Some(until)) => return self.clock.advance_to(until),
                (_, None) => {
                    assert!(self.idle_slots().is_empty(), "a pending run waits for something");
                    return;
                }
            }
        }
    }

    fn idle_slots(&self) -> Vec<Rc<Slot>> {
        let slots = self.slots.borrow();
        slots.iter().filter(|slot| slot.work.borrow().is_some()).cloned().collect()
    }

    fn poll_slots(&self) {
        for slot in self.idle_slots() {
            if !slot.woken.take() {
                continue;
            }
            let Some(mut work) = slot.work.take() else { continue };
            let waker = Waker::from(slot.woken.clone());
            let done = work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            if slot.host.is_dead() {
                drop(work);
                self.bury(&slot.host);
            } else if !done {
                slot.work.replace(Some(work));
            }
        }
    }

    /// Of what a dead host had sent, some arrives all the same.
    fn bury(&self, host: &Host) {
        let orphans: Vec<Exchange> = {
            let mut wire = self.wire.borrow_mut();
            wire.extract_if(.., |_, exchange| exchange.run == host.run())
                .map(|(_, exchange)| exchange)
                .collect()
        };
        for orphan in orphans {
            if self.draw(2) == 0 {
                drop(host.handle(&orphan));
            }
        }
        self.end_run(host, None);
    }

    fn deliver_due(&self) {
        let due: Vec<Exchange> = {
            let mut wire = self.wire.borrow_mut();
            wire.extract_if(.., |(at, _), _| *at <= self.elapsed()).map(|(_, e)| e).collect()
        };
        for exchange in due {
            let answer = exchange.host.handle(&exchange);
            let at = self.elapsed() + Duration::from_millis(self.draw(200));
            exchange.reply.value.replace(Some((at, answer)));
            if let Some(waker) = exchange.reply.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Reply {
    /// The answer, once it is on its way, and when it will be there.
    pub async fn sent(&self) -> (Duration, Answer) {
        std::future::poll_fn(|context| {
            if let Some(answer) = self.value.take() {
                return Poll::Ready(answer);
            }
            self.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }
}
