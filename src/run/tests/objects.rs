//! What becomes of objects that are sent to S3: each entry is in the bucket once, whatever happens.

use super::*;
use crate::ledger::DeadLetter;
use crate::report::{Attention, Outcome, Report};
use crate::terms::Stream::{Objects, Requests};

/// No intent is left, and each of these is in the bucket once.
fn all_is_there(world: &World, entries: usize) {
    assert_eq!(world.accepted().len(), entries);
    assert!(world.head().intents.is_empty(), "{:?}", world.head().intents);
}

/// Time passes until the lease of a run that died is over.
fn wait(world: &World) {
    world.pass(400);
}

fn told(report: &Report) -> &str {
    report.error.as_deref().unwrap_or_default()
}

/// One that has shipped and compared all there was, and then has forty entries of which a run that died was about
/// to send all.
fn world_with_an_intent(version: &'static str) -> World {
    let mut world = World::of_s3();
    world.set("audit_streams", "requests").set("page_size", "10");
    world.ends.borrow_mut().version = version;
    world.request("old", NOON - 20);
    world.run_ok();
    world.requests("r", 40, NOON + 10, 5);
    world.pass(3600);
    world.die_at(2);
    assert_eq!(world.head().intents.len(), 1);
    wait(&world);
    world
}

/// What of the names that are intended nobody may learn before there is an object: not by the log, nor by reports.
fn secrets(world: &World) -> Vec<String> {
    let names = world.head().intents.into_values();
    let of = |name: String| Some(name.rsplit_once('-')?.1.split_once('.')?.0.to_owned());
    let secrets: Vec<_> = names.filter_map(of).collect();
    assert!(secrets.iter().all(|secret| secret.len() == 32));
    secrets
}

fn keeps(world: &World, secrets: &[String], report: &Report) {
    let told = format!("{:?} {}", world.messages(), report.line());
    assert!(!secrets.iter().any(|secret| told.contains(secret)), "{told}");
}

#[test]
fn a_run_ships_an_object_for_each_stream_and_day_and_leaves_no_intent() {
    let world = World::of_s3();
    world.requests("r", 30, NOON - DAY - 10, 1);
    world.requests("s", 30, NOON - 100, 1);
    world.object("o", NOON - 50);
    let mut report = world.run_ok();
    assert_eq!((report.stream(Requests).shipped, report.stream(Objects).shipped), (60, 1));
    assert_eq!((report.stream(Requests).batches, report.calls.destination), (2, 3));
    assert_eq!(world.ends.borrow().objects.len(), 3);
    all_is_there(&world, 61);
    assert_eq!(world.run_ok().stream(Requests).shipped, 0);
}

#[test]
fn a_steady_run_makes_at_most_four_calls_more_to_the_store_than_with_cloudtrail() {
    let calls = |world: &World| {
        world.requests("old", 50, NOON - 1000, 1);
        world.run_ok();
        world.pass(300);
        world.requests("r", 1000, NOON + 10, 0);
        (0..400).for_each(|n| world.object(&format!("o{n}"), NOON + 20));
        world.run_ok().calls
    };
    let (of_s3, of_cloudtrail) = (calls(&World::of_s3()), calls(&World::new()));
    assert_eq!(of_s3.destination, 2);
    assert!(of_s3.kv <= of_cloudtrail.kv + 4, "{of_s3:?} {of_cloudtrail:?}");
}

#[test]
fn an_answer_that_is_lost_repeats_nothing() {
    for fate in [Fate::Arrives, Fate::Lost, Fate::Refused(409, "ConditionalRequestConflict")] {
        let world = World::of_s3();
        world.requests("r", 20, NOON - 100, 1);
        world.ends.borrow_mut().fates.push_back(fate);
        let report = world.run_ok();
        assert_eq!((report.calls.destination, report.calls.retries), (2, 1));
        all_is_there(&world, 20);
    }
}

#[test]
fn an_object_that_no_try_got_an_answer_for_is_sent_under_its_name_by_the_next_run() {
    for first in [Fate::Arrives, Fate::Lost] {
        let world = World::of_s3();
        world.requests("r", 20, NOON - 100, 1);
        let lost = [Fate::Lost; 30];
        world.ends.borrow_mut().fates.extend([first].into_iter().chain(lost));
        assert_eq!(world.run().outcome, Outcome::Failed);
        assert_eq!(world.head().intents.len(), 1);
        world.ends.borrow_mut().fates.clear();
        world.request("new", NOON - 5);
        world.run_ok();
        assert_eq!(world.ends.borrow().objects.len(), 2);
        all_is_there(&world, 21);
    }
}

