//! CloudWatch Logs as the destination: what is its own.

use kong_cloudtrail_sim::cloudwatch::{EndIndex, EventFault, Faults, Missing, RequestError};
use kong_cloudtrail_sim::fault::When;
use kong_cloudtrail_sim::kong::{self, Stream};
use serde_json::{Value, json};

use super::destination::{CHANNEL, Kind, LOG_GROUP};
use super::support::{Report, Store, World, stores};

const DAY: i64 = 86_400;

fn world(kong: kong::Options) -> World {
    World::to(Kind::CloudWatch, Store::Sqlite, kong)
}

/// Requests of these ages in days, which Kong keeps for longer than that.
fn aged(ages: impl IntoIterator<Item = i64>) -> World {
    let world = world(kong::Options { record_ttl_secs: 41 * 86_400, ..Default::default() });
    let now = world.kong.status().now;
    let entry = |age: i64| {
        json!({"request_id": format!("of-{age}-days"), "request_timestamp": now - age * DAY, "method": "GET",
            "path": "/services", "status": 200, "ttl": (41 - age) * DAY})
    };
    world.kong.add_entries(Stream::Requests, ages.into_iter().map(entry));
    world
}

/// How many days before now each accepted event's timestamp is, by its id.
fn days(world: &World) -> Vec<(String, i64)> {
    let logs = world.cloudtrail.cloudwatch();
    let now = world.kong.status().now;
    let days = logs.timestamps().into_iter().map(|time| (now - time / 1000 + DAY / 2) / DAY);
    logs.ids().into_iter().zip(days).collect()
}

