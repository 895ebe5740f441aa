//! Random histories against a simple truth: every entry that Kong held long enough for a run to see
//! is in CloudTrail, and exactly once unless a process died or an answer was lost between CloudTrail's
//! acceptance and the ledger's record.
#![allow(clippy::unwrap_used)]

mod lease;
mod world;

use kong_cloudtrail::report::{Outcome, Report};
use kong_cloudtrail::shipper;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use world::{Faults, Kept, World};

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// So many entries, over so many seconds up to now, and how much later Kong shows them.
    Activity { requests: u64, objects: u64, span: u64, late: u64 },
    /// Time passes.
    Pass(u64),
    /// A tick.
    Run(Faults),
    /// So many ticks in which nothing goes wrong, as the timer has them.
    Ticks(u32),
    /// Kong is exchanged for one with time filters, or without.
    Kong { time_filters: bool },
    /// This host's clock is set.
    Clock { skew: i64 },
    /// Kong's clock is set.
    KongClock { skew: i64 },
}

#[derive(Clone, Debug)]
struct History {
    seed: u64,
    page_size: u32,
    max_in_flight: u32,
    /// Without reconciles nothing may depend on one: entries appear within the look-back, and
    /// Kong's clock is sound.
    reconciles: bool,
    steps: Vec<Step>,
}

fn faults() -> impl Strategy<Value = Faults> {
    let percent = || prop_oneof![6 => Just(0), 2 => 1..30u32, 1 => 90..=100u32];
    (
        percent(),
        percent(),
        percent(),
        percent(),
        prop_oneof![4 => Just(0), 1 => 1..10u32],
        proptest::option::weighted(0.3, 1..150u32),
    )
        .prop_map(|(kong, cloudtrail, lost_answers, events, store, dies_after)| Faults {
            kong,
            cloudtrail,
            lost_answers,
            events,
            store,
            dies_after,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop_oneof![9 => 0..60u64, 1 => 300..900u64], 0..30u64, 0..200_000u64, prop_oneof![3 => Just(0u64), 1 => 0..8000u64])
            .prop_map(|(requests, objects, span, late)| Step::Activity { requests, objects, span, late }),
        3 => (1..15u32).prop_map(Step::Ticks),
        2 => prop_oneof![Just(300u64), 1..10_000u64, 1..400_000u64].prop_map(Step::Pass),
        6 => faults().prop_map(Step::Run),
        1 => any::<bool>().prop_map(|time_filters| Step::Kong { time_filters }),
        1 => (-5000..5000i64).prop_map(|skew| Step::Clock { skew }),
        1 => prop_oneof![-100..100i64, -100_000..100_000i64].prop_map(|skew| Step::KongClock { skew }),
    ]
}

fn history() -> impl Strategy<Value = History> {
    let sizes = (
        prop_oneof![Just(1u32), Just(7), Just(100), Just(1000)],
        prop_oneof![Just(1u32), Just(2), Just(16)],
    );
    (any::<u64>(), sizes, any::<bool>(), proptest::collection::vec(step(), 1..25)).prop_map(
        |(seed, (page_size, max_in_flight), reconciles, steps)| History {
            seed,
            page_size,
            max_in_flight,
            reconciles,
            steps,
        },
    )
}

const RETENTION: i64 = 2_592_000;

