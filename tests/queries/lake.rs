//! An event data store in SQLite, for queries in Trino's SQL.
//!
//! A query runs as its file has it, its placeholders replaced. That of the table becomes
//! `events AS eventdata` and two more: so `eventdata.uid`, a field of the struct `eventdata` to
//! Trino, is to SQLite a column of that table, and `eventtime` is one to both. The struct within the
//! struct, `eventdata.useridentity`, is a table in a database of that name, and the struct `metadata`
//! a table, each with a row for each event. Trino's functions that SQLite lacks are registered here,
//! after <https://trino.io/docs/current/functions.html>. A map and an array are JSON text here, which
//! the queries see only as `json_format` gives it, with the keys of a map in their order as Trino has them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use kong_cloudtrail::terms::Event;
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Place, Row, Store, register_regexp_replace, run};

/// What stands for the event data store.
const TABLE: &str =
    "events AS eventdata JOIN eventdata.useridentity USING (record) JOIN metadata USING (record)";

/// The second before the first event comes in.
pub const FIRST_INGESTION: i64 = 1_767_225_600;

/// Functions registered here; SQLite has the others that the queries use.
pub const REGISTERED: [&str; 9] = [
    "array_agg",
    "array_join",
    "element_at",
    "json_extract_scalar",
    "json_format",
    "regexp_replace",
    "sha256",
    "to_hex",
    "to_utf8",
];

/// Holds events as the schema for events from outside AWS has them (CloudTrail user guide,
/// "Supported SQL schemas for event data stores").
pub struct EventDataStore(Connection);

impl EventDataStore {
    pub fn with<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE events (record INTEGER PRIMARY KEY, eventcategory, eventid, eventtime,
                    eventjson, uid, eventsource, eventname, errorcode, sourceipaddress,
                    requestparameters, responseelements, additionaleventdata);
                 CREATE TABLE metadata (record INTEGER PRIMARY KEY, ingestiontime);
                 ATTACH ':memory:' AS eventdata;
                 CREATE TABLE eventdata.useridentity
                    (record INTEGER PRIMARY KEY, type, principalid, details)",
            )
            .unwrap();
        register_functions(&connection).unwrap();
        let store = Self(connection);
        events.into_iter().for_each(|event| store.put(&event.data));
        store
    }

    /// Takes an event in, as PutAuditEvents would: whatever is there already. Each comes in a second
    /// after the one before.
    pub fn put(&self, event_data: &str) {
        let data: Value = serde_json::from_str(event_data).unwrap();
        let time = data["eventTime"].as_str().unwrap().replace('T', " ").replace('Z', "");
        // CloudTrail gives the event an id of its own; `eventData` stands in the event.
        let record = serde_json::json!({"eventCategory": "ActivityAuditLog", "eventData": data});
        self.0
            .execute(
                "INSERT INTO events (eventcategory, eventid, eventtime, eventjson, uid, eventsource,
                    eventname, errorcode, sourceipaddress, requestparameters, responseelements,
                    additionaleventdata)
                 VALUES ('ActivityAuditLog', hex(randomblob(16)), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rusqlite::params![
                    time,
                    record.to_string(),
                    data["UID"].as_str().unwrap(),
                    data["eventSource"].as_str().unwrap(),
                    data["eventName"].as_str().unwrap(),
                    data["errorCode"].as_str(),
                    data["sourceIPAddress"].as_str(),
                    string_map(&data["requestParameters"]),
                    string_map(&data["responseElements"]),
                    string_map(&data["additionalEventData"]),
                ],
            )
            .unwrap();
        let record = self.0.last_insert_rowid();
        let identity = &data["userIdentity"];
        self.0
            .execute(
                "INSERT INTO eventdata.useridentity VALUES (?, ?, ?, ?)",
                rusqlite::params![
                    record,
                    identity["type"].as_str().unwrap(),
                    identity["principalId"].as_str().unwrap(),
                    string_map(&identity["details"]),
                ],
            )
            .unwrap();
        self.0
            .execute(
                "INSERT INTO metadata VALUES (?1, datetime(1767225600 + ?1, 'unixepoch'))",
                [record],
            )
            .unwrap();
    }
}