#[test]
fn a_death_before_an_object_is_recorded_repeats_nothing_and_loses_nothing() {
    for arrives in [true, false] {
        let world = World::of_s3();
        world.requests("r", 20, NOON - 100, 1);
        world.die_at(1);
        if arrives {
            world.arrive(0);
        }
        world.request("new", NOON - 5);
        wait(&world);
        let report = world.run_ok();
        assert!(report.attention.contains(&Attention::DiedBefore));
        assert_eq!(world.ends.borrow().objects.len(), 2, "the old name, and a new one");
        all_is_there(&world, 21);
        assert!(world.messages().iter().any(|text| text.contains("under the same names")));
    }
}

#[test]
fn several_objects_may_be_under_way_when_a_run_dies_again_and_again() {
    for arrives in [true, false] {
        for first in 1..=5 {
            let world = World::of_s3();
            for day in 0..5 {
                world.requests(&format!("d{day}-"), 7, NOON - day * DAY - 100, 1);
                world.object(&format!("o{day}"), NOON - day * DAY - 100);
            }
            for objects in [first, first + 2] {
                world.die_at(objects);
                if arrives {
                    world.arrive(0);
                }
                wait(&world);
            }
            world.run_ok();
            all_is_there(&world, 40);
            assert_eq!(world.ends.borrow().objects.len(), 10);
        }
    }
}

#[test]
fn what_kong_no_longer_shows_is_left_out_and_told() {
    for arrives in [true, false] {
        let world = World::of_s3();
        world.requests("r", 20, NOON - 100, 1);
        world.die_at(1);
        if arrives {
            world.arrive(0);
        }
        world.ends.borrow_mut().rows[0].remove(3);
        let secrets = secrets(&world);
        wait(&world);
        let report = world.run();
        keeps(&world, &secrets, &report);
        assert_eq!(report.outcome, Outcome::Partial);
        assert!(told(&report).contains("1 entries that a run that ended early"), "{report:?}");
        assert_eq!(world.ends.borrow().objects.len(), 1);
        all_is_there(&world, if arrives { 20 } else { 19 });
        assert_eq!(world.run_ok().stream(Requests).shipped, 0);
    }
}

/// Less was sent under the name then. That it is taken must not count for the row that was away.
#[test]
fn a_row_that_kong_shows_again_is_not_lost() {
    let world = World::of_s3();
    world.requests("r", 20, NOON - 100, 1);
    world.die_at(1);
    let row = world.ends.borrow_mut().rows[0].remove(3);
    wait(&world);
    world.die_at(2);
    world.arrive(1);
    assert_eq!(world.accepted().len(), 19);
    world.ends.borrow_mut().rows[0].push(row);
    wait(&world);
    world.run_ok();
    all_is_there(&world, 20);
}

#[test]
fn an_intent_of_which_kong_shows_nothing_is_dropped() {
    let world = World::of_s3();
    world.requests("r", 20, NOON - 100, 1);
    world.die_at(1);
    world.clear();
    wait(&world);
    assert!(told(&world.run()).contains("20 entries that a run that ended early"));
    all_is_there(&world, 0);
}

#[test]
fn a_run_that_has_no_time_to_meet_all_keeps_the_intent() {
    for arrives in [true, false] {
        let mut world = World::of_s3();
        world.set("page_size", "10");
        // Kong shows the newest first.
        world.requests("r", 3000, NOON - 5000, 1);
        world.die_at(1);
        if arrives {
            world.arrive(0);
        }
        wait(&world);
        world.set("run_budget_secs", "1");
        let report = world.run();
        assert_eq!(report.outcome, Outcome::Partial);
        assert!(told(&report).contains("were not met yet"), "{report:?}");
        assert_eq!(world.head().intents.len(), 1);
        world.set("run_budget_secs", "50");
        world.run_ok();
        all_is_there(&world, 3000);
    }
}