impl History {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "kong_admin_api" => "http://kong:8001".to_owned(),
            "channel_arn" => "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a".to_owned(),
            "aws_access_key_id" => "AKIDEXAMPLE".to_owned(),
            "aws_secret_access_key" => "secret".to_owned(),
            "page_size" => self.page_size.to_string(),
            "max_in_flight" => self.max_in_flight.to_string(),
            "reconcile_secs" if !self.reconciles => "0".to_owned(),
            "max_calls_per_sec" => "1000".to_owned(),
            _ => return None,
        };
        Some(value)
    }

    fn run(&self, world: &World) -> Option<Report> {
        world.play(shipper::run(world, |name| Ok(self.variable(name))))
    }

    fn play(&self) -> Result<(), TestCaseError> {
        let world = World::new(self.seed);
        // Entries whose batches died with their process, at most.
        let mut repeats_allowed = 0;
        let mut made = 0;
        for step in &self.steps {
            match *step {
                Step::Activity { requests, objects, span, late } => {
                    let late = if self.reconciles { late } else { late.min(3600) };
                    let span = if self.reconciles { span } else { 0 };
                    let now = world.time();
                    let mut kept = world.kept.borrow_mut();
                    for (stream, count) in [("requests", requests), ("objects", objects)] {
                        for _ in 0..count {
                            let age = i64::try_from(world.draw(span + 1)).unwrap();
                            let time = now + world.kong_skew.get() - age;
                            let visible = now + i64::try_from(world.draw(late + 1)).unwrap();
                            made += 1;
                            let id = format!("{stream}-{made}x");
                            kept.get_mut(stream).unwrap().push(Kept {
                                id,
                                time,
                                visible,
                                expires: now - age + RETENTION,
                            });
                        }
                    }
                }
                Step::Pass(seconds) => world.advance(seconds),
                Step::Run(faults) => {
                    world.faults.set(faults);
                    let report = self.run(&world);
                    let store_failed = report.as_ref().is_some_and(|report| {
                        report.error.as_deref().unwrap_or_default().contains("key-value store")
                    });
                    if report.is_none() || store_failed {
                        repeats_allowed += self.max_in_flight;
                    }
                    world.faults.set(Faults::default());
                }
                Step::Ticks(ticks) => {
                    for _ in 0..ticks {
                        self.run(&world).unwrap();
                        world.advance(300);
                    }
                }
                Step::Kong { time_filters } => world.time_filters.set(time_filters),
                Step::Clock { skew } => world.skew.set(skew),
                Step::KongClock { skew } if self.reconciles => world.kong_skew.set(skew),
                Step::KongClock { .. } => {}
            }
        }
        self.settle(&world)?;
        check(&world, repeats_allowed)
    }

    /// Faults end, the lease of a dead run runs out, all entries show, and a reconcile falls due.
    fn settle(&self, world: &World) -> Result<(), TestCaseError> {
        for _ in 0..3 {
            world.advance(90_000);
            let report = self.run(world).unwrap();
            let lines = world.lines.borrow();
            prop_assert_eq!(
                report.outcome,
                Outcome::Ok,
                "{:?} {:?}",
                report.error,
                lines.iter().rev().take(5).collect::<Vec<_>>()
            );
        }
        let calls = world.accepted.borrow().values().sum::<u32>();
        world.advance(300);
        let report = self.run(world).unwrap();
        prop_assert_eq!(report.outcome, Outcome::Ok);
        prop_assert_eq!(
            world.accepted.borrow().values().sum::<u32>(),
            calls,
            "a run after all is shipped ships nothing"
        );
        Ok(())
    }
}

fn check(world: &World, unrecorded_batches: u32) -> Result<(), TestCaseError> {
    let accepted = world.accepted.borrow();
    let now = world.time();
    for (stream, kept) in world.kept.borrow().iter() {
        for entry in kept.iter().filter(|entry| entry.expires > now) {
            prop_assert!(
                accepted.contains_key(&entry.id),
                "{stream} {entry:?} is not in CloudTrail"
            );
        }
    }
    let repeats: u32 = accepted.values().map(|times| times - 1).sum();
    let allowed = (unrecorded_batches + world.lost_batches.get()) * 100;
    prop_assert!(repeats <= allowed, "{repeats} repeats where {allowed} can be explained");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Beside the tests of other folders, whose root file has the same name.
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/model/regressions.txt"))),
        cases: 64, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_entry_arrives_and_repeats_are_explained(history in history()) {
        history.play()?;
    }
}
