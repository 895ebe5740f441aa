//! SIGKILL at any moment, on Spin SIGINT too: what was on the wire or not yet recorded comes again,
//! nothing else does, and nothing is lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kong_cloudtrail_sim::kong;

use super::destination::{Destination, Kind};
use super::driver;
use super::host::Host;
use super::redis::Redis;
use super::verdict::Verdict;
use super::world::{World, seed, soak, total};

const MAX_IN_FLIGHT: usize = 2;

/// Worlds at a time, and kills in all of them. Spin takes seconds to start.
fn measure() -> (u32, u32) {
    match (driver::is_spin(), soak()) {
        (true, _) => (2, 24),
        (false, false) => (10, 200),
        (false, true) => (10, 1000),
    }
}

/// From which moment of a run on the time to its end is drawn, so that all of a run is struck.
#[derive(Clone, Copy, Debug)]
enum Since {
    Start,
    KongWasAsked,
    /// This many more calls were accepted.
    Accepted(usize),
    /// CloudTrail has all that there is.
    AllAccepted,
}

/// What a killed run had come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    BeforeKongWasAsked,
    Reading,
    Shipping,
    AllAccepted,
}

#[derive(Default)]
struct Tally {
    kills: u32,
    runs_to_the_end: u32,
    entries: usize,
    lost: usize,
    repeats: usize,
    most_batches_repeated: usize,
    /// Objects that were sent again, and were there.
    taken: u64,
    stages: BTreeMap<Stage, u32>,
}

#[test]
fn whenever_the_process_is_killed_nothing_is_lost_and_two_batches_at_most_come_again() {
    let Some(redis) = Redis::start(None) else { return };
    let seed = seed("kills");
    let (worlds, kills) = measure();
    let started = Instant::now();
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let worlds: Vec<_> = (0..worlds)
            .map(|world| {
                let random = fastrand::Rng::with_seed(seed.wrapping_add(world.into()));
                let redis = redis.url();
                scope.spawn(move || kill_and_kill_again(&redis, random, kills.div_ceil(worlds)))
            })
            .collect();
        for world in worlds {
            tally.add(&world.join().unwrap());
        }
    });
    println!(
        "kills: {} kills, {} entries, {} lost, {} repeated, {} objects were there already, most batches repeated \
         after one kill {} (max_in_flight {MAX_IN_FLIGHT}); {} more runs came to their end; struck at {:?}; {:?}",
        tally.kills,
        tally.entries,
        tally.lost,
        tally.repeats,
        tally.taken,
        tally.most_batches_repeated,
        tally.runs_to_the_end,
        tally.stages,
        started.elapsed()
    );
    assert!(tally.kills >= kills);
    assert_eq!(tally.lost, 0);
    assert!(tally.most_batches_repeated <= MAX_IN_FLIGHT);
    if driver::is_spin() {
        // So few kills may miss a moment, not all of them.
        assert!(tally.stages.keys().any(|stage| *stage != Stage::BeforeKongWasAsked));
        return;
    }
    if Kind::of_environment() == Kind::S3 {
        assert_eq!(tally.repeats, 0, "an object is sent again under its own name");
        assert!(tally.taken > 0, "no kill fell between acceptance and record: this shows nothing");
    } else {
        assert!(
            tally.repeats > 0,
            "no kill fell between acceptance and record: this shows nothing"
        );
    }
    for stage in [Stage::BeforeKongWasAsked, Stage::Reading, Stage::Shipping, Stage::AllAccepted] {
        assert!(tally.stages.contains_key(&stage), "no kill fell at {stage:?}");
    }
}

