//! Somebody who can write to Redis and means harm, with a Redis client: what the report says without a
//! `ledger_key`, and that with one nothing is sent. docs/threat-model.md has the table.

use std::collections::BTreeMap;

use kong_cloudtrail::ledger::{Fingerprint, Head, Segment, SegmentMeta};
use kong_cloudtrail::seal::{HEADER_BYTES, Mark, Seal};
use kong_cloudtrail::terms::{LedgerTime, Secret, Stream};
use kong_cloudtrail_sim::kong;
use redis::{Commands, Connection};
use serde_json::{Value, json};

use super::support::{Report, Store, World, redis_url};

const KEY: &str = "the-ledgers-key-of-32-characters-or-more";
const OTHER_KEY: &str = "a-key-that-the-attacker-has-made-up-alone";

/// What a Redis holds of a ledger, by name.
type Values = BTreeMap<String, Vec<u8>>;

struct Attacker {
    redis: Connection,
    ledger: String,
    /// With what they seal values: with nothing, or a key of their own.
    seal: Seal,
}

impl Attacker {
    fn of(world: &World) -> Self {
        let client = redis::Client::open(redis_url().unwrap()).unwrap();
        let redis = client.get_connection().unwrap();
        Self { redis, ledger: world.key(""), seal: Seal::Unkeyed }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.ledger)
    }

    fn dump(&mut self) -> Values {
        let keys: Vec<String> = self.redis.keys(self.key("*")).unwrap();
        let value = |key: String| {
            let value: Vec<u8> = self.redis.get(&key).unwrap();
            (key[self.ledger.len()..].to_owned(), value)
        };
        keys.into_iter().map(value).collect()
    }

    /// Puts back what there was.
    fn put_back(&mut self, values: &Values) {
        self.empty();
        for (name, value) in values {
            self.set(name, value);
        }
    }

    fn empty(&mut self) {
        for name in self.dump().into_keys() {
            self.delete(&name);
        }
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        let key = self.key(name);
        let () = self.redis.set(key, value).unwrap();
    }

    fn delete(&mut self, name: &str) {
        let key = self.key(name);
        let () = self.redis.del(key).unwrap();
    }

    /// The body of a value, be it sealed with a key or not.
    fn body(&mut self, name: &str) -> Option<Vec<u8>> {
        let key = self.key(name);
        let value: Option<Vec<u8>> = self.redis.get(key).unwrap();
        value.map(|value| value[HEADER_BYTES..].to_vec())
    }

    fn forge(&mut self, name: &str, mark: Mark, body: &[u8]) {
        let value = self.seal.close(&self.key(name), mark, body);
        self.set(name, &value);
    }

    fn head(&mut self, change: impl FnOnce(&mut Head)) {
        let mut head = Head::decode(&self.body("head").unwrap()).unwrap();
        change(&mut head);
        self.forge("head", *b"kch2", &head.encode());
    }

    /// The entry counts as shipped: two SETs.
    fn suppress(&mut self, entry: &Value) {
        let (id, time) =
            (entry["request_id"].as_str().unwrap(), entry["request_timestamp"].as_i64());
        let bucket = LedgerTime::of(time, None, 0).bucket();
        let name = format!("segment:requests:{bucket}:0");
        let body = self.body(&name).unwrap_or_default();
        let mut segment = Segment::decode(&body).unwrap();
        segment.fill(&mut vec![Fingerprint::of(Stream::Requests, id)]);
        self.forge(&name, *b"kcs2", &segment.encode());
        self.head(|head| {
            let metas = head.stream(Stream::Requests).buckets.entry(bucket).or_default();
            if metas.is_empty() {
                metas.push(SegmentMeta { count: 0, from: time.unwrap(), to: time.unwrap() });
            }
            metas[0].count = segment.count();
            metas[0].cover(time.unwrap());
        });
    }

    /// A dead letter that the next run is to send: two SETs.
    fn letter(&mut self, event: &Value) {
        let data = event.to_string();
        let label = json!({
            "stream": "requests", "id": event["UID"], "entry": event["UID"], "error": "FieldTooLong",
            "refused_at": 0, "replay": true, "bytes": data.len(),
        });
        let body = format!("{label}\n{data}\n");
        let chunk = json!({
            "number": 7, "letters": 1, "replays": 1, "bytes": body.len(), "generation": 1,
        });
        let body = [&1_u64.to_be_bytes(), body.as_bytes()].concat();
        self.forge("dead-letters:7", *b"kdl2", &body);
        let index = json!({"generation": unix_ms(), "next": 8, "chunks": [chunk], "failing": {}});
        self.forge("dead-letters", *b"kdi2", index.to_string().as_bytes());
    }

    /// Everything is covered up to `now`.
    fn move_times(&mut self, now: i64) {
        let mut head: Value = serde_json::from_slice(&self.body("head").unwrap()).unwrap();
        for time in ["watermark", "looked_back", "reconciled"] {
            head["streams"]["requests"][time] = json!(now);
        }
        self.forge("head", *b"kch2", head.to_string().as_bytes());
    }

    fn lease(&mut self, until_ms: i64) {
        let body = format!("nobody {until_ms}");
        let check = self.seal.check(&self.key("lease"), *b"kcl2", body.as_bytes());
        let lease = json!({"owner": "nobody", "until_ms": until_ms, "check": hex::encode(check)});
        self.set("lease", lease.to_string().as_bytes());
    }

    /// Every value as it is, and sealed by the attacker.
    fn overwrite(&mut self) {
        for (name, value) in self.dump() {
            match value.split_at_checked(HEADER_BYTES) {
                _ if name == "lease" => self.lease(0),
                Some((header, body)) if header.starts_with(b"kc") || header.starts_with(b"kd") => {
                    self.forge(&name, header[..4].try_into().unwrap(), body);
                }
                _ => {}
            }
        }
    }
}

