//! What the single histories are told with: one Kong, one or two hosts, runs that must be sound.

use std::rc::Rc;

use kong_cloudtrail::ledger::Head;
use kong_cloudtrail::report::{Outcome, Report};
use kong_cloudtrail::seal::Seal;
use kong_cloudtrail::terms::Stream;

use crate::entry::Kept;
use crate::history::{both_run, sound};
use crate::host::{Faults, Host, Setup};
use crate::kong::{Arrival, Kong};
use crate::store::{self, HEADER_BYTES};
use crate::world::{EPOCH, World};

/// A run of three seconds.
pub const SHORT: Faults = Faults {
    kong: 0,
    arrivals: 0,
    cloudtrail: 0,
    lost_answers: 0,
    events: 0,
    refusal: None,
    store: 0,
    dies_after: None,
    stall: None,
    failover: None,
    read_only_after: None,
    short_budget: true,
};

pub struct Scene {
    pub world: Rc<World>,
    pub hosts: [Host; 2],
    pub setup: Setup,
}

impl Scene {
    pub fn new() -> Self {
        Self::at(EPOCH)
    }

    pub fn at(epoch: i64) -> Self {
        let world = World::at(epoch, 1);
        let hosts = [Host::new(&world), Host::new(&world)];
        let setup = Setup { page_size: 100, max_in_flight: 4, reconciles: true };
        Self { world, hosts, setup }
    }

    pub fn without_reconciles() -> Self {
        let mut scene = Self::new();
        scene.setup.reconciles = false;
        scene
    }

    /// A scene in which Kong has written `days` times `entries` requests, a day apart.
    pub fn trail(days: i64, entries: u64) -> Self {
        let mut scene = Self::new();
        scene.setup.page_size = 10;
        let now = scene.kong_time();
        for day in 1..=days {
            scene.write_stamped(entries, now - day * 86_400);
        }
        scene
    }

    /// The stored head.
    pub fn head(&self) -> Option<Head> {
        let values = self.world.store.values.borrow();
        values.get(&store::key("head")).map(|head| Head::decode(&head[HEADER_BYTES..]).unwrap())
    }

    /// The watermark of the requests in it.
    pub fn watermark(&self) -> Option<i64> {
        self.head().and_then(|mut head| head.stream(Stream::Requests).coverage.watermark())
    }

    pub fn change_head(&self, change: impl FnOnce(&mut Head)) {
        let mut changed = self.head().unwrap();
        change(&mut changed);
        let key = store::key("head");
        let value = Seal::Unkeyed.close(&key, *b"kch2", &changed.encode());
        self.world.store.apply([(key, Some(value))]);
    }

    /// Changes what this Kong is like.
    pub fn kong(&self, change: impl FnOnce(&mut Kong)) {
        change(&mut self.world.kong.borrow_mut());
    }

    /// Kong's clock is set: ahead, or behind.
    pub fn set_kong_clock(&self, skew: i64) {
        self.kong(|kong| kong.skew = skew);
        self.world.truth.borrow_mut().kong_clock_moved = Some(self.world.time());
    }

    /// Request entries that Kong writes now.
    pub fn write(&self, entries: u64) {
        self.write_stamped(entries, self.kong_time());
    }

    /// Object entries that Kong writes now.
    pub fn write_objects(&self, entries: u64) {
        self.write_objects_stamped(entries, self.kong_time());
    }

    /// Object entries that Kong shows from now on, stamped with a time of its clock.
    pub fn write_objects_stamped(&self, entries: u64, time: i64) {
        self.write_to(Stream::Objects, entries, time);
    }

    /// Request entries that Kong shows from now on, stamped with a time of its clock.
    pub fn write_stamped(&self, entries: u64, time: i64) {
        self.write_to(Stream::Requests, entries, time);
    }

    fn write_to(&self, stream: Stream, entries: u64, time: i64) {
        let now = self.world.time();
        let mut kong = self.world.kong.borrow_mut();
        for _ in 0..entries {
            kong.write(&self.world, stream, Arrival { time, visible: now });
        }
    }

    /// The event of the request entry that was written last fails from now on, or does not any more.
    pub fn last_fails(&self, fails: bool) {
        let kong = self.world.kong.borrow();
        let last = kong.trail(Stream::Requests).entries.last().unwrap().id.clone();
        let failing = &mut self.world.cloudtrail.borrow_mut().failing;
        failing.clear();
        failing.extend(fails.then_some(last));
    }

    /// Kong answers 500 for pages with the request entry that was written last, or does not any more.
    pub fn last_is_bad(&self, bad: bool) {
        let mut kong = self.world.kong.borrow_mut();
        let last = kong.trail(Stream::Requests).entries.last().map(|entry| entry.id.clone());
        kong.bad = last.filter(|_| bad);
    }

    /// Request entries that expire in so many seconds.
    pub fn write_expiring(&self, entries: u64, seconds: i64) {
        let now = self.world.time();
        let mut kong = self.world.kong.borrow_mut();
        for _ in 0..entries {
            let time = now + seconds - kong.retention;
            kong.write(&self.world, Stream::Requests, Arrival { time, visible: now });
        }
    }

    pub fn kong_time(&self) -> i64 {
        self.world.time() + self.world.kong.borrow().skew
    }

    pub fn pass(&self, seconds: u64) {
        self.world.advance(seconds);
    }

    /// A run that must be ok and sound.
    pub fn run(&self) -> Report {
        let report = self.run_with(Faults::default()).unwrap();
        assert_eq!(report.outcome, Outcome::Ok, "{:?}", report.error);
        report
    }

    /// A run with faults; no report when the process died.
    pub fn run_with(&self, faults: Faults) -> Option<Report> {
        let report = self.hosts[0].run_once(self.setup, faults);
        self.assert_sound();
        report
    }

    /// The first host runs, and has this fault; the second ticks beside it.
    pub fn both_run(&self, first: Faults, behind: u64) {
        both_run(&self.world, &self.hosts, self.setup, [first, Faults::default()], behind);
        self.assert_sound();
    }

    pub fn assert_sound(&self) {
        sound(&self.world).unwrap();
    }

    /// Request entries that Kong ever wrote.
    pub fn written(&self) -> usize {
        self.world.kong.borrow().trail(Stream::Requests).entries.len()
    }

    /// Those of them that are in CloudTrail.
    pub fn arrived(&self) -> usize {
        self.written() - self.missing_of(Stream::Requests, |_, _| true)
    }

    /// Entries of both streams that Kong holds and CloudTrail does not have.
    pub fn missing(&self) -> usize {
        let now = self.world.time();
        let held = |kong: &Kong, entry: &Kept| kong.shows(entry, now);
        Stream::ALL.map(|stream| self.missing_of(stream, held)).iter().sum()
    }

    fn missing_of(&self, stream: Stream, counts: impl Fn(&Kong, &Kept) -> bool) -> usize {
        let kong = self.world.kong.borrow();
        let counted = kong.trail(stream).entries.iter().filter(|entry| counts(&kong, entry));
        counted.filter(|entry| !self.world.arrival_of(stream, entry).unwrap()).count()
    }

    /// Events that CloudTrail accepted more than once.
    pub fn repeated(&self) -> usize {
        let cloudtrail = self.world.cloudtrail.borrow();
        cloudtrail.events.values().filter(|acceptances| acceptances.len() > 1).count()
    }

    /// Events that it accepted, repeats included.
    pub fn accepted(&self) -> usize {
        self.world.cloudtrail.borrow().accepted()
    }
}

/// How a run went through the requests.
pub fn mode(mut report: Report) -> &'static str {
    report.stream(Stream::Requests).mode.unwrap()
}
