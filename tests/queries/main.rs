//! The queries of `docs/queries/`, `docs/queries/cloudwatch/` and `docs/queries/athena/`, each as the file has it.
//!
//! `assembled` and `listed` run them on events that the mapping itself makes of large entries, and
//! compare what comes out with what went in, byte for byte. `audit` and `forged` run the others on the trail of the
//! simulated Kong, as the demo ships it, and compares with Kong's own entries. CloudTrail Lake cannot be had here, so
//! SQLite stands in for its Trino: `lake` says how. That proves the logic of the queries: which
//! parts belong to what, their order, that a text is whole, and that its hash is the one in the
//! event. It does not prove what is AWS's alone: its types, its limits, and how it turns an object
//! within `requestParameters` into the value of a `map<string,string>`. `docs/queries/README.md`
//! lists those assumptions; `syntax` holds the text to the grammar and functions of each place.
//!
//! `counted` holds the table of `verify` against that of the destination's query. What it asks, and the trail in the
//! bucket, is what whole runs have shipped, by `shipping`.
//!
//! For CloudWatch Logs `log_group` stands in, and for Athena `bucket`: the same questions must have the same answers.
//! The other language of CloudWatch Logs, Logs Insights QL, has no parser here: `insights` holds it to rules alone.

#![allow(clippy::unwrap_used)]

mod assembled;
mod audit;
mod bucket;
mod counted;
mod forged;
mod insights;
mod lake;
mod listed;
mod log_group;
mod shipping;
mod syntax;
mod trail;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use kong_cloudtrail::event::{self, Context};
use kong_cloudtrail::kong::Entry;
use kong_cloudtrail::terms::Event;
use kong_cloudtrail::terms::Stream;
use regex_lite::Regex;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use serde_json::Value;

use bucket::Bucket;
use lake::EventDataStore;
use log_group::LogGroup;

/// Where events are, and are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Lake,
    LogGroup,
    Bucket,
}

impl Place {
    const ALL: [Self; 3] = [Self::Lake, Self::LogGroup, Self::Bucket];
    /// Those whose SQL has a hash.
    const HASHING: [Self; 2] = [Self::Lake, Self::Bucket];

    fn folder(self) -> PathBuf {
        let folder = match self {
            Self::Lake => "docs/queries",
            Self::LogGroup => "docs/queries/cloudwatch",
            Self::Bucket => "docs/queries/athena",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
    }

    /// The query of that name in SQL, as the file has it.
    fn query(self, name: &str) -> String {
        let file = self.folder().join(format!("{name}.sql"));
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// The names of all its queries in a language, by how the files' names end.
    fn names(self, language: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.folder()).unwrap().map(|file| file.unwrap().path());
        let mut names: Vec<String> = files
            .filter(|file| file.extension().is_some_and(|extension| extension == language))
            .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert!(!names.is_empty(), "{self:?} has no {language}");
        names
    }

    /// One that holds these events.
    fn with<'e>(self, events: impl IntoIterator<Item = &'e Event>) -> Box<dyn Store> {
        match self {
            Self::Lake => Box::new(EventDataStore::with(events)),
            Self::LogGroup => Box::new(LogGroup::with(events)),
            Self::Bucket => Box::new(Bucket::with(events)),
        }
    }
}

/// What holds events and answers queries.
trait Store: Send {
    /// The rows of the query of that name, with its placeholders filled in.
    fn ask(&self, name: &str, placeholders: &[(&str, &str)]) -> Vec<Row>;

    /// The rows of the query of that name, asked about that event, in a span that holds it.
    fn rows(&self, name: &str, event_id: &str) -> Vec<Row> {
        let span = [("<from>", "2023-02-01 00:00:00"), ("<to>", "2023-03-01 00:00:00")];
        self.ask(name, &[span[0], span[1], ("<event_id>", event_id)])
    }
}

