//! How runs end, and what their reports say.

use super::*;
use crate::report::{Attention, Outcome};
use crate::terms::Stream::{Objects, Requests};
use crate::testing::{Call, Fate};

#[test]
fn a_kong_that_refuses_fails_the_run_which_tells_how_far_the_streams_are_behind() {
    let world = World::new();
    world.run_ok();
    world.pass(300);
    world.ends.borrow_mut().kong_status = 401;
    let mut report = world.run();
    assert_eq!(report.outcome, Outcome::Failed);
    let requests = report.stream(Requests);
    assert_eq!((requests.watermark, requests.lag_secs), (Some(NOON), Some(300)));
    assert_eq!(report.dead_letters, Some(0));
    world.ends.borrow_mut().kong_status = 200;
    assert!(world.run_ok().attention.is_empty(), "it gave its lease back");
}

#[test]
fn a_destination_that_refuses_fails_the_run_once_and_what_it_did_not_take_is_pending() {
    let world = World::new();
    world.request("r", NOON - 10);
    world.object("o", NOON - 10);
    world.ends.borrow_mut().refusal = Some("AccessDeniedException");
    let mut report = world.run();
    assert_eq!(report.outcome, Outcome::Failed);
    let told = report.error.clone().unwrap();
    assert_eq!(told.matches("AccessDenied").count(), 1, "{told}");
    assert_eq!(report.stream(Requests).pending, 1);
    assert_eq!(report.stream(Requests).watermark, None);
    world.ends.borrow_mut().refusal = None;
    let mut report = world.run_ok();
    assert_eq!((report.stream(Requests).shipped, report.stream(Objects).shipped), (1, 1));
}

#[test]
fn a_run_beside_another_is_skipped_and_one_after_a_death_says_so() {
    let world = World::new();
    world.run_ok();
    let until = (world.now() + 60) * 1000;
    world.on_store(|store| {
        let check = store.seals().current().check(
            &store.key("lease"),
            *b"kcl2",
            format!("another {until}").as_bytes(),
        );
        let lease =
            serde_json::json!({"owner": "another", "until_ms": until, "check": hex::encode(check)});
        store.set_many(vec![("lease".to_owned(), lease.to_string().into_bytes())]).unwrap();
    });
    let report = world.run();
    assert_eq!((report.outcome, report.generation), (Outcome::Skipped, None));
    world.pass(60);
    let report = world.run_ok();
    assert!(report.attention.contains(&Attention::DiedBefore));
    let told = "ended without releasing its lease";
    assert!(world.messages().iter().any(|text| text.contains(told)), "{:?}", world.messages());
    // One that was interrupted leaves no lease behind.
    world.on_store(|store| store.delete("lease").unwrap());
    assert!(world.run_ok().attention.contains(&Attention::DiedBefore));
    assert!(!World::new().run_ok().attention.contains(&Attention::DiedBefore), "a first run");
}

#[test]
fn each_report_is_stored_with_the_calls_and_the_generation_that_it_tells() {
    let world = World::new();
    world.request("r", NOON - 10);
    let first = world.run_ok();
    let second = world.run_ok();
    assert!(second.generation > first.generation);
    assert_eq!(second.generation, Some(world.head().generation));
    world.on_store(|store| {
        let reports = crate::ledger::Reports::load(store).unwrap();
        let kept: Vec<_> = reports.runs.iter().map(|run| run.report.get().to_owned()).collect();
        assert_eq!(kept.len(), 2);
        let stored: serde_json::Value = serde_json::from_str(&kept[0]).unwrap();
        assert_eq!(stored["generation"], first.generation.unwrap());
        assert_eq!(stored["streams"]["requests"]["shipped"], 1);
        assert_eq!(stored["calls"]["kong"], first.calls.kong);
        assert_eq!(reports.runs[1].at_ms, world.now() * 1000 + 60);
    });
}

#[test]
fn a_generation_at_the_end_of_all_numbers_stays_there() {
    let world = World::new();
    world.run_ok();
    let mut head = world.head();
    head.generation = u64::MAX;
    world.on_store(|store| {
        let value = store.seal("head", *b"kch2", &head.encode());
        store.set_many(vec![("head".to_owned(), value)]).unwrap();
    });
    world.request("r", NOON - 10);
    assert_eq!(world.run_ok().generation, Some(u64::MAX));
}

