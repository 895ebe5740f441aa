//! An auditor's questions, asked of the trail that the demo ships, in each place. What the answers must be is
//! worked out from the entries that the simulated Kong holds, without a look at the events. A part of the trail
//! is there twice, and a part was forged later. Only the queries that are about repeats may show that.

use std::collections::{BTreeMap, BTreeSet};

use kong_cloudtrail::terms::Stream;
use rusqlite::types::Value as Column;
use serde_json::{Value, json};

use super::lake::FIRST_INGESTION;
use super::trail::{self, Added, TRAIL, entity, event_name, is_error, moment, string, time, user};
use super::{Place, Row, awkward_text, derived_twice, events, integer, request, text};

/// The cells of a row.
type Cells = Vec<Option<String>>;

/// All of the trail.
pub const SPAN: [(&str, &str); 2] =
    [("<from>", "2000-01-01 00:00:00"), ("<to>", "2100-01-01 00:00:00")];

/// The rows of a query over all of the trail, each as these of its columns. None is there twice, and the
/// newest is first.
fn ask(
    place: Place,
    added: Added,
    name: &str,
    about: &[(&str, &str)],
    columns: &[&str],
) -> BTreeSet<Cells> {
    let rows = trail::ask(place, added, name, &[&SPAN, about].concat());
    let cells = |row: &Row| columns.iter().map(|column| cell(&row[*column])).collect::<Cells>();
    if !["repeats", "request-ids", "object-ids"].contains(&name) {
        let times: Vec<_> = rows.iter().map(|row| cell(&row["event_time"])).collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{name}");
    }
    let set: BTreeSet<Cells> = rows.iter().map(cells).collect();
    assert_eq!(set.len(), rows.len(), "{name} gives a row twice");
    assert!(!set.is_empty(), "{name} finds nothing");
    set
}

/// Asserts that a query has these rows in every place, whatever was forged later.
fn assert_told<Rows: IntoIterator<Item = Cells>>(
    name: &str,
    about: &[(&str, &str)],
    columns: &[&str],
    expected: impl Fn(Place) -> Rows,
) {
    for place in Place::ALL {
        let expected: BTreeSet<Cells> = expected(place).into_iter().collect();
        for added in Added::ALL {
            let found = ask(place, added, name, about, columns);
            assert!(
                found == expected,
                "{name} in {place:?} with {added:?}: {}",
                apart(&found, &expected)
            );
        }
    }
}

