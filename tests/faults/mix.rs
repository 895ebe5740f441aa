//! Everything that may fail, failing at once: throttling, lost answers, events that fail by
//! themselves, a Kong that is away now and then, and a store that is restarted in the middle of
//! runs. All is delivered whole, and each repeat is one that a lost answer or a restart explains.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use kong_cloudtrail_sim::cloudtrail::{EventFault, RequestError};
use kong_cloudtrail_sim::cloudwatch::EndIndex;
use kong_cloudtrail_sim::fault::{Fault, Rule, When};
use kong_cloudtrail_sim::{cloudtrail, kong};

use super::destination::{Destination, Kind};
use super::redis::{Redis, Stop};
use super::verdict::Verdict;
use super::world::{World, seed, soak, total};

const MAX_IN_FLIGHT: usize = 4;
/// Kongs, each with a channel and a ledger of its own, that share the store. A run mostly waits for
/// its next try, so that they go well side by side.
const WORLDS: u32 = 16;

/// From when to when.
type Span = (Instant, Instant);

/// What became of one world.
struct Told {
    runs: BTreeMap<String, Span>,
    outcomes: BTreeMap<String, u32>,
    retries: u64,
}

#[test]
fn with_everything_failing_all_is_delivered_and_only_lost_answers_and_restarts_repeat() {
    let Some(mut redis) = Redis::start(None) else { return };
    let seed = seed("mix");
    let entries = if soak() { 100_000 } else { 20_000 };
    let each = entries / WORLDS / 2;
    let worlds: Vec<World> =
        (0..WORLDS).map(|n| world(each, seed.wrapping_add(n.into()), &redis)).collect();

    let started = Instant::now();
    let outages: Mutex<Vec<Span>> = Mutex::default();
    let told: Vec<Told> = std::thread::scope(|scope| {
        let runs: Vec<_> = worlds.iter().map(|w| scope.spawn(|| run_until_all_is_in(w))).collect();
        // The store goes when a third is in, and again when two thirds are.
        for (third, how) in [(1, Stop::Sudden), (2, Stop::Orderly)] {
            let over = || runs.iter().all(ScopedJoinHandle::is_finished);
            let accepted = || worlds.iter().map(|w| w.cloudtrail.status().distinct).sum::<usize>();
            while accepted() < third * entries as usize / 3 && !over() {
                std::thread::sleep(Duration::from_millis(10));
            }
            let from = Instant::now();
            redis.stop(how);
            std::thread::sleep(Duration::from_millis(300));
            redis.start_again();
            outages.lock().unwrap().push((from, Instant::now()));
        }
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let outages = outages.into_inner().unwrap();

    let mut figures = Figures::default();
    for (world, told) in worlds.iter().zip(&told) {
        figures.judge(world, told, &outages);
    }
    println!(
        "mix: {figures:?}; at most {MAX_IN_FLIGHT} batches of {} a run and restart; {:.1?}",
        Kind::of_environment().batch(),
        started.elapsed()
    );
    assert_eq!((figures.entries, figures.lost), (entries as usize, 0));
    assert!(figures.runs_struck_by_a_restart >= 2, "no restart fell into runs: this shows nothing");
    assert!(figures.calls_reset_after_acceptance > 0, "no answer was lost: this shows nothing");
    assert!(figures.calls_throttled > 0);
    if Kind::of_environment() == Kind::S3 {
        assert_eq!(figures.repeated_after_lost_answers, 0, "an object keeps its name");
    } else {
        assert!(figures.repeated_after_lost_answers > 0 && figures.events_failed > 0);
    }
}

fn world(each: u32, seed: u64, redis: &Redis) -> World {
    let options = kong::Options { requests: each, objects: each, seed, ..Default::default() };
    let mut world = World::new(options);
    world.set("max_in_flight", &MAX_IN_FLIGHT.to_string());
    world.set("lease_secs", "2").set("page_size", "100").store_at(&redis.url());
    world.kong.set_faults(every_tenth_page_is_a_503());
    world.cloudtrail.set_faults(faults(world.cloudtrail.kind()));
    if let Destination::CloudWatch(logs) = &world.cloudtrail {
        // Most of the backlog is refused at first. Of what is at the end of a range there is no doubt.
        logs.set(|settings| {
            settings.retention_secs = Some(86_400);
            settings.end_index = EndIndex::Inclusive;
        });
    }
    world
}

/// Runs that follow each other until one is through.
fn run_until_all_is_in(world: &World) -> Told {
    let deadline = Instant::now() + Duration::from_mins(20);
    let mut told = Told { runs: BTreeMap::new(), outcomes: BTreeMap::new(), retries: 0 };
    loop {
        let from = Instant::now();
        let mut host = world.once();
        host.ended_by(deadline).expect("a run hangs");
        told.runs.insert(host.access_key_id.clone(), (from, Instant::now()));
        let report = host.report();
        told.retries += report["calls"]["retries"].as_u64().unwrap();
        let outcome = report["outcome"].as_str().unwrap();
        *told.outcomes.entry(outcome.to_owned()).or_default() += 1;
        let error = report["error"].as_str().unwrap_or_default();
        match outcome {
            "ok" => {
                assert_eq!(total(&report, "pending"), 0);
                return told;
            }
            // A store that is away; one that was away while the lease was renewed, which cannot be told
            // from another host's swap; eight tries of a batch of which the last was reset.
            "failed" => assert!(
                ["key-value store failed", "stalled past its lease", "cannot be reached"]
                    .iter()
                    .any(|words| error.contains(words)),
                "{error}"
            ),
            // Another try used up, or the lease of a run that lost its store.
            _ => assert!(outcome == "partial" || outcome == "skipped", "{}", host.said()),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Sums over all worlds.
#[derive(Debug, Default)]
struct Figures {
    entries: usize,
    lost: usize,
    calls: u64,
    calls_throttled: u64,
    events_failed: u64,
    calls_reset_after_acceptance: usize,
    events_in_them: usize,
    repeated_after_lost_answers: usize,
    repeated_after_restarts: usize,
    most_repeated_after_one_restart: usize,
    runs_struck_by_a_restart: usize,
    retries: u64,
    runs: BTreeMap<String, u32>,
}

impl Figures {
    /// Event by event: each acceptance but the last must be one that the run could not know of, or
    /// could not record.
    fn judge(&mut self, world: &World, told: &Told, outages: &[Span]) {
        let verdict = Verdict::of(world);
        verdict.assert_nothing_is_lost();
        let restarts = |access_key_id: &str| {
            let (from, to) = told.runs[access_key_id];
            outages.iter().filter(|outage| from <= outage.1 && outage.0 <= to).count()
        };
        let mut unrecorded = BTreeMap::<&str, usize>::new();
        for (id, calls) in &verdict.repeated {
            for call in &calls[..calls.len() - 1] {
                let call = &verdict.calls[*call];
                if call.answer_lost {
                    self.repeated_after_lost_answers += 1;
                } else if restarts(&call.access_key_id) > 0 {
                    *unrecorded.entry(&call.access_key_id).or_default() += 1;
                } else {
                    panic!("{id} was accepted again after {call:?}, of which the answer came");
                }
            }
        }
        for (access_key_id, events) in unrecorded {
            let most = restarts(access_key_id) * MAX_IN_FLIGHT * world.cloudtrail.kind().batch();
            assert!(events <= most, "{events} of {access_key_id} came again, more than {most}");
            self.repeated_after_restarts += events;
            self.most_repeated_after_one_restart = self.most_repeated_after_one_restart.max(events);
        }
        let reset: Vec<_> = verdict.calls.iter().filter(|call| call.answer_lost).collect();
        let status = world.cloudtrail.status();
        self.entries += verdict.entries;
        self.lost += verdict.lost.len();
        self.calls += status.calls;
        self.calls_throttled += status.throttled_calls;
        self.events_failed += status.failed;
        self.calls_reset_after_acceptance += reset.len();
        self.events_in_them += reset.iter().map(|call| call.events.len()).sum::<usize>();
        self.runs_struck_by_a_restart += told.runs.keys().filter(|key| restarts(key) > 0).count();
        self.retries += told.retries;
        for (outcome, runs) in &told.outcomes {
            *self.runs.entry(outcome.clone()).or_default() += runs;
        }
    }
}

fn every_tenth_page_is_a_503() -> kong::Faults {
    let rule = |path: &str| Rule {
        path: Some(path.to_owned()),
        when: When { every: Some(10), ..When::default() },
        fault: Fault::Status { code: 503, retry_after: None, body: None },
    };
    let rules = ["/audit/requests", "/audit/objects"].map(rule).into();
    kong::Faults { rules, ..Default::default() }
}

fn faults(kind: Kind) -> cloudtrail::Faults {
    let rate = |rate| When { rate: Some(rate), ..When::default() };
    let failing =
        EventFault { code: Some("InternalFailure".to_owned()), when: rate(0.05), ids: Vec::new() };
    cloudtrail::Faults {
        errors: vec![RequestError {
            kind: "ThrottlingException".to_owned(),
            when: rate(0.30),
            message: None,
        }],
        // CloudWatch has no failures of single events but for their age.
        events: if kind == Kind::CloudTrail { vec![failing] } else { Vec::new() },
        reset_after_accept: Some(rate(0.05)),
        ..Default::default()
    }
}
