//! An auditor's questions, asked of the trail that the demo ships. What the answers must be is worked
//! out from the entries that the simulated Kong holds, without a look at the events.
//!
//! A part of the trail is in the store twice, as during the move from Kong's Lambda: first as that sent
//! it, then as it is shipped now. No answer may show that, but those that are to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex};

use kong_cloudtrail::kong::Stream;
use kong_cloudtrail_sim::kong;
use rusqlite::types::Value as Column;
use serde_json::{Value, json};

use super::lake::{EventDataStore, FIRST_INGESTION};
use super::{Row, events};

/// Entries of each stream: the backlog of `cargo xtask demo`.
const BACKLOG: u32 = 5000;
/// Of so many request entries the oldest one was sent by the Lambda too.
const SENT_BY_LAMBDA: usize = 3;

struct Trail {
    requests: Vec<Value>,
    objects: Vec<Value>,
    /// The requests by id.
    calls: BTreeMap<String, Value>,
}

/// The cells of a row.
type Cells = Vec<Option<String>>;

static STORE: LazyLock<Mutex<EventDataStore>> = LazyLock::new(|| Mutex::new(TRAIL.store()));

static TRAIL: LazyLock<Trail> = LazyLock::new(|| {
    let options = kong::Options { requests: BACKLOG, objects: BACKLOG, ..Default::default() };
    let kong = kong::Simulator::start(options).unwrap();
    let now = kong.status().now;
    // A client that logs in, and is no Kong Manager.
    let client = json!({"request_id": "ZClientThatIsNoManager0123456789", "request_timestamp": now - 60,
        "method": "GET", "path": "/auth", "status": 200, "request_source": null, "ttl": 1000});
    kong.add_entries(kong::Stream::Requests, [client]);
    let entries = |stream| kong.entries(stream, 0, usize::MAX);
    let requests = entries(kong::Stream::Requests);
    let calls = requests.iter().map(|entry| (string(entry, "request_id").unwrap(), entry.clone()));
    Trail { calls: calls.collect(), objects: entries(kong::Stream::Objects), requests }
});

impl Trail {
    /// The calls that the Lambda sent.
    fn sent_by_lambda(&self) -> impl Iterator<Item = &Value> {
        self.requests.iter().step_by(SENT_BY_LAMBDA)
    }

    fn store(&self) -> EventDataStore {
        let store = EventDataStore::with([]);
        self.sent_by_lambda().for_each(|entry| store.put(&as_the_lambda_sends(entry)));
        let streams = [(Stream::Requests, &self.requests), (Stream::Objects, &self.objects)];
        for (stream, entries) in streams {
            for event in entries.iter().flat_map(|entry| events(stream, entry)) {
                store.put(&event.data);
            }
        }
        store
    }

    /// The call that wrote a row.
    fn call(&self, object: &Value) -> &Value {
        &self.calls[&string(object, "request_id").unwrap()]
    }