/// What one has and the other lacks, as far as it can be read.
fn apart(found: &BTreeSet<Cells>, expected: &BTreeSet<Cells>) -> String {
    let some = |of: &BTreeSet<Cells>, without: &BTreeSet<Cells>| {
        format!("{:?}", of.difference(without).take(3).collect::<Vec<_>>())
    };
    format!("found {}, expected {}", some(found, expected), some(expected, found))
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

/// What people call the row.
fn named(object: &Value) -> Option<String> {
    let entity = entity(object);
    string(&entity, "name").or_else(|| string(&entity, "username"))
}

fn change(place: Place, object: &Value) -> Cells {
    let call = TRAIL.call(object);
    vec![
        string(object, "id"),
        Some(time(object)),
        string(object, "operation"),
        string(object, "entity_key"),
        named(object),
        user(object),
        TRAIL.said(place, call, "rbac_user_name"),
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
    let with_key: Vec<_> = routes.iter().filter(|route| route["entity_key"] == key).collect();
    let about = [("<table>", "routes"), ("<entity>", key)];
    let expected = |place| with_key.iter().map(move |route| change(place, route));
    assert_told("who-changed", &about, &CHANGE, expected);

    // Of routes that bear one name in turn, each change.
    let mut by_name: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for route in routes {
        by_name.entry(string(&entity(route), "name").unwrap()).or_default().push(route);
    }
    let (name, changes) = by_name.into_iter().max_by_key(|(_, changes)| changes.len()).unwrap();
    assert!(changes.len() > 1, "{changes:?}");
    let about = [("<table>", "routes"), ("<entity>", name.as_str())];
    let expected = |place| changes.iter().map(move |route| change(place, route));
    assert_told("who-changed", &about, &CHANGE, expected);
}

#[test]
fn who_changed_this_consumer_is_told_by_its_username() {
    let consumers = TRAIL.objects_where(|object| object["dao_name"] == "consumers");
    let name = named(consumers.last().unwrap()).unwrap();
    assert!(name.starts_with("customer-"), "{name}");
    let changes: Vec<_> =
        consumers.iter().filter(|object| named(object).as_ref() == Some(&name)).collect();
    let about = [("<table>", "consumers"), ("<entity>", name.as_str())];
    let expected = |place| changes.iter().map(move |consumer| change(place, consumer));
    assert_told("who-changed", &about, &CHANGE, expected);
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
    let row = |place, object: &Value| {
        let call = TRAIL.call(object);
        vec![
            string(object, "id"),
            Some(time(object)),
            string(object, "dao_name"),
            string(object, "entity_key"),
            named(object),
            user(object),
            TRAIL.said(place, call, "rbac_user_name"),
            Some(event_name(call)),
            string(call, "client_ip"),
        ]
    };
    let expected = |place| deletions.iter().map(move |object| row(place, object));
    assert_told("deletions", &[], &columns, expected);
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
    let row = |place, entry: &Value| {
        vec![
            string(entry, "request_id"),
            Some(time(entry)),
            Some(event_name(entry)),
            string(entry, "status"),
            user(entry),
            TRAIL.said(place, entry, "rbac_user_name"),
            string(entry, "client_ip"),
            string(entry, "workspace"),
        ]
    };
    let failed = || TRAIL.requests.iter().filter(|entry| is_error(entry));
    let expected = |place| failed().map(move |entry| row(place, entry));
    assert_told("failed-calls", &[], &columns, expected);
}

#[test]
fn logins_are_told_whatever_client_made_them_failed_ones_and_logouts_too() {
    let columns = [
        "event_id",
        "event_time",
        "what",
        "principal_id",
        "user_name",
        "request_source",
        "source_ip",
        "status",
    ];
    let row = |place, entry: &Value| {
        let what = match (entry["method"].as_str()?, entry["path"].as_str()?) {
            ("GET", "/auth") if is_error(entry) => "failed login",
            ("GET", "/auth") => "login",
            ("DELETE", "/auth?session_logout=true") => "logout",
            _ => return None,
        };
        Some(vec![
            string(entry, "request_id"),
            Some(time(entry)),
            Some(what.to_owned()),
            user(entry),
            TRAIL.said(place, entry, "rbac_user_name"),
            TRAIL.said(place, entry, "request_source"),
            string(entry, "client_ip"),
            string(entry, "status"),
        ])
    };
    let expected = |place| TRAIL.requests.iter().filter_map(move |entry| row(place, entry));
    assert_told("logins", &[], &columns, expected);
    let found: BTreeSet<Cells> = expected(Place::LogGroup).collect();
    let kinds: BTreeSet<_> = found.iter().filter_map(|row| row[2].as_deref()).collect();
    assert_eq!(kinds, BTreeSet::from(["failed login", "login", "logout"]));
    let sources: BTreeSet<_> = found.iter().map(|row| row[5].as_deref()).collect();
    assert_eq!(sources, BTreeSet::from([None, Some("kong-manager")]));
}

#[test]
fn everything_by_one_user_is_told() {
    let columns = [
        "event_id",
        "event_time",
        "event_name",
        "status",
        "entity_key",
        "principal_id",
        "user_name",
        "source_ip",
        "workspace",
    ];
    let id = TRAIL.somebody();
    let calls = TRAIL.requests.iter().map(|entry| (entry, "request_id", event_name(entry)));
    let objects = TRAIL.objects.iter().map(|object| {
        let operation = string(object, "operation").unwrap().to_ascii_uppercase();
        (object, "id", operation + &string(object, "dao_name").unwrap())
    });
    let by_user = calls.chain(objects).filter(|(entry, ..)| user(entry).as_ref() == Some(&id));
    let by_user: Vec<_> = by_user.collect();
    let row = |place, (entry, id_field, name): &(&Value, &str, String)| {
        vec![
            string(entry, id_field),
            Some(time(entry)),
            Some(name.clone()),
            string(entry, "status"),
            string(entry, "entity_key"),
            user(entry),
            TRAIL.said(place, entry, "rbac_user_name"),
            string(entry, "client_ip"),
            string(entry, "workspace"),
        ]
    };
    let expected = |place| by_user.iter().map(move |found| row(place, found));
    assert!(expected(Place::Lake).any(|row| row[4].is_some()), "rows written too");
    assert_told("by-user", &[("<user>", &id)], &columns, expected);
}

#[test]
fn whatever_name_a_caller_gives_it_was_the_one_whom_kong_knows() {
    let call = |id: &str, user: Option<&str>, name: &str| {
        let fields = json!({"rbac_user_id": user, "rbac_user_name": name});
        events(Stream::Requests, &request(id, fields))
    };
    let calls = [
        call("r1", Some("alice-id"), "alice"),
        call("r2", Some("mallory-id"), "alice"),
        call("r3", None, "alice"),
    ];
    for place in Place::ALL {
        let store = place.with(calls.iter().flatten());
        for (user, expected) in [
            ("alice", &[][..]),
            ("alice-id", &["r1"]),
            ("mallory-id", &["r2"]),
            ("anonymous", &["r3"]),
        ] {
            let about = [("<from>", "2023-02-01"), ("<to>", "2023-03-01"), ("<user>", user)];
            let rows = store.ask("by-user", &about);
            let found: Vec<_> = rows.iter().map(|row| text(row, "event_id")).collect();
            assert_eq!(found, expected, "{user} in {place:?}");
        }
    }
}

#[test]
fn a_row_that_was_shipped_twice_is_one_and_the_same_though_its_derived_time_moved() {
    let [first, second] = derived_twice("{}");
    assert_ne!(first[0].data, second[0].data);
    let entity = [("<table>", "routes"), ("<entity>", "k1"), ("<from>", "2023"), ("<to>", "2024")];
    for place in Place::ALL {
        let store = place.with(first.iter().chain(&second));
        for name in ["without-repeats", "repeats"] {
            let rows = store.rows(name, "");
            assert_eq!(rows.len(), 1, "{name} in {place:?}");
            assert_eq!((text(&rows[0], "uid"), integer(&rows[0], "times")), ("o1", 2));
            assert_eq!(integer(&rows[0], "different"), 1, "{name} in {place:?}");
            assert_eq!(text(&rows[0], "event_time"), "2023-02-15 01:31:42", "the first");
        }
        let rows = store.ask("who-changed", &entity);
        assert_eq!(rows.len(), 1, "{place:?}");
        assert_eq!(integer(&rows[0], "different"), 1, "{place:?}");
        assert_eq!(text(&rows[0], "event_time"), "2023-02-15 01:31:42", "the first");
        assert_eq!(store.rows("differing", ""), [], "{place:?}");
    }
}

#[test]
fn without_repeats_each_event_is_told_once_the_first() {
    let columns = ["uid", "times", "principal_id"];
    let twice: BTreeSet<_> = TRAIL.twice().map(|entry| string(entry, "request_id")).collect();
    let requests = TRAIL.requests.iter().map(|entry| (string(entry, "request_id"), user(entry)));
    let objects = TRAIL.objects.iter().map(|object| (string(object, "id"), user(object)));
    let rows = requests.chain(objects).map(|(id, user)| {
        let times = if twice.contains(&id) { "2" } else { "1" };
        vec![id, Some(times.to_owned()), user]
    });
    let expected: BTreeSet<Cells> = rows.collect();
    // What came in second is in no row.
    let last_of_the_first = moment(FIRST_INGESTION + i64::try_from(twice.len()).unwrap());
    for place in Place::ALL {
        let found = ask(place, Added::Nothing, "without-repeats", &[], &columns);
        assert!(found == expected, "{place:?}: {}", apart(&found, &expected));
        let columns = ["times", "ingestiontime"];
        let rows = trail::ask(place, Added::Nothing, "without-repeats", &SPAN);
        for row in rows.iter().map(|row| columns.map(|column| cell(&row[column]))) {
            let first = row[1].as_ref() <= Some(&last_of_the_first);
            assert_eq!(first, row[0].as_deref() == Some("2"), "{place:?}: {row:?}");
        }
    }
}

#[test]
fn repeats_are_told_with_how_often_and_when() {
    let columns = ["uid", "times", "event_time", "event_name"];
    let row = |entry: &Value| {
        vec![
            string(entry, "request_id"),
            Some("2".to_owned()),
            Some(time(entry)),
            Some(event_name(entry)),
        ]
    };
    let expected: BTreeSet<Cells> = TRAIL.twice().map(row).collect();
    for place in Place::ALL {
        let found = ask(place, Added::Nothing, "repeats", &[], &columns);
        assert!(found == expected, "{place:?}: {}", apart(&found, &expected));
    }
}

#[test]
fn the_ids_of_all_calls_are_those_that_kong_holds() {
    let expected = |_| TRAIL.calls.keys().map(|id| vec![Some(id.clone())]);
    assert_told("request-ids", &[], &["request_id"], expected);
}

#[test]
fn the_ids_of_all_rows_are_those_that_kong_holds() {
    let expected = |_| TRAIL.objects.iter().map(|object| vec![string(object, "id")]);
    assert_told("object-ids", &[], &["id"], expected);
    let with_parts = derived_twice(&awkward_text(150_000)).concat();
    for place in Place::ALL {
        let rows = place.with(&with_parts).rows("object-ids", "");
        let ids: Vec<_> = rows.iter().map(|row| text(row, "id")).collect();
        assert_eq!(ids, ["o1"], "no part is a row: {place:?}");
    }
}
