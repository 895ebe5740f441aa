//! Histories: what may happen, in which measure, and how it is played.

use std::rc::Rc;

use kong_cloudtrail::report::Outcome;
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail_sim::kong::Dates;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use crate::cloudwatch::Group;
use crate::host::{Faults, Host, LOOKBACK_SECS, Refusal, Setup};
use crate::kong::{Added, Arrival, Kong, MONTH_SECS, Offsets, Version};
use crate::store;
use crate::world::{Destination, World};

/// What happens next.
#[derive(Clone, Debug)]
pub enum Step {
    /// So many entries, over so many seconds up to now, and how much later Kong shows them.
    Activity { requests: u64, objects: u64, span: i64, late: i64 },
    /// Entries stamped around the borders of the next window and look-back.
    Borders { entries: u64 },
    /// Time passes.
    Pass(u64),
    /// A tick on the first host.
    Run(Faults),
    /// Ticks on both hosts at the same time, the second one's so many seconds behind.
    Both { first: Faults, second: Faults, behind: u64 },
    /// So many ticks in which nothing goes wrong, as the timer has them.
    Ticks(u32),
    /// Ticks while the store takes no writes but swaps, from so many calls of the first one on.
    ReadOnly { ticks: u32, after: u32 },
    /// Another `ledger_key` is set.
    Key,
    /// Kong is exchanged.
    Kong(Version),
    /// Kong keeps what it writes from now on for so long.
    Retention(i64),
    /// A proxy before Kong begins, or ceases, to drop the filters.
    FiltersDropped(bool),
    /// A host's clock is set.
    Clock { host: usize, skew: i64 },
    /// Kong's clock is set.
    KongClock { skew: i64 },
    /// The store goes back to its state some writes ago.
    Failover { writes: usize },
    /// The store is empty.
    StoreLost,
}

#[derive(Clone, Debug)]
pub struct History {
    pub seed: u64,
    pub setup: Setup,
    pub kong: Kong,
    pub group: Group,
    /// The ledger has a key from its beginning.
    pub keyed: bool,
    /// Two hosts share the store, and their clocks differ by seconds at most.
    pub two_hosts: bool,
    pub steps: Vec<Step>,
}

fn faults() -> impl Strategy<Value = Faults> {
    let percent = || prop_oneof![6 => Just(0), 2 => 1..30u32, 1 => 90..=100u32];
    let rare = |most: u32| prop_oneof![4 => Just(0), 1 => 1..most];
    let calls = || prop_oneof![3 => 1..60u32, 1 => 1..400u32];
    let refusal = prop_oneof![Just(Refusal::ExpiredToken), Just(Refusal::AccessDenied)];
    let rates = (percent(), rare(30), percent(), percent(), percent(), rare(10));
    let blows = (
        weighted(0.1, refusal),
        weighted(0.3, calls()),
        weighted(0.1, (calls(), 1..12usize)),
        prop::bool::weighted(0.1),
    );
    (rates, blows).prop_map(
        |(
            (kong, arrivals, cloudtrail, lost_answers, events, store),
            (refusal, dies_after, failover, short_budget),
        )| Faults {
            kong,
            arrivals,
            cloudtrail,
            lost_answers,
            events,
            refusal,
            store,
            dies_after,
            stall: None,
            failover,
            read_only_after: None,
            short_budget,
        },
    )
}

