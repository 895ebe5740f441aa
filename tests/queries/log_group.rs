//! A log group in SQLite, for queries in the SQL of CloudWatch Logs.
//!
//! A query runs as its file has it. Its table, the log group in backquotes, is a table here too, and a field of
//! a message is a column: CloudWatch names a member of an object by the path to it, as in
//! `userIdentity.principalId`
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html>).

use std::collections::BTreeMap;

use kong_cloudtrail::terms::Event;
use rusqlite::Connection;
use rusqlite::types::Value as Column;
use serde_json::Value;

use super::lake::FIRST_INGESTION;
use super::{Place, Row, Store, line, register_regexp_replace, run, with_times_of_lake};

const NAME: &str = "/kong/audit";

/// The fields that queries name: members of an event.
pub const FIELDS: [&str; 30] = [
    "id",
    "UID",
    "eventSource",
    "eventTime",
    "eventName",
    "errorCode",
    "sourceIPAddress",
    "userIdentity.principalId",
    "userIdentity.details.userName",
    "additionalEventData.ttl",
    "additionalEventData.status",
    "additionalEventData.workspace",
    "additionalEventData.entity_key",
    "additionalEventData.dao_name",
    "additionalEventData.operation",
    "additionalEventData.request_id",
    "additionalEventData.request_source",
    "additionalEventData.method",
    "additionalEventData.konghostname",
    "additionalEventData.idSum",
    "additionalEventData.derivedTime.source",
    "responseElements.name",
    "responseElements.username",
    "requestParameters.queryParameters",
    "requestParameters.part.of",
    "requestParameters.part.field",
    "requestParameters.part.number",
    "requestParameters.part.total",
    "requestParameters.part.encoding",
    "requestParameters.part.slice",
];

/// Of the fields that CloudWatch adds itself, those that queries name.
pub const SYSTEM_FIELDS: [&str; 2] = ["@message", "@ingestionTime"];

/// Functions registered here; SQLite has the others that the queries use.
pub const REGISTERED: [&str; 1] = ["regexp_replace"];

pub struct LogGroup(Connection);

impl LogGroup {
    /// Takes events in as they come, whatever is there already: each a second after the one before.
    pub fn with<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        register_regexp_replace(&connection).unwrap();
        let columns = FIELDS.iter().chain(&SYSTEM_FIELDS).map(|field| format!("`{field}`"));
        let columns = columns.collect::<Vec<_>>().join(", ");
        connection.execute(&format!("CREATE TABLE `{NAME}` ({columns})"), []).unwrap();
        let values = vec!["?"; FIELDS.len() + 1].join(", ");
        let insert = format!(
            "INSERT INTO `{NAME}` VALUES ({values}, datetime({FIRST_INGESTION} + ?, 'unixepoch'))"
        );
        {
            let mut insert = connection.prepare(&insert).unwrap();
            for (second, event) in (1_i64..).zip(events) {
                let message = line(event);
                let fields = discovered(&message);
                let column = |field: &&str| fields.get(*field).map_or(Column::Null, column);
                let columns = FIELDS.iter().map(column);
                let system = [Column::Text(message.clone()), Column::Integer(second)];
                insert.execute(rusqlite::params_from_iter(columns.chain(system))).unwrap();
            }
        }
        Self(connection)
    }
}

impl Store for LogGroup {
    /// Times go in as CloudTrail Lake has them.
    fn ask(&self, name: &str, placeholders: &[(&str, &str)]) -> Vec<Row> {
        let sql = Place::LogGroup.query(name).replace("<log_group>", NAME);
        let times: BTreeMap<&str, String> =
            placeholders.iter().map(|(name, value)| (*name, as_in_an_event(value))).collect();
        let filled: Vec<(&str, &str)> = placeholders
            .iter()
            .map(|(name, value)| match *name {
                "<from>" | "<to>" => (*name, times[name].as_str()),
                _ => (*name, *value),
            })
            .collect();
        with_times_of_lake(run(&self.0, name, &sql, &filled))
    }
}

/// `2023-02-15T01:31:42Z` for `2023-02-15 01:31:42`.
fn as_in_an_event(time: &str) -> String {
    match time.split_once(' ') {
        Some((date, time)) => format!("{date}T{time}Z"),
        None => time.to_owned(),
    }
}

/// The fields of a message by their paths; null is none.
pub fn discovered(message: &str) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    discover("", &serde_json::from_str(message).unwrap(), &mut fields);
    fields
}

fn discover(path: &str, value: &Value, fields: &mut BTreeMap<String, Value>) {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| discover(&below(name), member, fields));
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.for_each(|(number, item)| discover(&below(&number.to_string()), item, fields));
        }
        value => _ = fields.insert(path.to_owned(), value.clone()),
    }
}

fn column(value: &Value) -> Column {
    match value {
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Column::Real(number.as_f64().unwrap()), Column::Integer)
        }
        Value::String(text) => Column::Text(text.clone()),
        other => Column::Text(other.to_string()),
    }
}
