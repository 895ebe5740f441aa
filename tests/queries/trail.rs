//! The trail of the simulated Kong, as the demo ships it, in a stand-in for each place.
//!
//! A part of the trail is there twice. In CloudTrail Lake it is as during the move from Kong's Lambda: first as
//! that sent it, then as it is shipped now. The Lambda sends nothing to CloudWatch Logs: there it was shipped
//! twice, as after a crash.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use kong_cloudtrail::terms::{Event, Stream};
use kong_cloudtrail_sim::kong;
use serde_json::{Value, json};

use super::lake::EventDataStore;
use super::log_group::LogGroup;
use super::{Place, Row, Store, events};

/// Entries of each stream: the backlog of `cargo xtask demo`.
const BACKLOG: u32 = 5000;
/// Of so many request entries the oldest one is there twice.
const TWICE: usize = 3;

pub struct Trail {
    pub requests: Vec<Value>,
    pub objects: Vec<Value>,
    /// The requests by id.
    pub calls: BTreeMap<String, Value>,
}

static LAKE: LazyLock<Mutex<EventDataStore>> = LazyLock::new(|| Mutex::new(TRAIL.lake()));
static LOG_GROUP: LazyLock<Mutex<LogGroup>> = LazyLock::new(|| Mutex::new(TRAIL.log_group()));

/// The rows of a query over the trail in that place.
pub fn ask(place: Place, name: &str, placeholders: &[(&str, &str)]) -> Vec<Row> {
    match place {
        Place::Lake => LAKE.lock().unwrap().ask(name, placeholders),
        Place::LogGroup => LOG_GROUP.lock().unwrap().ask(name, placeholders),
    }
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
    Trail { calls: calls.collect(), objects: entries(kong::Stream::Objects), requests }
});

impl Trail {
    /// The calls that are there twice.
    pub fn twice(&self) -> impl Iterator<Item = &Value> {
        self.requests.iter().step_by(TWICE)
    }

    fn lake(&self) -> EventDataStore {
        let store = EventDataStore::with([]);
        self.twice().for_each(|entry| store.put(&as_the_lambda_sends(entry)));
        self.events().for_each(|event| store.put(&event.data));
        store
    }

    fn log_group(&self) -> LogGroup {
        let younger = |entry: &Value| {
            let mut entry = entry.clone();
            entry["ttl"] = json!(entry["ttl"].as_i64().unwrap() + 100);
            events(Stream::Requests, &entry)
        };
        let first: Vec<Event> = self.twice().flat_map(younger).collect();
        LogGroup::with(first.iter().chain(&self.events().collect::<Vec<_>>()))
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

/// `eventData` as Kong's Lambda makes it (Kong/kong-cloudtrails-integration, `awsClient.go`).
fn as_the_lambda_sends(entry: &Value) -> String {
    let query = entry["path"].as_str().unwrap().split_once('?').map(|(_, query)| query);
    let payload = entry["payload"].as_str().unwrap_or_default();
    let mut parameters: Value = serde_json::from_str(payload).unwrap_or_else(|_| json!({}));
    if let Some(query) = query {
        parameters["queryParameters"] = json!(query);
    }
    let user = entry["rbac_user_id"].as_str();
    let rbac = "Anonymous User on Kong Gateway: Please Enable RBAC on Kong Gateway";
    json!({
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
    })
    .to_string()
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