#[test]
fn an_s3_that_answers_nothing_of_eight_objects_stops_the_run() {
    let world = World::of_s3();
    for day in 0..12 {
        world.requests(&format!("d{day}-"), 7, NOON - day * DAY - 100, 1);
    }
    world.ends.borrow_mut().fates.extend([Fate::Refused(503, "SlowDown"); 300]);
    let report = world.run();
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(told(&report).contains("of eight objects"), "{report:?}");
    assert_eq!(world.head().intents.len(), 8);
    world.ends.borrow_mut().fates.clear();
    world.run_ok();
    all_is_there(&world, 84);
}

#[test]
fn an_intent_that_the_store_has_lost_is_told_and_its_entries_are_shipped_again() {
    let world = World::of_s3();
    world.requests("r", 20, NOON - 100, 1);
    world.die_at(1);
    world.arrive(0);
    world.ports.store.values.borrow_mut().retain(|key, _| !key.contains("intent"));
    wait(&world);
    let report = world.run_ok();
    assert!(report.attention.contains(&Attention::StoreLost));
    assert_eq!(world.ends.borrow().accepted.len(), 40);
    assert!(world.head().intents.is_empty());
}

#[test]
fn another_prefix_or_destination_drops_intents() {
    let mut world = World::of_s3();
    world.requests("r", 20, NOON - 100, 1);
    world.die_at(1);
    world.set("bucket_prefix", "other");
    wait(&world);
    world.run_ok();
    all_is_there(&world, 20);
    assert!(world.ends.borrow().objects.keys().all(|name| name.starts_with("/other/default/")));
    assert!(world.told("below kong-audit/default/stream=requests/"));
}

#[test]
fn a_key_that_is_changed_is_changed_for_intents_too() {
    let mut world = World::of_s3();
    let (one, other) = ("k".repeat(32), "l".repeat(32));
    world.set("ledger_key", &one);
    world.requests("r", 20, NOON - 100, 1);
    world.die_at(1);
    world.arrive(0);
    world.set("ledger_key", &other).set("ledger_key_previous", &one);
    wait(&world);
    let report = world.run_ok();
    assert!(report.attention.contains(&Attention::Rekeyed));
    all_is_there(&world, 20);
}

#[test]
fn a_second_that_fails_within_an_intent_holds_up_nothing_else() {
    let world = world_with_an_intent("3.9.0.0-enterprise-edition");
    world.ends.borrow_mut().fails.insert("r00020".to_owned(), 500);
    let mut report = world.run();
    assert_eq!((report.outcome, report.stream(Requests).pending), (Outcome::Partial, 1));
    all_is_there(&world, 40);
    assert!(told(&report).contains("may be in S3 twice"), "{report:?}");
    world.ends.borrow_mut().fails.clear();
    world.run_ok();
    all_is_there(&world, 41);
}

#[test]
fn a_row_that_fails_within_an_intent_holds_up_what_lies_behind_it_alone() {
    let world = world_with_an_intent("2.8.1.1-enterprise-edition");
    world.ends.borrow_mut().fails.insert("r00015".to_owned(), 500);
    let mut report = world.run();
    assert_eq!((report.outcome, report.stream(Requests).pending), (Outcome::Partial, 1));
    all_is_there(&world, 25);
    world.ends.borrow_mut().fails.clear();
    world.pass(DAY);
    world.run_ok();
    all_is_there(&world, 41);
}

/// Else each run would read the same, and send nothing of it, until Kong forgets it.
#[test]
fn a_second_run_that_does_not_come_to_the_end_of_an_intent_gives_its_name_up() {
    for arrives in [true, false] {
        let mut world = World::of_s3();
        world.set("page_size", "10").set("audit_streams", "requests");
        world.requests("r", 1000, NOON - 43_000, 40);
        world.die_at(1);
        if arrives {
            world.arrive(0);
        }
        let secrets = secrets(&world);
        wait(&world);
        world.set("run_budget_secs", "1");
        let report = world.run();
        keeps(&world, &secrets, &report);
        assert!(told(&report).contains("were not met yet"), "{report:?}");
        assert_eq!(world.head().intents.len(), 1);
        let report = world.run();
        keeps(&world, &secrets, &report);
        assert!(told(&report).contains("may be in S3 twice"), "{report:?}");
        assert!(world.head().intents.is_empty());
        let before = world.ends.borrow().accepted.len();
        world.run();
        assert!(world.ends.borrow().accepted.len() > before, "it goes on");
        world.set("run_budget_secs", "50");
        world.run_ok();
        let ids: std::collections::BTreeSet<_> =
            world.ends.borrow().accepted.iter().cloned().collect();
        assert_eq!(ids.len(), 1000);
        if !arrives {
            all_is_there(&world, 1000);
        }
    }
}

