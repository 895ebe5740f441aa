//! Audit entries of every kind that Kong writes: of each version, small and large, with and without
//! an id or a time.

use kong_cloudtrail::kong::Entry;
use kong_cloudtrail::ledger::Fingerprint;
use kong_cloudtrail::terms::BUCKET_SECS;
use kong_cloudtrail::terms::Stream;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::kong::{Added, Arrival, Kong, NEVER, Times, Version};
use crate::world::World;

/// An entry that Kong keeps.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The id of its event.
    pub id: String,
    /// As it was written, without its `ttl`.
    pub json: String,
    /// What an upgrade has added since.
    columns: &'static str,
    /// `request_timestamp` as it stands in Kong's database: the filters go by it.
    pub stamp: Option<i64>,
    /// When it was written, by Kong's clock.
    pub written: i64,
    /// That clock less the true time.
    pub skew: i64,
    /// `request_timestamp` says so.
    pub tells_time: bool,
    /// True times: from when on, and until when at least, Kong shows it.
    pub visible: i64,
    pub expires: i64,
    /// `audit_log_record_ttl` at that time.
    pub retention: i64,
    /// A primary key, as good as random.
    pub key: u64,
    pub fingerprint: Fingerprint,
}

/// Under which time the ledger files an entry.
#[derive(Clone, Copy)]
pub enum Filed {
    /// When it was written, by Kong's clock.
    Written(i64),
    /// When it expires, truly.
    Expires(i64),
}

/// How far Kong's clock may be set so that an entry filed under when it expires is found all the same.
const FOUND_WITHIN_SECS: i64 = 290;

impl Filed {
    pub fn of(entry: &Kept) -> Self {
        match entry {
            Kept { tells_time: true, written, .. } => Self::Written(*written),
            Kept { expires: NEVER, .. } => Self::Written(0),
            Kept { expires, .. } => Self::Expires(*expires),
        }
    }

    /// The names of the buckets in which it is found while Kong's clock is so far off.
    pub fn buckets(self, skew: i64) -> Vec<String> {
        let of = |time: i64| time.div_euclid(BUCKET_SECS);
        match self {
            Self::Written(time) => vec![of(time).to_string()],
            Self::Expires(time) => {
                let (from, to) = (time + skew - FOUND_WITHIN_SECS, time + skew + FOUND_WITHIN_SECS);
                (of(from)..=of(to)).map(|number| format!("x{number}")).collect()
            }
        }
    }

    /// Whether it may not be found when Kong's clock was off so far, and then so far.
    pub fn is_lost_between(self, before: i64, now: i64) -> bool {
        matches!(self, Self::Expires(_)) && (now - before).abs() > FOUND_WITHIN_SECS
    }
}

