//! A key-value store that fails, is slow, or has lost or damaged what it held: what the run says,
//! that nothing is lost, that no more comes again than is documented, and that the next run goes on.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use kong_cloudtrail_sim::kong;

use super::faulty::FaultyStore;
use super::verdict::Verdict;
use super::world::{Tick, World};

const MAX_IN_FLIGHT: usize = 2;
/// What a segment begins with, and the size of a fingerprint.
const SIXTEEN: usize = 16;

fn world(requests: u32, objects: u32) -> (World, Arc<FaultyStore>) {
    let options = kong::Options { requests, objects, span_days: 2, ..Default::default() };
    let mut world = World::new(options);
    world.set("lease_secs", "1").set("max_in_flight", &MAX_IN_FLIGHT.to_string());
    (world, Arc::default())
}

/// A world of which all is shipped.
async fn shipped(requests: u32, objects: u32) -> (World, Arc<FaultyStore>) {
    let (world, store) = world(requests, objects);
    ok(&world, &store).await;
    (world, store)
}

/// Ticks until the lease of an earlier run has run out, and then once.
async fn after_the_lease(world: &World, store: &Arc<FaultyStore>) -> Tick {
    for _ in 0..10 {
        let tick = world.tick(store).await;
        if tick.outcome() != "skipped" {
            return tick;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the lease does not run out");
}

async fn ok(world: &World, store: &Arc<FaultyStore>) -> Tick {
    let tick = after_the_lease(world, store).await;
    assert_eq!((tick.outcome(), tick.error()), ("ok", ""), "{tick:?}");
    tick
}

/// What happens to a stored value.
type Damage<'d> = &'d dyn Fn(&[u8]) -> Vec<u8>;

fn ids(verdict: &Verdict) -> Vec<&str> {
    verdict.repeated.iter().map(|(id, _)| id.as_str()).collect()
}

async fn key(store: &FaultyStore, part: &str) -> String {
    let dump = store.dump().await;
    dump.into_keys().find(|key| key.contains(part)).expect("a key of that kind")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_at_any_call_for_once_or_from_then_on_loses_nothing() {
    let calls = {
        let (world, store) = world(220, 110);
        ok(&world, &store).await;
        store.calls()
    };
    let cases = (0..calls).flat_map(|call| [(call, call + 1), (call, u64::MAX)]);
    let repeats: Vec<usize> = stream::iter(cases)
        .map(|(from, to)| tokio::spawn(fails(from, to)))
        .buffer_unordered(8)
        .map(Result::unwrap)
        .collect()
        .await;
    println!(
        "store: {} failing calls, once and for good: 0 lost, most batches repeated {}",
        calls,
        repeats.iter().max().unwrap()
    );
    assert!(repeats.iter().any(|batches| *batches > 0), "no call struck a record");
}

/// One world whose store fails at those calls; the batches that were repeated.
async fn fails(from: u64, to: u64) -> usize {
    let (mut world, store) = world(220, 110);
    let struck = world.variables["aws_access_key_id"].clone();
    store.fail(from..to);
    let tick = world.tick(&store).await;
    let case = format!("calls {from} to {to} fail: {tick:?}");
    match tick.outcome() {
        // The lease could not be renewed; a swap that fails says no more than one that another won.
        "failed" if to == from + 1 && tick.error().contains("stalled past its lease") => {}
        // A renewal failed when the lease had little time left, on a machine that is busy.
        "partial" if to == from + 1 && tick.error().contains("lease is not certain") => {}
        "failed" => {
            for words in ["key-value store", "kong-cloudtrail:faults-", "runtime config"] {
                assert!(tick.error().contains(words), "{words:?} is not said when {case}");
            }
        }
        // The lease could not be given back, or the failure was that of a swap, which is not
        // believed anyway.
        outcome => assert_eq!(outcome, "ok", "{case}"),
    }
    if from < 2 {
        assert_eq!(world.cloudtrail.status().calls, 0, "sent without a ledger when {case}");
    }
    store.heal();
    let key = world.new_key();
    world.set("aws_access_key_id", &key);
    ok(&world, &store).await;
    let verdict = Verdict::of(&world);
    verdict.assert_nothing_is_lost();
    let repeated = verdict.forgotten();
    assert!(repeated.len() <= MAX_IN_FLIGHT, "{repeated:?} came again when {case}");
    let of_the_struck = |call: &usize| verdict.calls[*call].access_key_id == struck;
    assert!(repeated.iter().all(of_the_struck), "repeated after healing: {case}");
    if tick.outcome() == "ok" {
        assert!(repeated.is_empty(), "an ok run was not recorded when {case}");
    }
    repeated.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_a_second_a_call_delays_and_nothing_else() {
    let (mut world, store) = world(120, 0);
    world.set("lease_secs", "60");
    store.slow_down(Duration::from_secs(1));
    let tick = world.tick(&store).await;
    assert_eq!(tick.outcome(), "ok", "{tick:?}");
    assert!(tick.report["duration_ms"].as_u64().unwrap() >= 5000, "{tick:?}");
    Verdict::of(&world).assert_exactly_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_damaged_or_of_a_newer_format_is_refused_by_its_key_and_nothing_is_touched()
{
    // The last byte of a value's mark is its format.
    let newer = |value: &[u8]| [&value[..3], b"3", &value[4..]].concat();
    let cut = |value: &[u8]| value[..value.len() - 1].to_vec();
    let flipped = |value: &[u8]| {
        let mut value = value.to_vec();
        *value.last_mut().unwrap() ^= 1;
        value
    };
    let empty = |_: &[u8]| Vec::new();
    let cases: [(&str, &str, Damage); 7] = [
        ("}head", "newer", &newer),
        ("}head", "damaged", &cut),
        ("}head", "damaged", &empty),
        ("}segment:", "newer", &newer),
        ("}segment:", "damaged", &cut),
        ("}segment:", "damaged", &flipped),
        ("}segment:", "damaged", &empty),
    ];
    for (part, word, damage) in cases {
        let (mut world, store) = shipped(80, 60).await;
        // So that every segment is looked at, and nothing is accepted that must be recorded.
        world.set("reconcile_secs", "1").set("audit_streams", "objects");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let key = key(&store, part).await;
        let whole = store.dump().await[&key].clone();
        store.put(&key, Some(damage(&whole))).await;
        let before = store.dump().await;

        let tick = after_the_lease(&world, &store).await;
        assert_eq!(tick.outcome(), "failed", "{part} {word}: {tick:?}");
        assert!(tick.error().contains(&key) && tick.error().contains(word), "{}", tick.error());
        let after = store.dump().await;
        assert!(after == before, "{part} {word}: {:?} became {:?}", before.keys(), after.keys());

        world.set("audit_streams", "requests,objects");
        store.put(&key, Some(whole)).await;
        ok(&world, &store).await;
        Verdict::of(&world).assert_nothing_is_lost();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_segment_of_one_stream_stays_as_it_is_and_does_not_hold_up_the_other() {
    let (mut world, store) = shipped(80, 60).await;
    world.kong.add_activity(30, 20);
    world.set("reconcile_secs", "1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let key = key(&store, "}segment:objects:").await;
    let whole = store.dump().await[&key].clone();
    store.put(&key, Some(b"damaged".to_vec())).await;

    let tick = after_the_lease(&world, &store).await;
    assert_eq!(tick.outcome(), "failed");
    assert!(tick.error().contains(&key), "{}", tick.error());
    assert_eq!(tick.report["streams"]["requests"]["shipped"], 30);
    let objects = tick.report["streams"]["objects"]["shipped"].as_u64().unwrap();
    assert_eq!(store.dump().await[&key], b"damaged");

    store.put(&key, Some(whole)).await;
    assert_eq!(ok(&world, &store).await.shipped() + objects, 20);
    Verdict::of(&world).assert_exactly_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_lost_segment_exactly_what_it_held_is_shipped_again_and_the_key_is_named() {
    let (mut world, store) = shipped(200, 150).await;
    world.set("reconcile_secs", "1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let key = key(&store, "}segment:").await;
    let held = store.dump().await[&key].len() / SIXTEEN - 1;
    store.put(&key, None).await;

    let tick = ok(&world, &store).await;
    assert!(tick.said.contains(&key), "{}", tick.said);
    assert_eq!(tick.shipped(), held as u64);
    let verdict = Verdict::of(&world);
    verdict.assert_nothing_is_lost();
    assert_eq!((verdict.repeats(), ids(&verdict).len()), (held, held));

    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ok(&world, &store).await.shipped(), 0, "and that once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_ships_again_once_what_kong_still_holds() {
    let (world, _lost) = shipped(120, 90).await;
    let empty = Arc::new(FaultyStore::default());
    assert_eq!(ok(&world, &empty).await.shipped(), 210);
    assert_eq!(ok(&world, &empty).await.shipped(), 0);
    let verdict = Verdict::of(&world);
    verdict.assert_nothing_is_lost();
    assert_eq!((verdict.repeats(), ids(&verdict).len()), (210, 210));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_target_on_the_same_ledger_is_refused_with_the_remedy() {
    let (mut world, store) = shipped(40, 30).await;
    world.kong.add_activity(10, 10);
    let [name, _] = world.cloudtrail.kind().variables();
    let target = world.variables[name].clone();
    let before = store.dump().await;
    world.set(name, &target.replace("123456789012", "210987654321"));
    let tick = after_the_lease(&world, &store).await;
    assert_eq!(tick.outcome(), "failed");
    for words in [target.as_str(), "set ledger to a new name", name] {
        assert!(tick.error().contains(words), "{words:?} is not in: {}", tick.error());
    }
    assert_eq!(store.dump().await, before);

    world.set(name, &target);
    assert_eq!(ok(&world, &store).await.shipped(), 20);
    Verdict::of(&world).assert_exactly_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_kong_repeats_nothing_and_a_new_one_loses_nothing() {
    let (mut world, store) = shipped(60, 40).await;
    world.kong.add_activity(10, 10);
    let renamed = world.kong.url().replace("127.0.0.1", "localhost");
    world.set("kong_admin_api", &renamed);
    let tick = ok(&world, &store).await;
    assert_eq!(tick.report["streams"]["requests"]["mode"], "reconcile");
    assert_eq!(tick.shipped(), 20);
    Verdict::of(&world).assert_exactly_once();

    let token = Some(super::world::TOKEN.to_owned());
    let other = kong::Options { requests: 70, objects: 50, seed: 2, token, ..Default::default() };
    let mut other = kong::Simulator::start(other).unwrap();
    world.set("kong_admin_api", &other.url());
    let accepted = world.cloudtrail.status().accepted;
    // Also what is older than the watermark that the first Kong left.
    assert_eq!(ok(&world, &store).await.shipped(), 120);
    std::mem::swap(&mut world.kong, &mut other);
    let held: Vec<String> = [kong::Stream::Requests, kong::Stream::Objects]
        .into_iter()
        .flat_map(|stream| world.kong.ids(stream))
        .collect();
    let mut sent = world.cloudtrail.ids().split_off(accepted);
    let mut wanted = held;
    sent.sort();
    wanted.sort();
    assert_eq!(sent, wanted, "each of the new Kong's entries, once");
}
