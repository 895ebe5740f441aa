//! `check` and `verify`: the built component with these tasks, as the operator's program runs them, or Spin's
//! command trigger.

use std::path::Path;
use std::process::Command;

use kong_cloudtrail::event::id_sum;
use kong_cloudtrail::seal::{HEADER_BYTES, Seal};
use kong_cloudtrail_sim::cloudtrail::{Credentials, EventFault, Faults};
use kong_cloudtrail_sim::cloudwatch::{self, Missing};
use kong_cloudtrail_sim::kong::{self, Stream};
use serde_json::{Value, json};

use super::destination::{Kind, LOG_GROUP};
use super::driver::{self, Verb};
use super::support::{Answer, SECRET, Store, World, stores};

/// The line of that task, and how its process ended.
fn ask(world: &World, task: &str) -> (Value, Answer) {
    let manifest = if driver::is_spin() { "spin-command.toml" } else { "spin.toml" };
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest);
    let start = world.start(Verb::Command, &manifest);
    let mut command = start.command();
    if !driver::is_spin() {
        command = Command::new(driver::host());
        command.arg(task).arg("--from").arg(&manifest).arg("--usage");
        command.arg("--state-dir").arg(start.state_dir);
        if let Some(file) = start.runtime_config {
            command.arg("--runtime-config-file").arg(file);
        }
    }
    // Where no `.env` is.
    command.current_dir(start.state_dir).envs(world.environment());
    let answer = Answer::of(&command.env("SPIN_VARIABLE_TASK", task).output().unwrap());
    let lines = answer.stdout.lines().chain(answer.stderr.lines());
    let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["event"] == task);
    (line.unwrap_or_else(|| panic!("{answer:?}")), answer)
}

fn result(line: &Value, name: &str) -> (String, String) {
    let rows = line["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}"));
    println!("{name} | {} | {} | {}", row["result"], row["found"], row["remedy"]);
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (text("result"), text("found") + " " + &text("remedy"))
}

