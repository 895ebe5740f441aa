//! The trail of the simulated Kong, as the demo ships it, in a stand-in for each place.
//!
//! A part of the trail is there twice. In CloudTrail Lake it is as during the move from Kong's Lambda: first as
//! that sent it, then as it is shipped now. The Lambda sends nothing to CloudWatch Logs and S3: there it was shipped
//! twice, as after a crash.
//!
//! Each trail is there a second time with what somebody with the right to send has added: under the ids of entries,
//! events from another source before them, and events that say something else after them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

use kong_cloudtrail::terms::{Event, Stream};
use kong_cloudtrail_sim::kong;
use serde_json::{Value, json};

use super::bucket::Bucket;
use super::shipping::{self, Sent};
use super::{Place, Row, Store, events};

/// Entries of each stream: of the backlog that `cargo xtask demo` has, so many that every kind is among them.
const BACKLOG: u32 = 600;
/// Of so many request entries the oldest one is there twice.
const TWICE: usize = 3;
/// Of so many events one is forged. With the former it has forged ones among those that are there twice, and others.
const FORGED: usize = 4;

/// What was added to a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Added {
    Nothing,
    Forgeries,
}

impl Added {
    pub const ALL: [Self; 2] = [Self::Nothing, Self::Forgeries];
}

pub struct Trail {
    pub requests: Vec<Value>,
    pub objects: Vec<Value>,
    /// The requests by id.
    pub calls: BTreeMap<String, Value>,
    /// The ids of those that are there twice.
    twice_ids: BTreeSet<String>,
}

type Stand = Arc<Mutex<Box<dyn Store>>>;

/// Each is filled once, for all tests.
static STANDS: Mutex<BTreeMap<(Place, Added), Stand>> = Mutex::new(BTreeMap::new());

/// The rows of a query over the trail in that place.
pub fn ask(place: Place, added: Added, name: &str, placeholders: &[(&str, &str)]) -> Vec<Row> {
    let mut stands = STANDS.lock().unwrap();
    let stand = stands.entry((place, added)).or_insert_with(|| TRAIL.stored(place, added)).clone();
    drop(stands);
    stand.lock().unwrap().ask(name, placeholders)
}

pub static TRAIL: LazyLock<Trail> = LazyLock::new(|| {
    let options = kong::Options { requests: BACKLOG, objects: BACKLOG, ..Default::default() };
    let kong = kong::Simulator::start(options).unwrap();
    let now = kong.status().now;
    // A client that logs in, and is no Kong Manager; and what a browser asks before a logout.
    let client = |id: &str, method: &str, path: &str| {
        json!({"request_id": id, "request_timestamp": now - 60, "method": method, "path": path,
            "status": 200, "request_source": null, "ttl": 1000})
    };
    let login = client("ZClientThatIsNoManager0123456789", "GET", "/auth");
    let asked = client("ZBrowser0ThatAsks0Before01234567", "OPTIONS", "/auth?session_logout=true");
    kong.add_entries(kong::Stream::Requests, [login, asked]);
    let entries = |stream| kong.entries(stream, 0, usize::MAX);
    let requests = entries(kong::Stream::Requests);
    let calls = requests.iter().map(|entry| (string(entry, "request_id").unwrap(), entry.clone()));
    let twice = requests.iter().step_by(TWICE);
    let twice_ids = twice.filter_map(|entry| string(entry, "request_id")).collect();
    Trail { calls: calls.collect(), objects: entries(kong::Stream::Objects), requests, twice_ids }
});

impl Trail {
    /// The calls that are there twice.
    pub fn twice(&self) -> impl Iterator<Item = &Value> {
        self.requests.iter().step_by(TWICE)
    }

    /// Whether the call was first sent by the Lambda, whose events lack what the caller said of itself.
    pub fn is_first_from_the_lambda(&self, place: Place, entry: &Value) -> bool {
        let twice = || string(entry, "request_id").is_some_and(|id| self.twice_ids.contains(&id));
        place == Place::Lake && twice()
    }

