//! Stores that refuse writes: what the destination gets while they do, what the reports say, and
//! that afterwards every entry is there.
//!
//! Sent is what cannot be recorded, so it comes again: at most one batch in all the runs.

use std::time::{Duration, Instant};

use kong_cloudtrail_sim::kong;
use serde_json::{Value, json};

use super::destination::Kind;
use super::host::Host;
use super::redis::wait_until;
use super::refusals::{self, Made, Refusal};
use super::verdict::Verdict;
use super::world::{World, total};

/// Entries that are new when the store begins to refuse: three batches of them.
fn fresh() -> (u32, u32) {
    let kind = Kind::of_environment();
    (kind.hundreds(2), kind.hundreds(1))
}

const RUNS: usize = 3;

/// What the ledger holds before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing: the store refuses the first run.
    Nothing,
    Little,
    /// Almost a full segment, which the next record writes anew.
    Much,
}

/// When the host's process is started anew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Restart {
    Never,
    /// When the cause is gone: only that ends it.
    After,
    /// Also when it begins.
    BeforeAndAfter,
}

struct Row {
    cause: &'static str,
    made: fn() -> Made,
    before: Before,
    restart: Restart,
}

const ROWS: [Row; 13] = [
    row("demoted, nobody else is primary", refusals::demoted, Before::Little, Restart::Never),
    row("demoted behind a name", refusals::failed_over, Before::Little, Restart::After),
    row("ACL without MSET", refusals::without_mset, Before::Little, Restart::Never),
    row("ACL without MSET, first run", refusals::without_mset, Before::Nothing, Restart::Never),
    // Without MULTI a swap writes whatever came in between, and no answer says so: the lease keeps
    // nobody out.
    row("ACL without MULTI", refusals::without_multi, Before::Nothing, Restart::Never),
    row("OOM for large writes", refusals::out_of_memory, Before::Much, Restart::Never),
    row("MISCONF", refusals::snapshots_fail, Before::Little, Restart::Never),
    row("NOREPLICAS", refusals::no_replicas, Before::Nothing, Restart::Never),
    row(
        "SQLite, 100 kB left on the disk",
        refusals::disk_nearly_full,
        Before::Much,
        Restart::Never,
    ),
    row("SQLite, disk full", refusals::disk_full, Before::Little, Restart::Never),
    row("SQLite, disk full, first run", refusals::disk_full, Before::Nothing, Restart::Never),
    row(
        "SQLite, folder is read-only",
        refusals::read_only_folder,
        Before::Little,
        Restart::BeforeAndAfter,
    ),
    row(
        "SQLite, file is read-only",
        refusals::read_only_file,
        Before::Little,
        Restart::BeforeAndAfter,
    ),
];

const fn row(cause: &'static str, made: fn() -> Made, before: Before, restart: Restart) -> Row {
    Row { cause, made, before, restart }
}

/// The result of a row.
struct Played {
    cause: &'static str,
    /// The events of a batch.
    batch: usize,
    /// How many entries were new under it.
    fresh: usize,
    sent: usize,
    reports: Vec<Value>,
    events_after: usize,
    lost: usize,
    repeats: usize,
}