    fn objects_where(&self, which: impl Fn(&Value) -> bool) -> Vec<&Value> {
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

fn event_name(entry: &Value) -> String {
    let path = entry["path"].as_str().unwrap().split('?').next().unwrap();
    format!("{}{}", entry["method"].as_str().unwrap(), &path[1..])
}

fn time(entry: &Value) -> String {
    moment(entry["request_timestamp"].as_i64().unwrap())
}

/// As the stand-in for CloudTrail Lake has a time.
fn moment(seconds: i64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let time = time.format(&time::format_description::well_known::Rfc3339).unwrap();
    time.replace('T', " ").replace('Z', "")
}

/// A field as text, where it is there.
fn string(entry: &Value, field: &str) -> Option<String> {
    match &entry[field] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn user(entry: &Value) -> Option<String> {
    string(entry, "rbac_user_id").or_else(|| Some("anonymous".to_owned()))
}

fn entity(object: &Value) -> Value {
    serde_json::from_str(object["entity"].as_str().unwrap()).unwrap()
}

fn is_error(entry: &Value) -> bool {
    entry["status"].as_u64().unwrap() >= 400
}

/// The rows of a query over all of the trail, each as these of its columns. None is there twice, and the
/// newest is first.
fn ask(name: &str, about: &[(&str, &str)], columns: &[&str]) -> BTreeSet<Cells> {
    let span = [("<from>", "2000-01-01 00:00:00"), ("<to>", "2100-01-01 00:00:00")];
    let rows = STORE.lock().unwrap().ask(name, &[&span, about].concat());
    let cells = |row: &Row| columns.iter().map(|column| cell(&row[*column])).collect::<Cells>();
    if !["repeats", "request-ids"].contains(&name) {
        let times: Vec<_> = rows.iter().map(|row| cell(&row["event_time"])).collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{name}");
    }
    let set: BTreeSet<Cells> = rows.iter().map(cells).collect();
    assert_eq!(set.len(), rows.len(), "{name} gives a row twice");
    assert!(!set.is_empty(), "{name} finds nothing");
    set
}

fn cell(value: &Column) -> Option<String> {
    match value {
        Column::Null => None,
        Column::Integer(integer) => Some(integer.to_string()),
        Column::Text(text) => Some(text.clone()),
        other => panic!("{other:?}"),
    }
}

const CHANGE: [&str; 10] = [
    "event_id",
    "event_time",
    "operation",
    "entity_key",
    "entity_name",
    "principal_id",
    "user_name",
    "event_name",
    "status",
    "source_ip",
];

fn change(object: &Value) -> Cells {
    let call = TRAIL.call(object);
    vec![
        string(object, "id"),
        Some(time(object)),
        string(object, "operation"),
        string(object, "entity_key"),
        string(&entity(object), "name"),
        user(object),
        string(call, "rbac_user_name"),
        Some(event_name(call)),
        string(call, "status"),
        string(call, "client_ip"),
    ]
}

#[test]
fn who_changed_this_route_is_told_by_its_id_and_by_its_name() {
    let routes = TRAIL.objects_where(|object| object["dao_name"] == "routes");
    let deleted = routes.iter().find(|route| route["operation"] == "delete").unwrap();
    let key = deleted["entity_key"].as_str().unwrap();
    let expected = routes.iter().filter(|route| route["entity_key"] == key);
    let expected: BTreeSet<Cells> = expected.map(|route| change(route)).collect();
    let about = [("<table>", "routes"), ("<entity>", key)];
    assert_eq!(ask("who-changed", &about, &CHANGE), expected);

    // Of routes that bear one name in turn, each change.
    let mut by_name: BTreeMap<String, BTreeSet<Cells>> = BTreeMap::new();
    for route in routes {
        let name = string(&entity(route), "name").unwrap();
        by_name.entry(name).or_default().insert(change(route));
    }
    let (name, expected) = by_name.into_iter().max_by_key(|(_, changes)| changes.len()).unwrap();
    assert!(expected.len() > 3, "{expected:?}");
    let about = [("<table>", "routes"), ("<entity>", name.as_str())];
    assert_eq!(ask("who-changed", &about, &CHANGE), expected);
}

#[test]
fn every_deletion_is_told_with_who_made_it() {
    let columns = [
        "event_id",
        "event_time",
        "entity_table",
        "entity_key",
        "entity_name",
        "principal_id",
        "user_name",
        "event_name",
        "source_ip",
    ];
    let deletions = TRAIL.objects_where(|object| object["operation"] == "delete");
    let expected = deletions.into_iter().map(|object| {
        let (call, entity) = (TRAIL.call(object), entity(object));
        vec![
            string(object, "id"),
            Some(time(object)),
            string(object, "dao_name"),
            string(object, "entity_key"),
            string(&entity, "name").or_else(|| string(&entity, "username")),
            user(object),
            string(call, "rbac_user_name"),
            Some(event_name(call)),
            string(call, "client_ip"),
        ]
    });
    assert_eq!(ask("deletions", &[], &columns), expected.collect());
}

#[test]
fn every_failed_call_is_told_once_whoever_shipped_it() {
    let columns = [
        "event_id",
        "event_time",
        "event_name",
        "status",
        "principal_id",
        "user_name",
        "source_ip",
        "workspace",
    ];
    let expected = TRAIL.requests.iter().filter(|entry| is_error(entry)).map(|entry| {
        vec![
            string(entry, "request_id"),
            Some(time(entry)),
            Some(event_name(entry)),
            string(entry, "status"),
            user(entry),
            string(entry, "rbac_user_name"),
            string(entry, "client_ip"),
            string(entry, "workspace"),
        ]
    });
    assert_eq!(ask("failed-calls", &[], &columns), expected.collect());
}

#[test]
fn logins_to_kong_manager_are_told_failed_ones_and_logouts_too() {
    let columns =
        ["event_id", "event_time", "what", "principal_id", "user_name", "source_ip", "status"];
    let expected = TRAIL.requests.iter().filter_map(|entry| {
        let what = match (entry["method"].as_str()?, entry["path"].as_str()?) {
            ("GET", "/auth") if is_error(entry) => "failed login",
            ("GET", "/auth") => "login",
            ("DELETE", "/auth?session_logout=true") => "logout",
            _ => return None,
        };
        (entry["request_source"] == "kong-manager").then(|| {
            vec![
                string(entry, "request_id"),
                Some(time(entry)),
                Some(what.to_owned()),
                user(entry),
                string(entry, "rbac_user_name"),
                string(entry, "client_ip"),
                string(entry, "status"),
            ]
        })
    });
    let found = ask("logins", &[], &columns);
    assert_eq!(found, expected.collect());
    let kinds: BTreeSet<_> = found.iter().filter_map(|row| row[2].as_deref()).collect();
    assert_eq!(kinds, BTreeSet::from(["failed login", "login", "logout"]));
}

#[test]
fn everything_by_one_user_is_told_by_id_and_by_name() {
    let columns = [
        "event_id",
        "event_time",
        "event_name",
        "status",
        "entity_key",
        "principal_id",
        "source_ip",
        "workspace",
    ];
    let call = TRAIL.requests.iter().find(|entry| entry["rbac_user_name"] == "doc_lord").unwrap();
    let id = string(call, "rbac_user_id").unwrap();
    let calls = TRAIL.requests.iter().map(|entry| (entry, "request_id", event_name(entry)));
    let objects = TRAIL.objects.iter().map(|object| {
        let operation = string(object, "operation").unwrap().to_ascii_uppercase();
        (object, "id", operation + &string(object, "dao_name").unwrap())
    });
    let by_user = calls.chain(objects).filter(|(entry, ..)| user(entry).as_ref() == Some(&id));
    let expected: BTreeSet<Cells> = by_user
        .map(|(entry, id_field, name)| {
            vec![
                string(entry, id_field),
                Some(time(entry)),
                Some(name),
                string(entry, "status"),
                string(entry, "entity_key"),
                user(entry),
                string(entry, "client_ip"),
                string(entry, "workspace"),
            ]
        })
        .collect();
    assert!(expected.iter().any(|row| row[4].is_some()), "rows written too");
    assert_eq!(ask("by-user", &[("<user>", &id)], &columns), expected);
    assert_eq!(ask("by-user", &[("<user>", "doc_lord")], &columns), expected);
}

#[test]
fn a_call_without_a_user_is_nobodys_though_it_has_a_name() {
    let entry = json!({"request_id": "r1", "request_timestamp": 1_676_424_702, "method": "GET",
        "path": "/", "status": 200, "rbac_user_id": null, "rbac_user_name": "ghost"});
    let other = json!({"request_id": "r2", "request_timestamp": 1_676_424_702, "method": "GET",
        "path": "/", "status": 200, "rbac_user_id": null});
    let entries = [entry, other];
    let events: Vec<_> = entries.iter().flat_map(|entry| events(Stream::Requests, entry)).collect();
    let about = [("<from>", "2023-02-01"), ("<to>", "2023-03-01"), ("<user>", "ghost")];
    assert_eq!(EventDataStore::with(&events).ask("by-user", &about), []);
}

#[test]
fn without_repeats_each_event_is_told_once_the_latest() {
    let columns = ["uid", "times", "principal_id"];
    let twice: BTreeSet<_> =
        TRAIL.sent_by_lambda().map(|entry| string(entry, "request_id")).collect();
    let requests = TRAIL.requests.iter().map(|entry| (string(entry, "request_id"), user(entry)));
    let objects = TRAIL.objects.iter().map(|object| (string(object, "id"), user(object)));
    let expected = requests.chain(objects).map(|(id, user)| {
        let times = if twice.contains(&id) { "2" } else { "1" };
        vec![id, Some(times.to_owned()), user]
    });
    assert_eq!(ask("without-repeats", &[], &columns), expected.collect());

    // The Lambda's came in first.
    let latest = ask("without-repeats", &[], &["ingestiontime"]);
    let last_of_the_lambda = moment(FIRST_INGESTION + i64::try_from(twice.len()).unwrap());
    assert!(latest.iter().all(|row| row[0].as_ref() > Some(&last_of_the_lambda)));
}

#[test]
fn repeats_are_told_with_how_often_and_when() {
    let expected: BTreeSet<Cells> = TRAIL
        .sent_by_lambda()
        .map(|entry| {
            vec![
                string(entry, "request_id"),
                Some("2".to_owned()),
                Some(time(entry)),
                Some(event_name(entry)),
            ]
        })
        .collect();
    let columns = ["uid", "times", "event_time", "event_name"];
    assert_eq!(ask("repeats", &[], &columns), expected);
}

#[test]
fn the_ids_of_all_calls_are_those_that_kong_holds() {
    let expected = TRAIL.calls.keys().map(|id| vec![Some(id.clone())]).collect();
    assert_eq!(ask("request-ids", &[], &["request_id"]), expected);
}