fn kill_and_kill_again(redis: &str, mut random: fastrand::Rng, kills: u32) -> Tally {
    let latency = Duration::from_millis(15);
    let (hundred, span_days) =
        (Kind::of_environment().hundreds(1), Kind::of_environment().span_days());
    let entries = hundred * 3 / 2;
    let options = kong::Options {
        requests: entries,
        objects: entries,
        span_days,
        latency,
        ..Default::default()
    };
    let mut world = World::new(options);
    world.set("lease_secs", "1").set("max_in_flight", &MAX_IN_FLIGHT.to_string());
    world.set("page_size", "200").store_at(redis);
    world.answer_late(80);
    let mut tally = Tally::default();
    while tally.kills < kills {
        let (requests, objects) = (hundred * 13 / 10, hundred * 9 / 10);
        world.kong.add_activity(random.u32(0..requests), random.u32(0..objects));
        let before = Seen::of(&world);
        let mut host = world.once();
        let since = match random.u8(0..10) {
            0 | 1 => Since::Start,
            2 | 3 => Since::KongWasAsked,
            4..8 => Since::Accepted(random.usize(1..5)),
            _ => Since::AllAccepted,
        };
        let within = random.u64(0..if matches!(since, Since::Start) { 250 } else { 120 });
        if came(since, &world, &before, &mut host)
            && host.ended_by(Instant::now() + Duration::from_millis(within)).is_none()
        {
            // To a run of Spin's SIGINT is a death like the other.
            host.end_by(if driver::is_spin() && random.bool() { "INT" } else { "KILL" });
            tally.kills += 1;
            *tally.stages.entry(before.stage(&Seen::of(&world))).or_default() += 1;
            // Mostly, not always, until the dead one's lease has run out.
            std::thread::sleep(Duration::from_millis(random.u64(700..1050)));
        } else {
            let report = host.report();
            let outcome = report["outcome"].as_str().unwrap();
            assert!(["ok", "skipped"].contains(&outcome) || lags(&report), "{}", host.said());
            tally.runs_to_the_end += 1;
        }
    }
    ship_the_rest(&world);
    tally.judge(&world);
    tally
}

/// Waits for the moment; false when the run has ended before.
fn came(since: Since, world: &World, before: &Seen, host: &mut Host) -> bool {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let now = Seen::of(world);
        let here = match since {
            Since::Start => true,
            Since::KongWasAsked => now.kong_calls > before.kong_calls,
            Since::Accepted(calls) => now.calls >= before.calls + calls,
            Since::AllAccepted => now.calls > before.calls && now.distinct == now.entries,
        };
        if here {
            return true;
        }
        if host.ended_by(Instant::now() + Duration::from_millis(8)).is_some() {
            return false;
        }
        assert!(Instant::now() < deadline, "a run hangs: {}", host.said());
    }
}

/// Whether the run brought a sweep to its end that a killed one had begun, and left what came since to
/// the next one.
fn lags(report: &serde_json::Value) -> bool {
    let error = report["error"].as_str().unwrap_or_default();
    report["outcome"] == "partial"
        && total(report, "pending") == 0
        && error.contains("left to the next run")
}

/// Runs without kills, until all is in.
fn ship_the_rest(world: &World) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let mut host = world.once();
        host.ended_by(deadline).expect("a run hangs");
        let report = host.report();
        match report["outcome"].as_str().unwrap() {
            "ok" => {
                assert_eq!(total(&report, "pending"), 0);
                return;
            }
            "skipped" => std::thread::sleep(Duration::from_millis(100)),
            _ => assert!(lags(&report), "{}", host.said()),
        }
        assert!(Instant::now() < deadline, "the lease of a dead host does not run out");
    }
}

/// What the simulators have seen at a moment.
struct Seen {
    kong_calls: u64,
    entries: usize,
    calls: usize,
    distinct: usize,
}

impl Seen {
    fn of(world: &World) -> Self {
        let (kong, cloudtrail) = (world.kong.status(), world.cloudtrail.status());
        Self {
            kong_calls: kong.calls.values().sum(),
            entries: kong.requests + kong.objects,
            calls: world.cloudtrail.calls().len(),
            distinct: cloudtrail.distinct,
        }
    }

    fn stage(&self, now: &Self) -> Stage {
        if now.kong_calls == self.kong_calls {
            Stage::BeforeKongWasAsked
        } else if now.calls == self.calls {
            Stage::Reading
        } else if now.distinct < now.entries {
            Stage::Shipping
        } else {
            Stage::AllAccepted
        }
    }
}

impl Tally {
    fn judge(&mut self, world: &World) {
        let verdict = Verdict::of(world);
        self.entries = verdict.entries;
        self.lost = verdict.lost.len();
        self.repeats = verdict.repeats();
        if let Destination::S3(bucket) = &world.cloudtrail {
            self.taken = bucket.taken();
        }
        // Each process signs with a key of its own, and each call is a batch, since none fails.
        let mut batches: BTreeMap<&str, usize> = BTreeMap::new();
        for call in verdict.forgotten() {
            *batches.entry(&verdict.calls[call].access_key_id).or_default() += 1;
        }
        self.most_batches_repeated = batches.into_values().max().unwrap_or(0);
    }

    fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.runs_to_the_end += other.runs_to_the_end;
        self.entries += other.entries;
        self.lost += other.lost;
        self.repeats += other.repeats;
        self.taken += other.taken;
        self.most_batches_repeated = self.most_batches_repeated.max(other.most_batches_repeated);
        for (stage, kills) in &other.stages {
            *self.stages.entry(*stage).or_default() += kills;
        }
    }
}