#[test]
fn a_row_that_cannot_be_read_holds_up_no_other_and_is_a_dead_letter_after_a_day() {
    let mut world = World::new();
    world.set("audit_streams", "requests");
    world.requests("r", 40, NOON - 2000, 10);
    let bad = NOON - 1805;
    world.ends.borrow_mut().rows[0].push((Some(bad), serde_json::json!("no entry")));
    let mut report = world.run();
    assert_eq!(report.outcome, Outcome::Partial);
    let requests = report.stream(Requests).clone();
    assert_eq!((requests.shipped, requests.pending, requests.rejected), (40, 1, 0));
    assert!(requests.watermark <= Some(bad), "{:?}", requests.watermark);
    assert_eq!(world.accepted().len(), 40);
    let told = report.error.unwrap();
    let says = "1 requests entries are pending until they can be read, and are dead letters after 24 hours (the requests entry \
                of unknown id";
    assert!(told.contains(says), "{told}");
    for (seconds, (pending, rejected)) in [(DAY - 60, (1, 0)), (120, (0, 1)), (60, (0, 0))] {
        world.pass(seconds);
        let mut report = world.run();
        let requests = report.stream(Requests);
        assert_eq!(
            (requests.pending, requests.rejected),
            (pending, rejected),
            "{:?}",
            report.error
        );
        assert_eq!(report.attention.contains(&Attention::Unreadable), rejected == 1);
        let letters = u64::from(pending == 0);
        assert_eq!(report.dead_letters, Some(letters));
    }
    world.on_letters(|letters| {
        let read = letters.read(letters.chunks()[0]).unwrap();
        assert!(read[0].is_unreadable());
        assert_eq!(read[0].entry, "of unknown id");
        assert!(read[0].data.contains("no entry"), "{:?}", read[0]);
    });
}

#[test]
fn under_a_new_key_everything_is_written_anew_once() {
    let mut world = World::new();
    world.request("a", NOON - 10);
    world.request("refused", NOON - 20);
    world.ends.borrow_mut().codes.insert("refused".to_owned(), "InvalidData");
    world.run();
    let before = world.ports.store.values.borrow().clone();
    world.set("ledger_key", &"k".repeat(32)).set("ledger_key_previous", "unkeyed");
    let report = world.run_ok();
    assert!(report.attention.contains(&Attention::Rekeyed));
    assert!(!report.attention.contains(&Attention::StoreLost));
    let rewritten = |name: &str| {
        let after = world.ports.store.values.borrow();
        before.iter().filter(|(key, _)| key.contains(name)).all(|(key, value)| after[key] != *value)
    };
    assert!(["segment", "dead-letters", "reports", "head"].into_iter().all(rewritten));
    world.set("ledger_key_previous", "");
    let mut report = world.run_ok();
    assert!(!report.attention.contains(&Attention::Rekeyed));
    assert_eq!((report.stream(Requests).shipped, report.dead_letters), (0, Some(1)));
    // What does not hold good holds up a change of the key.
    for (name, is_lost) in [("dead-letters:", true), ("segment", false)] {
        let mut values = world.ports.store.values.borrow_mut();
        let (at, damaged) = values.iter_mut().find(|(key, _)| key.contains(name)).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        let at = at.clone();
        drop(values);
        let key = world.variables["ledger_key"].clone();
        let next = format!("{key}{name}");
        world.set("ledger_key", &next).set("ledger_key_previous", &key);
        let report = world.run();
        assert_eq!(report.outcome, Outcome::Failed, "{name}: {:?}", report.error);
        assert!(report.error.unwrap().contains(&at), "{name}");
        assert!(!report.attention.contains(&Attention::Rekeyed), "{name}");
        assert_eq!(report.attention.contains(&Attention::StoreLost), is_lost, "{name}");
        let mut values = world.ports.store.values.borrow_mut();
        *values.get_mut(&at).unwrap().last_mut().unwrap() ^= 1;
        // That is written with the key that was to come.
        values.retain(|key, _| !key.ends_with("lease"));
        drop(values);
        world.set("ledger_key", &key).set("ledger_key_previous", "");
    }
}

