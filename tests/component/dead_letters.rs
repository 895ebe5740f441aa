//! Events that CloudTrail refuses for good: kept whole, listed, replayed, dropped; and what is no
//! fault of single events.

use std::time::Duration;

use kong_cloudtrail::event::rebuild;
use kong_cloudtrail::seal::VALUE_BYTES;
use kong_cloudtrail_sim::cloudtrail::{self, EventFault};
use kong_cloudtrail_sim::fault::When;
use kong_cloudtrail_sim::kong;
use serde_json::{Value, json};

use super::support::{Report, Store, World, stores};

/// CloudTrail fails events with `code` from now on: all of them, or those with the ids.
fn fail(world: &World, code: &str, ids: &[&str], when: When) {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    let fault = EventFault { code: Some(code.into()), when, ids };
    world.cloudtrail.set_faults(cloudtrail::Faults { events: vec![fault], ..Default::default() });
}

fn refuse(world: &World, ids: &[&str]) {
    fail(world, "FieldTooLong", ids, When::default());
}

fn mend(world: &World) {
    world.cloudtrail.set_faults(cloudtrail::Faults::default());
}

fn listed(world: &World) -> Vec<Value> {
    world.dead_letters("list", &["--json"]).objects()
}

/// What the tool says and does, when it does it.
fn does(world: &World, verb: &str, arguments: &[&str]) -> String {
    let answer = world.dead_letters(verb, arguments);
    assert_eq!(answer.status, 0, "{answer:?}");
    answer.stderr
}

/// What is wanted of whoever deletes something for good.
const BECAUSE: &[&str] = &["--yes", "--reason", "kept elsewhere"];

fn because(verb: &str) -> &'static [&'static str] {
    if verb == "drop" { BECAUSE } else { &[] }
}

fn count(report: &Report, name: &str) -> u64 {
    report.stream("requests", name) + report.stream("objects", name)
}

