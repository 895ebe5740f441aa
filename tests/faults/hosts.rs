//! Several hosts on one store: however they are stopped, continued and killed, one at a time ships,
//! and only what was on the wire of the one that was struck comes again.
//!
//! Judged by what the hosts say of themselves, so that a machine that is busy or stands still changes nothing:
//! a repeat is explained by a strike on the run that the call was of, a run lasts from its host's report before
//! to its own, and until when a lease is held is what the hosts that wait for it were told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime};

use kong_cloudtrail_sim::cloudtrail::Call;
use kong_cloudtrail_sim::kong;
use time::format_description::well_known::Rfc3339;

use super::destination::Kind;
use super::host::Host;
use super::redis::Redis;
use super::verdict::Verdict;
use super::world::{World, seed, soak};

const MAX_IN_FLIGHT: usize = 2;
const LEASE: Duration = Duration::from_secs(3);
/// `interval_secs` of the tests' manifest.
const TICK: Duration = Duration::from_secs(1);
/// How long CloudTrail takes to answer.
const ANSWER_MS: u64 = 120;
/// Between two strikes on a host, so that it begins another run.
const APART_MS: u64 = 1200;
/// Longer than anything takes on any machine.
const LONG: Duration = Duration::from_mins(5);

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
    fleet.judge("two hosts, deaths");
}

impl Fleet {
    fn start(hosts: usize, redis: &Redis, seed: u64) -> Self {
        let span_days = Kind::of_environment().span_days();
        let options =
            kong::Options { requests: 300, objects: 300, span_days, ..Default::default() };
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
            let recently = |strike: &Strike| {
                strike.access_key_id == access_key_id && strike.to_ms + APART_MS > now_ms()
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
        let deadline = Instant::now() + LONG;
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
    /// until one that was there already began a run. Whoever found the lease held meanwhile was told that it ends
    /// `LEASE` after the death at the latest.
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
            assert!(died.elapsed() < LONG, "nobody takes over");
            std::thread::sleep(Duration::from_millis(5));
        }
        let replaced = died.elapsed();
        let longest_ms = died_ms + millis(LEASE);
        for host in &self.hosts {
            for (_, line) in host.lines().into_iter().filter(|(at, _)| *at > died) {
                let told = held_until_ms(&line);
                assert!(told.is_none_or(|until| until <= longest_ms), "died at {died_ms}: {line}");
            }
        }
        self.hosts.push(self.world.up());
        replaced
    }

    /// From when to when the run lasted that was struck: from its host's report before it to its own.
    fn struck_run(&self, strike: &Strike) -> RangeInclusive<u64> {
        let is_struck = |host: &&Host| host.access_key_id == strike.access_key_id;
        let host = self.hosts.iter().chain(&self.dead).find(is_struck).expect("one of the hosts");
        let now = now_ms();
        let ends: Vec<_> =
            host.reports().iter().map(|(at, _)| now - millis(at.elapsed())).collect();
        run_around(&ends, strike)
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
        let deadline = quiet + LONG;
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
        let runs: Vec<_> = self.strikes.iter().map(|strike| self.struck_run(strike)).collect();
        let repeated = explain(&verdict.repeated, &verdict.calls, &self.strikes, &runs);
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
            let own = |number: &&usize| !may_be_covered(&verdict.calls[**number], &self.strikes);
            assert!(batches.keys().filter(own).count() <= MAX_IN_FLIGHT, "{}", told());
        }
    }
}

/// Of a host whose runs ended then, from when to when the run lasted that was struck.
fn run_around(ends: &[u64], strike: &Strike) -> RangeInclusive<u64> {
    let before = ends.iter().rfind(|end| **end <= strike.from_ms);
    let own = ends.iter().find(|end| **end >= strike.to_ms);
    *before.unwrap_or(&0)..=*own.unwrap_or(&u64::MAX)
}

/// Until when a skipped run was told that the lease is held, in Unix milliseconds, if the line says so. It is
/// told in whole seconds, the next one.
fn held_until_ms(line: &str) -> Option<u64> {
    let (_, until) = line.split_once("holds the lease, until ")?;
    let until = time::OffsetDateTime::parse(until.split(' ').next()?, &Rfc3339).unwrap();
    Some(u64::try_from(until.unix_timestamp() - 1).unwrap() * 1000)
}

