//! What an operator decides by hand, and that it is asked for: losses that no run gets over by itself, keys
//! that are lost, destinations that were made anew.

use kong_cloudtrail_sim::cloudtrail::{EventFault, Faults};
use kong_cloudtrail_sim::fault::When;
use kong_cloudtrail_sim::kong;
use serde_json::{Value, json};

use super::support::{Answer, Store, World};

const KEY: &str = "the-ledgers-key-of-32-characters-or-more";
const NEW_KEY: &str = "another-key-of-32-characters-or-even-more";
const BECAUSE: [&str; 3] = ["--yes", "--reason", "the snapshot is gone too"];

/// A world with a dead letter and an intervention on record.
async fn world(key: &str) -> World {
    let options = kong::Options { requests: 20, objects: 10, ..Default::default() };
    let mut world = World::new(Store::Sqlite, options);
    world.set("ledger_key", key);
    let ids = world.kong.ids(kong::Stream::Requests)[..2].to_vec();
    let fault =
        EventFault { code: Some("InvalidData".into()), when: When::default(), ids: ids.clone() };
    world.cloudtrail.set_faults(Faults { events: vec![fault], ..Faults::default() });
    assert_eq!(world.tick().await["dead_letters"], 2);
    world.cloudtrail.set_faults(Faults::default());
    let dropped = world.dead_letters("drop", &[&[ids[0].as_str()], &BECAUSE[..]].concat());
    assert_eq!(dropped.status, 0, "{dropped:?}");
    world
}

/// A run that sends nothing, because of the value of that name.
async fn stays_failed(world: &World, name: &str) {
    let sent = world.cloudtrail.status().accepted;
    let report = world.tick().await;
    assert_eq!(report["outcome"], "failed", "{name}: {report:?}");
    for words in [&world.key(name), "nothing is sent", "kong-cloudtrail ledger acknowledge"] {
        assert!(report.error().contains(words), "{words}: {}", report.error());
    }
    assert_eq!(report["attention"], json!(["store-lost"]), "{name}");
    assert_eq!(world.cloudtrail.status().accepted, sent, "{name}");
}

fn done(answer: &Answer) -> &str {
    assert_eq!(answer.status, 0, "{answer:?}");
    &answer.stderr
}