fn errors(report: &Report) -> Vec<&String> {
    report.stdout.iter().filter(|line| line.contains(r#""level":"error""#)).collect()
}

/// A world in which one of 250 requests has become a dead letter, with the id of its event.
async fn with_one_refused(store: Store) -> (World, String) {
    let world = World::new(store, kong::Options { requests: 250, ..Default::default() });
    let refused = world.kong.ids(kong::Stream::Requests)[120].clone();
    refuse(&world, &[&refused]);
    let report = world.tick().await;
    assert_eq!(report["outcome"], "partial", "{store:?}");
    let counts = ["shipped", "rejected", "pending"].map(|name| report.stream("requests", name));
    assert_eq!(counts, [249, 1, 0], "{store:?}");
    assert_eq!(report["dead_letters"], 1);
    assert!(report.error().contains("FieldTooLong"), "{}", report.error());
    assert!(report["streams"]["requests"]["watermark"].is_number(), "the watermark passes it");
    let errors = errors(&report);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].matches(&refused).count(), 2, "event and entry: {}", errors[0]);
    (world, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_is_kept_whole_and_replayed_once_cloudtrail_takes_it() {
    for store in stores() {
        let (world, refused) = with_one_refused(store).await;
        let calls = world.cloudtrail.status().calls;
        assert_eq!(world.tick_ok().await["dead_letters"], 1, "the next run still says so");
        assert_eq!(world.cloudtrail.status().calls, calls, "and sends nothing");

        let list = listed(&world);
        assert_eq!(list.len(), 1);
        assert_eq!([&list[0]["id"], &list[0]["entry"]], [&refused, &refused]);
        assert_eq!((&list[0]["stream"], &list[0]["replay"]), (&json!("requests"), &json!(false)));
        assert!(list[0]["error"].as_str().unwrap().contains("FieldTooLong"), "{list:?}");
        assert!(list[0]["event_name"].is_string() && list[0]["user"].is_string(), "{list:?}");
        let piped = world.dead_letters("list", &[]);
        assert_eq!(piped.objects(), list, "in a pipe it is the same");
        assert!(piped.stderr.contains("1 dead letter"), "{piped:?}");
        let shown = world.dead_letters("show", &[&refused]).objects();

        assert!(does(&world, "replay", &[&refused]).contains("1 dead letter"));
        assert_eq!(listed(&world)[0]["replay"], true);
        let again = world.tick_ok().await;
        assert_eq!(again["dead_letters"], 1, "refused again");
        assert!(errors(&again)[0].contains(&refused), "{:?}", again.stdout);
        assert_eq!(listed(&world)[0]["replay"], false, "and not sent for ever");

        mend(&world);
        assert_eq!(world.tick_ok().await["dead_letters"], 1, "only who asks for it has it sent");
        does(&world, "replay", &["--all"]);
        assert_eq!(world.tick_ok().await["dead_letters"], 0, "{store:?}");
        world.assert_exactly_once();
        let arrived = world.cloudtrail.events(0, usize::MAX).pop().unwrap();
        assert_eq!((&shown[0]["id"], &shown[0]["event"]), (&json!(refused), &arrived.event_data));
        let none = world.dead_letters("list", &[]);
        assert_eq!((none.status, none.stdout.as_str()), (0, ""));
        assert!(none.stderr.contains("no dead letters"), "{none:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_letter_is_printed_whole_and_gone_for_good() {
    for store in stores() {
        let (mut world, refused) = with_one_refused(store).await;
        mend(&world);
        let shown = world.dead_letters("show", &[&refused]);
        let unasked = world.dead_letters("drop", &[&refused]);
        assert_eq!(unasked.status, 2, "{unasked:?}");
        assert!(
            unasked.stderr.contains("--yes") && unasked.stderr.contains("--reason"),
            "{unasked:?}"
        );
        let dropped = world.dead_letters("drop", &[&[refused.as_str()], BECAUSE].concat());
        assert_eq!(dropped.status, 0, "{dropped:?}");
        assert_eq!(dropped.stdout, shown.stdout);
        assert!(shown.stdout.contains("eventName"), "{shown:?}");
        assert_eq!(listed(&world), Vec::<Value>::new());

        let next = world.tick_ok().await;
        assert_eq!((next.shipped(), &next["dead_letters"]), ((0, 0), &json!(0)), "{store:?}");
        assert_eq!(next["attention"], json!(["intervened"]));
        let told = next.stdout.iter().find(|line| line.contains("kept elsewhere")).unwrap();
        assert!(told.contains(&refused) && told.contains("drop: 1 dead letter"), "{told}");
        let record = world.ledger("interventions", &[]).objects();
        assert_eq!(
            (&record[0]["why"], &record[0]["which"]),
            (&json!("kept elsewhere"), &json!([refused]))
        );
        assert!(record[0]["who"].as_str().unwrap().contains('@'), "{record:?}");
        world.set("reconcile_secs", "1");
        world.kong.set_clock(60);
        let reconcile = world.tick_ok().await;
        assert_eq!(reconcile["streams"]["requests"]["mode"], "reconcile");
        assert_eq!((reconcile.shipped(), reconcile.stream("requests", "fetched")), ((0, 0), 250));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_ids_are_named_and_then_nothing_is_changed() {
    for store in stores() {
        let (world, refused) = with_one_refused(store).await;
        for verb in ["replay", "drop"] {
            let ids = [refused.as_str(), "of-another-trail"];
            let answer = world.dead_letters(verb, &[&ids, because(verb)].concat());
            assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{answer:?}");
            assert!(answer.stderr.contains("of-another-trail"), "{answer:?}");
            assert!(!answer.stderr.contains(&refused), "{answer:?}");
            assert_eq!(listed(&world)[0]["replay"], false, "{store:?}: {verb}");
        }
        let shown = world.dead_letters("show", &["of-another-trail"]);
        assert_eq!(shown.status, 1, "{shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_no_run_has_used_is_no_empty_one() {
    for store in stores() {
        let (mut world, refused) = with_one_refused(store).await;
        let used = world.variables["ledger"].clone();
        world.set("ledger", "misspelt");
        for (verb, argument) in [("list", "--json"), ("replay", "--all"), ("drop", &refused)] {
            let answer = world.dead_letters(verb, &[&[argument], because(verb)].concat());
            assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{answer:?}");
            for told in ["no run has used", "misspelt", "ledger"] {
                assert!(answer.stderr.contains(told), "{told}: {answer:?}");
            }
            let place = if store == Store::Redis { "Redis at 127.0.0.1:" } else { "SQLite file" };
            assert!(answer.stderr.contains(place), "{answer:?}");
        }
        let key = "kong-cloudtrail:misspelt:{0}lease";
        assert_eq!(world.store().await.get(key).await, Ok(None), "nothing is written there");
        assert_eq!(world.set("ledger", &used).variables["ledger"], used);
        assert_eq!(listed(&world).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_while_a_run_is_under_way() {
    for store in stores() {
        let latency = Duration::from_secs(3);
        let world = World::new(store, kong::Options { requests: 5, latency, ..Default::default() });
        let refused = world.kong.ids(kong::Stream::Requests)[2].clone();
        refuse(&world, &[&refused]);
        world.tick().await;
        let asked = || world.kong.status().calls.values().sum::<u64>();
        let before = asked();
        let run = world.begin_tick();
        while asked() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for verb in ["replay", "drop"] {
            let answer = world.dead_letters(verb, &[&["--all"], because(verb)].concat());
            assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{store:?}: {answer:?}");
            assert!(answer.stderr.contains("holds the lease, until"), "{answer:?}");
        }
        assert_eq!(listed(&world)[0]["replay"], false, "looking needs no lease");
        let report = Report::of(run.await.unwrap());
        assert_eq!((&report["outcome"], &report["dead_letters"]), (&json!("ok"), &json!(1)));
        does(&world, "drop", &[&["--all"], BECAUSE].concat());
        assert_eq!(world.tick_ok().await["dead_letters"], 0, "the lease was given back");
    }
}

/// Given so many entries of which CloudTrail refuses every single event.
async fn flooded(store: Store, requests: u32, objects: u32) {
    let world = World::new(store, kong::Options { requests, objects, ..Default::default() });
    refuse(&world, &[]);
    for run in 1..=2 {
        let report = world.tick().await;
        assert_eq!(report["outcome"], "failed", "{store:?}, run {run}: {report:?}");
        for told in ["two batches in a row", "FieldTooLong"] {
            assert!(report.error().contains(told), "{told}: {}", report.error());
        }
        assert_eq!(report["dead_letters"], 0, "{store:?}, run {run}");
        assert_eq!(["shipped", "rejected"].map(|name| count(&report, name)), [0, 0]);
        assert_eq!(listed(&world), Vec::<Value>::new());
    }
    mend(&world);
    let report = world.tick_ok().await;
    assert_eq!(report.shipped(), (requests.into(), objects.into()), "{store:?}");
    world.assert_exactly_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refusals_stops_the_run_and_makes_no_dead_letters() {
    for store in stores() {
        flooded(store, 250, 50).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_over_two_streams_of_one_batch_each_is_one_too() {
    for store in stores() {
        flooded(store, 50, 50).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_batch_that_is_refused_as_a_whole_becomes_dead_letters() {
    for store in stores() {
        let world = World::new(store, kong::Options { requests: 50, ..Default::default() });
        refuse(&world, &[]);
        let report = world.tick().await;
        assert_eq!((&report["outcome"], &report["dead_letters"]), (&json!("partial"), &json!(50)));
        assert_eq!(count(&report, "rejected"), 50, "{store:?}");
        let mut ids: Vec<_> = listed(&world).iter().map(|letter| letter["id"].clone()).collect();
        let mut entries = world.kong.ids(kong::Stream::Requests);
        ids.sort_by_key(ToString::to_string);
        entries.sort();
        assert_eq!(ids, entries, "{store:?}");
        mend(&world);
        does(&world, "replay", &["--all"]);
        assert_eq!(world.tick_ok().await["dead_letters"], 0);
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_which_one_part_is_refused_is_whole_after_the_replay() {
    for store in stores() {
        let world = World::new(store, kong::Options { requests: 20, ..Default::default() });
        let payload = "x\"\u{e9}".repeat(125_000);
        let now = world.kong.status().now;
        let large = json!({"request_id": "large", "request_timestamp": now, "method": "POST",
            "path": "/certificates", "status": 201, "payload": payload});
        world.kong.add_entries(kong::Stream::Requests, [large]);
        refuse(&world, &["large-p2"]);
        let report = world.tick().await;
        assert_eq!(["shipped", "rejected"].map(|name| count(&report, name)), [20, 1], "{store:?}");
        let letter = &listed(&world)[0];
        assert_eq!((&letter["id"], &letter["entry"]), (&json!("large-p2"), &json!("large")));
        assert_eq!(world.tick_ok().await.shipped(), (0, 0), "the other parts are in");

        mend(&world);
        does(&world, "replay", &["large-p2"]);
        assert_eq!(world.tick_ok().await["dead_letters"], 0);
        let events = world.cloudtrail.events(0, usize::MAX).into_iter();
        let parts: Vec<String> = events
            .filter(|event| event.id.starts_with("large"))
            .map(|event| event.event_data.to_string())
            .collect();
        assert!(parts.len() > 5, "{}", parts.len());
        let entry = rebuild::entry(kong_cloudtrail::terms::Stream::Requests, &parts).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&entry).unwrap()["payload"], payload.as_str());
        let status = world.cloudtrail.status();
        assert_eq!(status.accepted, status.distinct, "each part once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_refused_events_among_others_are_all_kept_within_the_stores_limit() {
    for store in stores() {
        let world = World::new(store, kong::Options { requests: 30_000, ..Default::default() });
        let tenth = When { every: Some(10), ..Default::default() };
        fail(&world, "InvalidData", &[], tenth);
        let report = world.tick().await;
        assert_eq!(report["dead_letters"], 3000, "{store:?}: {}", report.error());
        assert_eq!(report.stream("requests", "shipped"), 27_000);

        let ids: Vec<_> = listed(&world).iter().map(|letter| letter["id"].clone()).collect();
        assert_eq!(ids.len(), 3000);
        let chunks = within_the_limit(&world).await;
        assert!(chunks > 5, "{chunks} chunks");

        mend(&world);
        does(&world, "replay", &["--all"]);
        assert_eq!(world.tick_ok().await["dead_letters"], 0, "{store:?}");
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_are_refused_again_in_more_words_stay_within_the_stores_limit() {
    let world = World::new(Store::Sqlite, kong::Options { requests: 3000, ..Default::default() });
    fail(&world, "InvalidData", &[], When { every: Some(2), ..Default::default() });
    assert_eq!(world.tick().await["dead_letters"], 1500);
    fail(&world, "InvalidChecksum", &[], When::default());
    does(&world, "replay", &["--all"]);
    assert_eq!(world.tick_ok().await["dead_letters"], 1500);
    let list = listed(&world);
    assert!(list.iter().all(|letter| letter["error"].to_string().contains("InvalidChecksum")));
    within_the_limit(&world).await;
}

/// Every value of the ledger is; returns how many of them are chunks of dead letters.
async fn within_the_limit(world: &World) -> usize {
    let store = world.store().await;
    let mut chunks = 0;
    for key in store.keys().await.unwrap() {
        if key.starts_with(&world.key("")) {
            let value = store.get(&key).await.unwrap().unwrap();
            assert!(value.len() <= VALUE_BYTES, "{key} holds {} bytes", value.len());
            chunks += usize::from(key.contains("dead-letters:"));
        }
    }
    chunks
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_meets_a_passing_code_for_24_hours_counts_as_refused_for_good() {
    for store in stores() {
        let options = kong::Options { requests: 20, span_days: 1, ..Default::default() };
        let mut world = World::new(store, options);
        // Few tries in each run.
        world.set("run_budget_secs", "3");
        let failing = world.kong.ids(kong::Stream::Requests)[7].clone();
        fail(&world, "InternalFailure", &[&failing], When::default());
        for hours in [0, 23] {
            world.kong.set_clock(hours * 3600);
            let report = world.tick().await;
            assert_eq!(report["outcome"], "partial", "{store:?}");
            assert_eq!(["pending", "rejected"].map(|name| count(&report, name)), [1, 0]);
            assert_eq!(report["dead_letters"], 0, "{store:?}, after {hours} h");
        }
        world.kong.set_clock(24 * 3600);
        let report = world.tick().await;
        assert_eq!(["pending", "rejected"].map(|name| count(&report, name)), [0, 1], "{store:?}");
        let error = listed(&world)[0]["error"].as_str().unwrap().to_owned();
        assert!(error.contains("InternalFailure") && error.contains("24 hours"), "{error}");
        mend(&world);
        does(&world, "replay", &[&failing]);
        assert_eq!(world.tick_ok().await["dead_letters"], 0);
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_run_died_before_it_recorded_the_entry_is_kept_once() {
    for store in stores() {
        let world = World::new(store, kong::Options { requests: 30, ..Default::default() });
        world.tick_ok().await;
        let store_of_world = world.store().await;
        let mut recorded = Vec::new();
        for key in store_of_world.keys().await.unwrap() {
            if key == world.key("head") || key.starts_with(&world.key("segment:")) {
                let value = store_of_world.get(&key).await.unwrap().unwrap();
                recorded.push((key, value));
            }
        }
        world.kong.add_activity(3, 0);
        let refused = world.kong.ids(kong::Stream::Requests)[31].clone();
        refuse(&world, &[&refused]);
        assert_eq!(world.tick().await["dead_letters"], 1, "{store:?}");

        // As a death between the two writes leaves it: the letter is stored, its entry is not
        // recorded, and neither are those that were accepted with it.
        store_of_world.set_many(recorded).await.unwrap();
        let report = world.tick().await;
        assert_eq!(["shipped", "rejected"].map(|name| count(&report, name)), [2, 1], "{store:?}");
        assert_eq!(report["dead_letters"], 1, "{store:?}");
        assert_eq!(listed(&world).len(), 1, "{store:?}");
    }
}
