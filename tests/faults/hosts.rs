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
const LEASE: Duration = Duration::from_secs(2);
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

/// A stop or a death: whom it struck, from when to when.
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
    /// Report lines of hosts that are gone.
    earlier_ticks: usize,
    random: fastrand::Rng,
}

#[test]
fn of_two_hosts_one_that_stalls_repeats_what_was_on_its_wire() {
    let Some(redis) = Redis::start(None) else { return };
    let mut fleet = Fleet::start(2, &redis, seed("two hosts"));
    fleet.stall_until(if soak() { 300 } else { 50 });
    fleet.judge("two hosts, stalls");
}

#[test]
fn three_hosts_that_start_on_an_empty_store_ship_each_entry_once_but_for_stalls() {
    let Some(redis) = Redis::start(None) else { return };
    let mut fleet = Fleet::start(3, &redis, seed("three hosts"));
    fleet.stall_until(if soak() { 300 } else { 50 });
    fleet.judge("three hosts, stalls");
}

#[test]
fn a_host_that_dies_is_replaced_within_its_lease_and_a_tick() {
    let Some(redis) = Redis::start(None) else { return };
    let mut fleet = Fleet::start(2, &redis, seed("deaths"));
    let deaths = if soak() { 30 } else { 6 };
    let replaced: Vec<Duration> = (0..deaths).map(|_| fleet.kill_the_one_that_ships()).collect();
    println!("deaths: replaced after {replaced:.2?} (lease {LEASE:?}, tick {TICK:?})");
    assert!(replaced.iter().all(|after| *after <= LEASE + TICK + LEEWAY), "{replaced:?}");
    fleet.judge("deaths");
}

#[test]
fn hosts_that_nothing_strikes_ship_each_entry_once() {
    let Some(redis) = Redis::start(None) else { return };
    let mut fleet = Fleet::start(2, &redis, seed("quiet hosts"));
    while fleet.ticks() < 20 {
        fleet.busy_for(Duration::from_millis(200));
    }
    fleet.judge("quiet hosts");
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
        Self { world, hosts, strikes: Vec::new(), earlier_ticks: 0, random }
    }

    fn ticks(&self) -> usize {
        self.earlier_ticks + self.hosts.iter().map(|host| host.reports().len()).sum::<usize>()
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
        self.earlier_ticks += dead.reports().len();
        let access_key_id = dead.access_key_id.clone();
        self.strikes.push(Strike { access_key_id, from_ms: died_ms, to_ms: died_ms });
        while runs(&self.world) == runs_before {
            assert!(died.elapsed() < Duration::from_secs(30), "nobody takes over");
            std::thread::sleep(Duration::from_millis(5));
        }
        let replaced = died.elapsed();
        self.hosts.push(self.world.up());
        replaced
    }

    /// Waits until a run has begun and ended after the last activity, and compares.
    fn judge(mut self, name: &str) {
        let quiet = Instant::now();
        let deadline = quiet + Duration::from_secs(60);
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
        let verdict = Verdict::of(&self.world);
        let repeated = explain(&verdict, &self.strikes);
        println!(
            "{name}: {} ticks, {} stalls and deaths, {} entries, {} lost, {} repeated, most batches \
             repeated after one of them {} (max_in_flight {MAX_IN_FLIGHT})",
            self.ticks(),
            self.strikes.len(),
            verdict.entries,
            verdict.lost.len(),
            verdict.repeats(),
            repeated.iter().map(BTreeSet::len).max().unwrap_or(0),
        );
        verdict.assert_nothing_is_lost();
        for (strike, batches) in self.strikes.iter().zip(&repeated) {
            let calls = || batches.iter().map(|call| &verdict.calls[*call]).collect::<Vec<_>>();
            assert!(batches.len() <= MAX_IN_FLIGHT, "{strike:?} had repeated {:?}", calls());
        }
    }
}

/// For each strike the batches that it had repeated. Panics over a repeat that none explains.
///
/// Of two calls that brought the same event one is the struck host's: the earlier one, when it was
/// accepted and the ledger never heard of it; the later one, when it was on the wire while
/// another host took over.
fn explain(verdict: &Verdict, strikes: &[Strike]) -> Vec<BTreeSet<usize>> {
    let mut repeated = vec![BTreeSet::new(); strikes.len()];
    let mut by_pair: BTreeMap<(usize, usize), &str> = BTreeMap::new();
    for (id, calls) in &verdict.repeated {
        by_pair.extend(calls.windows(2).map(|pair| ((pair[0], pair[1]), id.as_str())));
    }
    for ((earlier, later), id) in by_pair {
        let strike = |number: usize, from_slack: u64| {
            let call = &verdict.calls[number];
            strikes.iter().position(|strike| {
                strike.access_key_id == call.access_key_id
                    && call.accepted_ms + from_slack >= strike.from_ms
                    && call.accepted_ms <= strike.to_ms + ARRIVED_MS
            })
        };
        let explained = strike(earlier, RECORDED_MS)
            .map(|strike| (strike, earlier))
            .or_else(|| strike(later, 0).map(|strike| (strike, later)));
        let Some((strike, call)) = explained else {
            let calls = [earlier, later].map(|call| &verdict.calls[call]);
            panic!("{id} was accepted twice and nobody was struck: {calls:?}");
        };
        repeated[strike].insert(call);
    }
    repeated
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
