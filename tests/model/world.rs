//! A world in memory for the core: a time of its own, one Kong, one CloudTrail, one store, and
//! between them and the hosts a network on which requests take time and arrive whatever becomes of
//! their sender. Everything is drawn from one seed, so that a history can be played again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kong_cloudtrail::ports::{HttpError, HttpRequest, HttpResponse};

use crate::cloudtrail::CloudTrail;
use crate::host::Host;
use crate::keys::Keys;
use crate::kong::Kong;
use crate::store::Values;
use crate::truth::Truth;

/// The true time at which a history begins unless it says otherwise.
pub const EPOCH: i64 = 1_795_348_800;

pub struct World {
    pub kong: RefCell<Kong>,
    pub cloudtrail: RefCell<CloudTrail>,
    pub store: RefCell<Values>,
    pub truth: RefCell<Truth>,
    pub keys: Cell<Keys>,
    epoch: i64,
    now: Cell<Duration>,
    state: Cell<u64>,
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
    value: RefCell<Option<(Duration, Result<HttpResponse, HttpError>)>>,
    waker: RefCell<Option<Waker>>,
}

/// What a host is doing; taken out while it is being done.
struct Slot {
    host: Host,
    fresh: Cell<bool>,
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
            store: RefCell::default(),
            truth: RefCell::default(),
            keys: Cell::default(),
            epoch,
            now: Cell::new(Duration::ZERO),
            state: Cell::new(seed),
            wire: RefCell::default(),
            exchanges: Cell::new(0),
            slots: RefCell::default(),
        })
    }

    pub fn time(&self) -> i64 {
        self.epoch + i64::try_from(self.now.get().as_secs()).unwrap()
    }

    pub fn elapsed(&self) -> Duration {
        self.now.get()
    }

    pub fn advance(&self, seconds: u64) {
        self.drive(Some(self.now.get() + Duration::from_secs(seconds)));
    }

    /// SplitMix64.
    pub fn draw(&self, below: u64) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
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
                Rc::new(Slot { host, fresh: Cell::new(true), work: RefCell::new(Some(work)) })
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
        let arrives = self.now.get() + Duration::from_millis(self.draw(40));
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
            let idle = self.idle_slots();
            let next = idle.iter().filter_map(|slot| slot.host.next_wake()).chain(arrival).min();
            match (next, until) {
                (Some(at), until) if until.is_none_or(|until| at <= until) => {
                    self.now.set(self.now.get().max(at));
                    self.deliver_due();
                }
                (_, Some(until)) => return self.now.set(self.now.get().max(until)),
                (_, None) => {
                    assert!(idle.is_empty(), "a pending run waits for something");
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
            if !(slot.fresh.take() | slot.host.wake(self.now.get())) {
                continue;
            }
            let Some(mut work) = slot.work.take() else { continue };
            let done = work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
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
            wire.extract_if(.., |(at, _), _| *at <= self.now.get()).map(|(_, e)| e).collect()
        };
        for exchange in due {
            let answer = exchange.host.handle(&exchange);
            let at = self.now.get() + Duration::from_millis(self.draw(200));
            exchange.reply.value.replace(Some((at, answer)));
            if let Some(waker) = exchange.reply.waker.take() {
                exchange.host.wake_at(at, waker);
            }
        }
    }
}

impl Reply {
    /// The answer, once it has come.
    pub fn poll(
        &self,
        host: &Host,
        context: &Context<'_>,
    ) -> Poll<Result<HttpResponse, HttpError>> {
        let mut value = self.value.borrow_mut();
        match value.take() {
            Some((at, answer)) if at <= host.world().elapsed() && !host.is_dead() => {
                Poll::Ready(answer)
            }
            waiting => {
                if let Some((at, _)) = &waiting {
                    host.wake_at(*at, context.waker().clone());
                }
                *value = waiting;
                self.waker.replace(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}