#[test]
fn a_store_that_refuses_gets_a_clear_failure_and_at_most_a_batch_is_sent_that_it_does_not_know() {
    let began = Instant::now();
    let played: Vec<Played> = std::thread::scope(|scope| {
        let rows = ROWS.each_ref().map(|row| scope.spawn(move || row.play()));
        rows.into_iter().filter_map(|row| row.join().unwrap()).collect()
    });
    println!("cause | events sent under it | what the reports said | events after | repeats");
    for row in &played {
        let (said, error) = (row.outcomes().join(", "), row.error());
        let error: String = error.chars().take(180).collect();
        println!(
            "{} | {} | {said}: {error} | {} | {}",
            row.cause, row.sent, row.events_after, row.repeats
        );
    }
    println!("refusing: {} rows in {:?}", played.len(), began.elapsed());
    let wrong: Vec<String> = played.iter().flat_map(Played::wrong).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn in_cluster_mode_where_one_node_has_all_slots_each_entry_is_shipped_once() {
    let mut store = match refusals::cluster() {
        Ok(store) => store,
        Err(why) => return eprintln!("SKIPPED: cluster mode: {why}"),
    };
    let row = row("cluster mode", refusals::cluster, Before::Nothing, Restart::Never);
    let world = row.world(&store);
    let (host, reports) = row.refused(&world, &mut store);
    drop(host);
    for report in &reports {
        assert_eq!((&report["outcome"], &report["error"]), (&json!("ok"), &Value::Null));
    }
    Verdict::of(&world).assert_exactly_once();
}

impl Row {
    /// One or no good run, the cause, three runs, the cause's end, and runs until all is in.
    fn play(&self) -> Option<Played> {
        let mut store = match (self.made)() {
            Ok(store) => store,
            Err(why) => {
                eprintln!("SKIPPED: {}: {why}", self.cause);
                return None;
            }
        };
        let world = self.world(&store);
        let before = world.kong.status().requests;
        let (mut host, reports) = self.refused(&world, &mut store);
        let sent = world.cloudtrail.status().accepted - before;

        store.relent();
        let mut seen = host.reports().len();
        if self.restart != Restart::Never {
            end(host);
            host = world.up();
            seen = 0;
        }
        wait_until(self.cause, || host.reports()[seen..].iter().any(|(_, report)| is_ok(report)));
        // And one run more, which has nothing to do.
        let ran = host.reports().len();
        wait_until(self.cause, || host.reports().len() > ran);
        drop(host);
        let (kong, cloudtrail) = (world.kong.status(), world.cloudtrail.status());
        Some(Played {
            cause: self.cause,
            batch: world.cloudtrail.kind().batch(),
            fresh: fresh().0 as usize + fresh().1 as usize,
            sent,
            reports,
            events_after: cloudtrail.accepted - before - sent,
            lost: kong.requests + kong.objects - cloudtrail.distinct,
            repeats: cloudtrail.accepted - cloudtrail.distinct,
        })
    }

    fn world(&self, store: &Refusal) -> World {
        let requests = if self.before == Before::Little { 30 } else { 0 };
        let mut world = World::new(kong::Options { requests, ..Default::default() });
        world.set("lease_secs", "5").store_by(&store.config);
        if self.before == Before::Much {
            let now = world.kong.status().now;
            let entry = |number| {
                json!({
                    "request_id": format!("earlier-{number}"), "request_timestamp": now - 1,
                    "method": "GET", "path": "/services", "status": 200, "client_ip": "10.0.0.1",
                    "payload": null, "ttl": 2_592_000,
                })
            };
            world.kong.add_entries(kong::Stream::Requests, (0..15_900).map(entry));
        }
        world
    }

    /// Three whole runs with fresh entries while the store refuses.
    fn refused(&self, world: &World, store: &mut Refusal) -> (Host, Vec<Value>) {
        let mut host = None;
        if self.before != Before::Nothing {
            let good = world.up();
            wait_until(self.cause, || good.reports().iter().any(|(_, report)| is_ok(report)));
            host = Some(good);
        }
        if self.restart == Restart::BeforeAndAfter {
            host.take().into_iter().for_each(end);
        }
        store.refuse();
        let (requests, objects) = fresh();
        world.kong.add_activity(requests, objects);
        let since = Instant::now();
        let host = host.unwrap_or_else(|| world.up());
        let under = || -> Vec<Value> {
            let reports = host.reports().into_iter().filter(|(at, report)| {
                let took = Duration::from_millis(report["duration_ms"].as_u64().unwrap());
                at.checked_sub(took).is_some_and(|began| began > since)
            });
            reports.map(|(_, report)| report).take(RUNS).collect()
        };
        wait_until(self.cause, || under().len() == RUNS);
        let reports = under();
        (host, reports)
    }
}

fn is_ok(report: &Value) -> bool {
    report["outcome"] == "ok" && total(report, "pending") == 0
}

fn end(mut host: Host) {
    host.send("INT");
    host.ended_by(Instant::now() + Duration::from_secs(10)).expect("it does not end");
}

impl Played {
    fn outcomes(&self) -> Vec<&str> {
        self.reports.iter().map(|report| report["outcome"].as_str().unwrap()).collect()
    }

    /// What the last report under the cause said.
    fn error(&self) -> &str {
        let last = self.reports.last().and_then(|report| report["error"].as_str());
        last.unwrap_or_default()
    }

    /// What is not as it should be.
    fn wrong(&self) -> Vec<String> {
        let outcomes = self.outcomes();
        let demoted = self.cause == "demoted behind a name";
        let named = ["READONLY", "ReadOnly:"].iter().any(|name| self.error().contains(name));
        [
            (self.lost > 0, format!("{} entries are lost", self.lost)),
            (self.sent > self.batch, format!("{} events are sent under it", self.sent)),
            (self.repeats > self.batch, format!("{} events are sent again", self.repeats)),
            (outcomes != ["failed"; RUNS], format!("the runs' outcomes are {outcomes:?}")),
            (
                self.sent + self.events_after != self.fresh + self.repeats,
                format!("{} events came after {}", self.events_after, self.sent),
            ),
            (demoted && !named, format!("the entrypoint cannot tell: {}", self.error())),
        ]
        .into_iter()
        .filter_map(|(wrong, what)| wrong.then(|| format!("{}: {what}", self.cause)))
        .collect()
    }
}