impl Kept {
    /// The entry as Kong shows it now. Now and then its `ttl` is off by a second, and never more than it was
    /// at first.
    pub fn shown(&self, world: &World) -> String {
        let off = match world.draw(12) {
            0 => -1,
            1 => 1,
            _ => 0,
        };
        let left = self.expires.checked_sub(world.time()).filter(|_| self.expires != NEVER);
        let ttl = left.map(|left| (left + off).min(self.retention));
        let ttl = ttl.map_or("null".to_owned(), |ttl| ttl.to_string());
        format!(r#"{}{},"ttl":{ttl}}}"#, self.open(), self.columns)
    }

    fn open(&self) -> &str {
        &self.json[..self.json.len() - 1]
    }

    /// An upgrade adds the columns that this row lacks.
    pub fn add_columns(&mut self, added: Added) {
        if self.stamp.is_some() || !self.columns.is_empty() {
            return;
        }
        (self.columns, self.stamp) = match added {
            Added::One => (r#","removed_from_entity":null,"request_timestamp":1"#, Some(1)),
            Added::Null => (r#","removed_from_entity":null,"request_timestamp":null"#, None),
        };
    }

    /// Whether an entry rebuilt from events is this one, as it was written or as it is now.
    pub fn is(&self, rebuilt: &str) -> bool {
        let is_now = || is_same(&format!("{}{}}}", self.open(), self.columns), rebuilt);
        is_same(&self.json, rebuilt) || (!self.columns.is_empty() && is_now())
    }
}

/// Every field with its value, except the `ttl`, which falls as time passes. A payload or an entity may be
/// told as the JSON it holds.
fn is_same(sent: &str, rebuilt: &str) -> bool {
    let fields = |json: &str| serde_json::from_str::<Map<String, Value>>(json).unwrap();
    let (sent, mut rebuilt) = (fields(sent), fields(rebuilt));
    let document = |value: &Value| serde_json::from_str::<Value>(value.as_str()?).ok();
    rebuilt.remove("ttl").is_some()
        && sent.len() == rebuilt.len()
        && sent.iter().all(|(name, value)| {
            rebuilt.get(name).is_some_and(|other| {
                value == other
                    || (["payload", "entity"].contains(&name.as_str())
                        && document(value).is_some()
                        && document(value) == document(other))
            })
        })
}

/// Writes an entry, as that Kong does.
pub fn write(world: &World, kong: &Kong, stream: Stream, arrival: Arrival) -> Kept {
    let Arrival { time, visible } = arrival;
    let number = kong.made;
    let is_request = stream == Stream::Requests;
    let mut fields =
        if is_request { request(world, kong, time) } else { object(world, kong, time) };
    // An object without a time has an id at least: else an upgrade would make it another entry.
    if fields.contains_key("request_timestamp") {
        spoil_id(world, stream, number, &mut fields);
    }
    match world.draw(kong.parts_in) {
        0 if is_request => drop(fields.insert("payload".to_owned(), json!(large(130_000)))),
        1 if is_request => {
            let payload = json!({"config": large(150_000), "name": number}).to_string();
            fields.insert("payload".to_owned(), json!(payload));
        }
        2 if !is_request => {
            let entity = json!({"id": number, "notes": large(210_000)}).to_string();
            fields.insert("entity".to_owned(), json!(entity));
        }
        3 => {
            fields.insert("a_field_of_tomorrow".to_owned(), json!({"text": large(40_000)}));
            fields.insert("another".to_owned(), json!([large(20_000), null, 1.5]));
        }
        _ => {}
    }
    let stamp = fields.get("request_timestamp").and_then(Value::as_i64);
    let in_words = kong.times == Times::Words;
    if in_words && stamp.is_some() {
        fields.insert("request_timestamp".to_owned(), json!(format!("{time}, or so")));
    }
    let json = Value::Object(fields).to_string();
    let entry = Entry::parse(stream, &json).unwrap();
    let own_id = entry.id().filter(|id| !id.contains(' '));
    let id = own_id.map_or_else(
        || hex::encode(Sha256::digest(entry.canonical())),
        std::borrow::Cow::into_owned,
    );
    Kept {
        id,
        fingerprint: Fingerprint::of(entry.stream, &entry.identity()),
        columns: "",
        stamp,
        written: time,
        skew: kong.skew,
        tells_time: stamp.is_some() && !in_words,
        visible,
        expires: kong.expires(time),
        retention: kong.retention,
        key: world.draw(u64::MAX),
        json,
    }
}

/// Before 3.4 ids could be empty; whatever sends none is known by its content.
fn spoil_id(world: &World, stream: Stream, number: u64, fields: &mut Map<String, Value>) {
    let field = stream.id_field();
    let id = match world.draw(100) {
        0 => json!(""),
        1 => {
            fields.remove(field);
            return;
        }
        2 => Value::Null,
        3 => json!(format!("a b/{number}")),
        _ => return,
    };
    fields.insert(field.to_owned(), id);
}

fn request(world: &World, kong: &Kong, time: i64) -> Map<String, Value> {
    let (number, old) = (kong.made, kong.version == Version::V2_8);
    let user = (world.draw(3) > 0).then(|| format!("user-{}", number % 7));
    let payload = match world.draw(6) {
        0 => json!(r#"{"name":"svc","port":80,"tags":["a",null]}"#),
        1 => json!("name=svc&port=80"),
        _ => Value::Null,
    };
    // As 0.34 gave it, of which a node may still be there.
    let in_milliseconds = old && world.draw(50) == 0;
    let stamp = if in_milliseconds { time * 1000 + 699 } else { time };
    let mut fields = json!({
        "request_id": format!("request-{number}x"), "request_timestamp": stamp, "client_ip": "10.0.0.1",
        "method": "POST", "path": format!("/services/{number}?size=1"), "status": 200 + number % 300,
        "payload": payload, "rbac_user_id": user, "signature": null, "workspace": "w",
        "removed_from_payload": null,
    });
    if !old {
        fields["rbac_user_name"] = json!(user);
        fields["request_source"] = Value::Null;
    }
    into_map(fields)
}

fn object(world: &World, kong: &Kong, time: i64) -> Map<String, Value> {
    let number = kong.made;
    // Its request, where that is in the log, is of the same second.
    let mut requests = kong.trail(Stream::Requests).entries.iter().rev().take(10);
    let request = requests.find(|request| request.written == time);
    let request = request.filter(|_| world.draw(3) > 0).map(|request| request.id.clone());
    let mut fields = json!({
        "id": format!("object-{number}x"), "dao_name": "services", "operation": "create",
        "entity": format!(r#"{{"id":{number},"host":"é"}}"#), "entity_key": format!("key-{number}"),
        "request_id": request.unwrap_or_else(|| format!("unseen-{number}")),
        "rbac_user_id": (!number.is_multiple_of(4)).then_some("admin"),
        "signature": (number.is_multiple_of(5)).then_some("c2lnbmVk"),
    });
    if kong.version != Version::V2_8 {
        fields["request_timestamp"] = json!(time);
    }
    if kong.version == Version::V3_9 {
        fields["removed_from_entity"] = Value::Null;
    }
    into_map(fields)
}

fn into_map(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { unreachable!() };
    fields
}

/// Prose with all that JSON must escape.
fn large(bytes: usize) -> String {
    "Owned by \"payments\";\n\tsee the é runbook before you change it. ".repeat(bytes / 60)
}
