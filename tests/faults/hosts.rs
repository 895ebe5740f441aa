//! Several hosts on one store: however they are stopped, continued and killed, one at a time ships,
//! and only what was on the wire of the one that was struck comes again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use kong_cloudtrail_sim::cloudtrail::Call;
use kong_cloudtrail_sim::kong;

use super::host::Host;
use super::redis::Redis;
use super::verdict::Verdict;
use super::world::{World, seed, soak};

const MAX_IN_FLIGHT: usize = 2;
const LEASE: Duration = Duration::from_secs(3);
/// `interval_secs` of the tests' manifest.
const TICK: Duration = Duration::from_secs(1);
/// For starting a run, and for what else this machine is doing.
const LEEWAY: Duration = Duration::from_secs(1);
/// How long CloudTrail takes to answer.
const ANSWER_MS: u64 = 120;
/// From an acceptance to its place in the ledger: the answer, and a write.
const RECORDED_MS: u64 = ANSWER_MS + 500;
/// From the continuation of a host until all that was on its wire has arrived.
const ARRIVED_MS: u64 = 500;

/// A stop or a death, or a stall that a host noticed without being struck, on a machine too busy
/// for its lease: whom it struck, from when to when.
#[derive(Debug)]
struct Strike {
    access_key_id: String,
    from_ms: u64,
    to_ms: u64,
}

struct Fleet {
    world: World,
    hosts: Vec<Host>,
    strikes: Vec<Strike>,
    /// Hosts that are gone.
    dead: Vec<Host>,
    random: fastrand::Rng,
}

/// Ticks for which a fleet is watched; of all fleets together over 50.
fn ticks() -> usize {
    if soak() { 200 } else { 25 }
}

#[test]
fn however_hosts_stall_or_die_one_ships_and_what_was_on_the_wire_of_the_struck_comes_again() {
    let Some(redis) = Redis::start(None) else { return };
    let seed = seed("hosts");
    let fleet = |hosts| Fleet::start(hosts, &redis, seed.wrapping_add(hosts as u64));
    std::thread::scope(|scope| {
        scope.spawn(|| two_that_nothing_strikes_ship_each_entry_once(fleet(2)));
        scope.spawn(|| {
            those_that_stall_repeat_what_was_on_their_wire("two hosts, stalls", fleet(2));
        });
        scope.spawn(|| {
            those_that_stall_repeat_what_was_on_their_wire("three hosts, stalls", fleet(3));
        });
        scope.spawn(|| one_that_dies_is_replaced_within_its_lease_and_a_tick(fleet(2)));
    });
}

fn two_that_nothing_strikes_ship_each_entry_once(mut fleet: Fleet) {
    while fleet.ticks() < ticks() {
        fleet.busy_for(Duration::from_millis(200));
    }
    fleet.judge("two hosts, in peace");
}

fn those_that_stall_repeat_what_was_on_their_wire(name: &str, mut fleet: Fleet) {
    fleet.stall_until(ticks());
    fleet.judge(name);
}

fn one_that_dies_is_replaced_within_its_lease_and_a_tick(mut fleet: Fleet) {
    let deaths = if soak() { 50 } else { 5 };
    let replaced: Vec<Duration> = (0..deaths).map(|_| fleet.kill_the_one_that_ships()).collect();
    println!("two hosts, deaths: replaced after {replaced:.2?} (lease {LEASE:?}, tick {TICK:?})");
    assert!(replaced.iter().all(|after| *after <= LEASE + TICK + LEEWAY), "{replaced:?}");
    fleet.judge("two hosts, deaths");
}

impl Fleet {
    fn start(hosts: usize, redis: &Redis, seed: u64) -> Self {
        let options = kong::Options { requests: 300, objects: 300, ..Default::default() };
        let mut world = World::new(options);
        world.set("lease_secs", &LEASE.as_secs().to_string());
        world.set("max_in_flight", &MAX_IN_FLIGHT.to_string()).store_at(&redis.url());
        world.answer_late(ANSWER_MS);
        let hosts = (0..hosts).map(|_| world.up()).collect();
        let random = fastrand::Rng::with_seed(seed);
        Self { world, hosts, strikes: Vec::new(), dead: Vec::new(), random }
    }