    /// What the caller said of itself, as the first event of the call has it.
    pub fn said(&self, place: Place, call: &Value, field: &str) -> Option<String> {
        let lacking = self.is_first_from_the_lambda(place, call);
        if lacking { None } else { string(call, field) }
    }

    fn stored(&self, place: Place, added: Added) -> Stand {
        let shipped: Vec<Event> = self.events().collect();
        let chosen = shipped.iter().step_by(FORGED);
        let chosen: Vec<_> = chosen.filter(|_| added == Added::Forgeries).collect();
        let before = chosen.iter().map(|event| from_another_source(event));
        let forged = chosen.iter().enumerate().map(|(number, event)| self.forged(event, number));
        let store: Box<dyn Store> = match place {
            Place::Bucket => Box::new(self.bucket(before, forged)),
            Place::Lake | Place::LogGroup => {
                let first = self.twice().flat_map(|entry| match place {
                    Place::Lake => vec![as_the_lambda_sends(entry)],
                    _ => events(Stream::Requests, &younger(entry)),
                });
                let shipped = shipped.iter().cloned();
                let all: Vec<_> = before.chain(first).chain(shipped).chain(forged).collect();
                place.with(&all)
            }
        };
        Arc::new(Mutex::new(store))
    }

    /// The objects of two runs, of which the second had lost its store, with what was forged before and after.
    fn bucket(
        &self,
        before: impl Iterator<Item = Event>,
        forged: impl Iterator<Item = Event>,
    ) -> Bucket {
        let twice: Vec<Value> = self.twice().map(younger).collect();
        let first = shipping::objects(&shipping::rows(twice.iter(), &[]));
        let second = shipping::objects(&shipping::rows(self.requests.iter(), &self.objects));
        let bucket = Bucket::new();
        before.for_each(|event| bucket.put_alone(&event, 1));
        let put = |objects: &[Vec<Sent>], from: usize| {
            let numbered = (i64::try_from(from).unwrap()..).zip(objects);
            numbered.for_each(|(second, object)| bucket.put_object(object, second));
        };
        put(&first, 1);
        put(&second, twice.len() + 1);
        forged.for_each(|event| bucket.put_alone(&event, i64::from(i32::MAX)));
        bucket
    }

    /// The ids of the events that were forged.
    pub fn forged_ids(&self) -> BTreeSet<String> {
        self.events().step_by(FORGED).map(|event| event.id).collect()
    }

    /// Another event under the id of this one: by turns one that meets what is asked for where this one may
    /// not, and one that meets nothing.
    fn forged(&self, event: &Event, number: usize) -> Event {
        let route =
            |route: &&Value| route["dao_name"] == "routes" && route["operation"] == "delete";
        let route = self.objects.iter().find(route).unwrap();
        let meets = number.is_multiple_of(2);
        let mut data: Value = serde_json::from_str(&event.data).unwrap();
        data["eventName"] = json!(if meets { "GETauth" } else { "OPTIONSnothing" });
        data["sourceIPAddress"] = json!("192.0.2.66");
        let user = if meets { self.somebody() } else { "nobody".to_owned() };
        data["userIdentity"] =
            json!({"type": "User", "principalId": user, "details": {"userName": "forged"}});
        data["errorCode"] = if meets { json!("500") } else { Value::Null };
        let additional = &mut data["additionalEventData"];
        additional["status"] = json!(if meets { 500 } else { 200 });
        additional["method"] = if meets { json!("GET") } else { Value::Null };
        additional["operation"] = if meets { json!("delete") } else { Value::Null };
        additional["dao_name"] = if meets { json!("routes") } else { Value::Null };
        additional["entity_key"] = if meets { route["entity_key"].clone() } else { Value::Null };
        data["responseElements"] = json!({"name": "forged"});
        Event { data: data.to_string(), ..event.clone() }
    }

    /// One whose actions are asked for.
    pub fn somebody(&self) -> String {
        let call =
            self.requests.iter().find(|entry| entry["rbac_user_name"] == "doc_lord").unwrap();
        string(call, "rbac_user_id").unwrap()
    }