#[test]
fn a_run_that_meets_nothing_of_an_intent_does_not_count_against_it() {
    let world = World::of_s3();
    world.requests("r", 20, NOON - 100, 1);
    world.die_at(1);
    world.arrive(0);
    wait(&world);
    world
        .ends
        .borrow_mut()
        .kong_says
        .insert("/audit/requests", Ok(crate::testing::answer(503, "")));
    (0..3).for_each(|_| assert_eq!(world.run().outcome, Outcome::Failed));
    world.ends.borrow_mut().kong_says.clear();
    world.run_ok();
    all_is_there(&world, 20);
}

const TAKEN: Fate = Fate::Refused(412, "PreconditionFailed");

/// Nothing of ours can be there before the first try.
#[test]
fn a_name_that_is_taken_at_its_first_try_ever_is_somebody_elses() {
    let world = World::of_s3();
    world.requests("r", 20, NOON - 100, 1);
    world.ends.borrow_mut().fates.push_back(TAKEN);
    let report = world.run_ok();
    assert_eq!((report.calls.destination, report.calls.retries), (2, 0));
    assert!(world.told("has an object already of the name"));
    all_is_there(&world, 20);
}

#[test]
fn what_answers_412_to_everything_takes_nothing_and_stops_the_run() {
    for days in [1, 12] {
        let world = World::of_s3();
        for day in 0..days {
            world.requests(&format!("d{day}-"), 7, NOON - day * DAY - 100, 1);
        }
        world.ends.borrow_mut().fates.extend([TAKEN; 300]);
        let mut report = world.run();
        assert_eq!(report.outcome, Outcome::Failed);
        assert!(told(&report).contains("aws_endpoint_url_s3"), "{report:?}");
        assert_eq!((report.stream(Requests).shipped, report.calls.destination), (0, 2));
        assert!(world.head().intents.is_empty());
        world.ends.borrow_mut().fates.clear();
        world.run_ok();
        all_is_there(&world, usize::try_from(days).unwrap() * 7);
    }
}

/// It has no intent. So what no try got an answer for goes out under another name, and that is told.
#[test]
fn a_dead_letter_that_is_sent_again_without_an_answer_is_in_doubt() {
    for (fates, doubt, times) in [
        (vec![Fate::Arrives], false, 1),
        ([Fate::Arrives; 30].to_vec(), true, 2),
        (vec![TAKEN], false, 1),
    ] {
        let world = World::of_s3();
        world.run_ok();
        let text = |text: &str| text.to_owned();
        world.on_letters(|letters| {
            letters.add(DeadLetter {
                stream: Requests,
                id: text("a"),
                entry: text("a"),
                error: text("no"),
                refused_at: NOON,
                replay: true,
                data: text("{}"),
            });
            letters.write().unwrap();
        });
        world.ends.borrow_mut().fates.extend(fates);
        world.run();
        assert_eq!(world.told("1 events were in calls to S3 whose answer was lost"), doubt);
        world.ends.borrow_mut().fates.clear();
        assert_eq!(world.run_ok().dead_letters, Some(0));
        assert_eq!(world.ends.borrow().accepted.len(), times);
    }
}

#[test]
fn a_lost_intent_is_told_where_kong_shows_nothing_too() {
    let world = World::of_s3();
    world.requests("r", 20, NOON - 100, 1);
    world.die_at(1);
    world.clear();
    world.ports.store.values.borrow_mut().retain(|key, _| !key.contains("intent"));
    wait(&world);
    assert!(world.run_ok().attention.contains(&Attention::StoreLost));
}

#[test]
fn what_is_adopted_from_the_lambda_is_not_missed() {
    let mut world = World::of_s3();
    let ids: Vec<_> = (0..20).map(|n| format!("{n:032}")).collect();
    for id in &ids {
        world.request(id, NOON - 100);
    }
    world.die_at(1);
    world.arrive(0);
    world.set("adopt_lambda_keys", "true");
    let keys = ids.iter().map(|id| (id.clone(), b"1".to_vec()));
    world.ports.store.values.borrow_mut().extend(keys);
    wait(&world);
    world.run_ok();
    all_is_there(&world, 20);
}