    fn ticks(&self) -> usize {
        self.hosts.iter().chain(&self.dead).map(|host| host.reports().len()).sum()
    }

    /// Lets time pass, with activity in Kong.
    fn busy_for(&mut self, span: Duration) {
        let until = Instant::now() + span;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.world.kong.add_activity(self.random.u32(0..20), self.random.u32(0..10));
            std::thread::sleep(left.min(Duration::from_millis(200)));
        }
    }

    /// Stops one host after another for longer than its lease, until there were so many ticks.
    fn stall_until(&mut self, ticks: usize) {
        while self.ticks() < ticks {
            let struck = if self.random.bool() {
                let pause = Duration::from_millis(self.random.u64(0..1200));
                self.busy_for(pause);
                self.random.usize(0..self.hosts.len())
            } else {
                self.one_that_ships()
            };
            let access_key_id = self.hosts[struck].access_key_id.clone();
            // So that it is plain which stall explains a repeat.
            let apart = RECORDED_MS + ARRIVED_MS;
            let recently = |strike: &Strike| {
                strike.access_key_id == access_key_id && strike.to_ms + apart > now_ms()
            };
            if self.strikes.iter().any(recently) {
                continue;
            }
            let span = LEASE + Duration::from_millis(self.random.u64(200..1200));
            let from_ms = now_ms();
            self.hosts[struck].stop();
            self.busy_for(span);
            self.hosts[struck].go_on();
            self.strikes.push(Strike { access_key_id, from_ms, to_ms: now_ms() });
        }
    }

    /// Waits until a call is accepted; whose it was. Its answer is under way then.
    fn one_that_ships(&mut self) -> usize {
        let before = self.world.cloudtrail.calls().len();
        let deadline = Instant::now() + Duration::from_secs(30);
        self.world.kong.add_activity(150, 100);
        loop {
            let calls = self.world.cloudtrail.calls();
            if let Some(call) = calls.get(before..).and_then(<[Call]>::last) {
                let ships = |host: &Host| host.access_key_id == call.access_key_id;
                return self.hosts.iter().position(ships).expect("one of the hosts");
            }
            assert!(Instant::now() < deadline, "nobody ships");
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Kills a host in the middle of a run and starts another in its place; tells how long it took
    /// until one that was there already began a run.
    fn kill_the_one_that_ships(&mut self) -> Duration {
        let runs = |world: &World| world.kong.status().calls["/"];
        let killed = self.one_that_ships();
        let mut dead = self.hosts.swap_remove(killed);
        dead.kill();
        let (died, died_ms, runs_before) = (Instant::now(), now_ms(), runs(&self.world));
        let access_key_id = dead.access_key_id.clone();
        self.dead.push(dead);
        self.strikes.push(Strike { access_key_id, from_ms: died_ms, to_ms: died_ms });
        while runs(&self.world) == runs_before {
            assert!(died.elapsed() < Duration::from_secs(30), "nobody takes over");
            std::thread::sleep(Duration::from_millis(5));
        }
        let replaced = died.elapsed();
        self.hosts.push(self.world.up());
        replaced
    }

    /// Stalls that hosts report of themselves, other than those that they were struck with.
    fn add_stalls_that_hosts_noticed(&mut self) {
        for host in self.hosts.iter().chain(&self.dead) {
            let access_key_id = &host.access_key_id;
            for (at, report) in host.reports() {
                let error = report["error"].as_str().unwrap_or_default();
                let to_ms = now_ms() - millis(at.elapsed());
                let from_ms = to_ms - report["duration_ms"].as_u64().unwrap();
                let known = self.strikes.iter().any(|strike| {
                    strike.access_key_id == *access_key_id
                        && strike.from_ms <= to_ms
                        && from_ms <= strike.to_ms
                });
                if error.contains("stalled past its lease") && !known {
                    let access_key_id = access_key_id.clone();
                    self.strikes.push(Strike { access_key_id, from_ms, to_ms });
                }
            }
        }
    }

    /// Waits until a run has begun and ended after the last activity, and compares.
    fn judge(mut self, name: &str) {
        let quiet = Instant::now();
        let deadline = quiet + Duration::from_mins(1);
        let settled = |host: &Host| {
            let reports = host.reports();
            let later = reports.iter().filter(|(at, report)| {
                let took = Duration::from_millis(report["duration_ms"].as_u64().unwrap());
                *at > quiet + took + Duration::from_millis(100) && report["outcome"] == "ok"
            });
            later.count() > 0
        };
        while !self.hosts.iter().any(settled) {
            assert!(Instant::now() < deadline, "no run ends ok: {}", self.hosts[0].said());
            std::thread::sleep(Duration::from_millis(50));
        }
        for host in &mut self.hosts {
            host.kill();
        }
        let struck = self.strikes.len();
        self.add_stalls_that_hosts_noticed();
        let verdict = Verdict::of(&self.world);
        let repeated = explain(&verdict, &self.strikes);
        println!(
            "{name}: {} ticks, {struck} stalls and deaths, {} more noticed, {} entries, {} lost, {} repeated, most batches \
             repeated after one of them {} (max_in_flight {MAX_IN_FLIGHT})",
            self.ticks(),
            self.strikes.len() - struck,
            verdict.entries,
            verdict.lost.len(),
            verdict.repeats(),
            repeated.iter().map(BTreeMap::len).max().unwrap_or(0),
        );
        verdict.assert_nothing_is_lost();
        for (strike, batches) in self.strikes.iter().zip(&repeated) {
            let told = || {
                let call = |number: &usize| &verdict.calls[*number];
                let pairs = batches.iter().map(|(by, with)| {
                    let with: Vec<_> = with.iter().map(call).collect();
                    format!("{:?} with {with:?}", call(by))
                });
                let pairs: Vec<_> = pairs.collect();
                format!("{strike:?} of {:#?} had repeated {pairs:#?}", self.strikes)
            };
            assert!(batches.len() <= MAX_IN_FLIGHT, "{}", told());
        }
    }
}

/// For each strike the struck host's calls that it had repeated, and the calls that brought the same.
/// Panics over a repeat that none explains.
///
/// Of two calls that brought the same event one is the struck host's: the earlier one, when it was
/// accepted, the ledger never heard of it, and the repeat came after the strike; the later one, when
/// it was on the wire while another host took over.
fn explain(verdict: &Verdict, strikes: &[Strike]) -> Vec<BTreeMap<usize, BTreeSet<usize>>> {
    let mut repeated = vec![BTreeMap::<usize, BTreeSet<usize>>::new(); strikes.len()];
    let mut by_pair: BTreeMap<(usize, usize), &str> = BTreeMap::new();
    for (id, calls) in &verdict.repeated {
        by_pair.extend(calls.windows(2).map(|pair| ((pair[0], pair[1]), id.as_str())));
    }
    for ((earlier, later), id) in by_pair {
        let calls = [earlier, later].map(|call| &verdict.calls[call]);
        let strike = |call: &Call, before_strike_ms: u64, repeated_ms: u64| {
            strikes.iter().position(|strike| {
                strike.access_key_id == call.access_key_id
                    && call.accepted_ms + before_strike_ms >= strike.from_ms
                    && call.accepted_ms <= strike.to_ms + ARRIVED_MS
                    && repeated_ms >= strike.from_ms
            })
        };
        let unrecorded = strike(calls[0], RECORDED_MS, calls[1].accepted_ms);
        let explained = unrecorded
            .map(|strike| (strike, earlier, later))
            .or_else(|| strike(calls[1], 0, u64::MAX).map(|strike| (strike, later, earlier)));
        let Some((strike, call, with)) = explained else {
            panic!("{id} was accepted twice and nobody was struck: {calls:?} of {strikes:#?}");
        };
        repeated[strike].entry(call).or_default().insert(with);
    }
    repeated
}

fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