    fn events(&self) -> impl Iterator<Item = Event> {
        let requests = self.requests.iter().flat_map(|entry| events(Stream::Requests, entry));
        requests.chain(self.objects.iter().flat_map(|entry| events(Stream::Objects, entry)))
    }

    /// The call that wrote a row.
    pub fn call(&self, object: &Value) -> &Value {
        &self.calls[&string(object, "request_id").unwrap()]
    }

    pub fn objects_where(&self, which: impl Fn(&Value) -> bool) -> Vec<&Value> {
        self.objects.iter().filter(|object| which(object)).collect()
    }
}

/// An entry as Kong showed it a hundred seconds earlier.
fn younger(entry: &Value) -> Value {
    let mut entry = entry.clone();
    entry["ttl"] = json!(entry["ttl"].as_i64().unwrap() + 100);
    entry
}

/// An event that some other channel's sender gave the id of this one.
fn from_another_source(event: &Event) -> Event {
    let data = event.data.replace(r#""eventSource":"kong-gateway""#, r#""eventSource":"another""#);
    assert_ne!(data, event.data);
    Event { data, ..event.clone() }
}

/// An event as Kong's Lambda makes it (Kong/kong-cloudtrails-integration, `awsClient.go`).
fn as_the_lambda_sends(entry: &Value) -> Event {
    let query = entry["path"].as_str().unwrap().split_once('?').map(|(_, query)| query);
    let payload = entry["payload"].as_str().unwrap_or_default();
    let mut parameters: Value = serde_json::from_str(payload).unwrap_or_else(|_| json!({}));
    if let Some(query) = query {
        parameters["queryParameters"] = json!(query);
    }
    let user = entry["rbac_user_id"].as_str();
    let rbac = "Anonymous User on Kong Gateway: Please Enable RBAC on Kong Gateway";
    let data = json!({
        "version": "3.9.0.0-enterprise-edition",
        "userIdentity": {
            "type": "",
            "principalId": user.unwrap_or("anonymous"),
            "details": if user.is_none() { json!({"RBAC": rbac}) } else { Value::Null },
        },
        "eventSource": "kong-gateway",
        "eventName": event_name(entry),
        "eventTime": time(entry).replace(' ', "T") + "Z",
        "UID": entry["request_id"],
        "requestParameters": if parameters == json!({}) { Value::Null } else { parameters },
        "sourceIPAddress": entry["client_ip"],
        "recipientAccountId": "123456789012",
        "additionalEventData": {
            "method": entry["method"],
            "status": entry["status"],
            "signature": "",
            "ttl": entry["ttl"],
            "workspace": entry["workspace"],
            "konghostname": "https://kong-admin.example.com:8444",
        },
    });
    Event { data: data.to_string(), ..events(Stream::Requests, entry).remove(0) }
}

pub fn event_name(entry: &Value) -> String {
    let path = entry["path"].as_str().unwrap().split('?').next().unwrap();
    format!("{}{}", entry["method"].as_str().unwrap(), &path[1..])
}

pub fn time(entry: &Value) -> String {
    moment(entry["request_timestamp"].as_i64().unwrap())
}

/// As the stand-in for CloudTrail Lake has a time.
pub fn moment(seconds: i64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let time = time.format(&time::format_description::well_known::Rfc3339).unwrap();
    time.replace('T', " ").replace('Z', "")
}

/// A field as text, where it is there.
pub fn string(entry: &Value, field: &str) -> Option<String> {
    match &entry[field] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

pub fn user(entry: &Value) -> Option<String> {
    string(entry, "rbac_user_id").or_else(|| Some("anonymous".to_owned()))
}

pub fn entity(object: &Value) -> Value {
    serde_json::from_str(object["entity"].as_str().unwrap()).unwrap()
}

pub fn is_error(entry: &Value) -> bool {
    entry["status"].as_u64().unwrap() >= 400
}