/// A world on Redis in which all is shipped, or none where there is no Redis.
async fn world(key: &str) -> Option<(World, Attacker)> {
    redis_url()?;
    let options = kong::Options { requests: 20, objects: 10, span_days: 0, ..Default::default() };
    let mut world = World::new(Store::Redis, options);
    world.set("ledger_key", key).tick_ok().await;
    let attacker = Attacker::of(&world);
    Some((world, attacker))
}

/// Somebody has deleted a service, so many seconds ago by Kong's clock.
fn deletion(world: &World, id: &str, ago: i64) -> Value {
    let entry = json!({
        "request_id": id, "request_timestamp": world.kong.status().now - ago, "method": "DELETE",
        "path": "/services/orders", "status": 204, "client_ip": "10.0.0.1", "payload": null,
    });
    world.kong.add_entries(kong::Stream::Requests, [&entry]);
    entry
}

/// An event as the destination takes it, which never happened.
fn forged_event(world: &World, id: &str) -> Value {
    let mut event = world.cloudtrail.events(0, 1).pop().unwrap().event_data;
    event["UID"] = json!(id);
    event["eventName"] = json!("GET");
    event
}

/// What the destination has under an id.
fn arrived(world: &World, id: &str) -> Vec<Value> {
    let events = world.cloudtrail.events(0, usize::MAX).into_iter();
    events.filter(|event| event.id == id).map(|event| event.event_data).collect()
}

fn has(report: &Report, list: &str, word: &str) -> bool {
    report[list].as_array().unwrap().contains(&json!(word))
}

