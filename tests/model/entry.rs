//! Audit entries of every kind that Kong writes: of each version, small and large, with and without
//! an id or a time.

use kong_cloudtrail::kong::{Entry, Stream};
use kong_cloudtrail::ledger::Fingerprint;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::kong::{Arrival, Kong, Times, Version};
use crate::world::World;

/// An entry that Kong keeps.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The id of its event.
    pub id: String,
    /// As Kong shows it, but for its `ttl`.
    pub json: String,
    shows_ttl: bool,
    /// `request_timestamp`.
    pub time: Option<i64>,
    /// True times: from when on, and until when at least, Kong shows it.
    pub visible: i64,
    pub expires: i64,
    /// A primary key, as good as random.
    pub key: u64,
    pub fingerprint: Fingerprint,
    pub ledger_time: i64,
}

impl Kept {
    /// The entry as Kong shows it now.
    pub fn shown(&self, now: i64) -> String {
        if !self.shows_ttl {
            return self.json.clone();
        }
        format!(r#"{},"ttl":{}}}"#, &self.json[..self.json.len() - 1], self.expires - now)
    }

    /// Whether an entry rebuilt from events is this one: every field with its value, but for the
    /// `ttl`, which falls as time passes. A payload or an entity may be told as the JSON it holds.
    pub fn is(&self, rebuilt: &str) -> bool {
        let fields = |json: &str| serde_json::from_str::<Map<String, Value>>(json).unwrap();
        let (sent, mut rebuilt) = (fields(&self.json), fields(rebuilt));
        let document = |value: &Value| serde_json::from_str::<Value>(value.as_str()?).ok();
        rebuilt.remove("ttl").is_some() == self.shows_ttl
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
}

/// Writes an entry, as that Kong does.
pub fn write(world: &World, kong: &Kong, stream: Stream, arrival: Arrival) -> Kept {
    let Arrival { time, visible, expires } = arrival;
    let (number, old) = (kong.made, kong.version == Version::V2_8);
    let mut fields = match stream {
        Stream::Requests => request(world, old, number, time),
        Stream::Objects => object(old, number, time, expires),
    };
    match world.draw(100) {
        // Before 3.4 ids could be empty; whatever sends none is known by its content.
        0 => drop(fields.insert(stream.id_field().to_owned(), json!(""))),
        1 => drop(fields.remove(stream.id_field())),
        2 => drop(fields.insert(stream.id_field().to_owned(), Value::Null)),
        3 => drop(fields.insert(stream.id_field().to_owned(), json!(format!("a b/{number}")))),
        _ => {}
    }
    let is_request = stream == Stream::Requests;
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
    let time = fields.get("request_timestamp").and_then(Value::as_i64);
    if kong.times == Times::Words && time.is_some() {
        fields.insert("request_timestamp".to_owned(), json!(format!("{time:?}, or so")));
    }
    let json = Value::Object(fields).to_string();
    let entry = Entry::parse(stream, &json).unwrap();
    let own_id = entry.id().filter(|id| !id.contains(' '));
    let id = own_id.map_or_else(
        || hex::encode(Sha256::digest(entry.canonical())),
        std::borrow::Cow::into_owned,
    );
    let (fingerprint, ledger_time) = (Fingerprint::of(&entry), entry.ledger_time());
    let shows_ttl = is_request || !old;
    let key = world.draw(u64::MAX);
    Kept { id, json, shows_ttl, time, visible, expires, key, fingerprint, ledger_time }
}

fn request(world: &World, old: bool, number: u64, time: i64) -> Map<String, Value> {
    let user = (world.draw(3) > 0).then(|| format!("user-{}", number % 7));
    let payload = match world.draw(6) {
        0 => json!(r#"{"name":"svc","port":80,"tags":["a",null]}"#),
        1 => json!("name=svc&port=80"),
        _ => Value::Null,
    };
    let mut fields = json!({
        "request_id": format!("request-{number}x"), "request_timestamp": time, "client_ip": "10.0.0.1",
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

fn object(old: bool, number: u64, time: i64, expires: i64) -> Map<String, Value> {
    let mut fields = json!({
        "id": format!("object-{number}x"), "dao_name": "services", "operation": "create",
        "entity": format!(r#"{{"id":{number},"host":"é"}}"#), "entity_key": format!("key-{number}"),
        "request_id": format!("request-{}x", number / 2), "expire": expires * 1000 + 17,
    });
    if !old {
        fields["request_timestamp"] = json!(time);
        fields["signature"] = json!((number.is_multiple_of(5)).then_some("c2lnbmVk"));
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