/// The rows of a query's text in SQLite.
fn run(connection: &Connection, name: &str, sql: &str, placeholders: &[(&str, &str)]) -> Vec<Row> {
    let filled = placeholders
        .iter()
        .fold(sql.to_owned(), |sql, (placeholder, value)| sql.replace(placeholder, value));
    let mut statement =
        connection.prepare(&filled).unwrap_or_else(|error| panic!("{name}: {error}"));
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let rows = statement.query_map([], |row| {
        columns.iter().enumerate().map(|(at, name)| Ok((name.clone(), row.get(at)?))).collect()
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// An event as a line of its own: the id, and then the members of eventData.
fn line(event: &Event) -> String {
    format!("{{\"id\":{},{}", Value::from(event.id.as_str()), event.data.strip_prefix('{').unwrap())
}

/// Rows with their times as CloudTrail Lake has them, so that one expectation serves all places.
fn with_times_of_lake(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        if let Some(rusqlite::types::Value::Text(time)) = row.get_mut("event_time") {
            *time = time.replace('T', " ").replace('Z', "");
        }
    }
    rows
}

/// Trino's and Spark's `regexp_replace`, in what both have of it and the queries use.
fn register_regexp_replace(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("regexp_replace", 3, flags, |call| {
        let Some(text) = call.get::<Option<String>>(0)? else { return Ok(None) };
        let mut replaced = REPLACED.lock().unwrap();
        let (pattern, known) = replaced
            .entry(call.get(1)?)
            .or_insert_with_key(|text| (Regex::new(text).unwrap(), HashMap::new()));
        let with: String = call.get(2)?;
        let found = known.entry(text);
        let found = found.or_insert_with_key(|text| pattern.replace_all(text, &*with).into_owned());
        Ok(Some(found.clone()))
    })
}

/// What was replaced already, by pattern and text: every query asks for much of the same.
static REPLACED: LazyLock<Mutex<HashMap<String, Replaced>>> = LazyLock::new(Mutex::default);

type Replaced = (Regex, HashMap<String, String>);

/// The entry's events, as they are shipped.
fn events(stream: Stream, entry: &Value) -> Vec<Event> {
    events_at(1_700_000_000, stream, entry)
}

/// Those of an entry that Kong shows at that time.
fn events_at(date: i64, stream: Stream, entry: &Value) -> Vec<Event> {
    let context = Context {
        kong_version: "3.9.0.0-enterprise-edition",
        event_source: "kong-gateway",
        account: "123456789012",
        kong_hostname: "https://kong-admin.example.com:8444",
        rbac_is_off: true,
        times: event::Times {
            now: 4_102_444_800,
            host_now: 4_102_444_800,
            date,
            retention_secs: 2_592_000,
            not_before: None,
            request_times: &HashMap::new(),
        },
    };
    event::events(&Entry::parse(stream, &entry.to_string()).unwrap(), &context)
}

/// A request entry with these fields beside those that every one has.
fn request(id: &str, fields: Value) -> Value {
    let mut entry = serde_json::json!({
        "request_id": id,
        "request_timestamp": 1_676_424_702,
        "method": "POST",
        "path": "/services",
        "status": 201,
        "ttl": 2_591_899,
        "signature": null,
    });
    entry.as_object_mut().unwrap().extend(match fields {
        Value::Object(fields) => fields,
        other => panic!("no fields: {other}"),
    });
    entry
}

/// The events of a row that tells no time, shipped twice. `ttl` falls by a second less than has passed, as
/// whole seconds may, so that the times derived from it differ by one.
fn derived_twice(entity: &str) -> [Vec<Event>; 2] {
    [(1_676_424_702, 2_592_000), (1_676_424_802, 2_591_901)].map(|(date, ttl)| {
        let entry = serde_json::json!({"id": "o1", "request_id": "r1", "dao_name": "routes",
            "operation": "create", "entity_key": "k1", "entity": entity, "ttl": ttl});
        events_at(date, Stream::Objects, &entry)
    })
}

/// At least so many bytes of what is hard on JSON and SQL, no two lines alike.
fn awkward_text(bytes: usize) -> String {
    let mut text = String::new();
    for line in 0..=bytes / 50 {
        write!(text, "{line} \"quoted\" back\\slash \\\" it''s %_ \0\u{1}\u{7f}\té漢字😀\r\n")
            .unwrap();
    }
    text
}

/// A row by its columns' names.
type Row = BTreeMap<String, rusqlite::types::Value>;

fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    match &row[column] {
        rusqlite::types::Value::Text(text) => text,
        other => panic!("{column} is {other:?}"),
    }
}

fn integer(row: &Row, column: &str) -> i64 {
    match &row[column] {
        rusqlite::types::Value::Integer(integer) => *integer,
        other => panic!("{column} is {other:?}"),
    }
}