/// A run that says that all is well, and that nobody vouches for what it went by.
async fn says_nothing(world: &World) -> Report {
    let report = world.tick_ok().await;
    assert_eq!(report["attention"], json!([]), "{report:?}");
    assert!(has(&report, "notes", "unauthenticated-ledger"));
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_a_writer_of_the_store_changes_the_trail_and_only_the_note_stands_against_it()
{
    let Some((world, mut attacker)) = world("").await else { return };
    // Substitution: four SETs.
    let entry = deletion(&world, "substituted", 5);
    attacker.suppress(&entry);
    attacker.letter(&forged_event(&world, "substituted"));
    let report = says_nothing(&world).await;
    assert_eq!((report.shipped().0, &report["dead_letters"]), (0, &json!(0)));
    let events = arrived(&world, "substituted");
    assert_eq!((events.len(), &events[0]["eventName"]), (1, &json!("GET")));

    // Suppression.
    let entry = deletion(&world, "suppressed", 5);
    attacker.suppress(&entry);
    says_nothing(&world).await;
    assert_eq!(arrived(&world, "suppressed"), Vec::<Value>::new());

    // A forged letter.
    attacker.letter(&forged_event(&world, "never-happened"));
    says_nothing(&world).await;
    assert_eq!(arrived(&world, "never-happened").len(), 1);

    // Times moved, over what came since the last run: until somebody looks back.
    world.kong.set_clock(280);
    deletion(&world, "passed-over", 200);
    attacker.move_times(world.kong.status().now);
    says_nothing(&world).await;
    assert_eq!(arrived(&world, "passed-over").len(), 0);

    // A lease of somebody who is not there.
    attacker.lease(unix_ms() + 3_600_000);
    assert_eq!(world.tick().await["outcome"], "skipped");
    attacker.delete("lease");

    // The name is in the check, with a key or without.
    world.kong.add_activity(1, 0);
    // Whatever the time of day is, the bucket of now has a segment then.
    world.tick_ok().await;
    world.kong.add_activity(1, 0);
    let moved = attacker.dump().into_iter().find(|(name, _)| name.starts_with("segment:objects:"));
    let of_requests = |name: &String| name.starts_with("segment:requests:");
    let names: Vec<_> = attacker.dump().into_keys().filter(of_requests).collect();
    let moved = moved.unwrap().1;
    for name in &names {
        attacker.set(name, &moved);
    }
    let report = world.tick().await;
    assert_eq!(report["outcome"], "failed");
    assert!(names.iter().any(|name| report.error().contains(name)), "{}", report.error());
}

fn unix_ms() -> i64 {
    i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// What is done, and the value that the report names.
type Attack = (&'static str, &'static str, fn(&mut Attacker, &World, &Value));

const ATTACKS: [Attack; 7] = [
    ("substitution", "}head", |attacker, world, entry| {
        attacker.suppress(entry);
        attacker.letter(&forged_event(world, entry["request_id"].as_str().unwrap()));
    }),
    ("suppression", "}head", |attacker, _, entry| attacker.suppress(entry)),
    ("a forged letter", "}dead-letters", |attacker, world, _| {
        attacker.letter(&forged_event(world, "never-happened"));
    }),
    ("times moved", "}head", |attacker, world, _| attacker.move_times(world.kong.status().now)),
    ("a lease forged", "}lease", |attacker, _, _| {
        attacker.lease(unix_ms() + 3_600_000);
    }),
    ("everything overwritten", "}lease", |attacker, _, _| attacker.overwrite()),
    ("under another's name", "}segment:requests:", |attacker, _, _| {
        let values = attacker.dump();
        let of = |kind: &str| values.keys().rfind(|name| name.starts_with(kind)).unwrap().clone();
        attacker.set(&of("segment:requests:"), &values[&of("segment:objects:")]);
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_whatever_somebody_writes_ends_the_run_by_its_name_and_nothing_is_sent() {
    let Some((mut world, mut attacker)) = world(KEY).await else { return };
    let entry = deletion(&world, "a-deletion", 5);
    world.kong.add_activity(1, 1);
    let (sound, sent) = (attacker.dump(), world.cloudtrail.status().accepted);
    let own = || Seal::Keyed(Secret::new(OTHER_KEY));
    let sealed = ATTACKS.map(|attack| (Seal::Unkeyed, attack)).into_iter();
    for (seal, (name, key, attack)) in sealed.chain([(own(), ATTACKS[0])]) {
        attacker.seal = seal;
        attack(&mut attacker, &world, &entry);
        let report = world.tick().await;
        assert_eq!(report["outcome"], "failed", "{name}: {report:?}");
        let named = report.error().contains(key) && report.error().contains("ledger_key");
        assert!(named, "{name}: {}", report.error());
        assert_eq!(world.cloudtrail.status().accepted, sent, "{name}: nothing is sent");
        attacker.put_back(&sound);
    }
    // Only who says that there was no key has such values taken, and each report says so.
    attacker.seal = Seal::Unkeyed;
    attacker.overwrite();
    let report = world.set("ledger_key_previous", "unkeyed").tick_ok().await;
    assert!(has(&report, "notes", "adopting-unkeyed-ledger"), "{report:?}");
    assert!(has(&report, "attention", "rekeyed"), "{report:?}");
    world.assert_exactly_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_put_back_or_emptied_leaves_nothing_out_and_shows() {
    for key in ["", KEY] {
        let Some((world, mut attacker)) = world(key).await else { return };
        let yesterday = attacker.dump();
        deletion(&world, "of-today", 5);
        assert_eq!(world.tick_ok().await.shipped().0, 1);
        let before = world.tick_ok().await;
        attacker.put_back(&yesterday);
        let after = world.tick_ok().await;
        assert!(after["generation"].as_u64() < before["generation"].as_u64(), "{after:?}");
        assert_eq!((after.shipped().0, arrived(&world, "of-today").len()), (1, 2));

        attacker.empty();
        let emptied = world.tick_ok().await;
        assert!(has(&emptied, "attention", "new-ledger"), "{emptied:?}");
        assert!(emptied["generation"].as_u64() < before["generation"].as_u64(), "{emptied:?}");
        assert_eq!(emptied.shipped(), (21, 10));
    }
}