/// Its store does so many calls of that kind, and fails the next one.
fn fails_after(world: &World, times: u32, call: Call) {
    world.ports.faults.next(times, call, Fate::Made);
    world.ports.faults.next(1, call, Fate::Fails("the disk is full", 0));
}

#[test]
fn where_the_last_write_fails_the_report_tells_what_the_store_holds() {
    let world = World::new();
    world.run_ok();
    world.pass(300);
    fails_after(&world, 0, Call::SetMany(0));
    let mut report = world.run();
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.error.as_ref().unwrap().contains("the disk is full"));
    assert_eq!(report.generation, Some(world.head().generation));
    assert_eq!(report.stream(Requests).watermark, Some(NOON));
    assert_eq!(world.run_ok().stream(Requests).watermark, Some(world.now()));
}

#[test]
fn what_the_store_does_not_take_at_the_end_is_told_and_no_failure() {
    let world = World::new();
    fails_after(&world, 1, Call::Swap);
    world.run_ok();
    assert!(world.told("the lease could not be released, and runs out by itself"));
    let world = World::new();
    world.request("r", NOON - 29 * DAY);
    world.run_ok();
    world.clear();
    world.pass(2 * DAY);
    fails_after(&world, 0, Call::Delete);
    world.run_ok();
    assert!(world.told("has expired and could not be deleted"));
}

#[test]
fn where_the_ledger_fails_what_was_accepted_before_is_recorded_and_nothing_else_written() {
    for accepted in [250, 0] {
        let mut world = World::new();
        world.set("page_size", "100").set("audit_streams", "requests");
        world.request("old", NOON - 60);
        world.run_ok();
        let is_segment = |key: &String| key.contains("segment");
        let (key, sound) = {
            let values = world.ports.store.values.borrow();
            let (key, value) = values.iter().find(|(key, _)| is_segment(key)).unwrap();
            (key.clone(), value.clone())
        };
        world.ports.store.values.borrow_mut().insert(key.clone(), sound[..20].to_vec());
        let before = world.head().generation;
        world.pass(60);
        // In another bucket than the old one, and met before it.
        world.requests("new", accepted, NOON, 0);
        let mut report = world.run();
        assert_eq!(report.outcome, Outcome::Failed);
        let generation = world.head().generation;
        assert_eq!(report.generation, Some(generation));
        let taken = u64::try_from(world.accepted().len() - 1).unwrap();
        assert_eq!(report.stream(Requests).shipped, taken);
        assert_eq!((taken > 0, generation > before), (accepted > 0, accepted > 0));
        world.ports.store.values.borrow_mut().insert(key, sound);
        world.run_ok();
        assert_eq!(i64::try_from(world.accepted().len()).unwrap(), accepted + 1);
    }
}

#[test]
fn an_index_of_dead_letters_that_is_gone_ends_each_run_and_one_that_named_none_is_begun_anew() {
    let world = World::new();
    world.request("refused", NOON - 20);
    world.ends.borrow_mut().codes.insert("refused".to_owned(), "InvalidData");
    world.run();
    let lose_the_index = |world: &World| {
        world.ports.store.values.borrow_mut().retain(|key, _| !key.ends_with("dead-letters"));
    };
    lose_the_index(&world);
    for _ in 0..2 {
        let report = world.run();
        assert_eq!(report.outcome, Outcome::Failed);
        assert!(report.attention.contains(&Attention::StoreLost));
        assert!(report.error.unwrap().contains("has lost the index of 1 dead letters"));
    }

    let world = World::new();
    world.request("fails", NOON - 20);
    world.ends.borrow_mut().codes.insert("fails".to_owned(), "InternalFailure");
    world.run();
    world.ends.borrow_mut().codes.clear();
    lose_the_index(&world);
    let report = world.run();
    assert_eq!(report.outcome, Outcome::Partial);
    assert!(report.attention.contains(&Attention::StoreLost));
    assert!(report.error.unwrap().contains("there were no letters"));
    assert!(world.run_ok().attention.is_empty());
}

#[test]
fn a_changed_note_is_told_once() {
    let mut world = World::new();
    assert!(!world.run_ok().attention.contains(&Attention::NotesChanged), "the first notes");
    world.set("adopt_lambda_keys", "true");
    assert!(world.run_ok().attention.contains(&Attention::NotesChanged));
    assert!(!world.run_ok().attention.contains(&Attention::NotesChanged));
}