/// For each strike the struck host's calls that it had repeated, and the calls that brought the same.
/// Panics over a repeat that none explains.
///
/// Of two calls that brought the same event one is of a struck run: the earlier one, which the ledger never
/// heard of, and the repeat came after the strike; or the later one, when it was on the wire while another
/// host took over. Or neither is, and the record of the earlier one was covered by another host's late write.
fn explain(
    repeated: &[(String, Vec<usize>)],
    calls: &[Call],
    strikes: &[Strike],
    runs: &[RangeInclusive<u64>],
) -> Vec<BTreeMap<usize, BTreeSet<usize>>> {
    let mut explained = vec![BTreeMap::<usize, BTreeSet<usize>>::new(); strikes.len()];
    let mut by_pair: BTreeMap<(usize, usize), &str> = BTreeMap::new();
    for (id, calls) in repeated {
        by_pair.extend(calls.windows(2).map(|pair| ((pair[0], pair[1]), id.as_str())));
    }
    for ((earlier, later), id) in by_pair {
        let strike_on = |call: usize, repeated_ms: u64| {
            let call = &calls[call];
            strikes.iter().zip(runs).position(|(strike, run)| {
                strike.access_key_id == call.access_key_id
                    && run.contains(&call.accepted_ms)
                    && repeated_ms >= strike.from_ms
            })
        };
        let unrecorded = strike_on(earlier, calls[later].accepted_ms);
        let found = unrecorded
            .map(|strike| (strike, earlier, later))
            .or_else(|| strike_on(later, u64::MAX).map(|strike| (strike, later, earlier)))
            .or_else(|| {
                let covered = |strike: &Strike| covers(strike, &calls[earlier]);
                strikes.iter().position(covered).map(|strike| (strike, earlier, later))
            });
        let Some((strike, call, with)) = found else {
            let pair = [&calls[earlier], &calls[later]];
            panic!("{id} was accepted twice and nobody was struck: {pair:?} of {strikes:#?}");
        };
        explained[strike].entry(call).or_default().insert(with);
    }
    explained
}

/// Whether another host that stalled went on just after a call was accepted: its one late write may have covered
/// the record of that call (docs/guarantees.md), which is no batch under way at a strike.
fn may_be_covered(call: &Call, strikes: &[Strike]) -> bool {
    strikes.iter().any(|strike| covers(strike, call))
}

fn covers(strike: &Strike, call: &Call) -> bool {
    strike.access_key_id != call.access_key_id
        && (call.accepted_ms..call.accepted_ms + 2000).contains(&strike.to_ms)
}

#[test]
fn the_late_write_of_another_host_covers_what_was_accepted_just_before_it() {
    let strike = |host: &str, to_ms| Strike { access_key_id: host.to_owned(), from_ms: 0, to_ms };
    let call =
        Call { access_key_id: "a".to_owned(), accepted_ms: 5000, events: 0..1, answer_lost: false };
    for (host, to_ms, covered) in [
        ("b", 5000, true),
        ("b", 6999, true),
        ("b", 4999, false),
        ("b", 7000, false),
        ("a", 5500, false),
    ] {
        assert_eq!(may_be_covered(&call, &[strike(host, to_ms)]), covered, "{host} {to_ms}");
    }
}

#[test]
fn a_strike_explains_repeats_of_calls_of_the_struck_run_and_of_no_other() {
    let call = |host: &str, accepted_ms: u64| Call {
        access_key_id: host.to_owned(),
        accepted_ms,
        events: 0..1,
        answer_lost: false,
    };
    let strike = Strike { access_key_id: "a".to_owned(), from_ms: 1000, to_ms: 5000 };
    let run = run_around(&[400, 900, 9000, 9900], &strike);
    assert_eq!(run, 900..=9000, "however long it takes to say that it was struck");
    assert_eq!(run_around(&[], &strike), 0..=u64::MAX);
    let is_explained = |first: Call, second: Call| {
        let (calls, repeated) = ([first, second], [("id".to_owned(), vec![0, 1])]);
        let (strikes, runs) = (std::slice::from_ref(&strike), std::slice::from_ref(&run));
        std::panic::catch_unwind(|| explain(&repeated, &calls, strikes, runs)).is_ok()
    };
    assert!(is_explained(call("a", 950), call("b", 4000)), "accepted and not recorded");
    assert!(is_explained(call("b", 4000), call("a", 8000)), "on the wire when it was stopped");
    assert!(!is_explained(call("a", 950), call("b", 990)), "repeated before anybody was struck");
    assert!(!is_explained(call("a", 850), call("b", 4000)), "of a run that had reported");
    assert!(!is_explained(call("b", 2900), call("a", 9100)), "of a run after the struck one");
    assert!(is_explained(call("b", 4000), call("b", 9100)), "its record covered by a late write");
    assert!(!is_explained(call("b", 950), call("c", 4000)), "of hosts that nobody struck");
}

#[test]
fn a_skipped_run_tells_until_when_the_lease_is_held() {
    let line = r#"{"message":"an interrupted run or another host holds the lease, until 2026-11-22T12:00:01Z at the latest"}"#;
    assert_eq!(held_until_ms(line), Some(1_795_348_800_000));
    assert_eq!(held_until_ms("{}"), None);
}

fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