/// What it printed at that level.
fn printed(report: &Report, level: &str) -> Vec<String> {
    let lines = report.stdout.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_level = lines.filter(|line| line["level"] == level);
    of_level.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_arrives_once_and_what_is_new_after_it() {
    for store in stores() {
        let options = kong::Options { requests: 3000, objects: 2000, ..Default::default() };
        let world = World::to(Kind::CloudWatch, store, options);
        let report = world.tick_ok().await;
        assert_eq!(
            (report.shipped(), &report["destination"]),
            ((3000, 2000), &json!("cloudwatch"))
        );
        world.kong.add_activity(7, 3);
        let calls = world.cloudtrail.status().calls;
        assert_eq!(world.tick_ok().await.shipped(), (7, 3));
        assert_eq!(world.cloudtrail.status().calls - calls, 2, "one for each stream");
        world.assert_exactly_once();
        let idle = world.tick_ok().await;
        assert_eq!((idle.shipped(), &idle["calls"]["destination"]), ((0, 0), &json!(0)));
        assert_eq!(world.cloudtrail.cloudwatch().sts_calls(), 2, "once in each run that ships");
        assert_eq!(world.cloudtrail.status().refused_calls, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_forty_days_arrive_and_none_is_refused() {
    let world = aged(0..=40);
    assert_eq!(world.tick_ok().await.shipped(), (41, 0));
    world.assert_exactly_once();
    let status = world.cloudtrail.status();
    assert_eq!((status.failed, status.refused_calls), (0, 0));
    for (id, days) in days(&world) {
        let age: i64 = id.split('-').nth(1).unwrap().parse().unwrap();
        assert_eq!(days, age.min(13), "{id}");
    }
    let event = world.cloudtrail.events(0, usize::MAX).into_iter().find(|e| e.id == "of-40-days");
    let told = event.unwrap().event_data["eventTime"].as_str().unwrap().to_owned();
    let entries = world.kong.entries(Stream::Requests, 0, usize::MAX);
    let entry = entries.into_iter().find(|entry| entry["request_id"] == "of-40-days").unwrap();
    let own = entry["request_timestamp"].as_i64().unwrap();
    assert_eq!(told, kong_cloudtrail::wire::rfc3339(own), "its own time is in the message");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_retention_refuses_goes_out_as_of_now() {
    for end_index in [EndIndex::Exclusive, EndIndex::Inclusive] {
        let world = aged(0..=40);
        world.cloudtrail.cloudwatch().set(|settings| {
            settings.retention_secs = Some(7 * DAY);
            settings.end_index = end_index;
        });
        let report = world.tick_ok().await;
        assert_eq!((report.shipped(), &report["dead_letters"]), ((41, 0), &json!(0)));
        let status = world.cloudtrail.status();
        assert_eq!(status.distinct, 41, "{end_index:?}");
        assert!(status.failed > 0, "something was refused first");
        let repeated = status.accepted - status.distinct;
        assert!(repeated <= usize::from(end_index == EndIndex::Exclusive), "{repeated}");
        assert!(days(&world).iter().all(|(_, days)| *days <= 7), "{:?}", days(&world));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_group_or_stream_the_run_says_how_to_make_them() {
    for (missing, told) in [
        (
            Missing::Group,
            "aws logs create-log-group --region eu-west-1 --log-group-name '/kong/audit'",
        ),
        (
            Missing::Stream,
            "aws logs create-log-stream --region eu-west-1 --log-group-name '/kong/audit' --log-stream-name \
             'kong-cloudtrail'",
        ),
    ] {
        let world = world(kong::Options { requests: 10, ..Default::default() });
        let logs = world.cloudtrail.cloudwatch();
        logs.set(|settings| settings.missing = missing);
        let report = world.tick().await;
        assert_eq!(report["outcome"], "failed");
        assert!(report.error().contains(told), "{}", report.error());
        logs.set(|settings| settings.missing = Missing::Nothing);
        assert_eq!(world.tick_ok().await.shipped(), (10, 0));
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_another_account_send_nothing() {
    let world = world(kong::Options { requests: 10, ..Default::default() });
    let logs = world.cloudtrail.cloudwatch();
    logs.set(|settings| settings.account = Some("210987654321".to_owned()));
    let report = world.tick().await;
    assert_eq!((&report["outcome"], logs.status().calls), (&json!("failed"), 0));
    for told in ["210987654321", "123456789012", "log_group_arn"] {
        assert!(report.error().contains(told), "{}", report.error());
    }
    logs.set(|settings| settings.account = None);
    assert_eq!(world.tick_ok().await.shipped(), (10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_and_awss_clocks_may_differ_by_hours() {
    for offset in [-5 * 3600, 5 * 3600] {
        let world = aged([0, 5, 14, 30]);
        world.cloudtrail.set_clock(offset);
        assert_eq!(world.tick_ok().await.shipped(), (4, 0), "{offset}");
        world.assert_exactly_once();
        assert_eq!(world.cloudtrail.status().failed, 0, "{offset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_for_good_is_a_dead_letter_and_its_neighbours_arrive() {
    let world = world(kong::Options { requests: 40, ..Default::default() });
    let bad =
        world.kong.entries(Stream::Requests, 3, 1)[0]["request_id"].as_str().unwrap().to_owned();
    let fault = EventFault {
        code: Some("InvalidParameterException".to_owned()),
        when: When::default(),
        ids: vec![bad.clone()],
    };
    world.cloudtrail.set_faults(Faults { events: vec![fault], ..Default::default() });
    let report = world.tick().await;
    assert_eq!((&report["outcome"], report.shipped().0), (&json!("partial"), 39), "{report:?}");
    assert_eq!(report["dead_letters"], 1);
    let letters = world.dead_letters("list", &["--json"]).objects();
    assert_eq!(letters[0]["id"], json!(bad), "{letters:?}");
    world.cloudtrail.set_faults(Faults::default());
    world.dead_letters("replay", &[&bad]);
    world.tick_ok().await;
    world.assert_exactly_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_batches_that_are_refused_whole_stop_the_run_and_make_no_dead_letter() {
    let mut world = world(kong::Options { requests: 40, ..Default::default() });
    world.set("max_in_flight", "1");
    let wrong = RequestError {
        kind: "InvalidParameterException".to_owned(),
        when: When::default(),
        message: None,
    };
    world.cloudtrail.set_faults(Faults { errors: vec![wrong], ..Default::default() });
    // Two streams, so two batches.
    world.kong.add_activity(0, 40);
    let report = world.tick().await;
    assert_eq!(
        (&report["outcome"], &report["dead_letters"]),
        (&json!("failed"), &json!(0)),
        "{report:?}"
    );
    assert!(report.error().contains("log_group_arn"), "{}", report.error());
    world.cloudtrail.set_faults(Faults::default());
    world.tick_ok().await;
    world.assert_exactly_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_bound_to_the_log_stream() {
    let mut world = world(kong::Options { requests: 5, ..Default::default() });
    world.tick_ok().await;
    world.set("log_stream", "another");
    let report = world.tick().await;
    assert_eq!(report["outcome"], "failed");
    assert!(
        report.error().contains(&format!("{LOG_GROUP}:log-stream:kong-cloudtrail")),
        "{}",
        report.error()
    );
    assert!(report.error().contains("log_stream"), "{}", report.error());
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_another_destination_are_ignored_with_a_warning() {
    let mut world = world(kong::Options { requests: 5, ..Default::default() });
    world.set("channel_arn", CHANNEL).set("external_id", "x");
    let report = world.tick_ok().await;
    let warnings = printed(&report, "warn");
    for name in ["channel_arn", "external_id"] {
        let told = warnings.iter().any(|warning| warning.starts_with(name));
        assert!(told, "{name}: {warnings:?}");
    }
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    world.set("destination", "lake");
    let report = world.tick().await;
    assert!(report.error().contains("destination \"lake\""), "{}", report.error());
}
