//! The objects of a bucket in SQLite, for queries in the SQL of Athena, which is Trino's.
//!
//! A query runs as its file has it. Its table is a table here too, with the columns of the Glue table: `line`, a line of
//! an object as it is, and the partitions `stream` and `date`, which are read from the object's name; and with two
//! columns that Athena has for each file, `$path` and `$file_modified_time`.

use kong_cloudtrail::terms::Event;
use rusqlite::{Connection, params};
use serde_json::Value;

use super::lake::{self, FIRST_INGESTION};
use super::shipping::Sent;
use super::{Place, Row, Store, line, run, with_times_of_lake};

/// Functions registered here; SQLite has the others that the queries use.
pub const REGISTERED: [&str; 8] = [
    "array_agg",
    "array_join",
    "element_at",
    "json_extract_scalar",
    "regexp_replace",
    "sha256",
    "to_hex",
    "to_utf8",
];

pub struct Bucket(Connection);

impl Bucket {
    pub fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        lake::register_functions(&connection).unwrap();
        let columns = r#"line, stream, "date", "$path", "$file_modified_time""#;
        connection.execute(&format!("CREATE TABLE events ({columns})"), []).unwrap();
        Self(connection)
    }

    /// Takes each event in as an object of its own, whatever is there already: each a second after the one before.
    pub fn with<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let bucket = Self::new();
        (1_i64..).zip(events).for_each(|(second, event)| bucket.put_alone(event, second));
        bucket
    }

    /// Takes in an object that holds that event.
    pub fn put_alone(&self, event: &Event, second: i64) {
        self.put(&key(event, second), &line(event), second);
    }

    /// Takes in an object that a run wrote.
    pub fn put_object(&self, object: &[Sent], second: i64) {
        for sent in object {
            self.put(&sent.object, &line(&sent.event), second);
        }
    }

    /// Takes in what a run wrote, a line each second.
    pub fn of(taken: &[Sent]) -> Self {
        let bucket = Self::new();
        for (second, sent) in (1_i64..).zip(taken) {
            bucket.put(&sent.object, &line(&sent.event), second);
        }
        bucket
    }

    /// Takes in what an object holds, in that second after the first.
    fn put(&self, key: &str, lines: &str, second: i64) {
        let partition = |name: &str| {
            let folder = key.split('/').find_map(|folder| folder.strip_prefix(name));
            folder.unwrap_or_else(|| panic!("{key} has no {name}")).to_owned()
        };
        let (stream, date) = (partition("stream="), partition("date="));
        let mut insert = self.0.prepare_cached(
            "INSERT INTO events VALUES (?, ?, ?, 's3://kong-trail/' || ?, datetime(? + ?, 'unixepoch'))",
        );
        let insert = insert.as_mut().unwrap();
        for line in lines.lines() {
            insert.execute(params![line, stream, date, key, FIRST_INGESTION, second]).unwrap();
        }
    }
}

/// The name of an object with that event alone. Its time is before that of any that a run writes: a writer may choose.
fn key(event: &Event, second: i64) -> String {
    let data: Value = serde_json::from_str(&event.data).unwrap();
    let object = data["additionalEventData"].get("dao_name").is_some();
    let stream = if object { "objects" } else { "requests" };
    let (day, _) = data["eventTime"].as_str().unwrap().split_once('T').unwrap();
    format!("kong-audit/default/stream={stream}/date={day}/{second:016}.ndjson.gz")
}

impl Store for Bucket {
    /// Spans are of whole days.
    fn ask(&self, name: &str, placeholders: &[(&str, &str)]) -> Vec<Row> {
        let sql = Place::Bucket.query(name).replace("<trail>", "events");
        // SQLite knows no maps: they are JSON text here.
        let sql = sql.replace(" AS map(varchar, json))", " AS text)");
        let day = |value: &str| value.split(' ').next().unwrap_or_default().to_owned();
        let days = ["<from>", "<to>"].map(|name| {
            let given = placeholders.iter().find(|(placeholder, _)| *placeholder == name);
            (name, given.map(|(_, value)| day(value)).unwrap_or_default())
        });
        let days = days.iter().map(|(name, day)| (*name, day.as_str()));
        let filled: Vec<(&str, &str)> = days.chain(placeholders.iter().copied()).collect();
        with_times_of_lake(run(&self.0, name, &sql, &filled))
    }
}
