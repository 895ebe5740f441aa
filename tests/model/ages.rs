//! **CloudWatch Logs refuses what is older than 14 days with a 200, and Kong keeps 30.** Entries from 0 to 40 days
//! old, by hosts whose clocks are an hour off, into a log group whose retention is shortened in the middle of a
//! run: all arrive, once unless explained.

use kong_cloudtrail::report::Outcome;
use kong_cloudtrail::terms::Stream;
use kong_cloudtrail::testing::Seeded;
use proptest::prelude::*;

use crate::cloudwatch::Group;
use crate::from_env;
use crate::scene::Scene;
use crate::world::Destination;

const DAY: i64 = 86_400;

/// What happens beside the ages.
#[derive(Clone, Debug)]
struct Trouble {
    /// The host's clock less the true time.
    skew: i64,
    group: Group,
    seed: u64,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let skew = prop_oneof![Just(0i64), Just(-3600), Just(3600), -4000..4000i64];
    let days = || prop_oneof![Just(1i64), Just(7), 1..40i64].prop_map(|days| days * DAY);
    let group =
        (proptest::option::of(days()), proptest::option::of((0..8u32, days())), any::<bool>())
            .prop_map(|(retention, shortened, inclusive_ends)| Group {
                retention,
                shortened,
                inclusive_ends,
                calls: 0,
            });
    (skew, group, any::<u64>()).prop_map(|(skew, group, seed)| Trouble { skew, group, seed })
}

/// A Kong that keeps entries for 41 days, and a log group.
fn scene(group: Group) -> Scene {
    let scene = Scene::new();
    scene.kong(|kong| kong.retention = 41 * DAY);
    scene.world.destination.set(Destination::CloudWatch);
    scene.world.group.set(group);
    scene
}

fn ship(ages: &[i64], trouble: &Trouble) {
    let mut scene = scene(trouble.group);
    scene.setup.page_size = 1 + u32::try_from(Seeded::new(trouble.seed).below(200)).unwrap();
    scene.hosts[0].skew.set(trouble.skew);
    let now = scene.kong_time();
    for (place, age) in ages.iter().enumerate() {
        let stream = Stream::ALL[place % 2];
        match stream {
            Stream::Requests => scene.write_stamped(1, now - age),
            Stream::Objects => scene.write_objects_stamped(1, now - age),
        }
    }
    let report = scene.run();
    assert_eq!(report.dead_letters, Some(0));
    assert_eq!(scene.missing(), 0);
    // The truth has judged each repeat; and a further run sends nothing.
    let accepted = scene.accepted();
    scene.pass(300);
    assert_eq!(scene.run().outcome, Outcome::Ok);
    assert_eq!(scene.accepted(), accepted);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: from_env("PROPTEST_CASES", 40),
        ..ProptestConfig::default() })]

    #[test]
    fn entries_of_any_age_arrive_once_unless_explained(
        ages in proptest::collection::vec(0..40 * DAY, 1..300),
        trouble in trouble(),
    ) {
        ship(&ages, &trouble);
    }
}

#[test]
fn forty_days_of_entries_arrive_once() {
    let ages: Vec<i64> = (0..4000).map(|place| place * 40 * DAY / 4000).collect();
    ship(&ages, &Trouble { skew: 0, group: Group::default(), seed: 1 });
    ship(&ages, &Trouble { skew: 3600, group: Group::default(), seed: 2 });
}

#[test]
fn a_retention_of_a_day_costs_no_entry_and_no_repeat_beyond_one_a_call() {
    for inclusive_ends in [false, true] {
        let group = Group { retention: Some(DAY), inclusive_ends, ..Group::default() };
        let scene = scene(group);
        scene.kong(|kong| kong.parts_in = u64::MAX);
        let now = scene.kong_time();
        (0..400).for_each(|hours| scene.write_stamped(1, now - hours * 3600));
        let report = scene.run();
        assert_eq!((scene.arrived(), report.dead_letters), (400, Some(0)));
        let calls = usize::try_from(report.calls.destination).unwrap();
        assert!(scene.repeated() <= calls, "{} of {calls} calls", scene.repeated());
        if inclusive_ends {
            assert_eq!(scene.repeated(), 0, "what is at the end index was refused");
        }
    }
}

#[test]
fn a_run_that_ships_asks_whose_the_credentials_are_and_an_idle_one_does_not() {
    let scene = scene(Group::default());
    let asked = &scene.world.asked_sts;
    scene.run();
    assert_eq!(asked.get(), 0);
    for runs in 1..=3 {
        scene.write(3);
        scene.pass(300);
        scene.run();
        assert_eq!(asked.get(), runs);
    }
}