/// What happens to a value.
type Loss = (&'static str, Option<fn(&[u8]) -> Vec<u8>>);

#[tokio::test(flavor = "multi_thread")]
async fn what_no_run_gets_over_by_itself_stays_failed_until_somebody_acknowledges_it() {
    let losses: [Loss; 4] = [
        ("dead-letters", None),
        ("dead-letters:0", None),
        ("dead-letters:0", Some(|value| [&value[..value.len() - 2], b" \n"].concat())),
        ("interventions", None),
    ];
    let world = world(KEY).await;
    assert_eq!(world.tick_ok().await["attention"], json!(["intervened"]));
    let store = world.store().await;
    for (name, change) in losses {
        let key = world.key(name);
        let sound = store.get(&key).await.unwrap().unwrap();
        match change {
            None => store.delete(&key).await.unwrap(),
            Some(change) => store.set(&key, change(&sound)).await.unwrap(),
        }
        world.kong.add_activity(1, 1);
        stays_failed(&world, name).await;
        let tool = world.dead_letters("drop", &[&["--all"], &BECAUSE[..]].concat());
        assert_eq!(tool.status, 1, "nor does the tool go on: {tool:?}");
        store.set(&key, sound).await.unwrap();
        let report = world.tick_ok().await;
        assert_eq!((report.shipped(), &report["attention"]), ((1, 1), &json!([])), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_acknowledges_a_loss_and_why_is_on_record_and_runs_go_on() {
    for (key, name) in [("", "dead-letters"), (KEY, "dead-letters:0"), (KEY, "interventions")] {
        let world = world(key).await;
        world.store().await.delete(&world.key(name)).await.unwrap();
        world.kong.add_activity(1, 1);
        stays_failed(&world, name).await;
        stays_failed(&world, name).await;
        assert_eq!(world.ledger("acknowledge", &[]).status, 2, "it wants to be meant");
        let told = world.ledger("acknowledge", &BECAUSE);
        assert!(done(&told).contains(&world.key(name)), "{told:?}");
        let report = world.tick_ok().await;
        assert_eq!(report["attention"], json!(["intervened"]), "{name}: {report:?}");
        let is_told = |line: &&String| line.contains(BECAUSE[2]) && line.contains("acknowledge");
        let line = report.stdout.iter().find(is_told).unwrap();
        assert!(line.contains(&world.key(name)), "{line}");
        let left = u64::from(name == "interventions");
        assert_eq!((report.shipped(), &report["dead_letters"]), ((1, 1), &json!(left)), "{name}");
        let again = world.ledger("acknowledge", &BECAUSE);
        assert_eq!(again.status, 1, "{again:?}");
        assert!(again.stderr.contains("nothing is lost"), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_value_that_cannot_be_restored_is_acknowledged_too_and_nothing_of_it_is_taken() {
    let mut world = world(KEY).await;
    let store = world.store().await;
    let forged = |key: &String| key.contains("}segment:") || key.contains("}reports");
    for key in store.keys().await.unwrap().into_iter().filter(forged) {
        store.set(&key, b"kcs2 of somebody else, whoever".to_vec()).await.unwrap();
    }
    world.set("reconcile_secs", "1");
    world.kong.set_clock(10);
    assert_eq!(world.tick().await["outcome"], "failed");
    let told = world.ledger("acknowledge", &BECAUSE);
    assert!(done(&told).contains("}segment:objects:"), "{told:?}");
    let report = world.tick().await;
    assert!(report["attention"].as_array().unwrap().contains(&json!("store-lost")), "{report:?}");
    assert!(report.shipped().0 > 0, "what it held is shipped again: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_whose_key_is_lost_goes_on_with_another_one() {
    let mut world = world(KEY).await;
    world.set("ledger_key", NEW_KEY);
    assert_eq!(world.tick().await["outcome"], "failed");
    let told = world.ledger("rekey", &["--yes", "--reason", "the vault burnt down"]);
    assert!(done(&told).contains("the vault burnt down"), "{told:?}");
    world.set("reconcile_secs", "1");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let report = world.tick_ok().await;
    assert_eq!((report.shipped(), &report["dead_letters"]), ((0, 0), &json!(1)), "{report:?}");
    assert!(report["attention"].as_array().unwrap().contains(&json!("intervened")));
    world.set("ledger_key", KEY);
    assert_eq!(world.tick().await["outcome"], "failed", "the old one is of no use any more");
    world.set("ledger_key", "");
    let told = world.ledger("rekey", &BECAUSE);
    assert_eq!(told.status, 1, "{told:?}");
    assert!(told.stderr.contains("ledger_key is not set"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_bound_to_another_destination_by_hand_alone() {
    let mut world = world("").await;
    let renamed = world.cloudtrail.url().replace("127.0.0.1", "localhost");
    world.set("cloudtrail_endpoint", &renamed).set("allow_outbound", &renamed);
    world.kong.add_activity(1, 1);
    let report = world.tick().await;
    assert_eq!(report["outcome"], "failed");
    assert!(report.error().contains("kong-cloudtrail ledger rebind"), "{}", report.error());
    let told = world.ledger("rebind", &BECAUSE);
    assert!(done(&told).contains("localhost"), "{told:?}");
    let report = world.tick_ok().await;
    assert_eq!((report.shipped(), &report["attention"]), ((1, 1), &json!(["intervened"])));
    let again = world.ledger("rebind", &BECAUSE);
    assert!(again.status == 1 && again.stderr.contains("already"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_chosen_elsewhere_is_a_note_and_a_change_of_it_is_told() {
    let options = kong::Options { requests: 20, objects: 10, ..Default::default() };
    let mut world = World::new(Store::Sqlite, options);
    world.tick_ok().await;
    world.set("audit_streams", "requests").set("reconcile_secs", "0");
    let report = world.tick_ok().await;
    for note in ["streams-left-out", "comparisons-off"] {
        assert!(report["notes"].as_array().unwrap().contains(&json!(note)), "{report:?}");
    }
    assert_eq!(report["attention"], json!(["notes-changed"]));
    let renamed = world.kong.url().replace("127.0.0.1", "localhost");
    world.set("kong_admin_api", &renamed);
    assert_eq!(world.tick_ok().await["attention"], json!(["other-kong"]));
    world.kong.set_clock(600);
    let report = world.tick_ok().await;
    assert!(report["notes"].as_array().unwrap().contains(&json!("clocks-differ")), "{report:?}");
    assert_eq!(report["attention"], json!(["notes-changed"]));
    assert_eq!(report["ignored_settings"], json!([]));
    assert_eq!(world.tick_ok().await["attention"], Value::Array(Vec::new()));
}