/// The names of this world's keys in the store.
async fn names(world: &World) -> Vec<String> {
    let keys = world.store().await.keys().await.unwrap();
    let mut ours: Vec<_> = keys.into_iter().filter(|key| key.starts_with(&world.key(""))).collect();
    ours.sort();
    ours
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_nothing_wrong_where_nothing_is_and_leaves_nothing_behind() {
    for store in stores() {
        let options = kong::Options { requests: 5, objects: 5, ..Default::default() };
        let world = World::to(Kind::CloudWatch, store, options);
        let (line, answer) = ask(&world, "check");
        assert_eq!((answer.status, &line["outcome"]), (0, &json!("ok")), "{line}");
        let rows = line["rows"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["result"] == "ok"), "{line}");
        assert_eq!(rows.len(), if driver::is_spin() { 17 } else { 18 });
        assert_eq!((world.cloudtrail.status().accepted, names(&world).await), (0, vec![]));
        assert_eq!(world.cloudtrail.status().failed, 1, "refused for its age");
        // It does not keep a run from being the first.
        assert_eq!(world.tick_ok().await.shipped(), (5, 5));
        let (line, _) = ask(&world, "check");
        assert!(result(&line, "store-read").1.contains("generation"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_on_cloudtrail_sends_an_event_that_is_refused() {
    let mut world = World::new(Store::Sqlite, kong::Options::default());
    let keys = Credentials {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: SECRET.into(),
        session_token: None,
    };
    let sts = cloudwatch::Simulator::start(cloudwatch::Options::new(LOG_GROUP, "a", keys)).unwrap();
    world.set("aws_endpoint_url_sts", &sts.sts_url());
    world.set("allow_outbound", "http://127.0.0.1:*");
    let (line, answer) = ask(&world, "check");
    assert_eq!((answer.status, &line["outcome"]), (0, &json!("ok")), "{line}");
    assert!(result(&line, "identity").1.contains("AKIDEXAMPLE of the account 123456789012"));
    let (told, found) = result(&line, "destination");
    assert!(
        told == "ok" && found.contains("InvalidChecksum") && found.contains("likely"),
        "{found}"
    );
    let status = world.cloudtrail.status();
    assert_eq!((status.calls, status.failed, status.accepted), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_goes_on_after_what_fails_and_ends_with_status_1() {
    let mut world = World::to(Kind::CloudWatch, Store::Sqlite, kong::Options::default());
    world.cloudtrail.cloudwatch().set(|settings| settings.missing = Missing::Stream);
    world.set("kong_admin_token", "another");
    let (line, answer) = ask(&world, "check");
    assert_eq!((answer.status, &line["outcome"]), (1, &json!("fail")));
    let (told, found) = result(&line, "kong-token");
    assert!(told == "fail" && found.contains("kong_admin_token is missing or wrong"), "{found}");
    assert_eq!(result(&line, "kong-reach").0, "ok");
    assert_eq!(result(&line, "kong-version").0, "skipped");
    assert_eq!(result(&line, "store-swap").0, "ok");
    let (told, found) = result(&line, "destination");
    assert!(told == "fail" && found.contains("create-log-stream"), "{found}");

    world.set("kong_admin_api", "http://127.0.0.1:1").set("max_in_flight", "0");
    let (line, answer) = ask(&world, "check");
    assert_eq!(answer.status, 1);
    assert!(result(&line, "configuration").1.contains("max_in_flight"));
    assert!(
        result(&line, "kong-reach").1.contains("nothing listens")
            || result(&line, "kong-reach").1.contains("check the port")
    );
    assert_eq!(result(&line, "destination").0, "skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_the_timer_another_task_than_shipping_is_a_failed_run_that_says_so() {
    let mut world = World::new(Store::Sqlite, kong::Options { requests: 5, ..Default::default() });
    let report = world.set("task", "verify").tick().await;
    assert_eq!(report["outcome"], "failed");
    assert!(report.error().contains("SPIN_VARIABLE_TASK=verify"), "{}", report.error());
    assert_eq!((world.cloudtrail.status().accepted, names(&world).await), (0, vec![]));
}

/// Takes so many fingerprints of requests out of the ledger's first segments.
async fn take_out(world: &World, mut count: usize) {
    let store = world.store().await;
    for key in names(world).await.into_iter().filter(|key| key.contains("segment:requests")) {
        let value = store.get(&key).await.unwrap().unwrap();
        let mark = *value.first_chunk().unwrap();
        let body = &value[HEADER_BYTES..];
        let taken = count.min(body.len() / 16);
        store.set(&key, Seal::Unkeyed.close(&key, mark, &body[16 * taken..])).await.unwrap();
        count -= taken;
        if count == 0 {
            return;
        }
    }
    panic!("not so many are there");
}

/// The sum over all days of a stream.
fn sum(line: &Value, stream: &str, name: &str) -> u64 {
    let told = &line["streams"][stream];
    let days = told["days"].as_array().unwrap().iter().chain([&told["derived"]]);
    days.map(|row| row[name].as_u64().unwrap()).sum()
}

/// Ships what Kong holds, of which CloudTrail refuses some, and takes some out of the ledger.
async fn shipped_with_gaps(world: &World, refused: usize, taken: usize) {
    let refused = world.kong.ids(Stream::Requests)[10..10 + refused].to_vec();
    let fault = EventFault {
        code: Some("FieldTooLong".into()),
        when: kong_cloudtrail_sim::fault::When::default(),
        ids: refused,
    };
    world.cloudtrail.set_faults(Faults { events: vec![fault], ..Default::default() });
    world.tick().await;
    world.cloudtrail.set_faults(Faults::default());
    take_out(world, taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_counts_what_is_recorded_and_names_what_is_missing() {
    for store in stores() {
        let options = kong::Options { requests: 2500, objects: 500, ..Default::default() };
        let world = World::new(store, options);
        shipped_with_gaps(&world, 2, 3).await;
        // From after the watermark.
        world.kong.set_clock(60);
        world.kong.add_activity(4, 0);
        let before = names(&world).await;
        let (line, answer) = ask(&world, "verify");
        assert_eq!((answer.status, &line["outcome"]), (1, &json!("missing")), "{line}");
        let counts = ["kong", "recorded", "dead_letters", "missing"];
        assert_eq!(counts.map(|name| sum(&line, "requests", name)), [2500, 2495, 2, 3]);
        assert_eq!(counts.map(|name| sum(&line, "objects", name)), [500, 500, 0, 0]);
        assert_eq!(line["streams"]["requests"]["later"], 4);
        assert_eq!(line["streams"]["requests"]["missing"].as_array().unwrap().len(), 3);
        // The destination's side, to which the ledger's gaps are none.
        let requests = |event: &&kong_cloudtrail_sim::cloudtrail::Event| {
            event.event_data["additionalEventData"]["method"].is_string()
        };
        let events = world.cloudtrail.events(0, usize::MAX);
        let theirs: u64 =
            events.iter().filter(requests).map(|event| u64::from(id_sum(&event.id))).sum();
        assert_eq!(sum(&line, "requests", "id_sum"), theirs, "{store:?}");
        assert_eq!(names(&world).await, before, "nothing is changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_is_well_when_all_is_there_and_proves_nothing_without_a_ledger() {
    let options = kong::Options { requests: 20, objects: 20, ..Default::default() };
    let world = World::to(Kind::CloudWatch, Store::Sqlite, options);
    let (line, answer) = ask(&world, "verify");
    assert_eq!((answer.status, &line["outcome"]), (1, &json!("failed")));
    assert!(line["error"].as_str().unwrap().contains("there is no ledger"), "{line}");
    world.tick_ok().await;
    let (line, answer) = ask(&world, "verify");
    assert_eq!((answer.status, &line["outcome"]), (0, &json!("ok")), "{line}");
    assert_eq!(sum(&line, "objects", "recorded"), 20);
}

/// `cargo test --test component figures_of_verify -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes a minute, and is for its figures"]
async fn figures_of_verify() {
    let options = kong::Options { requests: 50_000, objects: 40_000, ..Default::default() };
    for store in stores() {
        let mut world = World::new(store, options.clone());
        let timeless = |n: i64| {
            json!({"id": format!("timeless-{n:05}"), "dao_name": "routes", "operation": "update",
                "entity_key": "k", "entity": "{}", "ttl": 100_000 + n * 240})
        };
        world.kong.add_entries(Stream::Objects, (0..10_000).map(timeless));
        world.set("max_in_flight", "100").set("max_calls_per_sec", "100000");
        shipped_with_gaps(&world, 2, 3).await;
        let (line, answer) = ask(&world, "verify");
        println!("{store:?}: {line}\n{}", answer.stderr);
        let events = world.cloudtrail.events(0, usize::MAX);
        for (stream, is_call) in [("requests", true), ("objects", false)] {
            let of_stream = events.iter().filter(|event| {
                event.event_data["additionalEventData"]["method"].is_string() == is_call
            });
            let (mut count, mut theirs) = (0, 0);
            for event in of_stream {
                count += 1;
                theirs += u64::from(id_sum(&event.id));
            }
            let must = sum(&line, stream, "kong") - sum(&line, stream, "dead_letters");
            println!(
                "{stream}: the destination has {count}, {theirs}; verify {must}, {}",
                sum(&line, stream, "id_sum")
            );
            assert_eq!((count, theirs), (must, sum(&line, stream, "id_sum")));
        }
        assert_eq!(sum(&line, "requests", "missing"), 3);
    }
}