/// The first of two hosts may stall, the second may not; a failover while both work would have both
/// believe that the lease is theirs.
fn both() -> impl Strategy<Value = Step> {
    let mild = || prop_oneof![2 => Just(Faults::default()), 1 => faults()];
    let stall = weighted(0.8, (1..60u32, prop_oneof![1 => 1..100u64, 3 => 300..2000u64]));
    (mild(), mild(), stall, prop_oneof![Just(0u64), 0..10u64, 200..900u64]).prop_map(
        |(first, second, stall, behind)| {
            let first = Faults { stall, failover: None, ..first };
            Step::Both { first, second: Faults { failover: None, ..second }, behind }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let requests = prop_oneof![9 => 0..50u64, 1 => 300..900u64];
    let span = prop_oneof![3 => Just(0i64), 3 => 0..200_000i64, 1 => Just(i64::MAX)];
    let late = prop_oneof![3 => Just(0i64), 1 => 0..LOOKBACK_SECS, 1 => 0..8000i64];
    let after = prop_oneof![Just(0u32), 1..60u32];
    prop_oneof![
        8 => (requests, 0..30u64, span, late)
            .prop_map(|(requests, objects, span, late)| Step::Activity { requests, objects, span, late }),
        2 => (1..8u64).prop_map(|entries| Step::Borders { entries }),
        6 => (1..15u32).prop_map(Step::Ticks),
        4 => prop_oneof![Just(300u64), 1..10_000u64, 1..400_000u64].prop_map(Step::Pass),
        10 => faults().prop_map(Step::Run),
        6 => both(),
        2 => (1..5u32, after).prop_map(|(ticks, after)| Step::ReadOnly { ticks, after }),
        2 => Just(Step::Key),
        2 => version().prop_map(Step::Kong),
        1 => retention().prop_map(Step::Retention),
        1 => any::<bool>().prop_map(Step::FiltersDropped),
        2 => (0..2usize, -5000..5000i64).prop_map(|(host, skew)| Step::Clock { host, skew }),
        2 => prop_oneof![-100..100i64, -100_000..100_000i64].prop_map(|skew| Step::KongClock { skew }),
        1 => (1..20usize).prop_map(|writes| Step::Failover { writes }),
        1 => Just(Step::StoreLost),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![2 => Just(Version::V2_8), 1 => Just(Version::V3_4), 2 => Just(Version::V3_9)]
}

fn retention() -> impl Strategy<Value = i64> {
    prop_oneof![4 => Just(MONTH_SECS), 2 => Just(200_000i64), 2 => Just(20_000i64), 1 => Just(0)]
}

fn kong() -> impl Strategy<Value = Kong> {
    let offsets = prop_oneof![Just(Offsets::Keys), Just(Offsets::Positions)];
    let dates = prop_oneof![Just(Dates::Both), Just(Dates::Rfc3339Only), Just(Dates::UnixOnly)];
    let added = prop_oneof![Just(Added::One), Just(Added::Null)];
    (version(), dates, added, offsets, any::<(bool, bool)>(), retention()).prop_map(
        |(version, dates, added, offsets, (purges_on_insert, shows_retention), retention)| Kong {
            version,
            dates,
            added,
            offsets,
            purges_on_insert,
            shows_retention,
            retention,
            ..Kong::default()
        },
    )
}

/// A log group, of no account to CloudTrail.
fn group() -> impl Strategy<Value = Group> {
    let days = || prop_oneof![Just(86_400i64), 86_400..3_000_000i64];
    (weighted(0.4, days()), weighted(0.4, (0..30u32, days())), any::<bool>()).prop_map(
        |(retention, shortened, inclusive_ends)| Group {
            retention,
            shortened,
            inclusive_ends,
            calls: 0,
        },
    )
}

pub fn any_history() -> impl Strategy<Value = History> {
    let setup = (
        prop_oneof![Just(1u32), Just(7), Just(100), Just(1000)],
        prop_oneof![Just(1usize), Just(2), Just(3), Just(5), Just(16)],
        prop::bool::weighted(0.7),
    )
        .prop_map(|(page_size, max_in_flight, reconciles)| Setup {
            page_size,
            max_in_flight,
            reconciles,
        });
    (any::<u64>(), setup, (kong(), group()), any::<(bool, bool)>(), vec(step(), 1..25)).prop_map(
        |(seed, setup, (kong, group), (keyed, two_hosts), steps)| {
            let mut history = History { seed, setup, kong, group, keyed, two_hosts, steps };
            history.soften();
            history
        },
    )
}

impl History {
    /// Without reconciles nothing may happen that only a reconcile finds: entries show within the
    /// look-back and have a time, pages miss nothing, entries go when their time is up, and Kong's
    /// clock is sound.
    fn soften(&mut self) {
        if self.setup.reconciles {
            return;
        }
        // After twice the retention the ledger forgets, and looks at nothing that outlived it.
        self.kong.purges_on_insert = false;
        self.kong.offsets = Offsets::Keys;
        self.kong.version = Version::V3_9;
        if self.kong.retention == 0 {
            self.kong.retention = MONTH_SECS;
        }
        self.steps.retain(|step| {
            !matches!(step, Step::Kong(Version::V2_8) | Step::KongClock { .. } | Step::Retention(_))
        });
        for step in &mut self.steps {
            if let Step::Activity { span, late, .. } = step {
                *span = 0;
                *late = (*late).min(LOOKBACK_SECS);
            }
        }
    }

    /// Plays the history; an error says what is wrong.
    pub fn play(&self, destination: Destination) -> Result<(), String> {
        let world = World::new(self.seed);
        world.destination.set(destination);
        world.group.set(self.group);
        *world.kong.borrow_mut() = self.kong.clone();
        if self.keyed {
            world.rotate_key();
        }
        let hosts = [Host::new(&world), Host::new(&world)];
        for step in &self.steps {
            let rekeys = !world.written_otherwise().is_empty();
            self.step(&world, &hosts, step, rekeys);
            if rekeys {
                // A failover goes back by seconds, and not to before the ledger was written anew.
                world.store.forget_undo();
            }
            sound(&world)?;
        }
        self.settle(&world, &hosts)
    }

    fn step(&self, world: &Rc<World>, hosts: &[Host; 2], step: &Step, rekeys: bool) {
        // Under the run that writes the ledger anew, a failover leaves values that no run reads.
        let strike = |faults: Faults| {
            let failover = faults.failover.filter(|_| !rekeys);
            Faults { failover, ..faults }
        };
        match *step {
            Step::Activity { requests, objects, span, late } => {
                for (stream, count) in [(Stream::Requests, requests), (Stream::Objects, objects)] {
                    for _ in 0..count {
                        write(world, stream, span, late);
                    }
                }
            }
            Step::Borders { entries } => self.write_at_borders(world, entries),
            Step::Pass(seconds) => world.advance(seconds),
            Step::Run(faults) => {
                hosts[0].run_once(self.setup, strike(faults));
            }
            Step::Both { first, second, behind } if self.two_hosts => {
                both_run(world, hosts, self.setup, [strike(first), strike(second)], behind);
            }
            Step::Both { first, .. } => {
                hosts[0].run_once(self.setup, strike(first));
            }
            Step::Ticks(ticks) => {
                for _ in 0..ticks {
                    hosts[0].run_once(self.setup, Faults::default());
                    world.advance(300);
                }
            }
            Step::ReadOnly { ticks, after } => self.read_only(world, &hosts[0], ticks, after),
            Step::Key => world.rotate_key(),
            Step::Kong(version) => world.kong.borrow_mut().exchange(version),
            Step::Retention(seconds) => world.kong.borrow_mut().retention = seconds,
            Step::FiltersDropped(dropped) => world.kong.borrow_mut().filters_dropped = dropped,
            Step::Clock { host, skew } => {
                hosts[host].skew.set(if self.two_hosts { skew % 20 } else { skew });
            }
            Step::KongClock { skew } => {
                world.kong.borrow_mut().skew = skew;
                world.truth.borrow_mut().kong_clock_moved = Some(world.time());
            }
            Step::Failover { writes } => world.fail_over(writes),
            Step::StoreLost => world.lose_store(),
        }
    }

    fn read_only(&self, world: &World, host: &Host, ticks: u32, after: u32) {
        for tick in 0..ticks {
            let from = if tick == 0 { after } else { 0 };
            host.run_once(self.setup, Faults { read_only_after: Some(from), ..Faults::default() });
            world.advance(300);
        }
    }

    fn write_at_borders(&self, world: &World, entries: u64) {
        let last = world.truth.borrow().runs.iter().rev().find_map(|run| run.told);
        let Some(watermark) = last else { return };
        let mut kong = world.kong.borrow_mut();
        let now = world.time();
        let borders = [watermark, watermark - 120, watermark - 3600, now + kong.skew];
        for number in 0..entries {
            let border = borders[usize::try_from(world.draw(4)).unwrap()];
            let time = border - 1 + i64::try_from(world.draw(3)).unwrap();
            let found = (watermark - LOOKBACK_SECS).max(now + kong.skew - kong.kept_secs());
            let oldest = if self.setup.reconciles { i64::MIN } else { found };
            let time = time.clamp(oldest, now + kong.skew);
            let stream = Stream::ALL[usize::try_from(number % 2).unwrap()];
            kong.write(world, stream, Arrival { time, visible: now });
        }
    }

    /// Faults end, the leases of dead runs run out, all entries show, a reconcile falls due, and values of
    /// another key are no longer accepted.
    fn settle(&self, world: &Rc<World>, hosts: &[Host; 2]) -> Result<(), String> {
        for round in 0..3 {
            world.advance(90_000);
            let host = &hosts[round % 2];
            host.lines.borrow_mut().clear();
            let lost = store::ledger(&world.store).misses_dead_letters();
            let intended = store::ledger(&world.store).intends();
            let report = host.run_once(self.setup, Faults::default()).unwrap();
            sound(world)?;
            // A sweep that went on from an earlier run leaves what came since to the next one, or begins
            // again for it. And a failover under a run may have taken the index of dead letters, of which
            // a run has to tell, as it has of what was intended and Kong no longer shows.
            let awaited = ["follow in the next run", "the next run continues"];
            let error = report.error.as_deref().unwrap_or_default();
            let tells = error.contains("has lost the index of");
            let tells_of_gone = intended
                && ["are no longer in Kong", "may be in S3 twice"]
                    .iter()
                    .any(|told| error.contains(told));
            let only_that = tells && error.ends_with("restore the store from its snapshot");
            let explained = round == 0
                && report.outcome == Outcome::Partial
                && tells == lost
                && (only_that
                    || tells_of_gone
                    || awaited.iter().any(|reason| error.contains(reason)));
            let is_sound = report.outcome == Outcome::Ok && !lost;
            if !is_sound && !explained {
                return Err(format!("{:?}: {:?}", report.error, host.lines.borrow()));
            }
            let otherwise = world.written_otherwise();
            if !otherwise.is_empty() {
                return Err(format!("not written with the key of now: {otherwise:?}"));
            }
            world.settle_key();
        }
        let accepted = world.cloudtrail.borrow().accepted();
        world.advance(300);
        let report = hosts[0].run_once(self.setup, Faults::default()).unwrap();
        if report.outcome != Outcome::Ok || world.cloudtrail.borrow().accepted() != accepted {
            return Err(format!("a run after all is shipped does this: {}", report.line()));
        }
        world.truth.borrow_mut().violations.extend(world.judge_the_end());
        sound(world)
    }
}

/// An entry stamped up to `span` seconds ago, and shown up to `late` seconds from now.
fn write(world: &World, stream: Stream, span: i64, late: i64) {
    let mut kong = world.kong.borrow_mut();
    let draw = |most: i64| i64::try_from(world.draw(most.unsigned_abs() + 1)).unwrap();
    let now = world.time();
    // Old ones are about to go.
    let age = if span == i64::MAX {
        kong.kept_secs() - 1 - draw(100)
    } else {
        draw(span.min(kong.kept_secs() - 1))
    };
    let arrival = Arrival { time: now + kong.skew - age, visible: now + draw(late) };
    kong.write(world, stream, arrival);
}

/// The first host makes one run; the second ticks beside it until after it may have taken over.
pub fn both_run(world: &World, hosts: &[Host; 2], setup: Setup, faults: [Faults; 2], behind: u64) {
    for (host, faults) in hosts.iter().zip(faults) {
        host.faults.set(faults);
    }
    let [first, second] = hosts.clone();
    let (one, two) = (first.clone(), second.clone());
    let first_works = async move {
        one.tick(setup).await;
    };
    let second_works = async move {
        use kong_cloudtrail::ports::Clock;
        two.sleep(std::time::Duration::from_secs(behind)).await;
        for _ in 0..4 {
            two.tick(setup).await;
            two.sleep(std::time::Duration::from_mins(5)).await;
        }
    };
    world.play(vec![(first, Box::pin(first_works)), (second, Box::pin(second_works))]);
    for host in hosts {
        host.faults.set(Faults::default());
    }
}

/// The first of what is wrong, if anything is.
pub fn sound(world: &World) -> Result<(), String> {
    match world.truth.borrow().violations.first() {
        Some(violation) => Err(violation.clone()),
        None => Ok(()),
    }
}