impl Store for EventDataStore {
    fn ask(&self, name: &str, placeholders: &[(&str, &str)]) -> Vec<Row> {
        let sql = Place::Lake.query(name).replace("<event_data_store_id>", TABLE);
        // SQLite would make a number of what is cast to a type that it does not know.
        let sql = sql.replace(" AS json)", " AS text)");
        run(&self.0, name, &sql, placeholders)
    }
}

/// An object as a `map<string,string>`: strings as they are, all else as JSON text.
fn string_map(object: &Value) -> Option<String> {
    let members: BTreeMap<&String, Option<String>> =
        object.as_object()?.iter().map(|(name, value)| (name, string(value))).collect();
    Some(serde_json::to_string(&members).unwrap())
}

fn string(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Functions of Trino's.
pub fn register_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let maps = Parsed::default();
    connection.create_scalar_function("element_at", 2, flags, move |call| {
        let (Some(map), Some(key)) = strings(call)? else { return Ok(None) };
        Ok(maps.with(map, |map| map.get(&key).and_then(string)))
    })?;
    let documents = Parsed::default();
    connection.create_scalar_function("json_extract_scalar", 2, flags, move |call| {
        let (Some(json), Some(path)) = strings(call)? else { return Ok(None) };
        let path = path.strip_prefix("$.").expect("a path to a member");
        assert!(!path.contains(['[', '"']), "another path than this knows: {path}");
        let scalar = |value: &Value| {
            let found = path.split('.').try_fold(value, |value, member| value.get(member));
            found.filter(|value| !value.is_object() && !value.is_array()).and_then(string)
        };
        Ok(documents.with(json, scalar))
    })?;
    connection
        .create_scalar_function("json_format", 1, flags, |call| call.get::<Option<String>>(0))?;
    connection.create_scalar_function("array_join", 2, flags, |call| {
        let (Some(array), Some(delimiter)) = strings(call)? else { return Ok(None) };
        let array: Vec<Option<String>> = serde_json::from_str(&array).unwrap();
        Ok(Some(array.into_iter().flatten().collect::<Vec<_>>().join(&delimiter)))
    })?;
    connection.create_scalar_function("to_utf8", 1, flags, |call| {
        Ok(call.get::<Option<String>>(0)?.map(String::into_bytes))
    })?;
    connection.create_scalar_function("sha256", 1, flags, |call| {
        Ok(call.get::<Option<Vec<u8>>>(0)?.map(|bytes| Sha256::digest(bytes).to_vec()))
    })?;
    connection.create_scalar_function("to_hex", 1, flags, |call| {
        Ok(call.get::<Option<Vec<u8>>>(0)?.map(hex::encode_upper))
    })?;
    register_regexp_replace(connection)?;
    connection.create_aggregate_function("array_agg", 1, flags, ArrayAgg)
}

/// What was parsed already: every query asks for much of the same. What is no JSON has no members, says Trino too.
#[derive(Default)]
struct Parsed(Mutex<HashMap<String, Value>>);

impl Parsed {
    fn with<T>(&self, json: String, take: impl FnOnce(&Value) -> T) -> T {
        let mut parsed = self.0.lock().unwrap();
        let parse = |json: &String| serde_json::from_str(json).unwrap_or_default();
        take(parsed.entry(json).or_insert_with_key(parse))
    }
}

fn strings(call: &Context<'_>) -> rusqlite::Result<(Option<String>, Option<String>)> {
    Ok((call.get(0)?, call.get(1)?))
}

/// The order is SQLite's own: it gives the rows as `ORDER BY` within the call says.
struct ArrayAgg;

impl Aggregate<Vec<Option<String>>, Option<String>> for ArrayAgg {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Vec<Option<String>>> {
        Ok(Vec::new())
    }

    fn step(
        &self,
        call: &mut Context<'_>,
        array: &mut Vec<Option<String>>,
    ) -> rusqlite::Result<()> {
        array.push(call.get(0)?);
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        array: Option<Vec<Option<String>>>,
    ) -> rusqlite::Result<Option<String>> {
        Ok(array.map(|array| serde_json::to_string(&array).unwrap()))
    }
}
