//! S3 as the destination: what is its own.

use std::io::Read as _;

use flate2::read::GzDecoder;
use kong_cloudtrail_sim::cloudtrail::{Faults, RequestError};
use kong_cloudtrail_sim::fault::When;
use kong_cloudtrail_sim::kong;
use serde_json::{Value, json};

use super::destination::{BUCKET, Kind};
use super::support::{Store, World, stores};

fn world(kong: kong::Options) -> World {
    World::to(Kind::S3, Store::Sqlite, kong)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_arrives_once_in_an_object_for_each_stream_and_day() {
    for store in stores() {
        let options =
            kong::Options { requests: 3000, objects: 2000, span_days: 3, ..Default::default() };
        let world = World::to(Kind::S3, store, options);
        let report = world.tick_ok().await;
        assert_eq!((report.shipped(), &report["destination"]), ((3000, 2000), &json!("s3")));
        let bucket = world.cloudtrail.s3();
        let objects = bucket.objects();
        assert!((6..=8).contains(&objects.len()), "{objects:?}");
        world.kong.add_activity(7, 3);
        assert_eq!(world.tick_ok().await.shipped(), (7, 3));
        assert_eq!(bucket.objects().len() - objects.len(), 2, "one for each stream");
        world.assert_exactly_once();
        let idle = world.tick_ok().await;
        assert_eq!((idle.shipped(), &idle["calls"]["destination"]), ((0, 0), &json!(0)));
        assert_eq!(world.cloudtrail.status().refused_calls, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_lines_of_json_under_its_stream_and_day() {
    let world =
        world(kong::Options { requests: 40, objects: 30, span_days: 2, ..Default::default() });
    world.tick_ok().await;
    let bucket = world.cloudtrail.s3();
    for object in bucket.objects() {
        let mut parts = object.key.split('/');
        assert_eq!(parts.next(), Some("kong-audit"));
        assert_eq!(parts.next(), Some(world.variables["ledger"].as_str()));
        let stream = parts.next().unwrap().strip_prefix("stream=").unwrap().to_owned();
        let date = parts.next().unwrap().strip_prefix("date=").unwrap().to_owned();
        assert!(parts.next().unwrap().ends_with(".ndjson.gz"));
        let body = bucket.object(&object.key).unwrap();
        let mut lines = String::new();
        GzDecoder::new(&body[..]).read_to_string(&mut lines).unwrap();
        assert_eq!(lines.len(), object.lines_bytes);
        for line in lines.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert!(line.starts_with(&format!("{{\"id\":{},", event["id"])), "{line}");
            assert!(event["eventTime"].as_str().unwrap().starts_with(&date), "{line}");
            assert_eq!(event["recipientAccountId"], "123456789012");
            let of_objects = world.kong.ids(kong::Stream::Objects).contains(&id_of(&event));
            assert_eq!(of_objects, stream == "objects", "{line}");
        }
    }
}

fn id_of(event: &Value) -> String {
    event["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_configured_wrongly_sends_nothing_and_is_named() {
    for (variable, value, told) in [
        ("bucket", "another-trail", "there is no bucket another-trail"),
        ("bucket_region", "us-east-1", "check bucket_region"),
        ("account_id", "210987654321", "account_id (210987654321)"),
        ("bucket", "Kong", "bucket \"Kong\" must be"),
        ("account_id", "", "account_id is not set"),
    ] {
        let mut world = world(kong::Options { requests: 10, ..Default::default() });
        let right = world.variables[variable].clone();
        world.set(variable, value);
        let report = world.tick().await;
        assert_eq!(report["outcome"], "failed");
        assert!(report.error().contains(told), "{}", report.error());
        assert!(world.cloudtrail.ids().is_empty());
        world.set(variable, &right);
        assert_eq!(world.tick_ok().await.shipped(), (10, 0));
        world.assert_exactly_once();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_repeat_nothing() {
    let world =
        world(kong::Options { requests: 300, objects: 200, span_days: 10, ..Default::default() });
    let every = When { every: Some(2), ..When::default() };
    world.cloudtrail.set_faults(Faults { reset_after_accept: Some(every), ..Faults::default() });
    let report = world.tick_ok().await;
    assert_eq!(report.shipped(), (300, 200));
    world.assert_exactly_once();
    assert!(world.cloudtrail.s3().taken() > 3, "objects were sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_that_is_busy_is_waited_for() {
    let world = world(kong::Options { requests: 30, span_days: 5, ..Default::default() });
    let error = |kind: &str| RequestError {
        kind: kind.to_owned(),
        when: When { next: Some(1), ..When::default() },
        message: None,
    };
    let errors = ["SlowDown", "ConditionalRequestConflict", "InternalError", "RequestTimeout"];
    let errors = errors.map(error).into();
    world.cloudtrail.set_faults(Faults { errors, ..Faults::default() });
    let report = world.tick_ok().await;
    assert_eq!((report.shipped(), &report["calls"]["retries"]), ((30, 0), &json!(4)));
    world.assert_exactly_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_bound_to_the_bucket_and_its_prefix() {
    let mut world = world(kong::Options { requests: 5, ..Default::default() });
    world.tick_ok().await;
    world.set("bucket_prefix", "another");
    let report = world.tick().await;
    assert_eq!(report["outcome"], "failed");
    for told in [&format!("s3://{BUCKET}/kong-audit"), "bucket_prefix"] {
        assert!(report.error().contains(told), "{}", report.error());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_run_of_1400_entries_makes_two_or_three_calls_and_at_most_four_more_to_the_store()
{
    let mut calls = Vec::new();
    for kind in [Kind::CloudTrail, Kind::S3] {
        let options = kong::Options { requests: 3000, objects: 500, ..Default::default() };
        let world = World::to(kind, Store::Sqlite, options);
        world.tick_ok().await;
        world.kong.add_activity(1000, 400);
        let report = world.tick_ok().await;
        assert_eq!(report.shipped(), (1000, 400));
        calls.push(report["calls"].clone());
    }
    let [of_cloudtrail, of_s3] = [&calls[0], &calls[1]].map(|calls| calls["kv"].as_u64().unwrap());
    println!("calls to the store: {of_cloudtrail} with CloudTrail, {of_s3} with S3");
    // Around midnight there are two days.
    let puts = calls[1]["destination"].as_u64().unwrap();
    assert!((2..=3).contains(&puts), "{puts}");
    assert!(of_s3 <= of_cloudtrail + 4, "{of_s3} {of_cloudtrail}");
}
